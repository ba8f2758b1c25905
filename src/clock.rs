//! Time and randomness, handed in as parameters.
//!
//! No decision depends on the clock: it stamps rows and log lines only. The
//! sources of randomness are [`AttemptId::random`] and [`nonce`].

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{Timestamp, Unit};
use uuid::Uuid;

/// The current time, to the millisecond.
pub trait Clock: Send + Sync + fmt::Debug {
    fn now(&self) -> Timestamp;
}

/// The machine's wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the machine for the time")]
    fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        now.round(Unit::Millisecond).unwrap_or(now)
    }
}

/// A clock that stands still until it is moved; for tests.
#[derive(Debug, Default)]
pub struct ManualClock {
    milliseconds: AtomicI64,
}

impl ManualClock {
    /// A clock that shows `now`, cut to whole milliseconds.
    pub fn at(now: Timestamp) -> Self {
        Self { milliseconds: AtomicI64::new(now.as_millisecond()) }
    }

    /// Moves the clock forward by `milliseconds`.
    pub fn advance(&self, milliseconds: i64) {
        self.milliseconds.fetch_add(milliseconds, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.milliseconds.load(Ordering::Relaxed)).unwrap_or(Timestamp::MAX)
    }
}

/// Ids that can be drawn again: those of the simulation come from its seed.
#[cfg(test)]
pub(crate) mod drawn {
    use std::cell::RefCell;

    use uuid::{Builder, Uuid};

    type Source = Box<dyn FnMut() -> u64>;

    thread_local!(static SOURCE: RefCell<Option<Source>> = const { RefCell::new(None) });

    /// Draws the ids of this thread from `source` from now on, or makes them random again.
    pub(crate) fn from(source: Option<Source>) {
        SOURCE.with(|place| *place.borrow_mut() = source);
    }

    pub(super) fn next() -> Option<Uuid> {
        SOURCE.with(|place| {
            place
                .borrow_mut()
                .as_mut()
                .map(|draw| Builder::from_random_bytes(((u128::from(draw()) << 64) | u128::from(draw())).to_be_bytes()).into_uuid())
        })
    }
}

/// The identity of one try to point a tag, made by the process that tries.
///
/// Random (UUID version 4), so that two replicas, or one before and after a
/// crash, never use the same one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AttemptId(Uuid);

impl AttemptId {
    #[expect(clippy::disallowed_methods, reason = "the one source of randomness")]
    pub fn random() -> Self {
        #[cfg(test)]
        if let Some(drawn) = drawn::next() {
            return Self(drawn);
        }
        Self(Uuid::new_v4())
    }

    /// What [`AttemptId::as_bytes`] gave.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// The sixteen bytes, as the ledger stores them.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.simple().fmt(f)
    }
}

/// Sixteen bytes that are never the same again.
#[expect(clippy::disallowed_methods, reason = "a source of randomness")]
pub fn nonce() -> [u8; 16] {
    Uuid::new_v4().into_bytes()
}
