//! The one thread that writes, and how concurrent writes share a flush.
//!
//! It takes what is waiting, runs it in one transaction, commits, and only then
//! answers. Each operation has a savepoint: one that fails undoes itself only.
//! When the transaction as a whole fails, every operation in it is answered
//! with `Unavailable`, and the thread goes on.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::{Connection, InterruptHandle};
use tokio::sync::{mpsc, oneshot};

use super::books::Books;
use super::books::tree::plant;
use super::chain::Chain;
use super::soundness::Soundness;
use crate::failpoint::failpoint;
use crate::ledger::LedgerError;
use crate::ledger::witness::Keeper;

/// How many operations share one transaction at most. Bounds how long the first
/// of them waits for the last.
const BATCH: usize = 128;

/// How many operations may wait; whoever comes after that waits to enter.
const QUEUE: usize = 1024;

/// How often a check is told to end.
const MOMENT: Duration = Duration::from_millis(1);

pub(super) struct Writer {
    /// `None` only while it is dropped: that ends the thread.
    queue: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
    commits: Arc<AtomicU64>,
    soundness: Arc<Soundness>,
    /// Ends the check of the file.
    interrupt: InterruptHandle,
}

/// What is written to.
pub(super) struct Book {
    pub(super) file: PathBuf,
    pub(super) registry: Arc<str>,
    pub(super) soundness: Arc<Soundness>,
    /// Whether the write-ahead log is folded into the file at the end. Beside another
    /// process that would make its writes wait.
    pub(super) folds: bool,
}

impl Writer {
    pub(super) fn start(connection: Connection, book: Book, remembered: Remembered) -> io::Result<Self> {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let commits = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&commits);
        let (soundness, interrupt) = (Arc::clone(&book.soundness), connection.get_interrupt_handle());
        let work = move || work(connection, &book, remembered, jobs, &counter);
        let thread = thread::Builder::new().name("ledger-writer".to_owned()).spawn(work)?;
        Ok(Self { queue: Some(queue), thread: Some(thread), commits, soundness, interrupt })
    }

    /// Runs an operation and returns its result once that is durable. Whoever
    /// stops waiting does not stop the operation.
    pub(super) async fn write<T, F>(&self, operation: F) -> Result<T, LedgerError>
    where
        T: Send + 'static,
        F: FnOnce(&Books<'_>) -> Result<T, LedgerError> + Send + 'static,
    {
        let stopped = || LedgerError::Unavailable("the writer has stopped".to_owned());
        let (answer, outcome) = oneshot::channel();
        let job = Operation { operation: Some(operation), result: None, answer };
        let queue = self.queue.as_ref().ok_or_else(stopped)?;
        queue.send(Box::new(job)).await.map_err(|_| stopped())?;
        outcome.await.map_err(|_| stopped())?
    }

    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }
}

impl Drop for Writer {
    /// Waits for what is queued: a few transactions, no longer.
    fn drop(&mut self) {
        self.queue = None;
        // One that comes before the check begins would end nothing.
        while !self.soundness.is_known() && self.thread.as_ref().is_some_and(|thread| !thread.is_finished()) {
            self.interrupt.interrupt();
            thread::sleep(MOMENT);
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that writes the ledger had panicked");
        }
    }
}

/// An operation on its way: first run, then answered.
trait Job: Send {
    /// Runs the operation, once. An error is its words.
    fn run(&mut self, books: &Books<'_>) -> Result<(), String>;

    /// Answers with the result, or with the words of what undid it.
    fn answer(self: Box<Self>, transaction: &Result<(), String>);
}

struct Operation<T, F> {
    operation: Option<F>,
    result: Option<Result<T, LedgerError>>,
    answer: oneshot::Sender<Result<T, LedgerError>>,
}

impl<T, F> Job for Operation<T, F>
where
    T: Send,
    F: FnOnce(&Books<'_>) -> Result<T, LedgerError> + Send,
{
    fn run(&mut self, books: &Books<'_>) -> Result<(), String> {
        let Some(operation) = self.operation.take() else { return Ok(()) };
        let result = operation(books);
        let words = match &result {
            Ok(_) => Ok(()),
            Err(LedgerError::Unavailable(words)) => Err(words.clone()),
            Err(other) => Err(other.to_string()),
        };
        self.result = Some(result);
        words
    }

    fn answer(self: Box<Self>, transaction: &Result<(), String>) {
        let result = match (transaction, self.result) {
            (Ok(()), Some(result)) => result,
            (Ok(()), None) => Err(LedgerError::Unavailable("the operation was not run".to_owned())),
            (Err(words), _) => Err(LedgerError::Unavailable(words.clone())),
        };
        // Nobody may be waiting any more; the write stands all the same.
        let _ = self.answer.send(result);
    }
}

/// What is remembered of the ledger, in it and outside of it.
pub(super) struct Remembered {
    pub(super) chain: Chain,
    pub(super) keeper: Keeper,
}

fn work(
    connection: Connection,
    book: &Book,
    mut remembered: Remembered,
    mut jobs: mpsc::Receiver<Box<dyn Job>>,
    commits: &AtomicU64,
) {
    book.soundness.find_out(&connection, &book.file);
    let books = Books::new(&connection, &book.registry);
    let mut batch = Vec::with_capacity(BATCH);
    // Zero means that the ledger was dropped and nothing is left.
    while jobs.blocking_recv_many(&mut batch, BATCH) > 0 {
        let mut outcome = book.soundness.doubted().and_then(|()| transact(&books, &mut remembered, &mut batch));
        let is_urgent = books.is_urgent.take();
        match &outcome {
            Ok(()) => {
                commits.fetch_add(1, Ordering::Relaxed);
                if let Some(heads) = remembered.chain.committed() {
                    remembered.keeper.note(heads);
                }
                if is_urgent {
                    failpoint!("ledger-burnt");
                    outcome = remembered.keeper.write_now().map_err(|error| error.to_string());
                }
            }
            // A transaction that is still open would swallow every later one.
            Err(_) if !connection.is_autocommit() => {
                if let Err(error) = execute(&connection, "ROLLBACK") {
                    tracing::error!(%error, "the ledger could not roll a failed transaction back");
                }
            }
            Err(_) => {}
        }
        for job in batch.drain(..) {
            job.answer(&outcome);
        }
    }
    let folded = match book.folds {
        true => connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())),
        false => Ok(()),
    };
    if let Err(error) = folded.and_then(|()| connection.close().map_err(|(_, error)| error)) {
        // Harmless: whoever opens the file next reads the log beside it.
        tracing::warn!(%error, "the ledger's write-ahead log could not be folded into its file");
    }
}

/// Runs a batch and commits it. After an error nothing is known to be written.
fn transact(books: &Books<'_>, remembered: &mut Remembered, batch: &mut [Box<dyn Job>]) -> Result<(), String> {
    // What the witness cannot follow would be lost with an older copy, unnoticed.
    if remembered.keeper.is_failing() {
        remembered.keeper.write_now().map_err(|error| error.to_string())?;
    }
    let run = |sql: &str| execute(books.connection, sql).map_err(|error| error.to_string());
    // IMMEDIATE takes the write lock now, where waiting for it is possible.
    run("BEGIN IMMEDIATE")?;
    remembered.chain.verify(books.connection)?;
    let before = books.connection.total_changes();
    books.beats.set(0);
    for job in batch {
        run("SAVEPOINT operation")?;
        if let Err(words) = job.run(books) {
            // After some errors, such as a failed read of the file, SQLite has
            // rolled back the whole transaction already.
            if books.connection.is_autocommit() {
                return Err(words);
            }
            run("ROLLBACK TO operation")?;
        }
        run("RELEASE operation")?;
    }
    plant(books.connection).map_err(|error| error.to_string())?;
    // What was undone is counted too: a head too many does no harm.
    if books.connection.total_changes() - before > books.beats.get() {
        remembered.chain.append(books.connection).map_err(|error| error.to_string())?;
    }
    failpoint!("ledger-committing");
    run("COMMIT")?;
    failpoint!("ledger-committed");
    Ok(())
}

fn execute(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(|_| ())
}
