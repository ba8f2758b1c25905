//! Deletes: `src/gate/delete.rs`. The registry deletes first, and the tag is burnt
//! after.

use super::flaw::Flaw;
use super::protocol::{Deletes, Protocol};
use super::witness::Event;
use super::world::{Digest, Row, Stage, Way, World};

impl Protocol {
    /// `Gate::delete_tag`, as far as the lookup. A tag that the ledger has not met is
    /// adopted first, as a pull adopts it.
    pub fn delete_tag(&self, world: &mut World, who: usize) {
        if let Row::Open(digest) | Row::Sealed(digest) = world.row {
            world.go(who, Stage::DeleteTag(digest));
        }
    }

    /// `Gate::delete_manifest`, as far as the second look at `tags_to_burn`.
    pub fn delete_manifest(&self, world: &mut World, who: usize, digest: Digest) {
        match world.row {
            Row::Open(needs) | Row::Sealed(needs) if needs == digest => {
                if self.deletes == Deletes::Allow {
                    world.go(who, Stage::DeleteManifest(digest, true));
                } else {
                    self.witness.see(Event::DeleteRefused);
                }
            }
            // `adopt_unknown_tags` comes before, as a pull adopts.
            Row::Free if world.pointer.is_some() => {}
            _ if world.stored.has(digest) => world.go(who, Stage::DeleteManifest(digest, false)),
            _ => {}
        }
    }

    pub fn go_delete(&self, world: &mut World, who: usize) {
        match world.requests[who].stage {
            Stage::DeleteTag(digest) => {
                if world.pointer.take().is_none() {
                    // 404: nothing is burnt.
                    return world.end(who);
                }
                world.disturbed = true;
                world.go(who, Stage::BurnTag(digest));
            }
            Stage::DeleteManifest(digest, goes_with_it) => {
                world.stored.remove(digest);
                // With a manifest go the tags on it.
                world.pointer = world.pointer.filter(|pointer| *pointer != digest);
                if !goes_with_it {
                    self.witness.see(Event::DeletedUnneeded);
                    return world.end(who);
                }
                world.disturbed = true;
                world.go(who, Stage::BurnManifest(digest));
            }
            Stage::BurnTag(digest) | Stage::BurnManifest(digest) => {
                self.ledger_burn(world, digest);
                if world.row == Row::Burnt(digest) {
                    self.witness.see(Event::Burnt);
                }
                world.end(who);
            }
            _ => {}
        }
    }

    /// Whether a delete has the manifest to itself (`Locks::alone`).
    pub fn is_alone(&self, world: &World, digest: Digest) -> bool {
        self.flaw != Some(Flaw::LockOfOneProcess)
            && world.requests.iter().any(|request| match request.stage {
                Stage::DeleteManifest(locked, _) | Stage::BurnManifest(locked) => locked == digest,
                _ => false,
            })
    }

    /// Whether nobody pushes the manifest or deletes it (`Locks::shared`). Pushers of
    /// other bytes who roll it forward do not hold its lock.
    pub fn may_be_alone(&self, world: &World, digest: Digest) -> bool {
        if self.flaw == Some(Flaw::LockOfOneProcess) {
            return true;
        }
        let is_pushed = world.requests.iter().any(|request| match request.stage {
            Stage::Store(pushed)
            | Stage::Claim(pushed)
            | Stage::Look(Way::Push | Way::Repush, pushed)
            | Stage::Point(Way::Push | Way::Repush, pushed)
            | Stage::Confirm(Way::Push, pushed)
            | Stage::Yield(Way::Push, pushed) => pushed == digest,
            _ => false,
        });
        !is_pushed && !self.is_alone(world, digest)
    }
}
