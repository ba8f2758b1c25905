//! One connection, and whether its word can be taken.
//!
//! A connection is in doubt from the moment at which something is sent until the
//! server has answered it cleanly. One that is in doubt when it comes back to the
//! pool, also because its caller was gone, is closed there and never used again.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use thiserror::Error;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::error::{Severity, SqlState};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{AsyncMessage, Client, Config, Row, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::Settings;
use super::address::Tls;
use super::retry::Failure;
use crate::causes::with_causes;
use crate::ledger::LedgerError;

/// After this long without traffic the system asks whether the server is there.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Values of `synchronous_commit` with which a commit is not on the disks that it
/// should be on.
pub(super) const WEAK_COMMITS: [&str; 3] = ["off", "local", "remote_write"];

/// A value with its type, so that no statement needs a round trip to be prepared.
pub(super) type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// Values with the types that the columns have.
macro_rules! given {
    ($($value:expr => $kind:ident),* $(,)?) => {
        [$((&$value as &(dyn tokio_postgres::types::ToSql + Sync), tokio_postgres::types::Type::$kind)),*]
    };
}

pub(super) use given;

/// Why there is no connection: what each host said, in the order of the URL.
#[derive(Debug, Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct ConnectError(pub(super) Vec<Refused>);

#[derive(Debug, Error)]
pub(super) enum Refused {
    #[error("{host}: {}", with_causes(.cause))]
    Postgres { host: String, cause: tokio_postgres::Error },
    #[error("{host}: no connection within {limit:?}")]
    Timeout { host: String, limit: Duration },
    /// It does not know what this replica has seen.
    #[error(transparent)]
    Doubtful(LedgerError),
}

pub(super) struct Connection {
    client: Client,
    /// Warnings since they were last taken.
    warnings: Arc<Mutex<Vec<String>>>,
    reader: JoinHandle<()>,
    in_doubt: bool,
}

impl Connection {
    /// Connects to the first host that takes writes.
    pub(super) async fn open(settings: &Settings, tls: &MakeRustlsConnect) -> Result<Self, ConnectError> {
        let hosts = settings.address.hosts();
        let limit = settings.timeout / u32::try_from(hosts).unwrap_or(1).max(1);
        let mut refused = Vec::new();
        for number in 0..hosts {
            let host = settings.address.host(number);
            match timeout(limit, Self::open_one(settings, number, tls.clone())).await {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(cause)) => refused.push(Refused::Postgres { host, cause }),
                Err(_) => refused.push(Refused::Timeout { host, limit }),
            }
        }
        Err(ConnectError(refused))
    }

    async fn open_one(settings: &Settings, number: usize, tls: MakeRustlsConnect) -> Result<Self, tokio_postgres::Error> {
        let (client, mut link) = config_of(settings, number).connect(tls).await?;
        let warnings = Arc::new(Mutex::new(Vec::new()));
        let noticed = Arc::clone(&warnings);
        // A notice is read before the answer that it belongs to is handed on, so
        // whoever has the answer finds the notice.
        let reader = tokio::spawn(async move {
            while let Some(Ok(message)) = poll_fn(|context| link.poll_message(context)).await {
                if let AsyncMessage::Notice(notice) = message
                    && notice.parsed_severity() != Some(Severity::Notice)
                {
                    let words = format!("{}: {} ({})", notice.severity(), notice.message(), notice.code().code());
                    noticed.lock().unwrap_or_else(PoisonError::into_inner).push(words);
                }
            }
        });
        let connection = Self { client, warnings, reader, in_doubt: false };
        connection.settle(settings).await?;
        Ok(connection)
    }

    /// Sets what the session needs. Engines that do not know a setting go without.
    async fn settle(&self, settings: &Settings) -> Result<(), tokio_postgres::Error> {
        let limit = settings.timeout.as_millis().max(1);
        for setting in [
            // A warning at a commit is how a server says that the standbys have not got it.
            "SET client_min_messages = warning".to_owned(),
            format!("SET statement_timeout = {limit}"),
            // A transaction whose process is gone must not hold its row.
            format!("SET idle_in_transaction_session_timeout = {}", 2 * limit),
        ] {
            ignore_unknown(self.client.batch_execute(&setting).await)?;
        }
        let is_weak = match self.client.simple_query("SHOW synchronous_commit").await {
            Ok(messages) => messages.iter().any(|message| match message {
                SimpleQueryMessage::Row(row) => row.get(0).is_some_and(|value| WEAK_COMMITS.contains(&value)),
                _ => false,
            }),
            Err(error) => ignore_unknown(Err(error)).map(|()| false)?,
        };
        if is_weak {
            ignore_unknown(self.client.batch_execute("SET synchronous_commit = on").await)?;
        }
        Ok(())
    }

    /// Whether it may be used again.
    pub(super) fn is_sound(&self) -> bool {
        !self.in_doubt && !self.client.is_closed()
    }

    /// Begins a transaction, at the isolation that the database gives it: every
    /// operation is right at each of the levels.
    pub(super) async fn begin(&mut self) -> Result<(), Failure> {
        self.in_doubt = true;
        self.client.batch_execute("BEGIN").await.map_err(Failure::NothingDone)
    }

    /// Commits. Only `Ok` says that the transaction is there.
    ///
    /// A server answers the COMMIT of a failed transaction with a friendly ROLLBACK.
    /// The statement before it fails there instead, and the COMMIT is not reached.
    pub(super) async fn commit(&mut self) -> Result<(), Failure> {
        drop(self.take_warnings());
        self.client.batch_execute("SELECT 1; COMMIT").await?;
        // A cancelled wait for a standby is answered with success and a warning.
        if let Some(warning) = self.take_warnings().into_iter().next() {
            return Err(Failure::Doubt(warning));
        }
        self.in_doubt = false;
        Ok(())
    }

    pub(super) async fn roll_back(&mut self) {
        if self.client.batch_execute("ROLLBACK").await.is_ok() {
            self.in_doubt = false;
        }
    }

    /// Marks the beginning of a read without a transaction of its own.
    pub(super) fn begin_read(&mut self) {
        self.in_doubt = true;
    }

    pub(super) fn end_read(&mut self) {
        self.in_doubt = false;
    }

    /// Whether the server still answers, for a connection that has rested long.
    pub(super) async fn answers(&mut self) -> bool {
        self.in_doubt = true;
        self.in_doubt = self.client.batch_execute("SELECT 1").await.is_err();
        !self.in_doubt
    }

    pub(super) async fn rows(&self, sql: &str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>, tokio_postgres::Error> {
        self.client.query_typed(sql, parameters).await
    }

    pub(super) async fn row(&self, sql: &str, parameters: &[Parameter<'_>]) -> Result<Option<Row>, tokio_postgres::Error> {
        self.client.query_typed_opt(sql, parameters).await
    }

    /// How many rows a statement changed.
    pub(super) async fn change(&self, sql: &str, parameters: &[Parameter<'_>]) -> Result<u64, tokio_postgres::Error> {
        self.client.execute_typed(sql, parameters).await
    }

    /// Several statements without parameters.
    pub(super) async fn batch(&self, sql: &str) -> Result<(), tokio_postgres::Error> {
        self.client.batch_execute(sql).await
    }

    fn take_warnings(&self) -> Vec<String> {
        std::mem::take(&mut *self.warnings.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Connection {
    /// Closes the socket at once, whatever is still under way on it.
    fn drop(&mut self) {
        self.reader.abort();
    }
}

fn ignore_unknown(outcome: Result<(), tokio_postgres::Error>) -> Result<(), tokio_postgres::Error> {
    const UNKNOWN: [SqlState; 4] = [
        SqlState::UNDEFINED_OBJECT,
        SqlState::FEATURE_NOT_SUPPORTED,
        SqlState::INVALID_PARAMETER_VALUE,
        SqlState::CANT_CHANGE_RUNTIME_PARAM,
    ];
    match outcome {
        Err(error) if error.code().is_some_and(|code| UNKNOWN.contains(code)) => Ok(()),
        outcome => outcome,
    }
}

/// The address with one of its hosts, so that each has its own share of the time.
fn config_of(settings: &Settings, number: usize) -> Config {
    let given = &settings.address.config;
    let mut config = Config::new();
    match given.get_hosts().get(number) {
        Some(Host::Tcp(host)) => config.host(host),
        Some(Host::Unix(path)) => config.host_path(path),
        None => &mut config,
    };
    config.port(settings.address.port(number));
    if let Some(user) = given.get_user() {
        config.user(user);
    }
    if let Some(password) = given.get_password() {
        config.password(password);
    }
    if let Some(password) = &settings.password {
        config.password(secrecy::ExposeSecret::expose_secret(password));
    }
    if let Some(name) = given.get_dbname() {
        config.dbname(name);
    }
    if let Some(options) = given.get_options() {
        config.options(options);
    }
    config.application_name(given.get_application_name().unwrap_or("pushonce"));
    config.channel_binding(given.get_channel_binding());
    config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    config.keepalives_idle(KEEPALIVE).tcp_user_timeout(settings.timeout);
    config.ssl_mode(match settings.address.tls {
        Tls::Never => SslMode::Disable,
        Tls::IfOffered => SslMode::Prefer,
        Tls::Always => SslMode::Require,
    });
    config
}
