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
        if matches!(world.row, Row::Open(_) | Row::Sealed(_)) {
            world.go(who, Stage::DeleteTag);
        }
    }

    /// `Gate::delete_manifest`, as far as the second look at `tags_to_burn`.
    pub fn delete_manifest(&self, world: &mut World, who: usize, digest: Digest) {
        // The other tag needs it.
        if self.further && digest == Digest::A && self.flaw != Some(Flaw::StoredIsBelieved) {
            return self.witness.see(Event::DeleteRefused);
        }
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
            Stage::DeleteTag => {
                if world.pointer.take().is_none() {
                    // 404: nothing is burnt.
                    return world.end(who);
                }
                world.disturbed = true;
                world.go(who, Stage::BurnTag);
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
            Stage::BurnTag => self.burn(world, who, None),
            Stage::BurnManifest(digest) => self.burn(world, who, Some(digest)),
            _ => {}
        }
    }

    /// `Gate::burn`
    fn burn(&self, world: &mut World, who: usize, manifest: Option<Digest>) {
        self.ledger_burn(world, manifest);
        if matches!(world.row, Row::Burnt(_)) {
            self.witness.see(Event::Burnt);
        }
        world.end(who);
    }

    /// Whether a delete has the manifest to itself (`Locks::alone`).
    pub fn is_alone(&self, world: &World, digest: Digest) -> bool {
        self.flaw != Some(Flaw::LockOfOneProcess)
            && world.requests.iter().any(|request| match request.stage {
                Stage::DeleteManifest(locked, _) | Stage::BurnManifest(locked) => locked == digest,
                _ => false,
            })
    }

    /// Whether nobody is about to bind the tag to the manifest, and nobody deletes it.
    pub fn may_be_alone(&self, world: &World, digest: Digest) -> bool {
        let is_bound = |stage| match self.flaw {
            Some(Flaw::LockOfOneProcess) => false,
            Some(Flaw::LockOfPushesOnly) => pushes(stage, digest),
            _ => pushes(stage, digest) || binds(stage, digest),
        };
        !world.requests.iter().any(|request| is_bound(request.stage)) && !self.is_alone(world, digest)
    }

    /// Whether a delete keeps a request from binding the tag to what it found.
    pub fn keeps_out(&self, world: &World, digest: Digest) -> bool {
        self.flaw != Some(Flaw::LockOfPushesOnly) && self.is_alone(world, digest)
    }
}

/// Whether a request pushes the manifest itself (`Locks::shared`).
fn pushes(stage: Stage, digest: Digest) -> bool {
    match stage {
        Stage::Store(pushed)
        | Stage::Claim(pushed)
        | Stage::Look(Way::Push | Way::Repush, pushed)
        | Stage::Point(Way::Push | Way::Repush, pushed)
        | Stage::Confirm(Way::Push | Way::Repush, pushed)
        | Stage::Yield(Way::Push, pushed) => pushed == digest,
        _ => false,
    }
}

/// Whether a request binds the tag to a manifest that somebody else brought.
fn binds(stage: Stage, digest: Digest) -> bool {
    match stage {
        Stage::Join(bound)
        | Stage::Look(Way::Roll, bound)
        | Stage::Point(Way::Roll, bound)
        | Stage::Confirm(Way::Roll, bound)
        | Stage::Adopt(bound) => bound == digest,
        Stage::Yield(way, claimed) => claimed != digest || way == Way::Roll,
        Stage::Settle { open, found } => open == digest || found == digest,
        _ => false,
    }
}
