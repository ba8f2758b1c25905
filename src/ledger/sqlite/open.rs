//! Opening the file: every way in which it can be the wrong one has its own
//! error, which names it and says what to do. Nothing is written to a file
//! before it is known to be a ledger or empty.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, MAIN_DB, OpenFlags};
use rusqlite_migration::{M, Migrations};
use thiserror::Error;

use super::soundness::{Soundness, check, is_large};
use super::{chain, judge, lock};
use crate::ledger::paths::{directory_of, with_suffix};
use crate::ledger::witness::{self, Doubt, Heads, WitnessError};

/// The oldest SQLite that is free of the corruption a reset of the write-ahead
/// log could cause (fixed in 3.51.3).
const OLDEST_SQLITE: i32 = 3_051_003;

/// "push" in ASCII; the first migration writes it.
const APPLICATION_ID: i64 = 0x7075_7368;

/// Forward only, and a released one is never edited.
pub(super) const MIGRATIONS: &[M<'_>] = &[
    M::up(include_str!("../migrations/sqlite/001-tags.sql")),
    M::up(include_str!("../migrations/sqlite/002-acts.sql")),
    M::up(include_str!("../migrations/sqlite/003-heads.sql")),
    M::up(include_str!("../migrations/sqlite/004-log.sql")),
    M::up(include_str!("../migrations/sqlite/005-moves.sql")),
];

/// How long to wait for somebody else's lock, such as that of a `.backup`.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a ledger could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    #[error("SQLite {found} can corrupt a ledger; build with the bundled one, 3.51.3 or newer")]
    OldSqlite { found: &'static str },
    #[error("the ledger {} is a directory; name a file in it, such as {}", .file.display(), .file.join("pushonce.db").display())]
    Directory { file: PathBuf },
    #[error("the ledger {} has no directory to be in: create {}, or correct the ledger's path", .file.display(), .directory.display())]
    NoDirectory { file: PathBuf, directory: PathBuf },
    #[error("the ledger {} is read-only; let this process write to it and to its directory", .file.display())]
    ReadOnly { file: PathBuf },
    #[error("there is no ledger {}; correct the path, which is `ledger.url` of the configuration", .file.display())]
    Missing { file: PathBuf },
    #[error("the ledger {} cannot be reached; check the path and its permissions", .file.display())]
    Unreachable { file: PathBuf, source: io::Error },
    #[error("the ledger {} is in use by {holder}; stop that first, for a ledger serves one process at a time", .file.display())]
    InUse { file: PathBuf, holder: String },
    #[error("the lock {} of the ledger cannot be taken; let this process write to the directory of {}", .lock.display(), .file.display())]
    LockFile { file: PathBuf, lock: PathBuf, source: io::Error },
    #[error("{} is not a ledger, nor any SQLite database; correct the path, or restore the file from a backup", .file.display())]
    NotADatabase { file: PathBuf },
    #[error("{} is an SQLite database, but not a ledger; correct the path, it was left as it is", .file.display())]
    NotALedger { file: PathBuf },
    #[error("the ledger {} has schema {found} of a newer version, and this one knows {known}; \
             run the newer version, or restore a backup from before the upgrade", .file.display())]
    Newer { file: PathBuf, found: i64, known: usize },
    #[error("the ledger {} has schema {found} of an older version, and this one knows {known}; \
             `pushonce serve` of this version brings it up to date when it starts", .file.display())]
    Older { file: PathBuf, found: i64, known: usize },
    #[error("the ledger {} is damaged ({detail}); keep the file, and restore a backup", .file.display())]
    Damaged { file: PathBuf, detail: String },
    #[error("the ledger {} cannot have a write-ahead log, but {mode}; put it on a local file system", .file.display())]
    NoLog { file: PathBuf, mode: String },
    #[error("the ledger {} could not be brought to the schema of this version; it was left as it is", .file.display())]
    Migration { file: PathBuf, source: rusqlite_migration::Error },
    #[error("the ledger {} cannot be opened; check its permissions and the space on its disk", .file.display())]
    Sqlite { file: PathBuf, source: rusqlite::Error },
    #[error("the thread that writes the ledger {} could not be started", .file.display())]
    Thread { file: PathBuf, source: io::Error },
    #[error("`ledger.witness` names {}, which belongs to the ledger itself; name another file", .file.display())]
    WitnessIsLedger { file: PathBuf },
    #[error("that the ledger {} counts could not be written down ({cause}); see to its disk, and say it again", .file.display())]
    Unaccepted { file: PathBuf, cause: String },
    #[error(transparent)]
    Doubtful(#[from] Doubt),
    #[error(transparent)]
    Witness(#[from] WitnessError),
}

/// What is to be opened.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) file: &'a Path,
    pub(super) registry: &'a str,
    /// The file of the witness; `None` is beside the ledger.
    pub(super) witness: Option<&'a Path>,
    /// Whether an operator says that it counts, whatever the doubts.
    pub(super) is_accepted: bool,
    /// Whether a large file may be opened first and read from end to end then.
    pub(super) is_impatient: bool,
}

pub(super) struct Opened {
    pub(super) file: PathBuf,
    pub(super) lookups: Connection,
    pub(super) scans: Connection,
    pub(super) writer: Connection,
    /// `None` where it is open beside the process that has the lock.
    pub(super) lock: Option<File>,
    pub(super) witness: PathBuf,
    pub(super) heads: Heads,
    pub(super) soundness: Soundness,
    /// Why it would be refused, had no operator accepted it.
    pub(super) doubts: Vec<Doubt>,
}

pub(super) fn open(wanted: &Wanted<'_>) -> Result<Opened, OpenError> {
    if rusqlite::version_number() < OLDEST_SQLITE {
        return Err(OpenError::OldSqlite { found: rusqlite::version() });
    }
    let file = locate(wanted.file)?;
    let lock = lock::hold(&file)?;
    let explain = |source| explain(&file, source);
    let witness = witness_of(&file, wanted.witness)?;
    let is_there = settle(&file)?;
    let (mut known, mut doubts) = match witness::read(&witness) {
        Ok(known) => (known, Vec::new()),
        Err(error) => (None, vec![Doubt::Unreadable(error)]),
    };
    let had_witness = known.is_some();
    if !is_there && let Some(witness) = known.take() {
        doubts.push(Doubt::Gone { ledger: witness::in_file(&file), witness: Box::new(witness) });
    }
    let refuse = |doubts: &mut Vec<Doubt>| match wanted.is_accepted || doubts.is_empty() {
        true => Ok(()),
        false => Err(OpenError::Doubtful(doubts.swap_remove(0))),
    };
    refuse(&mut doubts)?;

    let writable = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let mut writer = connect(&file, writable).map_err(explain)?;
    if writer.is_readonly(MAIN_DB).map_err(explain)? {
        return Err(OpenError::ReadOnly { file });
    }
    let found = recognise(&writer, &file)?;
    let is_new = found == 0;
    // Nothing is migrated that is not known to be whole.
    let soundness = if wanted.is_impatient && is_current(found) && is_large(&file)? {
        Soundness::default()
    } else {
        check(&writer, &file)?;
        Soundness::known()
    };
    doubts.append(&mut judge::judge(&writer, &file, wanted.registry, known).map_err(explain)?);
    refuse(&mut doubts)?;
    keep_a_log(&writer, &file)?;
    let migrations = Migrations::from_slice(MIGRATIONS);
    migrations.to_latest(&mut writer).map_err(|source| OpenError::Migration { file: file.clone(), source })?;
    let Some(heads) = chain::read(&writer).map_err(explain)? else { return Err(headless(file)) };
    if doubts.is_empty() {
        judge::enter(&writer, wanted.registry).map_err(explain)?;
        if !had_witness && !is_new {
            let (ledger, witness) = (file.display().to_string(), witness.display().to_string());
            tracing::warn!(ledger, witness, "the ledger has no witness: it is taken as it is");
        }
    }

    let reader = || connect(&file, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(explain);
    let (lookups, scans) = (reader()?, reader()?);
    Ok(Opened { lookups, scans, writer, lock: Some(lock), witness, heads, soundness, doubts, file })
}

/// The file of the witness, which is none of the files of the ledger.
fn witness_of(file: &Path, wanted: Option<&Path>) -> Result<PathBuf, OpenError> {
    let Some(wanted) = wanted else { return Ok(witness::beside(file)) };
    let real = locate(wanted).unwrap_or_else(|_| wanted.to_owned());
    let is_own = |suffix: &str| real == with_suffix(file, suffix);
    if ["", "-wal", "-shm", ".lock"].into_iter().any(is_own) {
        return Err(OpenError::WitnessIsLedger { file: wanted.to_owned() });
    }
    Ok(wanted.to_owned())
}

/// Brings what is there to the disk: a process that was killed may have left
/// commits that are not, and the witness must not know of what a loss of power
/// could take back. Done before SQLite has the file open. Returns whether there
/// is a file.
fn settle(file: &Path) -> Result<bool, OpenError> {
    let log = with_suffix(file, "-wal");
    let mut is_there = [false; 2];
    for (path, is_there) in [file, &log].into_iter().zip(&mut is_there) {
        match File::open(path).and_then(|open| open.sync_all()) {
            Ok(()) => *is_there = true,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(source) => return Err(OpenError::Unreachable { file: file.to_owned(), source }),
        }
    }
    Ok(is_there[0])
}

/// Opens a ledger that a running process may have the lock of, for one command of an
/// operator: SQLite's own locks keep its transactions apart from those of that process.
/// Makes no file, and leaves the schema as it is.
pub(super) fn beside(wanted: &Wanted<'_>) -> Result<Opened, OpenError> {
    let file = existing(wanted.file)?;
    let witness = witness_of(&file, wanted.witness)?;
    // Read before the ledger, so that what the other process adds meanwhile is no doubt.
    let known = witness::read(&witness).map_err(|error| OpenError::Doubtful(Doubt::Unreadable(error)))?;
    let explain = |source| explain(&file, source);
    let writer = connect(&file, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(explain)?;
    if writer.is_readonly(MAIN_DB).map_err(explain)? {
        return Err(OpenError::ReadOnly { file });
    }
    let found = recognise(&writer, &file)?;
    refuse_older(found, &file)?;
    if let Some(doubt) = judge::judge(&writer, &file, wanted.registry, known).map_err(explain)?.pop() {
        return Err(doubt.into());
    }
    keep_a_log(&writer, &file)?;
    let Some(heads) = chain::read(&writer).map_err(explain)? else { return Err(headless(file)) };
    let reader = || connect(&file, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(explain);
    let (lookups, scans) = (reader()?, reader()?);
    let soundness = Soundness::known();
    Ok(Opened { lookups, scans, writer, lock: None, witness, heads, soundness, doubts: Vec::new(), file })
}

fn is_current(found: i64) -> bool {
    usize::try_from(found) == Ok(MIGRATIONS.len())
}

/// For who may not bring the schema up to date.
pub(super) fn refuse_older(found: i64, file: &Path) -> Result<(), OpenError> {
    if is_current(found) { Ok(()) } else { Err(OpenError::Older { file: file.to_owned(), found, known: MIGRATIONS.len() }) }
}

/// A connection that only reads, beside the process that may be serving the ledger, with
/// the file's true name and the version of its schema.
pub(super) fn reader(path: &Path) -> Result<(Connection, PathBuf, i64), OpenError> {
    let file = existing(path)?;
    let reader = connect(&file, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(|source| explain(&file, source))?;
    let found = recognise(&reader, &file)?;
    Ok((reader, file, found))
}

/// A database in memory with the schema of that version: what a file of it must have.
pub(super) fn model(version: usize) -> Result<Connection, OpenError> {
    let file = PathBuf::from(":memory:");
    let mut model = Connection::open_in_memory().map_err(|source| explain(&file, source))?;
    let migrations = Migrations::from_slice(MIGRATIONS);
    migrations.to_version(&mut model, version).map_err(|source| OpenError::Migration { file, source })?;
    Ok(model)
}

fn headless(file: PathBuf) -> OpenError {
    OpenError::Damaged { file, detail: "its heads are missing".to_owned() }
}

fn existing(path: &Path) -> Result<PathBuf, OpenError> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Err(OpenError::Directory { file: path.to_owned() }),
        Ok(_) => fs::canonicalize(path).map_err(|source| OpenError::Unreachable { file: path.to_owned(), source }),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(OpenError::Missing { file: path.to_owned() }),
        Err(source) => Err(OpenError::Unreachable { file: path.to_owned(), source }),
    }
}

/// The file's one true name, so that two names for it are one lock. Reads only
/// the directory: to open and close the file itself here would drop the locks
/// that SQLite holds on it in this process.
fn locate(path: &Path) -> Result<PathBuf, OpenError> {
    let file = path.to_owned();
    let unreachable = |source| OpenError::Unreachable { file: path.to_owned(), source };
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Err(OpenError::Directory { file }),
        // Asked here because an administrator's writes would be let through.
        Ok(metadata) if metadata.permissions().readonly() => Err(OpenError::ReadOnly { file }),
        Ok(_) => fs::canonicalize(path).map_err(unreachable),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let Some(name) = path.file_name() else { return Err(OpenError::Directory { file }) };
            let parent = directory_of(path);
            match fs::canonicalize(parent) {
                Ok(directory) => Ok(directory.join(name)),
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    Err(OpenError::NoDirectory { directory: parent.to_owned(), file })
                }
                Err(error) => Err(unreachable(error)),
            }
        }
        Err(error) => Err(unreachable(error)),
    }
}

/// Without `SQLITE_OPEN_URI`: a path is a path, whatever it looks like.
pub(super) fn connect(file: &Path, access: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(file, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // More than there are: a statement that fell out would be compiled for every push.
    connection.set_prepared_statement_cache_capacity(128);
    Ok(connection)
}

/// Tells a ledger from other databases, and one of this version from a newer. Returns
/// the version of its schema; 0 for an empty file.
fn recognise(connection: &Connection, file: &Path) -> Result<i64, OpenError> {
    let number = |sql: &str| -> Result<i64, OpenError> {
        connection.query_row(sql, [], |row| row.get(0)).map_err(|source| explain(file, source))
    };
    let id = number("PRAGMA application_id")?;
    let found = number("PRAGMA user_version")?;
    let is_empty = id == 0 && found == 0 && number("SELECT count(*) FROM sqlite_schema")? == 0;
    if id != APPLICATION_ID && !is_empty {
        return Err(OpenError::NotALedger { file: file.to_owned() });
    }
    if usize::try_from(found).is_ok_and(|found| found > MIGRATIONS.len()) {
        return Err(OpenError::Newer { file: file.to_owned(), found, known: MIGRATIONS.len() });
    }
    Ok(found)
}

/// The write-ahead log keeps readers from waiting for the writer; FULL flushes
/// it at every commit, on macOS (`fullfsync`) down to the platter. The other
/// two make the guards of the schema hold: `recursive_triggers` is what lets a
/// trigger see the row that a REPLACE would delete.
fn keep_a_log(connection: &Connection, file: &Path) -> Result<(), OpenError> {
    let explain = |source| explain(file, source);
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(explain)?;
    if mode != "wal" {
        return Err(OpenError::NoLog { file: file.to_owned(), mode });
    }
    for (pragma, value) in [("synchronous", "FULL"), ("fullfsync", "ON"), ("foreign_keys", "ON"), ("recursive_triggers", "ON")] {
        connection.pragma_update(None, pragma, value).map_err(explain)?;
    }
    Ok(())
}

pub(super) fn explain(file: &Path, source: rusqlite::Error) -> OpenError {
    let file = file.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => OpenError::NotADatabase { file },
        Some(ErrorCode::DatabaseCorrupt) => OpenError::Damaged { file, detail: source.to_string() },
        _ => OpenError::Sqlite { file, source },
    }
}
