//! The ledger behind the ledger host: a real engine, asked in one step of virtual time.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use futures_util::FutureExt;
use tempfile::TempDir;

use super::plan::REGISTRY;
use crate::ledger::Ledger;
use crate::ledger::memory::MemoryLedger;
use crate::ledger::sqlite::SqliteLedger;

pub type Asked<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What is asked of a ledger.
pub type Job = Box<dyn FnOnce(Arc<dyn Ledger>) -> Asked<()> + Send>;

/// An engine and what outlives its restarts.
#[derive(Debug)]
pub enum Engine {
    /// Outlives them as it is.
    Memory(MemoryLedger),
    /// Runs in a thread of its own, with its own clock, since it waits for a disk.
    Sqlite { work: Mutex<Sender<Work>>, _directory: TempDir },
}

#[derive(Debug)]
pub enum Work {
    Do(DoJob, Sender<()>),
    Reopen(Sender<()>),
}

pub struct DoJob(Job);

impl std::fmt::Debug for DoJob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DoJob")
    }
}

impl Engine {
    pub fn memory() -> Self {
        Self::Memory(MemoryLedger::of(REGISTRY))
    }

    pub fn sqlite() -> Self {
        let in_memory = Path::new("/dev/shm");
        let directory =
            if in_memory.is_dir() { tempfile::tempdir_in(in_memory) } else { tempfile::tempdir() }.expect("a directory");
        let file = directory.path().join("ledger.db");
        let (work, todo) = channel();
        thread::spawn(move || keep(&file, &todo));
        Self::Sqlite { work: Mutex::new(work), _directory: directory }
    }

    /// Asks the engine and waits. No virtual time passes.
    pub fn ask<T: Send + 'static>(&self, ask: impl FnOnce(Arc<dyn Ledger>) -> Asked<T> + Send + 'static) -> T {
        let answer = Arc::new(Mutex::new(None));
        let place = Arc::clone(&answer);
        let job = move |ledger: Arc<dyn Ledger>| {
            async move {
                let value = ask(ledger).await;
                *place.lock().expect("the answer") = Some(value);
            }
            .boxed()
        };
        match self {
            Self::Memory(ledger) => job(Arc::new(ledger.clone())).now_or_never().expect("memory does not wait"),
            Self::Sqlite { work, .. } => wait(work, |done| Work::Do(DoJob(Box::new(job)), done)),
        }
        let value = answer.lock().expect("the answer").take();
        value.expect("an answer")
    }

    /// Closes the engine and opens it again, as a restart of its host does.
    pub fn reopen(&self) {
        if let Self::Sqlite { work, .. } = self {
            wait(work, Work::Reopen);
        }
    }
}

fn wait(work: &Mutex<Sender<Work>>, what: impl FnOnce(Sender<()>) -> Work) {
    let (done, is_done) = channel();
    work.lock().expect("the thread").send(what(done)).expect("the thread runs");
    is_done.recv().expect("the thread answers");
}

fn keep(file: &Path, todo: &Receiver<Work>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let open = || Some(Arc::new(SqliteLedger::open(file, REGISTRY).expect("the ledger opens")));
    let mut ledger = open();
    while let Ok(work) = todo.recv() {
        match work {
            Work::Do(DoJob(job), done) => {
                let asked = Arc::clone(ledger.as_ref().expect("a ledger"));
                runtime.block_on(job(asked));
                let _ = done.send(());
            }
            Work::Reopen(done) => {
                drop(ledger.take());
                ledger = open();
                let _ = done.send(());
            }
        }
    }
}
