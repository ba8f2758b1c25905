//! A change of a tag that moves freely: written down before it is sent, and ended after.

use super::TagKey;
use super::event::{Action, Entry, Note, Outcome};
use crate::clock::AttemptId;
use crate::oci::{Digest, Tag};

/// A change that was written down, and the duty to say how it went.
///
/// Dropping it leaves it open: then whoever looks at the registry later settles it.
#[must_use = "a change ends by complete or abandon; dropped, it stays open"]
#[derive(PartialEq, Eq, Debug)]
pub struct Change {
    pub(super) key: TagKey,
    /// `None` is a delete.
    pub(super) to: Option<Digest>,
    pub(super) attempt: AttemptId,
    /// The number of the event that said what the tag meant when the change began; 0
    /// where there was none.
    pub(super) after: u64,
}

impl Change {
    pub fn key(&self) -> &TagKey {
        &self.key
    }

    pub fn to(&self) -> Option<&Digest> {
        self.to.as_ref()
    }

    pub fn attempt(&self) -> AttemptId {
        self.attempt
    }
}

/// What the registry showed of a tag.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Look {
    pub found: Option<Digest>,
    /// What [`super::Ledger::version`] said before the registry was asked: where it says
    /// anything else by now, the look may be older than what the log knows.
    pub version: u64,
}

/// What a tag that follows releases has followed, after a change of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Followed {
    /// The newest one. `None` for a tag that moves freely, or has followed none.
    pub release: Option<Tag>,
    /// Whether it means bytes now that were no known release.
    pub is_unreleased: bool,
}

/// The answer to [`super::Ledger::begin`].
#[derive(PartialEq, Eq, Debug)]
pub struct Begun {
    pub change: Change,
    /// Whether the tag had a row, which is lifted now.
    pub lifted: bool,
    /// The entry that says what the tag meant when the change began.
    pub before: Option<Entry>,
    /// Other changes of the tag that nobody has ended.
    pub others: Vec<OpenChange>,
    /// The newest release that the tag has followed.
    pub followed: Option<Tag>,
}

/// The answer to [`super::Ledger::complete`].
#[derive(PartialEq, Eq, Debug)]
pub struct Completed {
    pub entry: Entry,
    /// Other changes of the tag that nobody has ended.
    pub others: Vec<OpenChange>,
    /// This change, where another one of the tag ran at the same time: then only the
    /// registry knows which came last. It stays open until somebody has looked, and
    /// settles it.
    pub overlapped: Option<OpenChange>,
    /// That of the tag with this change in it.
    pub version: u64,
}

/// A change whose end nobody has written down.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpenChange {
    pub key: TagKey,
    /// `None` is a delete.
    pub to: Option<Digest>,
    pub attempt: AttemptId,
    /// Who began it, and when.
    pub note: Note,
    /// Whether its event is written, and only a look is due.
    pub is_told: bool,
}

impl OpenChange {
    /// What is written down of it once the registry shows `found`, and the log says that
    /// the tag means `meant`.
    pub(super) fn settled(&self, found: Option<&Digest>, meant: Option<&Digest>) -> (Action, Outcome) {
        let action = if self.to.is_some() { Action::Push } else { Action::Delete };
        let outcome = match &self.to {
            to if to.as_ref() != found => Outcome::Unknown,
            None => Outcome::Deleted,
            Some(_) if meant == found => Outcome::Repeated,
            Some(_) => Outcome::Moved,
        };
        (action, outcome)
    }
}
