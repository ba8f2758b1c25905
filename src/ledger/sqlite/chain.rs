//! The heads in the file: each transaction that changes rows appends one, and
//! begins by looking whether the file is still the one that it was left as.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, params};

use crate::ledger::witness::{Head, Heads, Mark, Standing, compare};

const NEWEST: &str = "SELECT number, mark FROM heads ORDER BY number DESC LIMIT 1";
const MARK_AT: &str = "SELECT mark FROM heads WHERE number = ?1";
const APPEND: &str = "INSERT INTO heads (number, mark) VALUES (?1, ?2)";
const FORGET: &str = "DELETE FROM heads WHERE number = ?1";

/// The heads as the writer knows them.
pub(super) struct Chain {
    file: PathBuf,
    /// Device and number of the file that is open.
    inode: (u64, u64),
    heads: Heads,
    /// Those of a transaction that was not confirmed, and may stand all the same.
    unsure: Option<Heads>,
    is_told: bool,
}

impl Chain {
    /// Of the file that `connection` has open.
    pub(super) fn new(file: &Path, heads: Heads) -> io::Result<Self> {
        Ok(Self { file: file.to_owned(), inode: inode(file)?, heads, unsure: None, is_told: false })
    }

    /// Inside of a transaction, before it changes anything: is this still the file,
    /// and does it know the state in which it was left? A command of an operator may
    /// have added to it. Else nothing may be written to it.
    pub(super) fn verify(&mut self, connection: &Connection) -> Result<(), String> {
        match self.is_ours(connection) {
            Ok(true) => {
                self.is_told = false;
                Ok(())
            }
            Ok(false) => {
                let file = self.file.display();
                if !self.is_told {
                    self.is_told = true;
                    tracing::error!(ledger = %file, "the ledger was replaced or restored under this process: stop it, put the right file in place, and start it again");
                }
                Err(format!("{file} was replaced, moved or restored while this process has it open"))
            }
            Err(error) => Err(error.to_string()),
        }
    }

    fn is_ours(&mut self, connection: &Connection) -> rusqlite::Result<bool> {
        if !inode(&self.file).is_ok_and(|inode| inode == self.inode) {
            return Ok(false);
        }
        let newest = newest(connection)?;
        if let Some(unsure) = self.unsure.take()
            && newest == Some(unsure.newest)
        {
            self.heads = unsure;
        }
        if newest == Some(self.heads.newest) {
            return Ok(true);
        }
        let Some(standing) = standing(connection, &self.heads)? else { return Ok(false) };
        let is_ours = compare(&self.heads, &standing).is_none();
        if is_ours {
            self.heads = standing.heads;
        }
        Ok(is_ours)
    }

    /// Appends the head of this transaction, last of all.
    pub(super) fn append(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let heads = self.heads.advanced();
        append(connection, &heads)?;
        self.unsure = Some(heads);
        Ok(())
    }

    /// The transaction is durable. Returns the heads if they are new.
    pub(super) fn committed(&mut self) -> Option<Heads> {
        let heads = self.unsure.take()?;
        self.heads = heads;
        Some(heads)
    }
}

/// What the ledger remembers of itself; `None` where its heads are incomplete.
pub(super) fn read(connection: &Connection) -> rusqlite::Result<Option<Heads>> {
    let Some(newest) = newest(connection)? else { return Ok(None) };
    let number = Heads::milestone_of(newest.number);
    let (ledger, milestone) = (mark_at(connection, 0)?, mark_at(connection, number)?);
    let whole = ledger.zip(milestone);
    Ok(whole.map(|(ledger, mark)| Heads { ledger, newest, milestone: Head { number, mark } }))
}

/// What the ledger says to what is known of it.
pub(super) fn standing(connection: &Connection, known: &Heads) -> rusqlite::Result<Option<Standing>> {
    let Some(heads) = read(connection)? else { return Ok(None) };
    let at_newest = mark_at(connection, known.newest.number)?;
    let at_milestone = mark_at(connection, known.milestone.number)?;
    Ok(Some(Standing { heads, at_newest, at_milestone }))
}

fn mark_at(connection: &Connection, number: u64) -> rusqlite::Result<Option<Mark>> {
    let mut statement = connection.prepare_cached(MARK_AT)?;
    let bytes: Option<Vec<u8>> = statement.query_row(params![number.cast_signed()], |row| row.get(0)).optional()?;
    Ok(bytes.and_then(|bytes| Mark::from_bytes(&bytes)))
}

/// Writes the newest of `heads`, and forgets the one that is not needed any more.
pub(super) fn append(connection: &Connection, heads: &Heads) -> rusqlite::Result<()> {
    let Head { number, mark } = heads.newest;
    connection.prepare_cached(APPEND)?.execute(params![number.cast_signed(), mark.as_bytes()])?;
    if let Some(number) = heads.dispensable() {
        connection.prepare_cached(FORGET)?.execute(params![number.cast_signed()])?;
    }
    Ok(())
}

fn newest(connection: &Connection) -> rusqlite::Result<Option<Head>> {
    let mut statement = connection.prepare_cached(NEWEST)?;
    let head: Option<(i64, Vec<u8>)> = statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    Ok(head.and_then(|(number, mark)| Some(Head { number: number.cast_unsigned(), mark: Mark::from_bytes(&mark)? })))
}

/// By name: to open the file here would drop SQLite's locks on it.
fn inode(file: &Path) -> io::Result<(u64, u64)> {
    fs::metadata(file).map(|metadata| (metadata.dev(), metadata.ino()))
}
