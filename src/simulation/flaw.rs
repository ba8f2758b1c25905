//! Faults that are planted to see that the simulation finds them.

/// What is broken on purpose. The gate is the real one in each of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flaw {
    /// Each replica has a ledger of its own.
    LedgerOfItsOwn,
    /// The ledger comes back empty from a restart.
    LedgerComesBackEmpty,
    /// The ledger says that a tag is burnt and does not write it.
    BurnIsNotWritten,
    /// Whoever withdraws frees the claim, though others still try.
    WithdrawFreesForAll,
    /// A claim that is some moments old is taken over.
    ClaimsRunOut,
    /// A confirmation without an answer counts as one.
    DoubtIsSuccess,
    /// The registry rejects a tag, and points it a moment later.
    RejectedAndCarriedOut,
}

impl Flaw {
    pub const ALL: [Self; 7] = [
        Self::LedgerOfItsOwn,
        Self::LedgerComesBackEmpty,
        Self::BurnIsNotWritten,
        Self::WithdrawFreesForAll,
        Self::ClaimsRunOut,
        Self::DoubtIsSuccess,
        Self::RejectedAndCarriedOut,
    ];
}
