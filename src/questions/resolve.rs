//! What a tag means, now or at a time: what CI pins.

use jiff::Timestamp;
use serde::Serialize;

use crate::ledger::decision::Decisions;
use crate::ledger::event::{Entry, Outcome};
use crate::ledger::{Ledger, LedgerError, State, TagKey};
use crate::oci::{Digest, RepositoryName, Tag};

/// What a tag means.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Resolved {
    pub repository: RepositoryName,
    pub tag: Tag,
    pub digest: Digest,
    /// To paste: `repository@digest`.
    pub pin: String,
    /// Since when it does.
    pub since: Timestamp,
    /// Who pushed it, as far as is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// How it came to mean it: pushed through the gate, or found in the registry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Where the release was marked as bad: since when, by whom and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yanked: Option<YankedSince>,
}

/// Who marked a release as bad.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct YankedSince {
    /// The release, which may be another tag of the same digest.
    pub tag: Tag,
    pub at: Timestamp,
    pub who: String,
    pub reason: String,
}

/// The answer to [`resolve`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Resolution {
    Means(Resolved),
    /// It was deleted at that time.
    Deleted(Timestamp),
    /// Nothing is known of it, or nothing was at that time.
    Unknown,
}

/// For a sealed tag and now, the ledger's own row is the truth; for all else, the log. That
/// goes for a tombstone too: its delete is in the log, and so is whatever was pushed since
/// the policy lets the tag move.
pub async fn resolve(ledger: &dyn Ledger, key: &TagKey, at: Option<Timestamp>) -> Result<Resolution, LedgerError> {
    let record = match at {
        None => ledger.lookup(key).await?,
        Some(_) => None,
    };
    let entry = ledger.meaning(key, at).await?;
    let decisions = Decisions::of(&ledger.acts().await?);
    let yanked = |digest: &Digest| {
        let (release, yank) = decisions.yanked(&key.repository, |yanked| yanked == digest)?;
        Some(YankedSince { tag: release.tag.clone(), at: yank.at, who: yank.who.clone(), reason: yank.reason.clone() })
    };
    let resolved = |digest: Digest, since: Timestamp, entry: Option<Entry>| {
        let event = entry.map(|entry| entry.event).filter(|event| event.digest.as_ref() == Some(&digest));
        let (outcome, who) = event.map(|event| (event.outcome, event.who)).unzip();
        let pin = format!("{}@{digest}", key.repository);
        let (repository, tag) = (key.repository.clone(), key.tag.clone());
        let yanked = yanked(&digest);
        Resolution::Means(Resolved { repository, tag, digest, pin, since, who: who.flatten(), outcome, yanked })
    };
    Ok(match (record, entry) {
        (Some(row), entry) if row.state == State::Sealed => resolved(row.digest, row.since, entry),
        (_, Some(entry)) => match entry.event.digest.clone() {
            Some(digest) => resolved(digest, entry.event.at, Some(entry)),
            None => Resolution::Deleted(entry.event.at),
        },
        (Some(row), None) if row.state == State::Burnt => Resolution::Deleted(row.since),
        _ => Resolution::Unknown,
    })
}
