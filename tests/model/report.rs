//! What the checker found, for people.

use std::fmt;
use std::time::Duration;

use stateright::{Checker, Path};

use super::protocol::{Action, Protocol};
use super::world::{Digest, Digests, IDLE, Stage, World};

/// What a run explored.
pub fn explored(name: &str, checker: &impl Checker<Protocol>, took: Duration) -> String {
    let (states, unique, depth) = (checker.state_count(), checker.unique_state_count(), checker.max_depth());
    format!("{name}: {states} states, {unique} unique, depth {depth}, {:.1} s", took.as_secs_f64())
}

/// A path from the start, a line for each step: what was done, and the state after it.
pub fn counterexample(path: Path<World, Action>) -> String {
    let steps = path.into_vec();
    let mut text = String::new();
    for (number, pair) in steps.windows(2).enumerate() {
        let [(before, Some(action)), (after, _)] = pair else { continue };
        text.push_str(&format!("  {:2}. {:<58} {after:?}\n", number + 1, said(before, *action)));
    }
    text
}

/// An action in the words of the code.
fn said(before: &World, action: Action) -> String {
    let stage = |who: usize| did(before.requests[who].stage);
    match action {
        Action::Push(who, digest) => format!("{who}: a push of {digest:?} looks the tag up"),
        Action::PushFurther(who) => format!("{who}: a push of A by who has just stored it looks the tag up"),
        Action::Pull(who) => format!("{who}: a pull looks the tag up"),
        Action::DeleteTag(who) => format!("{who}: a delete of the tag looks it up"),
        Action::DeleteManifest(who, digest) => format!("{who}: a delete of manifest {digest:?} looks for tags on it"),
        Action::Go(who) => format!("{who}: {}", stage(who)),
        Action::Unanswered(who) => format!("{who}: {}; the answer is lost", stage(who)),
        Action::Rejected(who) => format!("{who}: {}; rejected", stage(who)),
        Action::LookFails(who) => format!("{who}: {}; no answer", stage(who)),
        Action::RepeatRejected(who) => format!("{who}: {}, the connection breaks; sent again; rejected", stage(who)),
        Action::Twice(who) => format!("{who}: {}, and again", stage(who)),
        Action::Dies(who) => format!("{who}: dies"),
        Action::LandsLate(digest) => format!("a PUT of the tag with {digest:?} lands late"),
        Action::DirectPush(digest) => format!("somebody pushes {digest:?} to the registry itself"),
        Action::MovesBehindTheBack(digest) => format!("somebody moves the tag to {digest:?} behind the back"),
        Action::Release => "an operator releases the claim".to_owned(),
        Action::Backup => "the ledger is copied".to_owned(),
        Action::Restore => "everything stops, and the copy is put in its place".to_owned(),
    }
}

/// What a request does at a stage.
fn did(stage: Stage) -> String {
    match stage {
        Stage::Idle => "nothing".to_owned(),
        Stage::Store(digest) => format!("PUT of manifest {digest:?}"),
        Stage::Claim(digest) => format!("claim for {digest:?}"),
        Stage::Look(way, digest) => format!("HEAD of the tag ({way:?} of {digest:?})"),
        Stage::Point(way, digest) => format!("PUT of the tag with {digest:?} ({way:?})"),
        Stage::Confirm(way, digest) => format!("confirm {digest:?} ({way:?})"),
        Stage::Yield(way, digest) => format!("yield {digest:?} to {:?} ({way:?})", digest.other()),
        Stage::Withdraw(digest) => format!("withdraw the attempt for {digest:?}"),
        Stage::Join(digest) => format!("join the claim for {digest:?}"),
        Stage::Sight => "HEAD of the tag (pull)".to_owned(),
        Stage::Adopt(digest) => format!("adopt {digest:?}"),
        Stage::Settle { open, .. } => format!("join the claim for {open:?} (pull)"),
        Stage::DeleteTag => "DELETE of the tag".to_owned(),
        Stage::DeleteManifest(digest, _) => format!("DELETE of manifest {digest:?}"),
        Stage::BurnTag => "burn the tag".to_owned(),
        Stage::BurnManifest(digest) => format!("burn the tag that went with manifest {digest:?}"),
        Stage::Peek(digest) => format!("HEAD of the tag (push of {digest:?}), without a claim"),
    }
}

impl fmt::Debug for Digests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(Digest::ALL.into_iter().filter(|digest| self.has(*digest))).finish()
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row {:?}, tag {:?}, stored {:?}, told {:?}", self.row, self.pointer, self.stored, self.told)?;
        if !self.late.is_empty() {
            write!(f, ", late {:?}", self.late)?;
        }
        if self.orphan {
            write!(f, ", orphan")?;
        }
        for request in self.requests.iter().filter(|request| **request != IDLE) {
            write!(f, ", {:?}{}", request.stage, if request.attempt { "*" } else { "" })?;
        }
        Ok(())
    }
}
