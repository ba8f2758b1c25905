//! Every tag that ever meant some bytes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::kind::{Kind, newest_first};
use crate::ledger::{LedgerError, Log, TagKey};
use crate::oci::{Digest, RepositoryName, Tag};

/// The most times that are read.
const MOST: usize = 10_000;

/// A time in which a tag meant the digest.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Time {
    pub from: Timestamp,
    /// Missing where it still does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
}

/// A tag that means the digest, or did.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Meant {
    pub repository: RepositoryName,
    pub tag: Tag,
    pub kind: Kind,
    /// Whether it means the digest now.
    pub now: bool,
    /// The newest first.
    pub times: Vec<Time>,
}

/// What is known of a digest.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Known {
    pub digest: Digest,
    /// Releases first, then commits, then all other tags; within a kind by repository, and
    /// the newest version first.
    pub tags: Vec<Meant>,
    /// Whether older times were left out, since there are too many.
    pub more: bool,
}

pub async fn whatis(log: &dyn Log, digest: &Digest) -> Result<Known, LedgerError> {
    known(log, digest, MOST).await
}

/// From the newest `most` times.
pub(super) async fn known(log: &dyn Log, digest: &Digest, most: usize) -> Result<Known, LedgerError> {
    let mut spans = log.spans(digest, most.saturating_add(1)).await?;
    let more = spans.len() > most;
    spans.truncate(most);
    let mut all: BTreeMap<TagKey, Vec<Time>> = BTreeMap::new();
    for span in spans {
        let Some(key) = span.from.event.key() else { continue };
        let until = span.until.map(|entry| entry.event.at);
        all.entry(key).or_default().push(Time { from: span.from.event.at, until, who: span.from.event.who });
    }
    let meant = |(TagKey { repository, tag }, times): (TagKey, Vec<Time>)| {
        let now = times.first().is_some_and(|newest| newest.until.is_none());
        Meant { repository, kind: Kind::of(&tag), tag, now, times }
    };
    let mut tags: Vec<Meant> = all.into_iter().map(meant).collect();
    tags.sort_by_cached_key(|meant| (meant.kind, meant.repository.clone(), newest_first(&meant.tag)));
    Ok(Known { digest: digest.clone(), tags, more })
}
