//! A copy of the ledger as it was at one moment, made while a proxy writes to it.
//!
//! One read transaction spans the whole copy, so later commits are not in it and nobody
//! waits for it. The copy gets its name only when it is whole, checked and on the disk.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use thiserror::Error;

use super::OpenError;
use super::open::{connect, explain, reader};
use super::soundness::damage;
use crate::failpoint::failpoint;
use crate::ledger::paths::{directory_of, with_suffix};

/// Pages of one step, after which the progress is told: a MiB.
const STEP: i32 = 256;

/// What a copy holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Copied {
    /// Rows that speak of a tag, in whatever state.
    pub tags: u64,
    pub bytes: u64,
}

/// Why there is no copy. What was written of it is removed.
#[derive(Debug, Error)]
pub enum BackupError {
    #[error(transparent)]
    Ledger(#[from] OpenError),
    #[error("{} exists already and was left as it is; name a new file", .to.display())]
    Exists { to: PathBuf },
    #[error("{} is a directory; name a file in it, such as {}", .to.display(), .to.join("pushonce-backup.db").display())]
    Directory { to: PathBuf },
    #[error("{} has no directory to be in: create {}, or name another file", .to.display(), .directory.display())]
    NoDirectory { to: PathBuf, directory: PathBuf },
    #[error("the copy cannot be written to {}; see to the permissions of its directory and the space on its disk", .to.display())]
    Write { to: PathBuf, source: rusqlite::Error },
    #[error("the copy {} cannot be put on its disk; see to its permissions and its space", .to.display())]
    Store { to: PathBuf, source: io::Error },
    #[error("the copy {} was read again and is damaged ({detail}); see to its disk, and check the ledger with `pushonce ledger verify`", .to.display())]
    Damaged { to: PathBuf, detail: String },
}

/// Copies the ledger in the file `ledger` to the new file `to`. `progress` is told how many
/// pages of how many are done.
pub fn backup(ledger: &Path, to: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<Copied, BackupError> {
    let (source, file, version) = reader(ledger)?;
    if version == 0 {
        return Err(OpenError::NotALedger { file }.into());
    }
    let directory = free(to)?;
    let unfinished = Unfinished::beside(to);
    let read = |source| BackupError::Ledger(explain(&file, source));
    source.execute_batch("BEGIN").map_err(read)?;
    // The transaction begins to read here, and sees what is committed now.
    source.query_row("SELECT count(*) FROM tags", [], |_| Ok(())).map_err(read)?;
    let tags = write(&source, &unfinished.0, to, progress)?;
    drop(source);

    let stored = |source| BackupError::Store { to: to.to_owned(), source };
    let copy = File::open(&unfinished.0).map_err(stored)?;
    copy.sync_all().map_err(stored)?;
    let bytes = copy.metadata().map_err(stored)?.len();
    failpoint!("ledger-copied");
    if to.symlink_metadata().is_ok() {
        return Err(BackupError::Exists { to: to.to_owned() });
    }
    fs::rename(&unfinished.0, to).map_err(stored)?;
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(stored)?;
    Ok(Copied { tags, bytes })
}

/// Whether the name is free, and the directory that it is in.
fn free(to: &Path) -> Result<PathBuf, BackupError> {
    match fs::symlink_metadata(to) {
        Ok(_) if to.is_dir() => return Err(BackupError::Directory { to: to.to_owned() }),
        Ok(_) => return Err(BackupError::Exists { to: to.to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(source) => return Err(BackupError::Store { to: to.to_owned(), source }),
    }
    let directory = directory_of(to).to_owned();
    if !directory.is_dir() {
        return Err(BackupError::NoDirectory { to: to.to_owned(), directory });
    }
    Ok(directory)
}

fn write(source: &Connection, unfinished: &Path, to: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<u64, BackupError> {
    let failed = |source| BackupError::Write { to: to.to_owned(), source };
    let create = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let mut copy = connect(unfinished, create).map_err(failed)?;
    // Cut off, it is thrown away, so it needs no journal to be rolled back by.
    copy.pragma_update(None, "journal_mode", "OFF").map_err(failed)?;
    {
        let backup = Backup::new(source, &mut copy).map_err(failed)?;
        loop {
            let step = backup.step(STEP).map_err(failed)?;
            let pages = backup.progress();
            let of = |number: i32| u64::try_from(number).unwrap_or(0);
            progress(of(pages.pagecount - pages.remaining), of(pages.pagecount));
            match step {
                StepResult::Done => break,
                // Nobody else knows the copy, so only a checkpoint of the source is in the way.
                StepResult::Busy | StepResult::Locked => std::thread::yield_now(),
                _ => {}
            }
        }
    }
    // One file, that can also be read where nothing may be written.
    copy.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(())).map_err(failed)?;
    if let Some(detail) = damage(&copy).map_err(failed)? {
        return Err(BackupError::Damaged { to: to.to_owned(), detail });
    }
    let tags: i64 = copy.query_row("SELECT count(*) FROM tags", [], |row| row.get(0)).map_err(failed)?;
    copy.close().map_err(|(_, source)| failed(source))?;
    Ok(tags.unsigned_abs())
}

/// The copy before it is whole; removed when dropped, unless it has its own name by then.
struct Unfinished(PathBuf);

impl Unfinished {
    fn beside(to: &Path) -> Self {
        let unfinished = Self(with_suffix(to, &format!(".{}.partial", process::id())));
        // Of a process that was killed and had this number.
        let _ = fs::remove_file(&unfinished.0);
        unfinished
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        for end in ["", "-journal", "-wal", "-shm"] {
            let _ = fs::remove_file(with_suffix(&self.0, end));
        }
    }
}
