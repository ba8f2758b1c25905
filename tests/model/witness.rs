//! What was seen to happen: a model in which nothing happens breaks nothing either.

use std::sync::atomic::{AtomicU32, Ordering};

/// Something that must be reachable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    Acknowledged,
    AcknowledgedAgain,
    Refused,
    RefusedAsBurnt,
    RolledForward,
    RollForwardFoundNoContent,
    AdoptedByPush,
    AdoptedByPull,
    Withdrawn,
    Freed,
    ClaimLost,
    LandedLate,
    Crashed,
    Pulled,
    Burnt,
    DeleteRefused,
    DeletedUnneeded,
    Released,
    MovedBehindTheBack,
    Restored,
    RestoreRefused,
}

#[derive(Default)]
pub struct Witness(AtomicU32);

impl Witness {
    pub fn see(&self, event: Event) {
        self.0.fetch_or(1 << event as u32, Ordering::Relaxed);
    }

    pub fn saw(&self, event: Event) -> bool {
        self.0.load(Ordering::Relaxed) & (1 << event as u32) != 0
    }
}
