//! The protocol as it is: every invariant holds in every state that can be reached.

use std::time::Instant;

use stateright::{Checker, Model};

use super::protocol::{Deletes, Protocol};
use super::report::{counterexample, explored};
use super::witness::Event;

/// What happens wherever there are pushes and pulls.
const ALWAYS: [Event; 11] = [
    Event::Acknowledged,
    Event::AcknowledgedAgain,
    Event::Refused,
    Event::RolledForward,
    Event::AdoptedByPush,
    Event::AdoptedByPull,
    Event::Withdrawn,
    Event::Freed,
    Event::LandedLate,
    Event::Crashed,
    Event::Pulled,
];

fn with_pulls(requests: usize) -> Protocol {
    Protocol { pulls: true, ..Protocol::of(requests) }
}

/// Explores the whole space. Prints how large it was, and fails where an invariant
/// is broken, or where what should be possible never happened.
fn holds(name: &str, protocol: Protocol, events: &[Event]) {
    let started = Instant::now();
    let checker = protocol.checker().spawn_bfs().join();
    println!("{}", explored(name, &checker, started.elapsed()));
    if let Some((invariant, path)) = checker.discoveries().into_iter().next() {
        panic!("{name}: broken: {invariant}\n{}", counterexample(path));
    }
    for event in ALWAYS.iter().chain(events) {
        assert!(checker.model().witness.saw(*event), "{name}: {event:?} never happened");
    }
}

#[test]
fn deletes_that_the_rule_denies() {
    let protocol = Protocol { deletes: Deletes::Deny, ..with_pulls(3) };
    holds("pushes, pulls, deletes that the rule denies", protocol, &[Event::DeleteRefused, Event::DeletedUnneeded]);
}

#[test]
fn a_further_tag_of_what_another_tag_holds() {
    let protocol = Protocol { deletes: Deletes::Deny, further: true, ..with_pulls(3) };
    let events = [Event::DeleteRefused, Event::DeletedUnneeded];
    holds("pushes, pulls, deletes that the rule denies, pushes of what another tag holds", protocol, &events);
}

#[test]
fn deletes_that_the_rule_allows_and_claims_that_an_operator_releases() {
    let protocol = Protocol { deletes: Deletes::Allow, release: true, ..with_pulls(3) };
    let events = [
        Event::Released,
        Event::Burnt,
        Event::RefusedAsBurnt,
        Event::DeletedUnneeded,
        Event::ClaimLost,
        Event::RollForwardFoundNoContent,
    ];
    holds("pushes, pulls, deletes that the rule allows, released claims", protocol, &events);
}

#[test]
fn a_tag_that_is_moved_behind_the_back() {
    let protocol = Protocol { meddling: true, ..with_pulls(3) };
    holds("pushes, pulls, somebody who moves the tag behind the back", protocol, &[Event::MovedBehindTheBack]);
}

#[test]
fn a_backup_that_is_restored() {
    let protocol = Protocol { deletes: Deletes::Allow, release: true, backup: true, ..with_pulls(2) };
    let events = [Event::Released, Event::Burnt, Event::Restored, Event::RestoreRefused];
    holds("pushes, pulls, deletes, released claims, a backup restored; two at a time", protocol, &events);
}

/// Too many states for every day: for `make soak`.
#[test]
fn everything_at_once() {
    if std::env::var_os("SOAK").is_none() {
        return println!("everything at once: only with SOAK=1");
    }
    let protocol = Protocol { deletes: Deletes::Allow, release: true, meddling: true, backup: true, ..with_pulls(3) };
    let events = [Event::Released, Event::Burnt, Event::MovedBehindTheBack, Event::Restored, Event::RestoreRefused];
    holds("everything at once", protocol, &events);
}
