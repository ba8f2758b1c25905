//! Which engine holds the ledger, and how it is opened.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

use super::Ledger;
use super::postgres::{self, PostgresLedger, Settings};
use super::sqlite::{self, SqliteLedger};

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
/// remembers the newest head of an embedded one; `None` is beside it.
pub async fn open(engine: &Engine, registry: &str, witness: Option<&Path>) -> Result<Arc<dyn Ledger>, OpenError> {
    Ok(match engine {
        Engine::Sqlite(file) => Arc::new(SqliteLedger::open_witnessed(file, registry, witness)?),
        Engine::Postgres(settings) => Arc::new(PostgresLedger::open(settings, registry).await?),
    })
}

/// Opens a ledger that a proxy may be serving, for one command of an operator.
pub async fn beside(engine: &Engine, registry: &str, witness: Option<&Path>) -> Result<Arc<dyn Ledger>, OpenError> {
    match engine {
        Engine::Sqlite(file) => Ok(Arc::new(SqliteLedger::beside_witnessed(file, registry, witness)?)),
        Engine::Postgres(_) => open(engine, registry, witness).await,
    }
}
