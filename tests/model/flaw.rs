//! The protocol as it must not be. Each is one change of the same model.

/// A way to break the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flaw {
    /// A claim belongs to a pusher, and whoever finds it too old takes it over.
    LeaseTakeover,
    /// A push whose PUT got no answer frees its claim.
    ReleaseOnTimeout,
    /// The row counts its attempts instead of naming them, so that a withdrawal that
    /// arrives twice counts twice.
    AttemptCounter,
    /// The pointer is looked at first, and the tag claimed after.
    HeadBeforeClaim,
    /// The ledger is asked, the tag pointed, and the row written after.
    CheckThenPut,
    /// A push of other bytes is refused where a claim is open, and leaves it so.
    NoRollForward,
    /// An older backup is restored, and nobody compares it with the head.
    NoHeadCheck,
    /// A PUT is sent again after its connection broke, and the rejection of the second
    /// one counts for both.
    RejectionOfARepeat,
    /// A delete burns the tag whatever its row means by then.
    BurnWhateverIsThere,
    /// A delete of a manifest keeps pushes of it out in its own process only.
    LockOfOneProcess,
    /// That delete keeps out who pushes the manifest, and not who rolls it forward,
    /// adopts it or yields to it.
    LockOfPushesOnly,
    /// What a client has stored a moment ago is believed to be there, though no tag keeps
    /// it from being deleted.
    StoredIsBelieved,
}
