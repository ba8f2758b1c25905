//! Keeps the newest checkpoint of the release log in a file, for others to collect.
//!
//! A checkpoint is written only over one that the log has kept: a log that was rewritten,
//! or restored from a backup, is told of and the file stays.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::checkpoint::key::{KeyError, Signer};
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::config::valid::ReleaseLog;
use crate::ledger::{Ledger, LedgerError};
use crate::metrics::Metrics;

/// How often the log is looked at.
const INTERVAL: Duration = Duration::from_secs(60);

/// Why the key of the configuration cannot be used.
#[derive(Debug, Error)]
#[error("release_log.signing_key_file {}: {cause}", .file.display())]
pub struct SigningKeyError {
    file: PathBuf,
    cause: KeyFileError,
}

#[derive(Debug, Error)]
enum KeyFileError {
    #[error(transparent)]
    File(#[from] io::Error),
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// The key of the configuration, if it names one.
pub fn signer(config: &ReleaseLog) -> Result<Option<Signer>, SigningKeyError> {
    let read = |file: &Path| Ok(Signer::parse(&fs::read_to_string(file)?)?);
    let place = |file: &PathBuf| read(file).map_err(|cause| SigningKeyError { file: file.clone(), cause });
    config.signing_key_file.as_ref().map(place).transpose()
}

/// What keeps the file.
#[derive(Debug)]
pub struct Notary {
    file: PathBuf,
    origin: String,
    signer: Option<Signer>,
    ledger: Arc<dyn Ledger>,
    metrics: Arc<Metrics>,
    /// What was said of the trouble that lasts.
    said: Option<String>,
}

/// Why no checkpoint was written.
#[derive(Debug, Error)]
enum Trouble {
    #[error("{0}")]
    Ledger(#[from] LedgerError),
    #[error("{file}: {cause}", file = .0.display(), cause = .1)]
    File(PathBuf, io::Error),
    #[error("{file}: {cause}", file = .0.display(), cause = .1)]
    NoCheckpoint(PathBuf, CheckpointError),
    #[error("{file}: it is of the log {theirs}, and this one is {ours} (release_log.origin)", file = .0.display(), theirs = .1, ours = .2)]
    Other(PathBuf, String, String),
    #[error("{file}: it is of {had} events, and they are not the first of the log, which has {has}", file = .0.display(), had = .1, has = .2)]
    Rewritten(PathBuf, u64, u64),
}

impl Notary {
    /// `None` where the configuration names no file.
    pub fn new(config: &ReleaseLog, ledger: Arc<dyn Ledger>, metrics: Arc<Metrics>) -> Result<Option<Self>, SigningKeyError> {
        let Some(file) = config.checkpoint_file.clone() else { return Ok(None) };
        let (origin, signer) = (config.origin.clone(), signer(config)?);
        Ok(Some(Self { file, origin, signer, ledger, metrics, said: None }))
    }

    /// Looks at once, then every minute, and a last time at the end.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let is_last = stop.is_cancelled();
            let outcome = self.look().await;
            self.tell(outcome);
            if is_last {
                return;
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = sleep(INTERVAL) => {}
            }
        }
    }

    async fn look(&self) -> Result<(), Trouble> {
        let at = |cause| Trouble::File(self.file.clone(), cause);
        let standing = match fs::read_to_string(&self.file) {
            Ok(text) => Some(text),
            Err(cause) if cause.kind() == ErrorKind::NotFound => None,
            Err(cause) => return Err(at(cause)),
        };
        let newest = Checkpoint::newest(&*self.ledger, &self.origin).await?;
        if let Some(text) = &standing {
            let known = Checkpoint::read(text, None).map_err(|cause| Trouble::NoCheckpoint(self.file.clone(), cause))?;
            if known.origin != self.origin {
                return Err(Trouble::Other(self.file.clone(), known.origin, self.origin.clone()));
            }
            if !known.is_kept_by(&*self.ledger).await? {
                return Err(Trouble::Rewritten(self.file.clone(), known.size, newest.size));
            }
        }
        let note = newest.note(self.signer.as_ref());
        if standing.as_ref() == Some(&note) {
            return Ok(());
        }
        let file = self.file.clone();
        let written = spawn_blocking(move || replace(&file, &note)).await;
        written.map_err(io::Error::other).flatten().map_err(at)
    }

    /// Each trouble is told once for as long as it lasts.
    fn tell(&mut self, outcome: Result<(), Trouble>) {
        let is_rewritten = matches!(outcome, Err(Trouble::Rewritten(..)));
        self.metrics.log_inconsistent.set(i64::from(is_rewritten));
        let cause = outcome.err().map(|trouble| trouble.to_string());
        if let Some(cause) = cause.as_ref().filter(|cause| self.said.as_ref() != Some(*cause)) {
            if is_rewritten {
                tracing::error!(cause, "the release log is not the one that its checkpoint file is of; the file stays as it is");
            } else {
                tracing::warn!(cause, "no checkpoint could be written; it is tried again");
            }
        }
        self.said = cause;
    }
}

/// Interrupted at any point, the file is the old one or the new one.
fn replace(file: &Path, text: &str) -> io::Result<()> {
    let mut name = file.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    let mut open = File::create(&new)?;
    open.write_all(text.as_bytes())?;
    open.sync_all()?;
    fs::rename(&new, file)?;
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}
