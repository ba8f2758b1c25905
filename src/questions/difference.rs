//! What changed in a repository between two moments.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::all_meanings;
use crate::ledger::event::Entry;
use crate::ledger::{LedgerError, Log};
use crate::oci::{Digest, RepositoryName, Tag};

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    Appeared,
    Moved,
    Went,
}

/// A tag that means something else at the second moment than at the first.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Difference {
    pub tag: Tag,
    pub change: Change,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Digest>,
    /// When it came to mean what it means at the second moment.
    pub at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
}

/// In the order of tags. A tag that moved and came back is not among them.
pub async fn diff(
    log: &dyn Log,
    repository: &RepositoryName,
    (first, second): (Timestamp, Timestamp),
) -> Result<Vec<Difference>, LedgerError> {
    let by_tag = |entries: Vec<Entry>| -> BTreeMap<Tag, Entry> {
        entries.into_iter().filter_map(|entry| Some((entry.event.tag.clone()?, entry))).collect()
    };
    let mut before = by_tag(all_meanings(log, repository, Some(first)).await?);
    let after = by_tag(all_meanings(log, repository, Some(second)).await?);
    let difference = |(tag, entry): (Tag, Entry)| {
        let event = entry.event;
        let from = before.remove(&tag).and_then(|entry| entry.event.digest);
        let change = match (&from, &event.digest) {
            (None, Some(_)) => Change::Appeared,
            (Some(from), Some(to)) if from != to => Change::Moved,
            (Some(_), None) => Change::Went,
            _ => return None,
        };
        Some(Difference { tag, change, from, to: event.digest, at: event.at, who: event.who })
    };
    Ok(after.into_iter().filter_map(difference).collect())
}
