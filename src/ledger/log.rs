//! The release log, read. What is written to it is written by the operations of
//! [`super::Ledger`], each in one step with the change that it records.

use async_trait::async_trait;
use jiff::Timestamp;

use super::event::{Entry, Event, Outcome};
use super::tree::Hash;
use super::{LedgerError, TagKey};
use crate::clock::AttemptId;
use crate::oci::{Digest, RepositoryName, Tag};

/// Which entries are asked for. All that is given must hold.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Filter {
    pub repository: Option<RepositoryName>,
    /// Only together with `repository`.
    pub tag: Option<Tag>,
    pub outcome: Option<Outcome>,
    /// From this moment on.
    pub since: Option<Timestamp>,
    /// Up to this moment and with it.
    pub until: Option<Timestamp>,
    /// Older than the entry with this time and number: the last one of the page before.
    pub before: Option<(Timestamp, u64)>,
}

/// A time in which a tag meant a digest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Span {
    /// The entry since which it does.
    pub from: Entry,
    /// The entry that ended it; `None` where it still does.
    pub until: Option<Entry>,
}

/// How many events ended in one way, in one step of time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Count {
    /// The beginning of the step.
    pub at: Timestamp,
    pub outcome: Outcome,
    pub events: u64,
}

/// A leaf of the tree with its event, of whichever registry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Leaf {
    /// 0 for the first of the log; there are no gaps.
    pub position: u64,
    pub hash: Hash,
    pub number: u64,
    pub event: Event,
}

/// Questions to the release log. All are about the registry of this ledger, but for
/// those about the tree, which has the events of every registry.
#[async_trait]
pub trait Log: Send + Sync {
    /// The newest entry at or before `at` that says what the tag means; of all, where
    /// `at` is `None`.
    async fn meaning(&self, key: &TagKey, at: Option<Timestamp>) -> Result<Option<Entry>, LedgerError>;

    /// What every tag of a repository meant at `at`, deleted ones included, in the order
    /// of tags; those behind `after` only, at most `limit`.
    async fn meanings(
        &self,
        repository: &RepositoryName,
        at: Option<Timestamp>,
        after: Option<&Tag>,
        limit: usize,
    ) -> Result<Vec<Entry>, LedgerError>;

    /// Every time in which a tag meant the digest, the newest first.
    async fn spans(&self, digest: &Digest, limit: usize) -> Result<Vec<Span>, LedgerError>;

    /// Entries, the newest first: by their time, and of one time by their number.
    async fn entries(&self, filter: &Filter, limit: usize) -> Result<Vec<Entry>, LedgerError>;

    /// Every repository that an entry speaks of, in order; those behind `after` only.
    async fn repositories(&self, after: Option<&RepositoryName>, limit: usize) -> Result<Vec<RepositoryName>, LedgerError>;

    /// How many events there were from `since` to before `until`, in steps of `step`
    /// milliseconds that begin at `since`. Steps without events are left out.
    async fn counts(&self, since: Timestamp, until: Timestamp, step: u64) -> Result<Vec<Count>, LedgerError>;

    /// Makes every event that was committed before a leaf of the tree, and returns how
    /// many leaves there are.
    async fn plant(&self) -> Result<u64, LedgerError>;

    /// Leaves from `position` on.
    async fn leaves(&self, position: u64, limit: usize) -> Result<Vec<Leaf>, LedgerError>;

    /// Stored roots of whole subtrees of 256^`level` leaves, from the one with this
    /// index on; of level 0, the leaves themselves.
    async fn nodes(&self, level: u32, index: u64, limit: usize) -> Result<Vec<Hash>, LedgerError>;

    /// Takes the turn to hand on what is new, under this name, until `until`. Returns the
    /// position to go on from; `None` where somebody else has the turn. A name that is
    /// new begins at the end of the log.
    async fn take_turn(&self, name: &str, holder: AttemptId, now: Timestamp, until: Timestamp) -> Result<Option<u64>, LedgerError>;

    /// Everything before `position` was handed on. False where the turn was lost.
    async fn end_turn(&self, name: &str, holder: AttemptId, position: u64) -> Result<bool, LedgerError>;
}
