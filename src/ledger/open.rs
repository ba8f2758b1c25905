//! Which engine holds the ledger, and how it is opened.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use thiserror::Error;

use super::Ledger;
use super::postgres::{self, PostgresLedger, Settings};
use super::sqlite::{self, SqliteLedger};
use super::witness::Doubt;

/// Where the ledger is.
#[derive(Clone, Debug)]
pub enum Engine {
    /// A file, for one process.
    Sqlite(PathBuf),
    /// A database, for any number of replicas.
    Postgres(Box<Settings>),
}

/// Why a ledger could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    #[error(transparent)]
    Sqlite(#[from] sqlite::OpenError),
    #[error(transparent)]
    Postgres(#[from] postgres::OpenError),
}

/// Opens or creates the ledger, for the registry of this name. `witness` is the file that
/// remembers the newest head of it; `None` is beside an embedded one, and none for a database.
pub async fn open(engine: &Engine, registry: &str, witness: Option<&Path>) -> Result<Arc<dyn Ledger>, OpenError> {
    Ok(match engine {
        Engine::Sqlite(file) => Arc::new(SqliteLedger::open_witnessed(file, registry, witness)?),
        Engine::Postgres(settings) => match witness {
            Some(witness) => Arc::new(PostgresLedger::open_witnessed(settings, registry, witness).await?),
            None => Arc::new(PostgresLedger::open(settings, registry).await?),
        },
    })
}

/// Takes the ledger as it is on the word of `who`, with the reason; returns what was
/// doubtful about it.
pub async fn accept(
    engine: &Engine,
    registry: &str,
    witness: Option<&Path>,
    (who, reason): (&str, &str),
    now: Timestamp,
) -> Result<Vec<Doubt>, OpenError> {
    match engine {
        Engine::Sqlite(file) => Ok(SqliteLedger::accept(file, registry, witness, who, reason, now)?),
        Engine::Postgres(settings) => match witness {
            Some(witness) => Ok(PostgresLedger::accept(settings, registry, witness, (who, reason), now).await?),
            None => Ok(Vec::new()),
        },
    }
}

impl fmt::Display for Engine {
    /// Where it is, without a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(file) => file.display().fmt(f),
            Self::Postgres(settings) => settings.address.fmt(f),
        }
    }
}

/// Opens a ledger that a proxy may be serving, for one command of an operator.
pub async fn beside(engine: &Engine, registry: &str, witness: Option<&Path>) -> Result<Arc<dyn Ledger>, OpenError> {
    match engine {
        Engine::Sqlite(file) => Ok(Arc::new(SqliteLedger::beside_witnessed(file, registry, witness)?)),
        Engine::Postgres(_) => open(engine, registry, witness).await,
    }
}
