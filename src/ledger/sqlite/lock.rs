//! The lock that keeps a ledger to one process.
//!
//! SQLite would let several processes share a file, but each would then answer
//! from its own memory of it. The lock is the operating system's, on a file of
//! its own, and ends with the process however that ends. The file stays: to
//! delete it would let two processes lock two files of one name.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::Path;
use std::process;

use super::OpenError;
use crate::ledger::paths::with_suffix;

/// Locks `<file>.lock` beside the file for as long as the value lives.
pub(super) fn hold(file: &Path) -> Result<File, OpenError> {
    let path = with_suffix(file, ".lock");
    let failed = |source| OpenError::LockFile { file: file.to_owned(), lock: path.clone(), source };
    // Not truncated: until it is locked, what it says belongs to the holder.
    let mut lock = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(OpenError::InUse { file: file.to_owned(), holder: holder(&mut lock) }),
        Err(TryLockError::Error(source)) => return Err(failed(source)),
    }
    leave_to_owner(&lock, file);
    lock.set_len(0).and_then(|()| writeln!(lock, "{}", process::id())).map_err(failed)?;
    Ok(lock)
}

/// A command that root runs may be the first to make the lock, and the proxy must be able
/// to take it afterwards. What fails here is said when that happens.
fn leave_to_owner(lock: &File, file: &Path) {
    if rustix::process::geteuid().is_root()
        && let Ok(owner) = file.metadata()
    {
        let _ = fchown(lock, Some(owner.uid()), Some(owner.gid()));
    }
}

/// Who holds the lock, for people to read; nothing depends on it.
fn holder(lock: &mut File) -> String {
    let mut text = String::new();
    match lock.read_to_string(&mut text).ok().and_then(|_| text.trim().parse::<u32>().ok()) {
        Some(id) => format!("process {id}"),
        None => "another process".to_owned(),
    }
}
