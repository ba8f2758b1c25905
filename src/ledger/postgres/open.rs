//! Opening the database: every way in which it can be the wrong one has its own
//! error, which names it, without its password, and says what to do.

use thiserror::Error;
use tokio_postgres::error::SqlState;

use super::Settings;
use super::address::Address;
use super::connection::{ConnectError, Refused};
use super::pool::{Manager, Pool, PoolError};
use super::tls::{self, TlsError};
use super::{migrate, trust};
use crate::causes::with_causes;

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
}

pub(super) async fn open(settings: &Settings) -> Result<Pool, OpenError> {
    let place = &settings.address;
    let tls = tls::connector(place)?;
    let manager = Manager { settings: settings.clone(), tls };
    let pool = Pool::builder(manager).max_size(settings.pool_size).build();
    let pool = pool.map_err(|error| OpenError::Other { place: place.clone(), cause: error.to_string() })?;
    let mut connection = pool.get().await.map_err(|error| unreachable(place, error))?;
    migrate::to_latest(&mut connection, place).await?;
    trust::warn(&connection, place).await.map_err(|error| explain(place, &error))?;
    drop(connection);
    Ok(pool)
}

fn unreachable(place: &Address, error: PoolError) -> OpenError {
    let (place, cause) = (place.clone(), with_causes(&error));
    let PoolError::Backend(ConnectError(refused)) = error else { return OpenError::Unreachable { place, cause } };
    let says = |codes: &[SqlState]| {
        refused.iter().any(|refused| match refused {
            Refused::Postgres { cause, .. } => cause.code().is_some_and(|code| codes.contains(code)),
            Refused::Timeout { .. } => false,
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
