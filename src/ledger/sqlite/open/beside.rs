//! Opening a ledger for one command of an operator, beside the process that may be serving
//! it: SQLite's own locks keep the transactions of the two apart. Makes no file, and leaves
//! the schema as it is.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, MAIN_DB, OpenFlags};
use rusqlite_migration::Migrations;

use super::{MIGRATIONS, OpenError, connect, explain, keep_a_log, recognise};

pub(in crate::ledger::sqlite) struct Beside {
    pub(in crate::ledger::sqlite) lookups: Connection,
    pub(in crate::ledger::sqlite) scans: Connection,
    pub(in crate::ledger::sqlite) writer: Connection,
}

pub(in crate::ledger::sqlite) fn beside(path: &Path) -> Result<Beside, OpenError> {
    let (lookups, file, found) = reader(path)?;
    if found != known() {
        return Err(OpenError::Older { file, found, known: known() });
    }
    let explain = |source| explain(&file, source);
    let writer = connect(&file, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(explain)?;
    if writer.is_readonly(MAIN_DB).map_err(explain)? {
        return Err(OpenError::ReadOnly { file });
    }
    keep_a_log(&writer, &file)?;
    let scans = connect(&file, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(explain)?;
    Ok(Beside { lookups, scans, writer })
}

/// A connection that only reads, the file's true name, and the version of its schema.
pub(in crate::ledger::sqlite) fn reader(path: &Path) -> Result<(Connection, PathBuf, usize), OpenError> {
    let file = existing(path)?;
    let failed = |source| explain(&file, source);
    let reader = connect(&file, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(failed)?;
    recognise(&reader, &file)?;
    let version: i64 = reader.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(failed)?;
    match usize::try_from(version) {
        Ok(version) if version > 0 => Ok((reader, file, version)),
        _ => Err(OpenError::NotALedger { file }),
    }
}

/// The version of the schema that this program writes.
pub(in crate::ledger::sqlite) fn known() -> usize {
    MIGRATIONS.len()
}

/// A database in memory with the schema of that version: what a file of it must have.
pub(in crate::ledger::sqlite) fn model(version: usize) -> Result<Connection, OpenError> {
    let file = PathBuf::from(":memory:");
    let mut model = Connection::open_in_memory().map_err(|source| explain(&file, source))?;
    let migrations = Migrations::from_slice(MIGRATIONS);
    migrations.to_version(&mut model, version).map_err(|source| OpenError::Migration { file, source })?;
    Ok(model)
}

fn existing(path: &Path) -> Result<PathBuf, OpenError> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Err(OpenError::Directory { file: path.to_owned() }),
        Ok(_) => fs::canonicalize(path).map_err(|source| OpenError::Unreachable { file: path.to_owned(), source }),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(OpenError::Missing { file: path.to_owned() }),
        Err(source) => Err(OpenError::Unreachable { file: path.to_owned(), source }),
    }
}
