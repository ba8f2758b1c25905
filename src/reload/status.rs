//! What became of the last reading, for whoever looks.

use std::sync::{PoisonError, RwLock};

use jiff::Timestamp;

/// Since when the policy and the certificates in force are in force, and why those that
/// were read since are not.
#[derive(Debug)]
pub struct Status(RwLock<(Timestamp, Option<Rejected>)>);

/// A reading that does not count.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rejected {
    pub at: Timestamp,
    /// In one line.
    pub cause: String,
}

impl Status {
    pub fn new(since: Timestamp) -> Self {
        Self(RwLock::new((since, None)))
    }

    /// When what is in force was read.
    pub fn since(&self) -> Timestamp {
        self.look().0
    }

    /// Why the files are not in force as they are now; `None` where they are.
    pub fn last_rejected(&self) -> Option<Rejected> {
        self.look().1
    }

    pub(super) fn accepted(&self, at: Timestamp) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = (at, None);
    }

    pub(super) fn rejected(&self, rejected: Rejected) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).1 = Some(rejected);
    }

    fn look(&self) -> (Timestamp, Option<Rejected>) {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
