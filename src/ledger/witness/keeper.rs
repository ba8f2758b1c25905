//! Keeps the witness up to date: in the background, once a second at most, and at
//! once where an answer waits for it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::Heads;
use super::file::{self, WitnessError};

/// The pause between two writes in the background.
const PAUSE: Duration = Duration::from_secs(1);

/// Dropped, it writes what is newest and ends.
#[derive(Debug)]
pub struct Keeper {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    file: PathBuf,
    state: Mutex<State>,
    changed: Condvar,
    /// What the file says. Held while it is written, so that no older head
    /// overwrites a newer one.
    written: Mutex<Heads>,
    is_failing: AtomicBool,
}

#[derive(Debug)]
struct State {
    newest: Heads,
    is_written: bool,
    is_stopping: bool,
}

impl Keeper {
    /// Writes the witness for the first time and begins to keep it. `heads` are
    /// durable, as all that it is told later.
    pub fn start(file: &Path, heads: Heads) -> Result<Self, WitnessError> {
        file::write(file, &heads, false)?;
        Self::beside(file, heads)
    }

    /// The same beside the process that keeps it: nothing is written but what it is
    /// told.
    pub fn beside(file: &Path, heads: Heads) -> Result<Self, WitnessError> {
        let shared = Arc::new(Shared {
            file: file.to_owned(),
            state: Mutex::new(State { newest: heads, is_written: true, is_stopping: false }),
            changed: Condvar::new(),
            written: Mutex::new(heads),
            is_failing: AtomicBool::new(false),
        });
        let ours = Arc::clone(&shared);
        let thread = thread::Builder::new().name("ledger-witness".to_owned()).spawn(move || ours.keep());
        match thread {
            Ok(thread) => Ok(Self { shared, thread: Some(thread) }),
            Err(source) => Err(WitnessError::Thread { file: file.to_owned(), source }),
        }
    }

    /// The ledger has a new head, and it is durable.
    pub fn note(&self, heads: Heads) {
        let mut state = self.shared.state();
        state.newest = heads;
        state.is_written = false;
        drop(state);
        self.shared.changed.notify_all();
    }

    /// Writes what is newest now, unless that was done.
    pub fn write_now(&self) -> Result<(), WitnessError> {
        self.shared.write()
    }

    /// Whether the last try failed. Until one succeeds, nothing should be added to
    /// what the witness does not know.
    pub fn is_failing(&self) -> bool {
        self.shared.is_failing.load(Ordering::Relaxed)
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.shared.state().is_stopping = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that writes the ledger's witness had panicked");
        }
        // A failure was said; the witness is behind the ledger, which is harmless.
        let _ = self.shared.write();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self) {
        loop {
            let idle = |state: &mut State| state.is_written && !state.is_stopping;
            let state = self.changed.wait_while(self.state(), idle).unwrap_or_else(PoisonError::into_inner);
            if state.is_stopping {
                return;
            }
            drop(state);
            // A failure is said, and tried again after the pause.
            let _ = self.write();
            let _ = self.changed.wait_timeout_while(self.state(), PAUSE, |state| !state.is_stopping);
        }
    }

    fn write(&self) -> Result<(), WitnessError> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = self.state().newest;
        if *written == newest {
            return Ok(());
        }
        let outcome = file::write(&self.file, &newest, false);
        let failed_before = self.is_failing.swap(outcome.is_err(), Ordering::Relaxed);
        match &outcome {
            Ok(()) => {
                *written = newest;
                let mut state = self.state();
                state.is_written = state.newest == newest;
                drop(state);
                if failed_before {
                    tracing::info!(witness = %self.file.display(), "the ledger's witness can be written again");
                }
            }
            Err(cause) if !failed_before => {
                tracing::error!(%cause, "the ledger takes no writes until its witness can be written");
            }
            Err(_) => {}
        }
        outcome
    }
}
