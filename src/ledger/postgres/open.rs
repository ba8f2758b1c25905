//! Opening the database: every way in which it can be the wrong one has its own
//! error, which names it, without its password, and says what to do.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use thiserror::Error;
use tokio_postgres::error::SqlState;

use super::Settings;
use super::address::Address;
use super::connection::{ConnectError, Connection, Refused};
use super::epochs::Epochs;
use super::pool::{Manager, Pool, PoolError};
use super::tls::{self, TlsError};
use super::{heads, migrate, trust};
use crate::causes::with_causes;
use crate::ledger::witness::{self, Doubt, Keeper, WitnessError};

/// Why a ledger could not be opened. `place` is its URL without the password.
#[derive(Debug, Error)]
pub enum OpenError {
    #[error("the ledger {place} cannot be reached ({cause}); check ledger.url, and that the server runs and lets this host in")]
    Unreachable { place: Address, cause: String },
    #[error(
        "the ledger {place} does not let this user in ({cause}); check the user in ledger.url and its password, \
             in ledger.password_file or PUSHONCE_LEDGER__URL"
    )]
    SignIn { place: Address, cause: String },
    #[error("the ledger {place} is no database there ({cause}); create it with `createdb`, or correct ledger.url")]
    NoDatabase { place: Address, cause: String },
    #[error("the ledger {place} takes no writes ({cause}); name the primary in ledger.url, or all hosts of which one is it")]
    ReadOnly { place: Address, cause: String },
    #[error("the ledger {place} does not let this user do what it has to: {cause}; see `Rights` in docs/LEDGER.md for the grants")]
    Rights { place: Address, cause: String },
    #[error(
        "the ledger {place} has no schema to be in: the `search_path` of this user names none that exists; \
             create it, or name another with `?options=-c%20search_path%3D…` in ledger.url"
    )]
    NoSchema { place: Address },
    #[error(
        "the database {place} belongs to another program: its table `{table}` is not of a ledger; \
             correct ledger.url, or give the ledger a database or a schema of its own. Nothing was changed"
    )]
    NotALedger { place: Address, table: String },
    #[error(
        "the ledger {place} has schema {found} of a newer version, and this one knows {known}; \
             run the newer version, or restore a backup from before the upgrade"
    )]
    Newer { place: Address, found: i64, known: i64 },
    #[error("the ledger {place} could not be brought to the schema of this version ({cause}); it was left as it is")]
    Migration { place: Address, cause: String },
    #[error("the ledger {place} gave no answer within the time of ledger.timeout; check the server")]
    Timeout { place: Address },
    #[error("the ledger {place} cannot be asked ({cause})")]
    Other { place: Address, cause: String },
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Doubtful(#[from] Doubt),
    #[error(transparent)]
    Witness(#[from] WitnessError),
}

/// Without a witness.
pub(super) async fn open(settings: &Settings) -> Result<Pool, OpenError> {
    let (pool, _) = connect(settings)?;
    let mut connection = pool.get().await.map_err(|error| unreachable(&settings.address, error))?;
    bring_up(&mut connection, &settings.address).await?;
    drop(connection);
    Ok(pool)
}

/// With the witness of this replica; a doubtful database is refused.
pub(super) async fn witnessed(settings: &Settings, registry: &str, witness: &Path) -> Result<(Pool, Arc<Epochs>), OpenError> {
    let place = &settings.address;
    let (pool, epochs) = connect(settings)?;
    let mut connection = pool.get().await.map_err(|error| unreachable(place, error))?;
    let known = witness::read(witness).map_err(Doubt::Unreadable)?;
    let had_witness = known.is_some();
    let version = migrate::version(&connection, place).await?;
    let doubts = heads::judge(&connection, place, registry, known, version).await.map_err(|error| explain(place, &error))?;
    if let Some(doubt) = doubts.into_iter().next() {
        return Err(doubt.into());
    }
    bring_up(&mut connection, place).await?;
    heads::enter(&connection, registry).await.map_err(|error| explain(place, &error))?;
    let standing = heads::standing(&connection, None).await.map_err(|error| explain(place, &error))?;
    let lost = || OpenError::Other { place: place.clone(), cause: "its heads are missing; restore a backup".to_owned() };
    let heads = standing.ok_or_else(lost)?.heads;
    if !had_witness && version > 0 {
        let (ledger, witness) = (place.to_string(), witness.display().to_string());
        tracing::warn!(ledger, witness, "the ledger has no witness: it is taken as it is");
    }
    let keeper = Keeper::start(witness, heads)?;
    let ours = Arc::new(Epochs::new(place.clone(), witness.to_owned(), keeper, heads));
    // Only this function sets it, and only here.
    let _ = epochs.set(Arc::clone(&ours));
    drop(connection);
    Ok((pool, ours))
}

/// On an operator's word: with everything that is doubtful.
pub(super) async fn accepted(settings: &Settings, registry: &str, witness: &Path) -> Result<(Pool, Vec<Doubt>), OpenError> {
    let place = &settings.address;
    let (pool, _) = connect(settings)?;
    let mut connection = pool.get().await.map_err(|error| unreachable(place, error))?;
    let (known, mut doubts) = match witness::read(witness) {
        Ok(known) => (known, Vec::new()),
        Err(error) => (None, vec![Doubt::Unreadable(error)]),
    };
    let version = migrate::version(&connection, place).await?;
    let judged = heads::judge(&connection, place, registry, known, version).await;
    doubts.append(&mut judged.map_err(|error| explain(place, &error))?);
    bring_up(&mut connection, place).await?;
    drop(connection);
    Ok((pool, doubts))
}

type Slot = Arc<OnceLock<Arc<Epochs>>>;

fn connect(settings: &Settings) -> Result<(Pool, Slot), OpenError> {
    let place = &settings.address;
    let tls = tls::connector(place)?;
    let epochs = Slot::default();
    let manager = Manager { settings: settings.clone(), tls, epochs: Arc::clone(&epochs) };
    let pool = Pool::builder(manager).max_size(settings.pool_size).build();
    let pool = pool.map_err(|error| OpenError::Other { place: place.clone(), cause: error.to_string() })?;
    Ok((pool, epochs))
}

async fn bring_up(connection: &mut Connection, place: &Address) -> Result<(), OpenError> {
    migrate::to_latest(connection, place).await?;
    trust::warn(connection, place).await.map_err(|error| explain(place, &error))
}

fn unreachable(place: &Address, error: PoolError) -> OpenError {
    let place = place.clone();
    let PoolError::Backend(error) = error else { return OpenError::Unreachable { place, cause: with_causes(&error) } };
    let (cause, ConnectError(refused)) = (error.to_string(), error);
    let says = |codes: &[SqlState]| {
        refused.iter().any(|refused| match refused {
            Refused::Postgres { cause, .. } => cause.code().is_some_and(|code| codes.contains(code)),
            Refused::Timeout { .. } | Refused::Doubtful(_) => false,
        })
    };
    if says(&[SqlState::INVALID_PASSWORD, SqlState::INVALID_AUTHORIZATION_SPECIFICATION]) || cause.contains("password missing") {
        return OpenError::SignIn { place, cause };
    }
    if says(&[SqlState::INVALID_CATALOG_NAME]) {
        return OpenError::NoDatabase { place, cause };
    }
    if says(&[SqlState::INSUFFICIENT_PRIVILEGE]) {
        return OpenError::Rights { place, cause };
    }
    if cause.contains("does not allow writes") {
        return OpenError::ReadOnly { place, cause };
    }
    OpenError::Unreachable { place, cause }
}

pub(super) fn explain(place: &Address, error: &tokio_postgres::Error) -> OpenError {
    let (place, cause) = (place.clone(), with_causes(error));
    match error.code() {
        Some(code) if *code == SqlState::INSUFFICIENT_PRIVILEGE => OpenError::Rights { place, cause },
        Some(code) if *code == SqlState::READ_ONLY_SQL_TRANSACTION => OpenError::ReadOnly { place, cause },
        Some(code) if *code == SqlState::QUERY_CANCELED => OpenError::Timeout { place },
        _ => OpenError::Other { place, cause },
    }
}
