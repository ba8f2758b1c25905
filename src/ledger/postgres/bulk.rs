//! The tables as the place that a ledger is carried to: rows entered as they stand, page by
//! page, and read again in the order of their keys.
//!
//! The guards of the schema let a row begin as open or sealed only, so one that is burnt or
//! lifted is entered as sealed and taken on in the same transaction.

mod log;

use std::collections::HashSet;
use std::time::Duration;

use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};
use uuid::Uuid;

use super::connection::{Connection, Parameter};
use super::pool::{Pool, Session};
use super::retry::{Failure, retried};
use super::statements::WRITE_DOWN;
use super::{OpenError, Settings, end, end_read, heads, open};
use crate::ledger::LedgerError;
use crate::ledger::carry::{ActRow, AttemptRow, Place, TagRow};

macro_rules! columns {
    () => {
        "t.registry, t.repository, t.tag, t.digest, t.state, t.origin, t.claimed_at, t.changed_at"
    };
}

const ENTER_TAGS: &str = "INSERT INTO tags (registry, repository, tag, digest, state, origin, claimed_at, changed_at) \
     SELECT u.registry, u.repository, u.tag, u.digest, CASE u.state WHEN 'open' THEN 'open' ELSE 'sealed' END, \
     u.origin, u.claimed_at, u.changed_at \
     FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::bigint[]) \
     AS u (registry, repository, tag, digest, state, origin, claimed_at, changed_at) \
     ON CONFLICT (registry, repository, tag) DO NOTHING RETURNING registry, repository, tag";
const TAKE_ON: &str = "UPDATE tags AS t SET state = u.state \
     FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS u (registry, repository, tag, state) \
     WHERE t.registry = u.registry AND t.repository = u.repository AND t.tag = u.tag AND t.state = 'sealed'";
const TAGS_LIKE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM tags AS t JOIN unnest($1::text[], $2::text[], $3::text[]) AS u (registry, repository, tag) \
     ON t.registry = u.registry AND t.repository = u.repository AND t.tag = u.tag \
     ORDER BY t.registry, t.repository, t.tag"
);
const TAGS: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM tags AS t WHERE t.registry = ANY($1::text[]) AND (t.registry, t.repository, t.tag) > ($2, $3, $4) \
     ORDER BY t.registry, t.repository, t.tag LIMIT $5"
);
const ENTER_ATTEMPTS: &str = "INSERT INTO attempts (registry, repository, tag, attempt, opened_at) \
     SELECT u.registry, u.repository, u.tag, u.attempt, u.opened_at \
     FROM unnest($1::text[], $2::text[], $3::text[], $4::uuid[], $5::bigint[]) \
     AS u (registry, repository, tag, attempt, opened_at) ON CONFLICT DO NOTHING";
const ATTEMPTS: &str = "SELECT registry, repository, tag, attempt, opened_at FROM attempts \
     WHERE registry = ANY($1::text[]) AND (registry, repository, tag, attempt) > ($2, $3, $4, $5) \
     ORDER BY registry, repository, tag, attempt LIMIT $6";
const ACTS: &str = "SELECT number, registry, at, who, what, reason FROM acts WHERE registry = $1 ORDER BY number";

/// A PostgreSQL ledger that rows are entered into as they stand.
pub struct Target {
    pool: Pool,
    timeout: Duration,
}

impl Target {
    /// Connects, and brings the schema to this version.
    pub async fn open(settings: &Settings) -> Result<Self, OpenError> {
        Ok(Self { pool: open::open(settings).await?, timeout: settings.timeout })
    }

    /// Lets the ledger speak of these registries.
    pub async fn enter_registries(&self, names: &[String]) -> Result<(), LedgerError> {
        self.write(async |connection| {
            for name in names {
                heads::enter(connection, name).await?;
            }
            Ok(())
        })
        .await
    }

    /// Enters the rows whose keys are free; returns how many.
    pub async fn enter_tags(&self, page: &[TagRow]) -> Result<u64, LedgerError> {
        self.write(async |connection| enter_tags(connection, page).await).await
    }

    /// The rows with the keys of `page`, in the order of their keys.
    pub async fn tags_like(&self, page: &[TagRow]) -> Result<Vec<TagRow>, LedgerError> {
        let [registries, repositories, tags] = keys(page.iter().map(|row| &row.place));
        self.read(async |connection| {
            let array = Type::TEXT_ARRAY;
            let parameters: [Parameter<'_>; 3] = [(&registries, array.clone()), (&repositories, array.clone()), (&tags, array)];
            connection.rows(TAGS_LIKE, &parameters).await?.iter().map(tag).collect()
        })
        .await
    }

    /// The rows of these registries behind `after`.
    pub async fn tags(&self, registries: &[String], after: &Place, limit: u32) -> Result<Vec<TagRow>, LedgerError> {
        self.read(async |connection| {
            let limit = i64::from(limit);
            let parameters: [Parameter<'_>; 5] = [
                (&registries, Type::TEXT_ARRAY),
                (&after.registry, Type::TEXT),
                (&after.repository, Type::TEXT),
                (&after.tag, Type::TEXT),
                (&limit, Type::INT8),
            ];
            connection.rows(TAGS, &parameters).await?.iter().map(tag).collect()
        })
        .await
    }

    pub async fn enter_attempts(&self, page: &[AttemptRow]) -> Result<u64, LedgerError> {
        let [registries, repositories, tags] = keys(page.iter().map(|row| &row.place));
        let attempts: Vec<Uuid> = page.iter().map(|row| Uuid::from_bytes(row.attempt)).collect();
        let opened: Vec<i64> = page.iter().map(|row| row.opened_at).collect();
        self.write(async |connection| {
            let array = Type::TEXT_ARRAY;
            let parameters: [Parameter<'_>; 5] = [
                (&registries, array.clone()),
                (&repositories, array.clone()),
                (&tags, array),
                (&attempts, Type::UUID_ARRAY),
                (&opened, Type::INT8_ARRAY),
            ];
            Ok(connection.change(ENTER_ATTEMPTS, &parameters).await?)
        })
        .await
    }

    pub async fn attempts(
        &self,
        registries: &[String],
        after: Option<&AttemptRow>,
        limit: u32,
    ) -> Result<Vec<AttemptRow>, LedgerError> {
        let first = AttemptRow { place: Place::default(), attempt: [0; 16], opened_at: 0 };
        let AttemptRow { place, attempt, .. } = after.unwrap_or(&first);
        let (attempt, limit) = (Uuid::from_bytes(*attempt), i64::from(limit));
        self.read(async |connection| {
            let parameters: [Parameter<'_>; 6] = [
                (&registries, Type::TEXT_ARRAY),
                (&place.registry, Type::TEXT),
                (&place.repository, Type::TEXT),
                (&place.tag, Type::TEXT),
                (&attempt, Type::UUID),
                (&limit, Type::INT8),
            ];
            let rows = connection.rows(ATTEMPTS, &parameters).await?;
            let attempt = |row: &Row| {
                let attempt: Uuid = column(row, 3)?;
                Ok(AttemptRow { place: place_of(row)?, attempt: attempt.into_bytes(), opened_at: column(row, 4)? })
            };
            rows.iter().map(attempt).collect()
        })
        .await
    }

    /// Writes acts down behind those that are there, in this order.
    pub async fn enter_acts(&self, page: &[ActRow]) -> Result<(), LedgerError> {
        self.write(async |connection| {
            for ActRow { registry, at, who, what, reason, .. } in page {
                let parameters: [Parameter<'_>; 5] =
                    [(registry, Type::TEXT), (at, Type::INT8), (who, Type::TEXT), (what, Type::TEXT), (reason, Type::TEXT)];
                connection.change(WRITE_DOWN, &parameters).await?;
            }
            Ok(())
        })
        .await
    }

    /// Every act of a registry, in their order.
    pub async fn acts(&self, registry: &str) -> Result<Vec<ActRow>, LedgerError> {
        self.read(async |connection| {
            let rows = connection.rows(ACTS, &[(&registry, Type::TEXT)]).await?;
            let act = |row: &Row| {
                let (number, registry, at) = (column(row, 0)?, column(row, 1)?, column(row, 2)?);
                Ok(ActRow { number, registry, at, who: column(row, 3)?, what: column(row, 4)?, reason: column(row, 5)? })
            };
            rows.iter().map(act).collect()
        })
        .await
    }

    /// One transaction, tried again where the server says that nothing of it is there.
    async fn write<T>(&self, operation: impl AsyncFn(&Connection) -> Result<T, Failure>) -> Result<T, LedgerError> {
        let written = retried!(self.timeout, {
            let mut session: Session = self.pool.get().await.map_err(Failure::Pool)?;
            session.begin().await?;
            let done = operation(&session).await;
            end(session, done).await
        });
        written.map_err(LedgerError::from)
    }

    async fn read<T>(&self, operation: impl AsyncFn(&Connection) -> Result<T, Failure>) -> Result<T, LedgerError> {
        let read = retried!(self.timeout, {
            let mut session: Session = self.pool.get().await.map_err(Failure::Pool)?;
            session.begin_read();
            let done = operation(&session).await;
            end_read(session, done)
        });
        read.map_err(LedgerError::from)
    }
}

async fn enter_tags(connection: &Connection, page: &[TagRow]) -> Result<u64, Failure> {
    let text = |column: fn(&TagRow) -> &str| page.iter().map(column).collect::<Vec<&str>>();
    let number = |column: fn(&TagRow) -> i64| page.iter().map(column).collect::<Vec<i64>>();
    let [registries, repositories, tags] = keys(page.iter().map(|row| &row.place));
    let (digests, states, origins) = (text(|row| &row.digest), text(|row| &row.state), text(|row| &row.origin));
    let (claimed, changed) = (number(|row| row.claimed_at), number(|row| row.changed_at));
    let array = || Type::TEXT_ARRAY;
    let parameters: [Parameter<'_>; 8] = [
        (&registries, array()),
        (&repositories, array()),
        (&tags, array()),
        (&digests, array()),
        (&states, array()),
        (&origins, array()),
        (&claimed, Type::INT8_ARRAY),
        (&changed, Type::INT8_ARRAY),
    ];
    let entered = connection.rows(ENTER_TAGS, &parameters).await?;
    let entered: HashSet<Place> = entered.iter().map(place_of).collect::<Result<_, Failure>>()?;
    let ended = page.iter().filter(|row| ["burnt", "lifted"].contains(&row.state.as_str()) && entered.contains(&row.place));
    let ended: Vec<&TagRow> = ended.collect();
    if !ended.is_empty() {
        let [registries, repositories, tags] = keys(ended.iter().map(|row| &row.place));
        let states: Vec<&str> = ended.iter().map(|row| row.state.as_str()).collect();
        let parameters: [Parameter<'_>; 4] =
            [(&registries, array()), (&repositories, array()), (&tags, array()), (&states, array())];
        connection.change(TAKE_ON, &parameters).await?;
    }
    Ok(entered.len() as u64)
}

/// Registries, repositories and tags, as columns.
fn keys<'a>(places: impl Iterator<Item = &'a Place> + Clone) -> [Vec<&'a str>; 3] {
    [
        places.clone().map(|place| place.registry.as_str()).collect(),
        places.clone().map(|place| place.repository.as_str()).collect(),
        places.map(|place| place.tag.as_str()).collect(),
    ]
}

fn tag(row: &Row) -> Result<TagRow, Failure> {
    Ok(TagRow {
        place: place_of(row)?,
        digest: column(row, 3)?,
        state: column(row, 4)?,
        origin: column(row, 5)?,
        claimed_at: column(row, 6)?,
        changed_at: column(row, 7)?,
    })
}

fn place_of(row: &Row) -> Result<Place, Failure> {
    Ok(Place { registry: column(row, 0)?, repository: column(row, 1)?, tag: column(row, 2)? })
}

fn column<'a, T: FromSql<'a>>(row: &'a Row, number: usize) -> Result<T, Failure> {
    row.try_get(number).map_err(|error| LedgerError::Corrupt(format!("a row of the target: {error}")).into())
}
