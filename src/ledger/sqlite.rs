//! The embedded ledger: one SQLite file, held by one process.
//!
//! Writes go through one thread that commits what is waiting together
//! (`sqlite/writer.rs`); reads have their own connections and never wait. A
//! write is answered after its commit reached the disk, and a read sees only
//! what was committed, so nothing is ever told that a crash could take back.

mod accept;
mod backup;
mod books;
mod bulk;
mod chain;
mod deciding;
mod judge;
mod lock;
mod log;
mod open;
mod soundness;
mod source;
#[cfg(test)]
mod tests;
mod verify;
mod writer;

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::Connection;

pub use self::backup::{BackupError, Copied, backup};
pub use self::open::OpenError;
pub use self::source::Source;
pub use self::verify::{Findings, verify};

use self::books::Books;
use self::chain::Chain;
use self::open::{MIGRATIONS, Opened, Wanted};
use self::soundness::Soundness;
use self::writer::{Book, Remembered, Writer};
use super::event::{Event, Outcome};
use super::witness::Keeper;
use super::{
    Act, Begun, Change, Claim, Claimed, Completed, Followed, Ledger, LedgerError, Look, Note, OpenChange, OpenClaim, Record, TagKey,
};
use crate::clock::AttemptId;
use crate::oci::{Digest, RepositoryName, Tag};

/// The rows of one registry in a file that may hold those of others.
///
/// Fields are dropped from top to bottom: the writer closes last, because the
/// last connection to a file folds its write-ahead log back into it, and only
/// then may another process have the lock.
pub struct SqliteLedger {
    file: PathBuf,
    registry: Arc<str>,
    /// For [`Ledger::lookup`]: a walk down one index, microseconds long, so it
    /// runs where it is called.
    lookups: Mutex<Connection>,
    /// For what reads many rows: on a blocking thread, and on a connection of
    /// its own so that no lookup waits behind a listing.
    scans: Arc<Mutex<Connection>>,
    soundness: Arc<Soundness>,
    writer: Writer,
    _lock: Option<File>,
}

impl SqliteLedger {
    /// Opens or creates the ledger in the file `path`, for the registry of this
    /// name, with its witness beside it. Call it before serving: a file of up to 8 MiB is read
    /// from end to end first, a larger one while reads are answered already.
    pub fn open(path: &Path, registry: &str) -> Result<Self, OpenError> {
        Self::open_witnessed(path, registry, None)
    }

    /// The same with the witness in a file of its own choice; `None` is
    /// `<path>.head`. A ledger that is not the one of its witness is refused.
    pub fn open_witnessed(path: &Path, registry: &str, witness: Option<&Path>) -> Result<Self, OpenError> {
        Self::start(open::open(&Wanted { file: path, registry, witness, is_accepted: false, is_impatient: true })?, path, registry)
    }

    /// Opens a ledger that another process may be serving, for one command of an
    /// operator such as [`Ledger::release`]. Never creates or upgrades it.
    ///
    /// What that process remembers stays true as long as only open claims are ended
    /// here: it remembers sealed and burnt rows alone.
    pub fn beside(path: &Path, registry: &str) -> Result<Self, OpenError> {
        Self::beside_witnessed(path, registry, None)
    }

    /// The same with the witness in a file of its own choice.
    pub fn beside_witnessed(path: &Path, registry: &str, witness: Option<&Path>) -> Result<Self, OpenError> {
        Self::start(
            open::beside(&Wanted { file: path, registry, witness, is_accepted: false, is_impatient: false })?,
            path,
            registry,
        )
    }

    fn start(opened: Opened, path: &Path, registry: &str) -> Result<Self, OpenError> {
        let registry: Arc<str> = Arc::from(registry);
        let thread = |source| OpenError::Thread { file: path.to_owned(), source };
        let serves = opened.lock.is_some();
        let keeper =
            if serves { Keeper::start(&opened.witness, opened.heads) } else { Keeper::beside(&opened.witness, opened.heads) }?;
        let chain = Chain::new(&opened.file, opened.heads).map_err(thread)?;
        let soundness = Arc::new(opened.soundness);
        let book = Book { file: opened.file, registry: Arc::clone(&registry), soundness: Arc::clone(&soundness), folds: serves };
        let writer = Writer::start(opened.writer, book, Remembered { chain, keeper }).map_err(thread)?;
        Ok(Self {
            file: path.to_owned(),
            registry,
            lookups: Mutex::new(opened.lookups),
            scans: Arc::new(Mutex::new(opened.scans)),
            soundness,
            writer,
            _lock: opened.lock,
        })
    }

    /// How many transactions were committed since it was opened. Divided by the
    /// number of writes it tells how many share one flush to disk.
    pub fn commits(&self) -> u64 {
        self.writer.commits()
    }

    fn look<T>(&self, read: impl FnOnce(&Books<'_>) -> Result<T, LedgerError>) -> Result<T, LedgerError> {
        self.soundness.readable()?;
        look(&self.lookups, &self.registry, read)
    }

    async fn scan<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Books<'_>) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        self.soundness.readable()?;
        let (scans, registry) = (Arc::clone(&self.scans), Arc::clone(&self.registry));
        let task = tokio::task::spawn_blocking(move || look(&scans, &registry, read));
        task.await.unwrap_or_else(|error| Err(LedgerError::Unavailable(error.to_string())))
    }
}

/// Reads with a connection that others use too. A reader that panicked left no
/// transaction behind: rusqlite resets a statement when it is dropped.
fn look<T>(
    connection: &Mutex<Connection>,
    registry: &str,
    read: impl FnOnce(&Books<'_>) -> Result<T, LedgerError>,
) -> Result<T, LedgerError> {
    let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
    read(&Books::new(&connection, registry))
}

#[async_trait]
impl Ledger for SqliteLedger {
    async fn lookup(&self, key: &TagKey) -> Result<Option<Record>, LedgerError> {
        self.look(|books| books.lookup(key))
    }

    async fn records(&self, repository: &RepositoryName) -> Result<Vec<(Tag, Record)>, LedgerError> {
        let repository = repository.clone();
        self.scan(move |books| books.records(&repository)).await
    }

    async fn claim(&self, key: &TagKey, digest: &Digest, attempt: AttemptId, note: &Note) -> Result<Claimed, LedgerError> {
        let note = note.clone();
        let (key, digest) = (key.clone(), digest.clone());
        self.writer.write(move |books| books.claim(key, digest, attempt, &note)).await
    }

    async fn join(&self, key: &TagKey, digest: &Digest, attempt: AttemptId, now: Timestamp) -> Result<Option<Claim>, LedgerError> {
        let (key, digest) = (key.clone(), digest.clone());
        self.writer.write(move |books| books.join(key, digest, attempt, now)).await
    }

    async fn confirm(&self, claim: Claim, note: &Note) -> Result<Record, LedgerError> {
        let note = note.clone();
        self.writer.write(move |books| books.confirm(claim, &note)).await
    }

    async fn withdraw(&self, claim: Claim) -> Result<(), LedgerError> {
        self.writer.write(move |books| books.withdraw(&claim)).await
    }

    async fn yield_to(&self, claim: Claim, found: &Digest, note: &Note) -> Result<Record, LedgerError> {
        let note = note.clone();
        let found = found.clone();
        self.writer.write(move |books| books.yield_to(claim, &found, &note)).await
    }

    async fn adopt(&self, key: &TagKey, digest: &Digest, note: &Note) -> Result<Record, LedgerError> {
        let note = note.clone();
        let (key, digest) = (key.clone(), digest.clone());
        self.writer.write(move |books| books.adopt(&key, &digest, &note)).await
    }

    async fn burn(&self, key: &TagKey, digest: &Digest, note: &Note) -> Result<bool, LedgerError> {
        let note = note.clone();
        let (key, digest) = (key.clone(), digest.clone());
        self.writer.write(move |books| books.burn(&key, &digest, &note)).await
    }

    async fn begin(&self, key: &TagKey, to: Option<&Digest>, attempt: AttemptId, note: &Note) -> Result<Begun, LedgerError> {
        let (key, to, note) = (key.clone(), to.cloned(), note.clone());
        self.writer.write(move |books| books.begin(key, to, attempt, &note)).await
    }

    async fn complete(&self, change: Change, outcome: Outcome, followed: &Followed, note: &Note) -> Result<Completed, LedgerError> {
        let (followed, note) = (followed.clone(), note.clone());
        self.writer.write(move |books| books.complete(change, outcome, &followed, &note)).await
    }

    async fn unreleased(&self, after: Option<&TagKey>, limit: usize) -> Result<Vec<(TagKey, Option<Tag>)>, LedgerError> {
        let after = after.cloned();
        self.scan(move |books| books.unreleased(after.as_ref(), limit)).await
    }

    async fn abandon(&self, change: Change) -> Result<(), LedgerError> {
        self.writer.write(move |books| books.abandon(&change)).await
    }

    async fn open_changes(&self, after: Option<&OpenChange>, limit: usize) -> Result<Vec<OpenChange>, LedgerError> {
        let after = after.cloned();
        self.scan(move |books| books.open_changes(after.as_ref(), limit)).await
    }

    async fn version(&self, key: &TagKey) -> Result<u64, LedgerError> {
        self.look(|books| books.version(key))
    }

    async fn settle(&self, change: &OpenChange, look: &Look, note: &Note) -> Result<bool, LedgerError> {
        let (change, look, note) = (change.clone(), look.clone(), note.clone());
        self.writer.write(move |books| books.settle(&change, &look, &note)).await
    }

    async fn observe(&self, key: &TagKey, look: &Look, note: &Note) -> Result<bool, LedgerError> {
        let (key, look, note) = (key.clone(), look.clone(), note.clone());
        self.writer.write(move |books| books.observe(&key, &look, &note)).await
    }

    async fn record(&self, events: &[Event]) -> Result<(), LedgerError> {
        let events = events.to_vec();
        self.writer.write(move |books| books.write_all(events)).await
    }

    async fn count_open(&self) -> Result<u64, LedgerError> {
        self.scan(|books| books.count_open()).await
    }

    async fn open_claims(&self, after: Option<&TagKey>, limit: usize) -> Result<Vec<OpenClaim>, LedgerError> {
        let after = after.cloned();
        self.scan(move |books| books.open_claims(after.as_ref(), limit)).await
    }

    async fn release(&self, key: &TagKey, who: &str, reason: &str, now: Timestamp) -> Result<Option<Digest>, LedgerError> {
        let (key, who, reason) = (key.clone(), who.to_owned(), reason.to_owned());
        self.writer.write(move |books| books.release(&key, &who, &reason, now)).await
    }

    async fn acts(&self) -> Result<Vec<Act>, LedgerError> {
        self.scan(|books| books.acts()).await
    }

    async fn ping(&self) -> Result<(), LedgerError> {
        self.look(|books| books.probe())?;
        // Whoever writes waits for the end of the check, and is not turned away.
        if !self.soundness.is_known() {
            return Ok(());
        }
        self.writer.write(|books| books.beat()).await
    }
}

impl fmt::Debug for SqliteLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteLedger").field("file", &self.file).field("registry", &self.registry).finish_non_exhaustive()
    }
}
