//! Every tag that ever meant some bytes.

use jiff::Timestamp;
use serde::Serialize;

use super::kind::{Kind, newest_first};
use crate::ledger::{LedgerError, Log};
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

/// Releases first, then commits, then all other tags; within a kind by repository, and the
/// newest version first.
pub async fn whatis(log: &dyn Log, digest: &Digest) -> Result<Vec<Meant>, LedgerError> {
    let mut all: Vec<Meant> = Vec::new();
    for span in log.spans(digest, MOST).await? {
        let Some(key) = span.from.event.key() else { continue };
        let until = span.until.map(|entry| entry.event.at);
        let time = Time { from: span.from.event.at, until, who: span.from.event.who };
        match all.iter_mut().find(|meant| meant.repository == key.repository && meant.tag == key.tag) {
            Some(meant) => meant.times.push(time),
            None => {
                let (kind, now) = (Kind::of(&key.tag), until.is_none());
                all.push(Meant { repository: key.repository, tag: key.tag, kind, now, times: vec![time] });
            }
        }
    }
    all.sort_by_cached_key(|meant| (meant.kind, meant.repository.clone(), newest_first(&meant.tag)));
    Ok(all)
}
