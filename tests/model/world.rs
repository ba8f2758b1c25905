//! One state of the model: a tag, its row, its registry, and the requests under way.
//!
//! Small on purpose. Time is nowhere in it: a request may rest at any stage for as
//! long as anything, so whatever a clock could do is among the interleavings.

use super::invariants::Broken;

/// The bytes that a push brings. Two are enough: all that counts is equal or not.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Digest {
    A,
    B,
}

impl Digest {
    pub const ALL: [Self; 2] = [Self::A, Self::B];

    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// A set of digests.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Digests(u8);

impl Digests {
    fn bit(digest: Digest) -> u8 {
        1 << digest as u8
    }

    pub fn has(self, digest: Digest) -> bool {
        self.0 & Self::bit(digest) != 0
    }

    pub fn insert(&mut self, digest: Digest) {
        self.0 |= Self::bit(digest);
    }

    pub fn remove(&mut self, digest: Digest) {
        self.0 &= !Self::bit(digest);
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// What the ledger says of the tag: `State` and digest of `src/ledger.rs`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Row {
    Free,
    Open(Digest),
    Sealed(Digest),
    Burnt(Digest),
}

/// In whose name an attempt goes its way.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Way {
    /// A push of the claimed bytes: success is acknowledged.
    Push,
    /// A push of the bytes that the tag means already.
    Repush,
    /// A roll-forward by a push of other bytes, or by the reconciler.
    Roll,
}

/// Where a request stands: what it does next, and what it knows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Stage {
    Idle,
    /// `Gate::digest_first`
    Store(Digest),
    /// `Gate::claim`
    Claim(Digest),
    /// `Gate::look_all`, or the look of `Gate::roll_forward`
    Look(Way, Digest),
    /// `Upstream::point`
    Point(Way, Digest),
    /// `Ledger::confirm`
    Confirm(Way, Digest),
    /// `Ledger::yield_to`, in favour of the other digest
    Yield(Way, Digest),
    /// `Gate::withdraw`
    Withdraw(Digest),
    /// `Gate::roll_forward`, before it joined the claim
    Join(Digest),
    /// `Gate::adopt_on_sight`, after the lookup found no row
    Sight,
    /// `Gate::adopt` of what the pointer showed
    Adopt(Digest),
    /// `Gate::settle_on_sight`, after it saw an open row and a pointer
    Settle {
        open: Digest,
        found: Digest,
    },
    /// `Gate::delete_tag`, after the lookup
    DeleteTag,
    /// `Gate::delete_manifest`, alone with the manifest; whether the tag goes with it
    DeleteManifest(Digest, bool),
    /// `Gate::burn` after a delete of the tag
    BurnTag,
    /// `Gate::burn` after a delete of this manifest, still alone with it
    BurnManifest(Digest),
    /// Only with [`super::flaw::Flaw::HeadBeforeClaim`]: a look without a claim
    Peek(Digest),
}

/// A request in some replica, or a place for one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Request {
    pub stage: Stage,
    /// Whether the row lists this request's attempt. Then the row is open.
    pub attempt: bool,
}

pub const IDLE: Request = Request { stage: Stage::Idle, attempt: false };

/// The most requests at one time.
pub const MOST: usize = 3;

#[derive(Clone, PartialEq, Eq, Hash)]
pub struct World {
    pub row: Row,
    /// Whether the row lists an attempt that no request holds any more: its process
    /// died, or the answer to its claim was lost. Nobody ever withdraws it.
    pub orphan: bool,
    /// How many attempts the row counts; only with [`super::flaw::Flaw::AttemptCounter`].
    pub counted: u8,
    /// Where the registry points the tag.
    pub pointer: Option<Digest>,
    /// The manifests that the registry holds.
    pub stored: Digests,
    /// PUTs of the tag that nobody waits for any more, and that may land at any
    /// moment, any number of times.
    pub late: Digests,
    /// What anybody was ever told that the tag means: by the 201 of a push, by the
    /// bytes of a pull, by the refusal of other bytes.
    pub told: Digests,
    /// Whether the tag was deleted, released by an operator, or moved behind the
    /// back. What the registry shows is then not promised.
    pub disturbed: bool,
    /// The row of the backup, until it is restored.
    pub backup: Backup,
    pub requests: [Request; MOST],
    pub broken: Broken,
}

/// The one backup of the ledger.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Backup {
    /// Not made, or made in a run that makes none.
    None,
    Made(Row),
    /// Restored, or refused: there is no second one.
    Spent,
}

impl World {
    pub fn new() -> Self {
        Self {
            row: Row::Free,
            orphan: false,
            counted: 0,
            pointer: None,
            stored: Digests::default(),
            late: Digests::default(),
            told: Digests::default(),
            disturbed: false,
            backup: Backup::None,
            requests: [IDLE; MOST],
            broken: Broken::default(),
        }
    }

    /// Equal requests are the same whatever place they have: their order is no
    /// difference. Attempts travel with their requests, so nothing else changes.
    pub fn sort(&mut self) {
        self.requests.sort_unstable();
    }

    pub fn has_attempt(&self) -> bool {
        self.orphan || self.requests.iter().any(|request| request.attempt)
    }

    pub fn end_attempts(&mut self) {
        self.orphan = false;
        self.counted = 0;
        for request in &mut self.requests {
            request.attempt = false;
        }
    }

    /// A request is over, or its process is. An attempt that it did not end stays.
    pub fn end(&mut self, who: usize) {
        self.orphan |= self.requests[who].attempt;
        self.requests[who] = IDLE;
    }

    pub fn go(&mut self, who: usize, stage: Stage) {
        self.requests[who].stage = stage;
    }
}
