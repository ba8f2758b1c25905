//! Rows as they stand in the tables, lifted ones included: for what checks a ledger and
//! for what carries one to another engine.

use jiff::Timestamp;

use crate::ledger::row::event::{EventRow, NoteRow};
use crate::ledger::{LedgerError, row};

/// Where a row of `tags` stands; pages are read in this order.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Place {
    pub registry: String,
    pub repository: String,
    pub tag: String,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{} of registry `{}`", self.repository, self.tag, self.registry)
    }
}

/// A row of `tags`. Times are milliseconds since 1970.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TagRow {
    pub place: Place,
    pub digest: String,
    /// `open`, `sealed`, `burnt` or `lifted`.
    pub state: String,
    /// `pushed` or `adopted`.
    pub origin: String,
    pub claimed_at: i64,
    pub changed_at: i64,
}

/// A row of `attempts`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct AttemptRow {
    pub place: Place,
    pub attempt: [u8; 16],
    pub opened_at: i64,
}

/// Which rows of the log wait for their end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Waiting {
    /// The notes of attempts.
    Notes,
    /// Open changes.
    Changes,
}

/// A row of `notes` or `changes`; of a note, `digest` and `told` say nothing.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct WaitingRow {
    pub place: Place,
    pub attempt: [u8; 16],
    pub digest: Option<String>,
    pub told: bool,
    pub note: NoteRow,
}

/// A row of `turns`: how far the log was handed on, under a name. Who is at it is not
/// carried: nobody is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TurnRow {
    pub name: String,
    pub position: i64,
}

/// A row of `acts`, in the order of its number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ActRow {
    pub number: i64,
    pub registry: String,
    pub at: i64,
    pub who: String,
    pub what: String,
    pub reason: String,
}

impl TagRow {
    /// Whether everything in the row can be read; the words name the row.
    pub fn check(&self) -> Result<(), String> {
        self.read().map_err(|error| match error {
            LedgerError::Corrupt(words) => words,
            other => other.to_string(),
        })?;
        let mut times = [self.claimed_at, self.changed_at].into_iter();
        times.try_for_each(moment).map_err(|words| format!("{}: {words}", self.place))
    }

    /// Its words as the engines read them, and of a lifted row all of them.
    fn read(&self) -> Result<(), LedgerError> {
        let Place { registry, repository, tag } = &self.place;
        let name = format!("{repository}:{tag}");
        let place = row::Place { registry, row: &name };
        place.repository(repository)?;
        place.tag(tag)?;
        place.digest(&self.digest)?;
        place.state(&self.state)?;
        place.origin(&self.origin).map(|_| ())
    }
}

/// What stands in a row, for people who compare two.
impl std::fmt::Display for TagRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { digest, state, origin, claimed_at, changed_at, .. } = self;
        write!(f, "{state} for {digest} ({origin}, claimed at {}, changed at {})", time(*claimed_at), time(*changed_at))
    }
}

impl std::fmt::Display for AttemptRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} opened at {}", uuid::Uuid::from_bytes(self.attempt), time(self.opened_at))
    }
}

impl std::fmt::Display for ActRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` by {} at {} ({})", self.what, self.who, time(self.at), self.reason)
    }
}

impl std::fmt::Display for EventRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tag = self.tag.as_deref().unwrap_or("-");
        write!(f, "{} of {}:{tag} at {}", self.outcome, self.repository.as_deref().unwrap_or("-"), time(self.at))
    }
}

impl std::fmt::Display for TurnRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "at position {}", self.position)
    }
}

impl std::fmt::Display for WaitingRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} begun at {}", uuid::Uuid::from_bytes(self.attempt), time(self.note.at))
    }
}

fn time(milliseconds: i64) -> String {
    Timestamp::from_millisecond(milliseconds).map_or_else(|_| milliseconds.to_string(), |time| time.to_string())
}

/// Whether a stamp is a time at all.
pub fn moment(milliseconds: i64) -> Result<(), String> {
    Timestamp::from_millisecond(milliseconds).map(|_| ()).map_err(|_| format!("{milliseconds} is no time"))
}
