//! The file of the witness: a few lines of text, replaced as a whole.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use thiserror::Error;

use super::{Head, Heads, Mark};
use crate::ledger::paths::{directory_of, with_suffix};

const TITLE: &str = "pushonce ledger witness 1";

/// More than any witness has, in bytes.
const LARGEST: u64 = 4096;

/// What a file said of a ledger.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Witness {
    pub file: PathBuf,
    pub heads: Heads,
    /// When the file was written; for people.
    pub written: Option<Timestamp>,
}

/// Why a witness cannot be used.
#[derive(Debug, Error)]
pub enum WitnessError {
    #[error("the witness {} of the ledger cannot be read ({source}); let this process read it, or correct `ledger.witness`", .file.display())]
    Unreadable { file: PathBuf, source: io::Error },
    #[error("the witness {} of the ledger is damaged: {what}", .file.display())]
    Damaged { file: PathBuf, what: &'static str },
    #[error("the witness {} of the ledger cannot be written ({source}); make room, let this process write to its directory, \
             or name another place by `ledger.witness`", .file.display())]
    Unwritable { file: PathBuf, source: io::Error },
    #[error("the thread that writes the witness {} could not be started ({source})", .file.display())]
    Thread { file: PathBuf, source: io::Error },
}

/// Reads the witness in `file`; `None` where there is none.
pub fn read(file: &Path) -> Result<Option<Witness>, WitnessError> {
    let unreadable = |source| WitnessError::Unreadable { file: file.to_owned(), source };
    let open = match File::open(file) {
        Ok(open) => open,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    let written = open.metadata().and_then(|metadata| metadata.modified()).ok();
    let written = written.and_then(|time| Timestamp::try_from(time).ok());
    let mut bytes = Vec::new();
    open.take(LARGEST).read_to_end(&mut bytes).map_err(unreadable)?;
    match parse(&bytes) {
        Ok(heads) => Ok(Some(Witness { file: file.to_owned(), heads, written })),
        Err(what) => Err(WitnessError::Damaged { file: file.to_owned(), what }),
    }
}

/// Brings the witness in `file` to `heads`, durably. Interrupted at any point, the
/// file is the old one or the new one. Where another process, such as the command
/// of an operator, wrote more of the same ledger, that stays; unless this is
/// `anew`, whatever was there.
pub(super) fn write(file: &Path, heads: &Heads, anew: bool) -> Result<(), WitnessError> {
    replace(file, heads, anew).map_err(|source| WitnessError::Unwritable { file: file.to_owned(), source })
}

fn replace(file: &Path, heads: &Heads, anew: bool) -> io::Result<()> {
    let directory = File::open(directory_of(file))?;
    // One process at a time writes here, where the file system can lock a directory;
    // where not, the witness may for a moment know less than it could.
    let _ = directory.lock();
    if !anew
        && let Ok(Some(Witness { heads: known, .. })) = read(file)
        && known.ledger == heads.ledger
        && known.newest.number > heads.newest.number
    {
        return Ok(());
    }
    let new = with_suffix(file, ".new");
    // What a killed process left may be somebody else's.
    let _ = fs::remove_file(&new);
    let mut open = File::create(&new)?;
    open.write_all(render(heads).as_bytes())?;
    open.sync_all()?;
    fs::rename(&new, file)?;
    directory.sync_all()
}

fn render(heads: &Heads) -> String {
    let Heads { ledger, newest, milestone } = heads;
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write!(
        text,
        "{TITLE}\nledger {ledger}\nhead {} {}\nmilestone {} {}\nend\n",
        newest.number, newest.mark, milestone.number, milestone.mark
    );
    text
}

fn parse(bytes: &[u8]) -> Result<Heads, &'static str> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is no text")?;
    let mut lines = text.lines();
    if lines.next() != Some(TITLE) {
        return Err("it does not begin as a witness does");
    }
    let mut field = |name: &str| lines.next().and_then(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let ledger = field("ledger").and_then(Mark::parse).ok_or("its line `ledger` is missing or wrong")?;
    let newest = field("head").and_then(head).ok_or("its line `head` is missing or wrong")?;
    let milestone = field("milestone").and_then(head).ok_or("its line `milestone` is missing or wrong")?;
    let is_whole = lines.next() == Some("end") && lines.next().is_none() && text.ends_with('\n');
    if !is_whole || milestone.number != Heads::milestone_of(newest.number) {
        return Err("it does not end as a witness does");
    }
    Ok(Heads { ledger, newest, milestone })
}

fn head(text: &str) -> Option<Head> {
    let (number, mark) = text.split_once(' ')?;
    Some(Head { number: number.parse().ok()?, mark: Mark::parse(mark)? })
}
