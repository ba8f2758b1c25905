//! What must hold in every state, under the IDs of docs/INVARIANTS.md.

use stateright::Property;

use super::protocol::Protocol;
use super::world::{Digest, Row, World};

pub const ONE_DIGEST: &str = "INV-1 a tag is told to mean one digest, ever";
pub const CLAIMED_BYTES: &str = "INV-2 the registry's tag is pointed only at the claimed bytes";
pub const LOOK_AFTER_CLAIM: &str = "INV-3 a tag that was there is adopted, not overwritten";
pub const CLAIMED_IS_STORED: &str = "INV-3 what is claimed is stored, unless a delete was allowed";
pub const NO_EARLY_RELEASE: &str = "INV-4 no claim is freed while an attempt may still point the tag";
pub const NO_DEAD_END: &str = "INV-4 whoever pushes next brings an open claim to its end";
pub const NOTHING_LOST: &str = "INV-5 what was told stays in the ledger";
pub const ROWS_STAY: &str = "INV-8 a sealed row keeps its digest, a burnt one stays burnt";
pub const NO_FALSE_SUCCESS: &str = "INV-9 only what is sealed is acknowledged";
pub const PULLS: &str = "INV-11 a pull gives the bytes that were told, or an error";
pub const CONTENT_STAYS: &str = "INV-12 what an immutable tag needs is not deleted";
pub const BURNS_ITS_OWN: &str = "INV-12 a delete burns only what it deleted";

/// The invariants of steps, which a single state cannot show.
const OF_STEPS: [&str; 7] = [ONE_DIGEST, CLAIMED_BYTES, LOOK_AFTER_CLAIM, ROWS_STAY, NO_FALSE_SUCCESS, PULLS, BURNS_ITS_OWN];

/// Which invariants of steps were broken on the way to a state. None ever is in a
/// sound protocol, so it makes no states.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Broken(u8);

impl Broken {
    pub fn note(&mut self, invariant: &'static str) {
        self.0 |= Self::bit(invariant);
    }

    fn has(self, invariant: &'static str) -> bool {
        self.0 & Self::bit(invariant) != 0
    }

    fn bit(invariant: &'static str) -> u8 {
        let place = OF_STEPS.iter().position(|known| *known == invariant);
        1 << place.expect("an invariant of steps")
    }
}

macro_rules! of_steps {
    ($($name:ident),*) => {
        vec![$(Property::always($name, |_: &Protocol, world: &World| !world.broken.has($name))),*]
    };
}

pub fn properties() -> Vec<Property<Protocol>> {
    let mut properties = of_steps![ONE_DIGEST, CLAIMED_BYTES, LOOK_AFTER_CLAIM, ROWS_STAY, NO_FALSE_SUCCESS, PULLS, BURNS_ITS_OWN];
    properties.extend([
        Property::always(NO_EARLY_RELEASE, |_, world: &World| {
            world.row != Row::Free || world.disturbed || (world.late.is_empty() && !world.has_attempt())
        }),
        Property::always(CLAIMED_IS_STORED, |_, world: &World| match world.row {
            Row::Open(digest) => world.disturbed || world.stored.has(digest),
            _ => true,
        }),
        Property::always(NO_DEAD_END, Protocol::can_go_on),
        Property::always(NOTHING_LOST, |_, world: &World| {
            let keeps = |digest| !world.told.has(digest) || [Row::Sealed(digest), Row::Burnt(digest)].contains(&world.row);
            Digest::ALL.into_iter().all(keeps)
        }),
        Property::always(CONTENT_STAYS, |_, world: &World| match world.row {
            Row::Sealed(digest) if world.told.has(digest) => world.disturbed || world.stored.has(digest),
            _ => true,
        }),
    ]);
    properties
}
