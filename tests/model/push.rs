//! A push, and the roll-forward of what another left open: `src/gate/push.rs`,
//! `src/gate/hold.rs`, `src/gate/rollforward.rs`.

use super::flaw::Flaw;
use super::invariants::{CLAIMED_BYTES, LOOK_AFTER_CLAIM, NO_FALSE_SUCCESS, ONE_DIGEST};
use super::ledger::{Claimed, enter};
use super::protocol::Protocol;
use super::witness::Event;
use super::world::{Digest, Row, Stage, Way, World};

impl Protocol {
    /// `Gate::push` as far as `refuse_if_taken`. The reconciler begins in the same
    /// way: with a lookup that finds an open claim, and with `roll_forward`.
    /// `begin` is the first stage of a push of its own.
    pub fn push(&self, world: &mut World, who: usize, digest: Digest, begin: Stage) {
        match world.row {
            Row::Open(claimed) if claimed != digest && self.flaw != Some(Flaw::LeaseTakeover) => {
                self.begin_to_join(world, who, claimed);
            }
            Row::Sealed(other) if other != digest => self.refuse(world, who, other),
            Row::Burnt(_) => self.witness.see(Event::RefusedAsBurnt),
            _ => world.go(who, begin),
        }
    }

    pub fn go_push(&self, world: &mut World, who: usize) {
        match world.requests[who].stage {
            Stage::Store(digest) => {
                world.stored.insert(digest);
                world.go(
                    who,
                    match self.flaw {
                        Some(Flaw::HeadBeforeClaim) => Stage::Peek(digest),
                        Some(Flaw::CheckThenPut) => Stage::Look(Way::Push, digest),
                        _ => Stage::Claim(digest),
                    },
                );
            }
            Stage::Claim(digest) => self.claim(world, who, digest),
            Stage::Join(digest) => match self.ledger_join(world, who, digest) {
                true => world.go(who, Stage::Look(Way::Roll, digest)),
                // The pusher of other bytes is refused, or begins again.
                false => world.end(who),
            },
            Stage::Peek(digest) => match world.pointer {
                Some(found) if found != digest => world.go(who, Stage::Adopt(found)),
                _ => world.go(who, Stage::Claim(digest)),
            },
            Stage::Look(way, digest) => self.look(world, who, way, digest),
            Stage::Point(way, digest) => self.point(world, who, way, digest),
            Stage::Confirm(way, digest) => {
                self.confirm(world, who, way, digest);
                world.end(who);
            }
            Stage::Yield(way, digest) => self.yield_to(world, who, way, digest),
            Stage::Withdraw(digest) => {
                self.witness.see(Event::Withdrawn);
                self.ledger_withdraw(world, who, digest);
                if world.row == Row::Free {
                    self.witness.see(Event::Freed);
                }
                world.end(who);
            }
            _ => {}
        }
    }

    /// `Gate::claim`
    fn claim(&self, world: &mut World, who: usize, digest: Digest) {
        match self.ledger_claim(world, who, digest) {
            Claimed::Granted if self.flaw == Some(Flaw::HeadBeforeClaim) => world.go(who, Stage::Point(Way::Push, digest)),
            Claimed::Granted => world.go(who, Stage::Look(Way::Push, digest)),
            Claimed::AlreadySealed => world.go(who, Stage::Look(Way::Repush, digest)),
            Claimed::Taken(Row::Open(claimed)) => self.begin_to_join(world, who, claimed),
            Claimed::Taken(Row::Sealed(other)) => self.refuse(world, who, other),
            Claimed::Taken(_) => {
                self.witness.see(Event::RefusedAsBurnt);
                world.end(who);
            }
        }
    }

    /// `Gate::roll_forward`, as far as the claim.
    fn begin_to_join(&self, world: &mut World, who: usize, claimed: Digest) {
        if self.keeps_out(world, claimed) || self.flaw == Some(Flaw::NoRollForward) {
            return world.end(who);
        }
        world.go(who, Stage::Join(claimed));
    }

    /// `Gate::look_all` for one tag, and the look of `Gate::roll_forward` together with
    /// the `fetch` of `point_claimed`.
    fn look(&self, world: &mut World, who: usize, way: Way, digest: Digest) {
        let next = match (world.pointer, way) {
            (Some(found), Way::Repush) if found == digest => return self.acknowledge(world, who, way, digest),
            (Some(found), _) if found == digest => Stage::Confirm(way, digest),
            (Some(found), _) if self.flaw == Some(Flaw::CheckThenPut) => Stage::Adopt(found),
            // `check_held`: a pointer to nothing binds nobody.
            (Some(found), Way::Push | Way::Roll) if world.stored.has(found) && !self.keeps_out(world, found) => {
                Stage::Yield(way, digest)
            }
            (Some(_), Way::Push | Way::Roll) => Stage::Withdraw(digest),
            (None, Way::Roll) if !world.stored.has(digest) => {
                self.witness.see(Event::RollForwardFoundNoContent);
                Stage::Withdraw(digest)
            }
            (None, _) | (Some(_), Way::Repush) => Stage::Point(way, digest),
        };
        world.go(who, next);
    }

    /// `Gate::point_and_confirm` and `Gate::point_claimed`, as far as the answer to the PUT.
    fn point(&self, world: &mut World, who: usize, way: Way, digest: Digest) {
        if way != Way::Repush && !world.disturbed && world.pointer == Some(digest.other()) {
            world.broken.note(LOOK_AFTER_CLAIM);
        }
        self.land(world, digest);
        world.go(who, Stage::Confirm(way, digest));
    }

    /// A PUT of the tag lands. It brings the manifest with it.
    pub fn land(&self, world: &mut World, digest: Digest) {
        let is_claimed = [Row::Open(digest), Row::Sealed(digest), Row::Burnt(digest)].contains(&world.row);
        if !is_claimed && !world.disturbed {
            world.broken.note(CLAIMED_BYTES);
        }
        world.pointer = Some(digest);
        world.stored.insert(digest);
    }

    /// `Ledger::confirm`, and the answer to the client.
    fn confirm(&self, world: &mut World, who: usize, way: Way, digest: Digest) {
        if self.flaw == Some(Flaw::CheckThenPut) {
            enter(world, Row::Sealed(digest));
        }
        if !self.ledger_confirm(world, who, digest) {
            return self.witness.see(Event::ClaimLost);
        }
        match way {
            Way::Push | Way::Repush => self.acknowledge(world, who, way, digest),
            Way::Roll => self.witness.see(Event::RolledForward),
        }
    }

    /// `Gate::adopt_instead` and `Gate::yield_to`
    fn yield_to(&self, world: &mut World, who: usize, way: Way, digest: Digest) {
        match self.ledger_yield(world, who, digest, digest.other()) {
            Some(Row::Sealed(same)) if same == digest && way == Way::Push => return self.acknowledge(world, who, way, digest),
            Some(Row::Sealed(_)) => self.witness.see(Event::AdoptedByPush),
            Some(_) => {}
            None => self.witness.see(Event::ClaimLost),
        }
        world.end(who);
    }

    fn acknowledge(&self, world: &mut World, who: usize, way: Way, digest: Digest) {
        self.witness.see(if way == Way::Repush { Event::AcknowledgedAgain } else { Event::Acknowledged });
        // A push that found the tag in place may end after the delete that ran beside it.
        let is_sound = world.row == Row::Sealed(digest) || (way == Way::Repush && world.row == Row::Burnt(digest));
        if !is_sound {
            world.broken.note(NO_FALSE_SUCCESS);
        }
        tell(world, digest, ONE_DIGEST);
        world.end(who);
    }

    /// `Gate::refuse`: the refusal says what the tag means.
    fn refuse(&self, world: &mut World, who: usize, meaning: Digest) {
        self.witness.see(Event::Refused);
        tell(world, meaning, ONE_DIGEST);
        world.end(who);
    }

    /// The step is carried out, now or late, and nobody hears of it.
    pub fn unanswered(&self, world: &mut World, who: usize) {
        match world.requests[who].stage {
            Stage::Point(way, digest) => {
                world.late.insert(digest);
                if self.flaw == Some(Flaw::ReleaseOnTimeout) && way != Way::Repush {
                    return world.go(who, Stage::Withdraw(digest));
                }
            }
            Stage::Confirm(_, digest) => {
                self.ledger_confirm(world, who, digest);
            }
            _ => {}
        }
        world.end(who);
    }

    /// The attempt certainly did not point the tag, and will not.
    pub fn gives_up(&self, world: &mut World, who: usize) {
        match world.requests[who].stage {
            Stage::Look(Way::Push | Way::Roll, digest) | Stage::Point(Way::Push | Way::Roll, digest) => {
                world.go(who, Stage::Withdraw(digest));
            }
            _ => world.end(who),
        }
    }
}

/// Somebody hears what the tag means.
pub fn tell(world: &mut World, digest: Digest, invariant: &'static str) {
    if world.told.has(digest.other()) {
        world.broken.note(invariant);
    }
    world.told.insert(digest);
}
