//! The ledger: which bytes an immutable tag means.
//!
//! The ledger is the truth; the registry's tag pointer is only a copy of it. A
//! row says what a tag means, and its primary key decides every race. Nothing
//! here looks at a clock to decide: times are stamps for people.
//!
//! ```text
//!            claim                confirm                burn
//! (no row) ─────────▶ Open(D) ─────────────▶ Sealed(D) ─────────▶ Burnt(D)
//!     ▲  └─ adopt ───────┼──── yield_to ───▶    ▲
//!     └─ withdraw, release ┘      adopt ───────┘      Open, Sealed ─ lift ─▶ Lifted
//! ```
//! `Lifted` counts as no row: the policy stopped calling the tag immutable.

pub mod carry;
mod change;
pub mod decision;
pub mod event;
pub mod log;
pub mod memory;
mod paths;
mod open;
pub mod postgres;
mod row;
pub mod sqlite;
#[cfg(test)]
mod suite;
pub mod tree;
pub mod witness;

use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;
use thiserror::Error;

use crate::clock::AttemptId;
use crate::oci::{Digest, RepositoryName, Tag, TagCase};

pub use self::change::{Begun, Change, Completed, Followed, Look, OpenChange};
pub use self::decision::Deciding;
pub use self::event::Note;
pub use self::log::Log;
pub use self::open::{Engine, OpenError, accept, beside, open};
pub use self::paths::directory_of;

use self::event::{Action, Event, Outcome};

/// One tag of one repository.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TagKey {
    pub repository: RepositoryName,
    pub tag: Tag,
}

impl TagKey {
    /// The tag as a registry knows it that keeps the case of tags, or does not.
    pub fn in_case(self, case: TagCase) -> Self {
        Self { tag: case.of(self.tag), ..self }
    }
}

impl fmt::Display for TagKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.repository, self.tag)
    }
}

impl fmt::Debug for TagKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a row says about its tag.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Claimed for a digest; nobody has been told yet that the push succeeded.
    Open,
    /// Means its digest for ever.
    Sealed,
    /// Deleted; never to be used again.
    Burnt,
}

/// How a tag came to mean its digest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// Pushed through the gate.
    Pushed,
    /// Found in the registry.
    Adopted,
}

/// A row of the ledger.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    pub digest: Digest,
    pub state: State,
    pub origin: Origin,
    /// When the tag reached its state.
    pub since: Timestamp,
}

/// A claim that nobody has ended yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpenClaim {
    pub key: TagKey,
    pub digest: Digest,
    /// When the tag was claimed first.
    pub since: Timestamp,
}

/// What an operator changed by hand. Acts are never changed or removed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Act {
    pub at: Timestamp,
    /// The operator, as the operating system or the caller names them.
    pub who: String,
    /// What was done, such as `release-claim web:1.4.0 sha256:…`.
    pub what: String,
    pub reason: String,
}

impl Act {
    /// A claim ended by hand.
    fn release(key: &TagKey, digest: &Digest, who: &str, reason: &str, at: Timestamp) -> Self {
        Self { at, who: who.to_owned(), what: format!("release-claim {key} {digest}"), reason: reason.to_owned() }
    }

    /// The act as an event; of the ledger as a whole, where it concerns no tag.
    fn event(&self, registry: &str, key: Option<&TagKey>) -> Event {
        let Self { at, who, what, reason } = self;
        let note = Note { who: Some(who.clone()), detail: Some(format!("{what}: {reason}")), ..Note::from(*at) };
        match key {
            Some(key) => Event::of(registry, key, Action::Act, Outcome::Acted, &note),
            None => Event::about_nothing(registry, Action::Act, Outcome::Acted, &note),
        }
    }

    /// A ledger that counts in spite of a doubt.
    fn accept(doubt: &witness::Doubt, who: &str, reason: &str, at: Timestamp) -> Self {
        Self { at, who: who.to_owned(), what: format!("accept-ledger {}", doubt.fact()), reason: reason.to_owned() }
    }
}

/// The right to point one tag at one digest, and the duty to say how it went.
///
/// Only a ledger makes one, and only the upstream's `point` takes one. Dropping
/// it leaves the attempt open, which is always safe: whoever comes next rolls
/// the claim forward.
#[must_use = "an attempt ends by confirm, yield_to or withdraw; dropped, it stays open"]
#[derive(PartialEq, Eq, Debug)]
pub struct Claim {
    key: TagKey,
    digest: Digest,
    attempt: AttemptId,
}

impl Claim {
    pub fn key(&self) -> &TagKey {
        &self.key
    }

    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    pub fn attempt(&self) -> AttemptId {
        self.attempt
    }

    fn lost(self) -> LedgerError {
        LedgerError::ClaimLost { key: self.key, digest: self.digest }
    }
}

/// The answer to [`Ledger::claim`].
#[derive(PartialEq, Eq, Debug)]
pub enum Claimed {
    /// The tag is claimed for the digest, by this attempt among others.
    Granted(Claim),
    /// The tag already means this very digest. The claim allows the tag to be
    /// pointed at it again, in case the registry's pointer was lost or moved.
    AlreadySealed(Claim, Record),
    /// The tag is bound to other bytes, or burnt. Nothing was written.
    Taken(Record),
}

/// Why the ledger gave no answer. None of these says that nothing happened: a
/// write may have been carried out or not, so nothing is acknowledged and
/// nothing is freed.
#[derive(Debug, Error)]
pub enum LedgerError {
    #[error("the ledger is unavailable: {0}")]
    Unavailable(String),
    #[error("the ledger holds a row that cannot be read: {0}")]
    Corrupt(String),
    /// The row no longer lets this claim through; see [`Ledger::confirm`].
    #[error("the claim of {key} for {digest} does not hold any more")]
    ClaimLost { key: TagKey, digest: Digest },
}

/// The operations of the ledger. Every engine passes the same suite.
///
/// Whatever changes what a tag means writes its event into the release log, in the same
/// step: [`Outcome::Pushed`], [`Outcome::Adopted`], [`Outcome::Deleted`].
///
/// A method that returns `Ok` has made its effect durable. A future dropped
/// before it is ready leaves the outcome unknown, like an error: its write may
/// still be carried out. Times are stored in whole milliseconds.
#[async_trait]
pub trait Ledger: Log + Deciding + Send + Sync + fmt::Debug {
    /// The row of a tag, lifted rows left out.
    async fn lookup(&self, key: &TagKey) -> Result<Option<Record>, LedgerError>;

    /// Every row of a repository, lifted rows left out, ordered by tag.
    async fn records(&self, repository: &RepositoryName) -> Result<Vec<(Tag, Record)>, LedgerError>;

    /// Claims a tag for a digest: insert if absent, and join an open claim for
    /// the same digest. `note` is kept with the attempt, for the event of whoever seals the
    /// tag. One atomic step; of two claims for different digests
    /// exactly one is granted. Opens `attempt`, unless the tag is sealed. A
    /// lifted row is claimed afresh: its old digest binds nobody.
    async fn claim(&self, key: &TagKey, digest: &Digest, attempt: AttemptId, note: &Note) -> Result<Claimed, LedgerError>;

    /// Adds `attempt` to a claim that is open for the digest: for who finishes what
    /// another began, whose words the event will have. `None`, with nothing changed, where no claim is open for it: what
    /// was freed meanwhile is not claimed again.
    async fn join(&self, key: &TagKey, digest: &Digest, attempt: AttemptId, now: Timestamp) -> Result<Option<Claim>, LedgerError>;

    /// Seals the tag and ends every attempt. The event has the words of `note` where this
    /// attempt was made by `claim`, and those of the oldest such attempt where it joined.
    /// Also succeeds when another attempt for the same digest has sealed it before, which
    /// is [`Outcome::Repeated`]. If the row is gone, burnt,
    /// lifted or bound to another digest: [`LedgerError::ClaimLost`], and the
    /// push must not be acknowledged. The same where the tag was lifted and
    /// claimed again meanwhile, be it for the same digest: what this attempt
    /// did to the registry was done before the tag moved freely.
    async fn confirm(&self, claim: Claim, note: &Note) -> Result<Record, LedgerError>;

    /// Ends an attempt that certainly did not and will not point the tag. Frees
    /// the claim if it is open and this was its only attempt. Does nothing to a
    /// row in any other state, or where this attempt has ended before.
    async fn withdraw(&self, claim: Claim) -> Result<(), LedgerError>;

    /// The registry already held `found` under the claimed tag: seals the tag
    /// with `found` if it is still open, ending every attempt, and returns what
    /// the tag means now. A claim that was sealed or burnt meanwhile keeps its
    /// digest. If the row is gone, lifted, or claimed again since it was lifted:
    /// [`LedgerError::ClaimLost`], for then `found` was seen too early.
    ///
    /// The record's origin becomes [`Origin::Adopted`] where `found` differs.
    async fn yield_to(&self, claim: Claim, found: &Digest, note: &Note) -> Result<Record, LedgerError>;

    /// Enters a tag that the registry already holds: insert if absent as
    /// sealed; an open claim for the same digest is sealed and keeps its origin.
    /// Returns the row that stands, which may name another digest, be open for
    /// one, or be burnt. A lifted row is adopted afresh.
    async fn adopt(&self, key: &TagKey, digest: &Digest, note: &Note) -> Result<Record, LedgerError>;

    /// Turns a sealed or open row for `digest` into a tombstone, for good. Returns
    /// whether the tag is burnt now and meant these bytes (also where it was burnt
    /// before); otherwise nothing is changed.
    async fn burn(&self, key: &TagKey, digest: &Digest, note: &Note) -> Result<bool, LedgerError>;

    /// Writes down that a tag that the policy lets move is about to be pointed at `to`,
    /// or deleted where that is `None`. An open or sealed row of the tag is lifted, and
    /// its attempts end; a tombstone stays. Of two changes that are begun at once, the later
    /// one sees the other among `others`.
    async fn begin(&self, key: &TagKey, to: Option<&Digest>, attempt: AttemptId, note: &Note) -> Result<Begun, LedgerError>;

    /// The registry carried the change out: ends it, and writes the event with its
    /// `outcome`, [`Outcome::Moved`], [`Outcome::Warned`] or [`Outcome::Deleted`]; of a
    /// move to what the tag means already, [`Outcome::Repeated`] in place of `Moved`.
    /// Writes it as well where somebody else has settled the change meanwhile. Where
    /// another change of the tag ran at the same time, this one stays open until somebody
    /// has looked at the registry and settles it. What the tag `followed` is kept for whoever
    /// begins the next change of it.
    async fn complete(&self, change: Change, outcome: Outcome, followed: &Followed, note: &Note) -> Result<Completed, LedgerError>;

    /// Tags that mean bytes that were no known release when they were moved there, in order,
    /// each with the newest release that it has followed; those behind `after` only, at most
    /// `limit`.
    async fn unreleased(&self, after: Option<&TagKey>, limit: usize) -> Result<Vec<(TagKey, Option<Tag>)>, LedgerError>;

    /// Ends a change that certainly was not and will not be carried out.
    async fn abandon(&self, change: Change) -> Result<(), LedgerError>;

    /// Changes whose end nobody has written down, in the order of their keys and then of
    /// their attempts; those behind `after` only, at most `limit`.
    async fn open_changes(&self, after: Option<&OpenChange>, limit: usize) -> Result<Vec<OpenChange>, LedgerError>;

    /// How often what the log says of a moving tag was written down: a look at the registry
    /// names it, so that an older look never comes after what it has not seen.
    async fn version(&self, key: &TagKey) -> Result<u64, LedgerError>;

    /// Ends a change that is open, by what the registry shows. Unless it is told, its event
    /// has the words of who began it: [`Outcome::Moved`], [`Outcome::Repeated`] or
    /// [`Outcome::Deleted`] where the registry shows what it was to bring about, and
    /// [`Outcome::Unknown`] where not. Then what is shown is
    /// observed. False, with nothing changed, where it was ended before, or the look is too
    /// old.
    async fn settle(&self, change: &OpenChange, look: &Look, note: &Note) -> Result<bool, LedgerError>;

    /// Writes down what the registry shows of a tag that moves, if the log says anything
    /// else: [`Outcome::Adopted`] where it says nothing, [`Outcome::Seen`] where it says
    /// another digest, and nothing where a change of the tag that is not told may be about
    /// to say it, or where the look is too old. Returns whether an event was written.
    async fn observe(&self, key: &TagKey, look: &Look, note: &Note) -> Result<bool, LedgerError>;

    /// Writes down events that change what no tag means, such as refusals, in one step.
    async fn record(&self, events: &[Event]) -> Result<(), LedgerError>;

    /// How many claims are open.
    async fn count_open(&self) -> Result<u64, LedgerError>;

    /// Open claims in the order of their keys, those behind `after` only, at most
    /// `limit`: for whoever finishes what others left open.
    async fn open_claims(&self, after: Option<&TagKey>, limit: usize) -> Result<Vec<OpenClaim>, LedgerError>;

    /// Ends an open claim on an operator's word: its attempts end, its row goes,
    /// and the act is written down, in one step. Returns the digest it was for, or
    /// `None`, with nothing changed, where no claim is open. An attempt of before
    /// is answered [`LedgerError::ClaimLost`] when it comes back.
    async fn release(&self, key: &TagKey, who: &str, reason: &str, now: Timestamp) -> Result<Option<Digest>, LedgerError>;

    /// Every act of an operator, the oldest first.
    async fn acts(&self) -> Result<Vec<Act>, LedgerError>;

    /// Whether the ledger can be read and written.
    async fn ping(&self) -> Result<(), LedgerError>;
}
