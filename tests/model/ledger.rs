//! The operations of `src/ledger.rs` on the row of the model. Each is one step.

use super::flaw::Flaw;
use super::invariants::{BURNS_ITS_OWN, ROWS_STAY};
use super::protocol::Protocol;
use super::world::{Digest, Row, World};

/// The answer to a claim.
pub enum Claimed {
    Granted,
    AlreadySealed,
    Taken(Row),
}

impl Protocol {
    /// `Ledger::claim`: inserts if absent, and joins an open claim for the same digest.
    pub fn ledger_claim(&self, world: &mut World, who: usize, digest: Digest) -> Claimed {
        match world.row {
            Row::Free => world.row = Row::Open(digest),
            Row::Open(other) if other != digest && self.flaw == Some(Flaw::LeaseTakeover) => {
                world.end_attempts();
                world.row = Row::Open(digest);
            }
            Row::Open(same) if same == digest => {}
            Row::Sealed(same) if same == digest => return Claimed::AlreadySealed,
            taken => return Claimed::Taken(taken),
        }
        world.requests[who].attempt = true;
        if self.flaw == Some(Flaw::AttemptCounter) {
            world.counted += 1;
        }
        Claimed::Granted
    }

    /// `Ledger::join`: whether the claim is still open for the digest, and joined.
    pub fn ledger_join(&self, world: &mut World, who: usize, digest: Digest) -> bool {
        world.row == Row::Open(digest) && matches!(self.ledger_claim(world, who, digest), Claimed::Granted)
    }

    /// `Ledger::confirm`: whether the claim led to a sealed row.
    pub fn ledger_confirm(&self, world: &mut World, who: usize, digest: Digest) -> bool {
        if self.awaits(world, who, digest) {
            enter(world, Row::Sealed(digest));
        }
        world.row == Row::Sealed(digest)
    }

    /// `Ledger::withdraw`: frees the claim if this was its only attempt.
    pub fn ledger_withdraw(&self, world: &mut World, who: usize, digest: Digest) {
        if !self.awaits(world, who, digest) {
            return;
        }
        world.requests[who].attempt = false;
        let is_free = if self.flaw == Some(Flaw::AttemptCounter) {
            world.counted -= 1;
            world.counted == 0
        } else {
            !world.has_attempt()
        };
        if is_free {
            world.row = Row::Free;
        }
    }

    /// `Ledger::yield_to`: what the tag means now, or `None` where the claim is lost.
    pub fn ledger_yield(&self, world: &mut World, who: usize, digest: Digest, found: Digest) -> Option<Row> {
        if self.awaits(world, who, digest) {
            enter(world, Row::Sealed(found));
        }
        (!matches!(world.row, Row::Free | Row::Open(_))).then_some(world.row)
    }

    /// `Ledger::adopt`: inserts if absent, and seals an open claim for the same digest.
    pub fn ledger_adopt(&self, world: &mut World, digest: Digest) {
        if [Row::Free, Row::Open(digest)].contains(&world.row) {
            enter(world, Row::Sealed(digest));
        }
    }

    /// `Ledger::burn`. With a manifest go the tags that mean it, and no others.
    pub fn ledger_burn(&self, world: &mut World, manifest: Option<Digest>) {
        let (Row::Open(digest) | Row::Sealed(digest)) = world.row else { return };
        if manifest.is_some_and(|deleted| deleted != digest) {
            if self.flaw != Some(Flaw::BurnWhateverIsThere) {
                return;
            }
            world.broken.note(BURNS_ITS_OWN);
        }
        enter(world, Row::Burnt(digest));
    }

    /// Whether the row is still the open claim that this request is an attempt of.
    fn awaits(&self, world: &World, who: usize, digest: Digest) -> bool {
        world.row == Row::Open(digest) && (world.requests[who].attempt || self.flaw == Some(Flaw::AttemptCounter))
    }
}

/// Leaves the open state, or the sealed one, and ends every attempt.
pub fn enter(world: &mut World, row: Row) {
    let is_allowed = match world.row {
        Row::Free | Row::Open(_) => true,
        Row::Sealed(digest) => [Row::Sealed(digest), Row::Burnt(digest)].contains(&row),
        Row::Burnt(_) => row == world.row,
    };
    if !is_allowed {
        world.broken.note(ROWS_STAY);
    }
    world.row = row;
    world.end_attempts();
}
