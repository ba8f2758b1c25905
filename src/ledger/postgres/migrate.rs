//! Brings the schema to this version. Replicas that start at once may all try: a
//! migration is one transaction, and the second one fails at what the first one
//! made, and finds it done when it looks again.

use std::time::Duration;

use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use super::address::Address;
use super::connection::Connection;
use super::open::{OpenError, explain};
use super::retry::Failure;
use crate::causes::with_causes;
use crate::ledger::LedgerError;

/// Forward only, and a released one is never edited.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/postgres/001-tags.sql"),
    include_str!("../migrations/postgres/002-heads.sql"),
    include_str!("../migrations/postgres/003-log.sql"),
    include_str!("../migrations/postgres/004-moves.sql"),
];

/// Before the first one. The version is the number of the migration.
const VERSIONS: &str = "CREATE TABLE pushonce_migrations (version BIGINT PRIMARY KEY)";

const TABLES: &str = "SELECT table_name::text FROM information_schema.tables WHERE table_schema = current_schema() \
     AND table_name IN ('pushonce_migrations', 'tags', 'attempts', 'acts', 'heartbeat', 'heads', 'registries', 'events', 'arrivals', 'tree', 'notes', 'changes', 'moving', 'turns') ORDER BY table_name";

/// What the program does to each table; the same list stands in docs/LEDGER.md.
pub(super) const RIGHTS: [(&str, &[&str]); 14] = [
    ("pushonce_migrations", &["SELECT"]),
    ("tags", &["SELECT", "INSERT", "UPDATE", "DELETE"]),
    ("attempts", &["SELECT", "INSERT", "DELETE"]),
    ("acts", &["SELECT", "INSERT"]),
    ("heartbeat", &["SELECT", "UPDATE"]),
    ("heads", &["SELECT", "INSERT", "DELETE"]),
    ("registries", &["SELECT", "INSERT"]),
    ("events", &["SELECT", "INSERT"]),
    ("arrivals", &["SELECT", "INSERT", "DELETE"]),
    ("tree", &["SELECT", "INSERT"]),
    ("notes", &["SELECT", "INSERT", "DELETE"]),
    ("changes", &["SELECT", "INSERT", "DELETE"]),
    ("moving", &["SELECT", "INSERT", "UPDATE"]),
    ("turns", &["SELECT", "INSERT", "UPDATE"]),
];

/// How often it is looked again after another replica was met.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);

pub(super) async fn to_latest(connection: &mut Connection, place: &Address) -> Result<(), OpenError> {
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    let mut tries = 0;
    loop {
        let found = version(connection, place).await?;
        if found > known {
            return Err(OpenError::Newer { place: place.clone(), found, known });
        }
        let Some(next) = usize::try_from(found).ok().and_then(|found| MIGRATIONS.get(found)) else {
            return rights(connection, place).await;
        };
        if let Err(failure) = apply(connection, next, found).await {
            connection.roll_back().await;
            tries += 1;
            if !is_made_by_another(&failure) || tries == TRIES || !connection.is_sound() {
                return Err(refused(place, failure));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// The version of the schema; 0 where there is none yet.
pub(super) async fn version(connection: &Connection, place: &Address) -> Result<i64, OpenError> {
    let explain = |error| explain(place, &error);
    let schema = connection.row("SELECT current_schema()::text", &[]).await.map_err(explain)?;
    if schema.and_then(|row| row.try_get::<_, Option<String>>(0).ok().flatten()).is_none() {
        return Err(OpenError::NoSchema { place: place.clone() });
    }
    let rows = connection.rows(TABLES, &[]).await.map_err(explain)?;
    let tables: Vec<String> = rows.iter().filter_map(|row| row.try_get(0).ok()).collect();
    match tables.first() {
        None => Ok(0),
        Some(_) if tables.iter().any(|table| table == "pushonce_migrations") => {
            let row = connection.row("SELECT COALESCE(max(version), 0) FROM pushonce_migrations", &[]).await.map_err(explain)?;
            Ok(row.and_then(|row| row.try_get(0).ok()).unwrap_or(0))
        }
        Some(table) => Err(OpenError::NotALedger { place: place.clone(), table: table.clone() }),
    }
}

async fn apply(connection: &mut Connection, migration: &str, found: i64) -> Result<(), Failure> {
    connection.begin().await?;
    if found == 0 {
        connection.batch(VERSIONS).await?;
    }
    connection.batch(migration).await?;
    let version = found + 1;
    connection.change("INSERT INTO pushonce_migrations (version) VALUES ($1)", &[(&version, Type::INT8)]).await?;
    connection.commit().await
}

/// Whether something was there already, or was being made, or is made again by the
/// server's wish.
fn is_made_by_another(failure: &Failure) -> bool {
    const MET: [SqlState; 7] = [
        SqlState::UNIQUE_VIOLATION,
        SqlState::DUPLICATE_TABLE,
        SqlState::DUPLICATE_COLUMN,
        SqlState::DUPLICATE_OBJECT,
        SqlState::DUPLICATE_FUNCTION,
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::T_R_DEADLOCK_DETECTED,
    ];
    matches!(failure, Failure::Statement(error) if error.code().is_some_and(|code| MET.contains(code)))
}

fn refused(place: &Address, failure: Failure) -> OpenError {
    match failure {
        Failure::Statement(error) => match explain(place, &error) {
            OpenError::Other { place, cause } => OpenError::Migration { place, cause },
            known => known,
        },
        other => OpenError::Migration { place: place.clone(), cause: with_causes(&LedgerError::from(other)) },
    }
}

/// Asks for every right now, so that none is missing in the middle of a push. An
/// engine that cannot be asked is taken at its word.
async fn rights(connection: &Connection, place: &Address) -> Result<(), OpenError> {
    let mut missing = Vec::new();
    for (table, rights) in RIGHTS {
        for right in rights {
            match connection.row("SELECT has_table_privilege($1, $2)", &[(&table, Type::TEXT), (right, Type::TEXT)]).await {
                Ok(Some(row)) if row.try_get(0).unwrap_or(true) => {}
                Ok(_) => missing.push(format!("{right} on {table}")),
                Err(error) if error.code() == Some(&SqlState::UNDEFINED_FUNCTION) => return Ok(()),
                Err(error) => return Err(explain(place, &error)),
            }
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(OpenError::Rights { place: place.clone(), cause: format!("it lacks {}", missing.join(", ")) })
}
