//! The connections, and which of them may be used again.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use deadpool::managed::{self, Metrics, RecycleError, RecycleResult};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::Settings;
use super::connection::{ConnectError, Connection, Refused};
use super::epochs::Epochs;
use crate::ledger::LedgerError;

pub(super) type Pool = managed::Pool<Manager>;
/// A connection, until it goes back.
pub(super) type Session = managed::Object<Manager>;
pub(super) type PoolError = managed::PoolError<ConnectError>;

/// A connection that has rested longer is asked first whether it still works:
/// something between may have forgotten it.
const RESTED: Duration = Duration::from_secs(60);

/// How long that question may take.
const PATIENCE: Duration = Duration::from_secs(1);

pub(super) struct Manager {
    pub(super) settings: Settings,
    pub(super) tls: MakeRustlsConnect,
    /// What every new connection is compared with, once it is known.
    pub(super) epochs: Arc<OnceLock<Arc<Epochs>>>,
}

impl managed::Manager for Manager {
    type Type = Connection;
    type Error = ConnectError;

    async fn create(&self) -> Result<Connection, ConnectError> {
        let connection = Connection::open(&self.settings, &self.tls).await?;
        if let Some(epochs) = self.epochs.get() {
            let checked = epochs.check(&connection).await;
            checked.map_err(|failure| ConnectError(vec![Refused::Doubtful(LedgerError::from(failure))]))?;
        }
        Ok(connection)
    }

    async fn recycle(&self, connection: &mut Connection, metrics: &Metrics) -> RecycleResult<ConnectError> {
        let gone = || RecycleError::message("the connection is closed, or in doubt");
        if !connection.is_sound() {
            return Err(gone());
        }
        if metrics.last_used() < RESTED {
            return Ok(());
        }
        match tokio::time::timeout(PATIENCE, connection.answers()).await {
            Ok(true) => Ok(()),
            _ => Err(gone()),
        }
    }
}
