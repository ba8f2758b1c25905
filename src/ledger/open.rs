//! Which engine holds the ledger, and how it is opened.

use std::path::PathBuf;
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

/// Opens or creates the ledger, for the registry of this name.
pub async fn open(engine: &Engine, registry: &str) -> Result<Arc<dyn Ledger>, OpenError> {
    Ok(match engine {
        Engine::Sqlite(file) => Arc::new(SqliteLedger::open(file, registry)?),
        Engine::Postgres(settings) => Arc::new(PostgresLedger::open(settings, registry).await?),
    })
}
