//! The model that is checked: which steps there are in a state, and where they lead.
//!
//! The steps of a request are in `push.rs`, `pull.rs` and `delete.rs`, one for each
//! await of the gate. Here is what happens to requests from outside: they stop at
//! any stage, answers are lost, writes land late and twice, people interfere.

use stateright::{Model, Property};

use super::flaw::Flaw;
use super::invariants;
use super::ledger::enter;
use super::witness::{Event, Witness};
use super::world::{Backup, Digest, IDLE, MOST, Row, Stage, Way, World};

/// What a rule says of deletes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Deletes {
    None,
    Deny,
    Allow,
}

/// Which requests and mishaps there are in a run.
pub struct Protocol {
    /// How many requests run at one time. Each ends and starts anew without bound.
    pub requests: usize,
    pub pulls: bool,
    pub deletes: Deletes,
    /// Whether somebody pushes to the registry itself while the ledger does not know
    /// the tag: before pushonce was there, or around it.
    pub direct_pushes: bool,
    /// Whether an operator releases open claims.
    pub release: bool,
    /// Whether somebody moves the registry's tag, whatever the ledger says.
    pub meddling: bool,
    /// Whether a backup is made once, and restored once.
    pub backup: bool,
    /// Whether another tag is sealed for A, and clients that pushed it push A to this tag.
    pub further: bool,
    pub flaw: Option<Flaw>,
    /// Whether requests that differ in their places only count as one state. Places
    /// change along a path then, so counterexamples are made without.
    pub symmetric: bool,
    pub witness: Witness,
}

/// One step. Those with a number are of the request in that place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    Push(usize, Digest),
    /// A push of A by who has just pushed it to the other tag.
    PushFurther(usize),
    Pull(usize),
    DeleteTag(usize),
    DeleteManifest(usize, Digest),
    /// The request takes its next step, and nothing goes wrong.
    Go(usize),
    /// The step is taken and its answer lost.
    Unanswered(usize),
    /// The registry answers that it certainly did not carry the step out.
    Rejected(usize),
    /// The look gets no answer that can be used.
    LookFails(usize),
    /// The PUT's connection breaks, it is sent again, and the second one is rejected.
    RepeatRejected(usize),
    /// The withdrawal arrives, and arrives again later.
    Twice(usize),
    /// The process dies, or the ledger gives no answer: the request is over.
    Dies(usize),
    /// A PUT of the tag lands that nobody waits for any more.
    LandsLate(Digest),
    /// Somebody pushes to the registry itself.
    DirectPush(Digest),
    /// Somebody moves the registry's tag behind the back.
    MovesBehindTheBack(Digest),
    /// `Ledger::release`
    Release,
    Backup,
    /// Everything is stopped, and the backup put in the ledger's place.
    Restore,
}

impl Protocol {
    /// Pushes through the gate, and to the registry itself while the tag is free.
    pub fn of(requests: usize) -> Self {
        Self {
            requests,
            pulls: false,
            deletes: Deletes::None,
            direct_pushes: true,
            release: false,
            meddling: false,
            backup: false,
            further: false,
            flaw: None,
            symmetric: true,
            witness: Witness::default(),
        }
    }

    fn starts(&self, world: &World, who: usize, actions: &mut Vec<Action>) {
        for digest in Digest::ALL {
            if !self.is_alone(world, digest) {
                actions.push(Action::Push(who, digest));
            }
            if self.deletes != Deletes::None && self.may_be_alone(world, digest) {
                actions.push(Action::DeleteManifest(who, digest));
            }
        }
        if self.further && !self.is_alone(world, Digest::A) {
            actions.push(Action::PushFurther(who));
        }
        if self.pulls {
            actions.push(Action::Pull(who));
        }
        if self.deletes == Deletes::Allow {
            actions.push(Action::DeleteTag(who));
        }
    }

    fn goes_on(&self, stage: Stage, who: usize, actions: &mut Vec<Action>) {
        actions.push(Action::Dies(who));
        match stage {
            Stage::Look(..) => actions.push(Action::LookFails(who)),
            Stage::Point(..) => {
                actions.extend([Action::Unanswered(who), Action::Rejected(who)]);
                if self.flaw == Some(Flaw::RejectionOfARepeat) {
                    actions.push(Action::RepeatRejected(who));
                }
            }
            Stage::Confirm(Way::Push, _) => actions.push(Action::Unanswered(who)),
            Stage::Withdraw(_) => actions.push(Action::Twice(who)),
            _ => {}
        }
        actions.push(Action::Go(who));
    }

    fn interferes(&self, world: &World, actions: &mut Vec<Action>) {
        for digest in Digest::ALL {
            if world.late.has(digest) {
                actions.push(Action::LandsLate(digest));
            }
            if self.direct_pushes && world.row == Row::Free {
                actions.push(Action::DirectPush(digest));
            }
            if self.meddling {
                actions.push(Action::MovesBehindTheBack(digest));
            }
        }
        if self.release && matches!(world.row, Row::Open(_)) {
            actions.push(Action::Release);
        }
        match world.backup {
            Backup::None if self.backup => actions.push(Action::Backup),
            Backup::Made(_) => actions.push(Action::Restore),
            _ => {}
        }
    }

    fn apply(&self, world: &mut World, action: Action) {
        match action {
            Action::Push(who, digest) => self.push(world, who, digest, Stage::Store(digest)),
            Action::PushFurther(who) => self.push(world, who, Digest::A, Stage::Claim(Digest::A)),
            Action::Pull(who) => self.pull(world, who),
            Action::DeleteTag(who) => self.delete_tag(world, who),
            Action::DeleteManifest(who, digest) => self.delete_manifest(world, who, digest),
            Action::Go(who) => self.go(world, who),
            Action::Unanswered(who) => self.unanswered(world, who),
            Action::Rejected(who) | Action::LookFails(who) => self.gives_up(world, who),
            Action::RepeatRejected(who) => {
                if let Stage::Point(_, digest) = world.requests[who].stage {
                    world.late.insert(digest);
                }
                self.gives_up(world, who);
            }
            Action::Twice(who) => {
                if let Stage::Withdraw(digest) = world.requests[who].stage {
                    self.ledger_withdraw(world, who, digest);
                }
            }
            Action::Dies(who) => {
                self.witness.see(Event::Crashed);
                world.end(who);
            }
            Action::LandsLate(digest) => {
                self.witness.see(Event::LandedLate);
                self.land(world, digest);
            }
            Action::DirectPush(digest) => points(world, digest),
            Action::MovesBehindTheBack(digest) => {
                self.witness.see(Event::MovedBehindTheBack);
                world.disturbed = true;
                points(world, digest);
            }
            Action::Release => {
                self.witness.see(Event::Released);
                world.disturbed = true;
                enter(world, Row::Free);
            }
            Action::Backup => world.backup = Backup::Made(world.row),
            Action::Restore => self.restore(world),
        }
    }

    /// The next step of a request, where nothing goes wrong.
    pub fn go(&self, world: &mut World, who: usize) {
        match world.requests[who].stage {
            Stage::Idle => {}
            Stage::Sight | Stage::Adopt(_) | Stage::Settle { .. } => self.go_pull(world, who),
            Stage::DeleteTag | Stage::DeleteManifest(..) | Stage::BurnTag | Stage::BurnManifest(_) => self.go_delete(world, who),
            _ => self.go_push(world, who),
        }
    }

    /// Restoring needs a stop. With the head check, a ledger that lacks what was
    /// written since the backup is refused before the first write, and the operator
    /// puts the newer one back.
    fn restore(&self, world: &mut World) {
        let Backup::Made(row) = world.backup else { return };
        for who in 0..MOST {
            world.end(who);
        }
        world.backup = Backup::Spent;
        if row == world.row {
            self.witness.see(Event::Restored);
        } else if self.flaw == Some(Flaw::NoHeadCheck) {
            // The attempts of the backup are those of processes that are gone.
            world.row = row;
            world.orphan = matches!(row, Row::Open(_));
        } else {
            self.witness.see(Event::RestoreRefused);
        }
    }

    /// INV-4: in a quiet state, whatever happened before, one push that nothing
    /// disturbs brings an open claim to its end. The exception is a claim whose
    /// content is gone, pushed with other bytes: an operator has to release it.
    pub fn can_go_on(&self, world: &World) -> bool {
        world.requests != [IDLE; MOST] || Digest::ALL.into_iter().all(|digest| self.ends(world, digest))
    }

    fn ends(&self, before: &World, digest: Digest) -> bool {
        const MOST_STEPS: usize = 16;
        let mut world = before.clone();
        self.push(&mut world, 0, digest, Stage::Store(digest));
        for _ in 0..MOST_STEPS {
            if world.requests[0] == IDLE {
                break;
            }
            self.go(&mut world, 0);
        }
        let is_gone = matches!(before.row, Row::Open(claimed) if claimed != digest && !before.stored.has(claimed));
        world.requests[0] == IDLE && (is_gone || !matches!(world.row, Row::Free | Row::Open(_)))
    }
}

/// Somebody else writes the tag.
fn points(world: &mut World, digest: Digest) {
    world.pointer = Some(digest);
    world.stored.insert(digest);
}

impl Model for Protocol {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let mut world = World::new();
        if self.further {
            world.stored.insert(Digest::A);
        }
        vec![world]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        // What is plain comes last: of equally short counterexamples the checker keeps
        // the one that it meets last.
        self.interferes(world, actions);
        let requests = &world.requests[..];
        // One idle place is as good as another. Sorting puts idle ones first.
        let places = if self.symmetric { MOST - self.requests..MOST } else { 0..self.requests };
        if let Some(who) = places.clone().find(|who| requests[*who] == IDLE) {
            self.starts(world, who, actions);
        }
        for who in places {
            let is_twin = self.symmetric && who > 0 && requests[who] == requests[who - 1];
            if requests[who] != IDLE && !is_twin {
                self.goes_on(requests[who].stage, who, actions);
            }
        }
    }

    fn next_state(&self, before: &World, action: Action) -> Option<World> {
        let mut world = before.clone();
        self.apply(&mut world, action);
        if self.symmetric {
            world.sort();
        }
        (world != *before).then_some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        invariants::properties()
    }
}
