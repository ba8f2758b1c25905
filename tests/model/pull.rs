//! A pull by tag: `src/gate/pull.rs`.

use super::invariants::PULLS;
use super::protocol::Protocol;
use super::push::tell;
use super::witness::Event;
use super::world::{Row, Stage, Way, World};

impl Protocol {
    /// `Gate::pull`, as far as the lookup; and the whole of `pull_pinned`.
    pub fn pull(&self, world: &mut World, who: usize) {
        match world.row {
            Row::Free => world.go(who, Stage::Sight),
            Row::Sealed(digest) if world.stored.has(digest) => {
                self.witness.see(Event::Pulled);
                tell(world, digest, PULLS);
            }
            // `settle_on_sight` looks before it joins the claim.
            Row::Open(open) => {
                if let Some(found) = world.pointer
                    && !self.keeps_out(world, open)
                    && !self.keeps_out(world, found)
                {
                    world.go(who, Stage::Settle { open, found });
                }
            }
            // The content is gone, or the tag is burnt: not found.
            Row::Sealed(_) | Row::Burnt(_) => {}
        }
    }

    pub fn go_pull(&self, world: &mut World, who: usize) {
        match world.requests[who].stage {
            Stage::Sight => match world.pointer {
                Some(found) if world.stored.has(found) && !self.keeps_out(world, found) => world.go(who, Stage::Adopt(found)),
                _ => world.end(who),
            },
            Stage::Adopt(found) => {
                self.ledger_adopt(world, found);
                if world.row == Row::Sealed(found) {
                    self.witness.see(Event::AdoptedByPull);
                }
                // The next pull serves what the row says.
                world.end(who);
            }
            Stage::Settle { open, found } => match self.ledger_join(world, who, open) {
                true if found == open => world.go(who, Stage::Confirm(Way::Roll, open)),
                true if world.stored.has(found) => world.go(who, Stage::Yield(Way::Roll, open)),
                true => world.go(who, Stage::Withdraw(open)),
                false => world.end(who),
            },
            _ => {}
        }
    }
}
