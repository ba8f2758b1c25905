//! What the release log holds: one event for everything that happened to a tag.
//!
//! An event is written once and never changed. Its text is one line of JSON, which is
//! also the leaf of the log's tree ([`super::tree`]): whoever exports the log can
//! compute the tree again.

use jiff::{Timestamp, Unit};
use serde::{Deserialize, Serialize};

use super::TagKey;
use crate::oci::words::words;
use crate::oci::{Digest, RepositoryName, Tag};

/// What was done, or tried.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// A manifest was pushed to a tag.
    Push,
    /// A tag was deleted, by its name or with its manifest.
    Delete,
    /// A tag that the registry held was entered.
    Adopt,
    /// The registry's pointer was looked at, or corrected.
    Look,
    /// An operator changed something by hand.
    Act,
}

/// How it ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// An immutable tag means its digest from now on.
    Pushed,
    /// A tag that moves means another digest from now on.
    Moved,
    /// The tag meant these bytes before.
    Repeated,
    /// Let through, and a rule in audit mode would have refused it.
    Warned,
    /// A rule refused it.
    Refused,
    /// The tag means nothing from now on.
    Deleted,
    /// Begun and sent to the registry, and nobody knows what became of it: the tag means
    /// something else by now.
    Unknown,
    /// Found in the registry and entered.
    Adopted,
    /// A tag that moves was found to mean another digest than the log said.
    Seen,
    /// The registry points an immutable tag elsewhere; pulls get what it means.
    Drifted,
    /// The registry lacks what an immutable tag means.
    Missing,
    /// The registry's pointer of an immutable tag was put right.
    Repaired,
    /// An operator's act, in `detail`.
    Acted,
}

words!(Action { Push => "push", Delete => "delete", Adopt => "adopt", Look => "look", Act => "act" });
words!(Outcome {
    Pushed => "pushed",
    Moved => "moved",
    Repeated => "repeated",
    Warned => "warned",
    Refused => "refused",
    Deleted => "deleted",
    Unknown => "unknown",
    Adopted => "adopted",
    Seen => "seen",
    Drifted => "drifted",
    Missing => "missing",
    Repaired => "repaired",
    Acted => "acted",
});

impl Outcome {
    /// Whether the tag means the event's digest from then on, or nothing where the
    /// event has none.
    pub fn points(self) -> bool {
        matches!(self, Self::Pushed | Self::Moved | Self::Warned | Self::Deleted | Self::Adopted | Self::Seen)
    }
}

/// Who changes a tag, when and by which request: what a change is recorded with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Note {
    /// To the millisecond, by the clock of whoever writes it.
    pub at: Timestamp,
    pub media_type: Option<String>,
    /// Bytes of the manifest.
    pub size: Option<u64>,
    /// The user whose credentials the registry accepted.
    pub who: Option<String>,
    /// The `User-Agent`.
    pub client: Option<String>,
    /// The rule of the policy that decided.
    pub rule: Option<String>,
    /// The id of the request, as in the log lines and in `X-Request-Id`.
    pub request: Option<String>,
    /// What else is to be said, in one line.
    pub detail: Option<String>,
}

impl From<Timestamp> for Note {
    fn from(at: Timestamp) -> Self {
        let at = at.round(Unit::Millisecond).unwrap_or(at);
        Self { at, media_type: None, size: None, who: None, client: None, rule: None, request: None, detail: None }
    }
}

impl Note {
    /// The words of who began what this note ends, at the time of its end.
    pub(super) fn in_the_words_of(&self, begun: &Self) -> Self {
        let detail = format!("begun {}, its end was written down later", begun.at);
        Self { at: self.at, detail: Some(detail), ..begun.clone() }
    }
}

/// Something that happened to a tag. `tag` and `repository` are missing where an
/// operator's act concerns the ledger as a whole.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// RFC 3339, in UTC and to the millisecond.
    pub at: Timestamp,
    /// The registry's name in the ledger (`upstream.name`).
    pub registry: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<RepositoryName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<Tag>,
    pub action: Action,
    pub outcome: Outcome,
    /// What the tag means now; what was pushed, where that was refused; what was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// What the tag meant before, or means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Event {
    /// What happened to `key`, by the words of `note`.
    pub fn of(registry: &str, key: &TagKey, action: Action, outcome: Outcome, note: &Note) -> Self {
        let (repository, tag) = (Some(key.repository.clone()), Some(key.tag.clone()));
        Self { repository, tag, ..Self::about_nothing(registry, action, outcome, note) }
    }

    /// The same without a tag.
    pub fn about_nothing(registry: &str, action: Action, outcome: Outcome, note: &Note) -> Self {
        let Note { at, media_type, size, who, client, rule, request, detail } = note.clone();
        let (repository, tag, digest, previous) = (None, None, None, None);
        let registry = registry.to_owned();
        Self {
            at,
            registry,
            repository,
            tag,
            action,
            outcome,
            digest,
            previous,
            media_type,
            size,
            who,
            client,
            rule,
            request,
            detail,
        }
    }

    pub fn with(mut self, digest: Option<&Digest>, previous: Option<&Digest>) -> Self {
        self.digest = digest.cloned();
        self.previous = previous.cloned();
        self
    }

    /// The tag it is about.
    pub fn key(&self) -> Option<TagKey> {
        Some(TagKey { repository: self.repository.clone()?, tag: self.tag.clone()? })
    }

    /// One line of JSON without its end: the leaf of the tree.
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// An event with its number: greater than that of every event written before it by the
/// same replica. Pages go from one number to the next.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Entry {
    pub number: u64,
    #[serde(flatten)]
    pub event: Event,
}
