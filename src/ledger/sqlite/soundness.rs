//! Whether the file is whole. A damaged ledger must not answer from the part that is
//! still readable: a row it does not find would be free to claim.
//!
//! All of it is read once at every start. Where that takes seconds, reads are answered
//! meanwhile, and whoever writes waits for the end of it.

use std::path::Path;
use std::sync::OnceLock;
use std::time::Instant;

use rusqlite::{Connection, ErrorCode};

use super::open::{OpenError, explain};
use crate::ledger::LedgerError;

/// How large a file may be that is read before anything else, in bytes: about 30 ms.
pub(super) const SMALL: u64 = 8 << 20;

/// What is known of the file. Nothing, until all of it was read.
#[derive(Debug, Default)]
pub(super) struct Soundness(OnceLock<Result<(), String>>);

impl Soundness {
    /// Of a file that was read before, or by the process that serves it.
    pub(super) fn known() -> Self {
        Self(OnceLock::from(Ok(())))
    }

    pub(super) fn is_known(&self) -> bool {
        self.0.get().is_some()
    }

    /// An error once damage was found.
    pub(super) fn doubted(&self) -> Result<(), String> {
        self.0.get().cloned().unwrap_or(Ok(()))
    }

    pub(super) fn readable(&self) -> Result<(), LedgerError> {
        self.doubted().map_err(LedgerError::Unavailable)
    }

    /// Reads the whole file, where nobody has.
    pub(super) fn find_out(&self, connection: &Connection, file: &Path) {
        self.0.get_or_init(|| {
            let ledger = file.display();
            tracing::info!(%ledger, "the ledger is read from end to end: pulls are answered, pushes of guarded tags wait");
            let begun = Instant::now();
            let found = check(connection, file);
            match &found {
                Ok(()) => tracing::info!(%ledger, elapsed = ?begun.elapsed(), "the ledger is whole"),
                Err(error) if is_interrupted(error) => tracing::info!(%ledger, "the ledger is closed before its end was read"),
                Err(cause) => tracing::error!(%cause, "the ledger answers nothing any more"),
            }
            found.map_err(|error| error.to_string())
        });
    }
}

fn is_interrupted(error: &OpenError) -> bool {
    matches!(error, OpenError::Sqlite { source, .. } if source.sqlite_error_code() == Some(ErrorCode::OperationInterrupted))
}

/// Whether reading all of the file would keep a start waiting.
pub(super) fn is_large(file: &Path) -> Result<bool, OpenError> {
    let metadata = std::fs::metadata(file).map_err(|source| OpenError::Unreachable { file: file.to_owned(), source })?;
    Ok(metadata.len() > SMALL)
}

/// Reads the whole file once.
pub(super) fn check(connection: &Connection, file: &Path) -> Result<(), OpenError> {
    match damage(connection).map_err(|source| explain(file, source))? {
        None => Ok(()),
        Some(detail) => Err(OpenError::Damaged { file: file.to_owned(), detail }),
    }
}

/// The first damage that reading the whole file finds.
pub(super) fn damage(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    Ok((found != "ok").then_some(found))
}
