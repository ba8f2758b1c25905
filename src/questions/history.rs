//! The history of a tag, a repository or everything, the newest first and page by page.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::ledger::event::Entry;
use crate::ledger::log::Filter;
use crate::ledger::{LedgerError, Log};

/// Where a page ends, as text that means nothing to anybody else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cursor {
    pub at: Timestamp,
    pub number: u64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.at.as_millisecond(), self.number)
    }
}

impl FromStr for Cursor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.rsplit_once('-').and_then(|(at, number)| {
            let at = Timestamp::from_millisecond(at.parse().ok()?).ok()?;
            Some(Self { at, number: number.parse().ok()? })
        });
        parsed.ok_or_else(|| format!("`{text}` is no place in the log; give the `next` of the page before, as it is"))
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A page of the log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Page {
    /// The newest first.
    pub entries: Vec<Entry>,
    /// Where the next page begins; missing on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Cursor>,
}

/// Entries of the log, at most `limit`, behind `after`.
pub async fn history(log: &dyn Log, filter: &Filter, after: Option<Cursor>, limit: usize) -> Result<Page, LedgerError> {
    let before = after.map(|cursor| (cursor.at, cursor.number)).or(filter.before);
    let mut entries = log.entries(&Filter { before, ..filter.clone() }, limit.saturating_add(1)).await?;
    let is_last = entries.len() <= limit;
    entries.truncate(limit);
    let last = entries.last().map(|entry| Cursor { at: entry.event.at, number: entry.number });
    Ok(Page { next: last.filter(|_| !is_last), entries })
}
