//! The shared ledger: a PostgreSQL database, for any number of replicas.
//!
//! Plain SQL only: no advisory lock, no LISTEN, no time of the server. A write is
//! one transaction, and `Ok` says that the server answered its commit cleanly.
//! Anything else is [`LedgerError::Unavailable`]: it may have been carried out or
//! not, and the connection it happened on is closed.

mod accept;
mod address;
mod bulk;
mod changes;
mod connection;
mod deciding;
mod epochs;
mod events;
mod heads;
mod log;
mod migrate;
mod open;
mod pool;
mod questions;
mod retry;
mod statements;
#[cfg(test)]
#[path = "../../tests/it/harness/postgres.rs"]
pub(in crate::ledger) mod server;
#[cfg(test)]
mod tests;
mod tls;
mod tree;
mod trust;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::SecretString;
use tokio::task::JoinHandle;

pub use self::address::{Address, AddressError};
pub use self::bulk::Target;
pub use self::open::OpenError;

use self::connection::Connection;
use self::epochs::Epochs;
use self::pool::{Pool, Session};
use self::retry::{Failure, retried};
use self::statements::Books;
use super::event::{Event, Outcome};
use super::{
    Act, Begun, Change, Claim, Claimed, Completed, Followed, Ledger, LedgerError, Look, Note, OpenChange, OpenClaim, Record, TagKey,
};
use crate::clock::AttemptId;
use crate::failpoint::failpoint;
use crate::oci::{Digest, RepositoryName, Tag};

/// Between the server's limit and ours, so that the server is heard first.
const GRACE: Duration = Duration::from_millis(500);

/// How the database is reached.
#[derive(Clone, Debug)]
pub struct Settings {
    pub address: Address,
    /// In place of one in the address.
    pub password: Option<SecretString>,
    /// How many connections there are at most.
    pub pool_size: usize,
    /// For one statement, for a connection to open, and, with [`GRACE`], for an
    /// operation as a whole, waiting for a connection included.
    pub timeout: Duration,
}

/// The rows of one registry in a database that may hold those of others.
pub struct PostgresLedger {
    registry: Arc<str>,
    pool: Pool,
    timeout: Duration,
    witnessed: Option<Witnessed>,
}

/// What this replica remembers outside of the database, and the task that keeps it.
struct Witnessed {
    epochs: Arc<Epochs>,
    keeping: JoinHandle<()>,
}

impl Drop for Witnessed {
    fn drop(&mut self) {
        self.keeping.abort();
    }
}

/// Tries `attempt`, a block, again as long as it may be and the time allows.
macro_rules! in_time {
    ($ledger:ident, $attempt:expr) => {
        $ledger.within(async { retried!($ledger.timeout, $attempt) }).await
    };
}

/// Runs an operation in a transaction; its result counts once that is committed.
/// Whoever stops waiting leaves the outcome unknown.
macro_rules! write {
    ($ledger:ident, $operation:ident($($argument:expr),*)) => {
        in_time!($ledger, {
            let session = $ledger.begin().await?;
            let done = $ledger.books(&session).$operation($($argument),*).await;
            let ended = end(session, done).await;
            $ledger.touch();
            ended
        })
    };
}

/// Runs an operation that is one statement and changes nothing.
macro_rules! read {
    ($ledger:ident, $operation:ident($($argument:expr),*)) => {
        in_time!($ledger, {
            let session = $ledger.begin_read().await?;
            let done = $ledger.books(&session).$operation($($argument),*).await;
            end_read(session, done)
        })
    };
}

use {in_time, read, write};

impl PostgresLedger {
    /// Connects, brings the schema to this version, and says what may lose commits.
    /// There is no witness: the database is taken as it is.
    pub async fn open(settings: &Settings, registry: &str) -> Result<Self, OpenError> {
        let pool = open::open(settings).await?;
        Ok(Self { registry: Arc::from(registry), pool, timeout: settings.timeout, witnessed: None })
    }

    /// The same with this replica's witness in the file `witness`. A database that is
    /// not the one of its witness is refused.
    pub async fn open_witnessed(settings: &Settings, registry: &str, witness: &Path) -> Result<Self, OpenError> {
        let (pool, epochs) = open::witnessed(settings, registry, witness).await?;
        let (ours, its_pool) = (Arc::clone(&epochs), pool.clone());
        let keeping = tokio::spawn(async move { ours.keep(&its_pool).await });
        let witnessed = Some(Witnessed { epochs, keeping });
        Ok(Self { registry: Arc::from(registry), pool, timeout: settings.timeout, witnessed })
    }

    /// Makes leaves of the log's tree of everything that was committed before.
    async fn plant_waiting(&self) -> Result<(), LedgerError> {
        in_time!(self, tree::plant_all(&self.pool).await)
    }

    fn epochs(&self) -> Option<&Epochs> {
        self.witnessed.as_ref().map(|witnessed| &*witnessed.epochs)
    }

    /// The next head follows what was committed now.
    fn touch(&self) {
        if let Some(epochs) = self.epochs() {
            epochs.touch();
        }
    }

    /// Lets the witness know of what was committed, before it is answered: nothing but
    /// the ledger can tell that the tag was let go.
    async fn witness(&self) -> Result<(), LedgerError> {
        match self.epochs() {
            Some(epochs) => self.within(epochs.witness(&self.pool)).await,
            None => Ok(()),
        }
    }

    /// A connection with a transaction begun on it.
    async fn begin(&self) -> Result<Session, Failure> {
        let mut session = self.pool.get().await.map_err(Failure::Pool)?;
        if let Some(epochs) = self.epochs() {
            session.begin_read();
            epochs.admit(&session).await?;
            session.end_read();
        }
        session.begin().await?;
        Ok(session)
    }

    /// A connection for one statement that changes nothing.
    async fn begin_read(&self) -> Result<Session, Failure> {
        let mut session = self.pool.get().await.map_err(Failure::Pool)?;
        session.begin_read();
        Ok(session)
    }

    fn books<'a>(&'a self, connection: &'a Connection) -> Books<'a> {
        Books { connection, registry: &self.registry }
    }

    async fn within<T>(&self, operation: impl Future<Output = Result<T, Failure>>) -> Result<T, LedgerError> {
        let Ok(outcome) = tokio::time::timeout(self.timeout + GRACE, operation).await else {
            return Err(LedgerError::Unavailable(format!("no answer within {:?} (ledger.timeout)", self.timeout)));
        };
        if let Err(failure) = &outcome
            && failure.is_read_only()
        {
            // The server was demoted: what waits in the pool leads to it as well.
            self.pool.retain(|_, _| false);
        }
        outcome.map_err(LedgerError::from)
    }
}

/// Commits what was done, or undoes it where the server can be asked to.
async fn end<T>(mut session: Session, done: Result<T, Failure>) -> Result<T, Failure> {
    match done {
        Ok(value) => {
            failpoint!("ledger-committing");
            session.commit().await?;
            failpoint!("ledger-committed");
            Ok(value)
        }
        Err(failure) => {
            if failure.may_be_tried_again() || matches!(failure, Failure::Answer(_)) {
                session.roll_back().await;
            }
            Err(failure)
        }
    }
}

fn end_read<T>(mut session: Session, done: Result<T, Failure>) -> Result<T, Failure> {
    match done {
        Err(Failure::Statement(error)) if error.as_db_error().is_none() => Err(Failure::NothingDone(error)),
        Err(Failure::Statement(error)) => Err(Failure::Statement(error)),
        answered => {
            session.end_read();
            answered
        }
    }
}

#[async_trait]
impl Ledger for PostgresLedger {
    async fn lookup(&self, key: &TagKey) -> Result<Option<Record>, LedgerError> {
        read!(self, lookup(key))
    }

    async fn records(&self, repository: &RepositoryName) -> Result<Vec<(Tag, Record)>, LedgerError> {
        read!(self, records(repository))
    }

    async fn claim(&self, key: &TagKey, digest: &Digest, attempt: AttemptId, note: &Note) -> Result<Claimed, LedgerError> {
        write!(self, claim(key, digest, attempt, note))
    }

    async fn join(&self, key: &TagKey, digest: &Digest, attempt: AttemptId, now: Timestamp) -> Result<Option<Claim>, LedgerError> {
        write!(self, join(key, digest, attempt, now))
    }

    async fn confirm(&self, claim: Claim, note: &Note) -> Result<Record, LedgerError> {
        write!(self, confirm(&claim, note))
    }

    async fn withdraw(&self, claim: Claim) -> Result<(), LedgerError> {
        write!(self, withdraw(&claim))
    }

    async fn yield_to(&self, claim: Claim, found: &Digest, note: &Note) -> Result<Record, LedgerError> {
        write!(self, yield_to(&claim, found, note))
    }

    async fn adopt(&self, key: &TagKey, digest: &Digest, note: &Note) -> Result<Record, LedgerError> {
        write!(self, adopt(key, digest, note))
    }

    async fn burn(&self, key: &TagKey, digest: &Digest, note: &Note) -> Result<bool, LedgerError> {
        let is_burnt = write!(self, burn(key, digest, note))?;
        if is_burnt {
            self.witness().await?;
        }
        Ok(is_burnt)
    }

    async fn begin(&self, key: &TagKey, to: Option<&Digest>, attempt: AttemptId, note: &Note) -> Result<Begun, LedgerError> {
        write!(self, begin(key, to, attempt, note))
    }

    async fn complete(&self, change: Change, outcome: Outcome, followed: &Followed, note: &Note) -> Result<Completed, LedgerError> {
        write!(self, complete(&change, outcome, followed, note))
    }

    async fn unreleased(&self, after: Option<&TagKey>, limit: usize) -> Result<Vec<(TagKey, Option<Tag>)>, LedgerError> {
        read!(self, unreleased(after, limit))
    }

    async fn abandon(&self, change: Change) -> Result<(), LedgerError> {
        write!(self, abandon(&change))
    }

    async fn open_changes(&self, after: Option<&OpenChange>, limit: usize) -> Result<Vec<OpenChange>, LedgerError> {
        read!(self, open_changes(after, limit))
    }

    async fn version(&self, key: &TagKey) -> Result<u64, LedgerError> {
        read!(self, version(key))
    }

    async fn settle(&self, change: &OpenChange, look: &Look, note: &Note) -> Result<bool, LedgerError> {
        write!(self, settle(change, look, note))
    }

    async fn observe(&self, key: &TagKey, look: &Look, note: &Note) -> Result<bool, LedgerError> {
        write!(self, observe(key, look, note))
    }

    async fn record(&self, events: &[Event]) -> Result<(), LedgerError> {
        write!(self, write_all(events))
    }

    async fn count_open(&self) -> Result<u64, LedgerError> {
        read!(self, count_open())
    }

    async fn open_claims(&self, after: Option<&TagKey>, limit: usize) -> Result<Vec<OpenClaim>, LedgerError> {
        read!(self, open_claims(after, limit))
    }

    async fn release(&self, key: &TagKey, who: &str, reason: &str, now: Timestamp) -> Result<Option<Digest>, LedgerError> {
        let released = write!(self, release(key, who, reason, now))?;
        if released.is_some() {
            self.witness().await?;
        }
        Ok(released)
    }

    async fn acts(&self) -> Result<Vec<Act>, LedgerError> {
        read!(self, acts())
    }

    async fn ping(&self) -> Result<(), LedgerError> {
        in_time!(self, {
            let session = self.begin().await?;
            let done = match self.epochs() {
                Some(epochs) => epochs.check(&session).await,
                None => Ok(()),
            };
            let done = match done {
                Ok(()) => self.books(&session).beat().await,
                Err(failure) => Err(failure),
            };
            end(session, done).await
        })
    }
}

#[cfg(test)]
pub(in crate::ledger) fn settings(url: &str) -> Settings {
    let address = Address::parse(url, std::path::Path::new("/")).expect("an address");
    Settings { address, password: None, pool_size: 16, timeout: Duration::from_secs(10) }
}

impl fmt::Debug for PostgresLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = &self.pool.manager().settings.address;
        f.debug_struct("PostgresLedger").field("address", address).field("registry", &self.registry).finish_non_exhaustive()
    }
}
