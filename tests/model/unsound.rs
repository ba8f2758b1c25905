//! The protocol as it must not be: each flaw breaks an invariant, and the shortest
//! way there is printed.

use stateright::{Checker, Model};

use super::flaw::Flaw;
use super::invariants::{
    BURNS_ITS_OWN, CLAIMED_BYTES, CLAIMED_IS_STORED, CONTENT_STAYS, LOOK_AFTER_CLAIM, NO_DEAD_END, NO_EARLY_RELEASE, ONE_DIGEST,
};
use super::protocol::{Deletes, Protocol};
use super::report::counterexample;

/// No counterexample needs to be longer.
const LONGEST: usize = 24;

/// Deepens the search step by step until `invariant` is broken: what is found first
/// is as short as can be.
fn breaks(flaw: Flaw, invariant: &'static str, protocol: impl Fn() -> Protocol) {
    for depth in 2..=LONGEST {
        let flawed = Protocol { flaw: Some(flaw), symmetric: false, ..protocol() };
        let checker = flawed.checker().target_max_depth(depth).spawn_bfs().join();
        if let Some(path) = checker.discovery(invariant) {
            return println!("{flaw:?} breaks {invariant}\n{}", counterexample(path));
        }
    }
    panic!("{flaw:?} does not break {invariant} within {LONGEST} steps");
}

/// Pushes through the gate, two at a time, and nothing else: the less a
/// counterexample needs, the more it says.
fn two() -> Protocol {
    Protocol { direct_pushes: false, ..Protocol::of(2) }
}

#[test]
fn a_lease_that_is_taken_over() {
    breaks(Flaw::LeaseTakeover, CLAIMED_BYTES, two);
}

#[test]
fn a_claim_that_is_released_on_a_timeout() {
    breaks(Flaw::ReleaseOnTimeout, CLAIMED_BYTES, two);
}

#[test]
fn attempts_that_are_counted() {
    breaks(Flaw::AttemptCounter, NO_EARLY_RELEASE, two);
}

#[test]
fn a_look_before_the_claim() {
    breaks(Flaw::HeadBeforeClaim, LOOK_AFTER_CLAIM, || Protocol::of(2));
}

#[test]
fn a_check_and_then_a_put() {
    breaks(Flaw::CheckThenPut, ONE_DIGEST, two);
}

#[test]
fn an_open_claim_that_is_only_refused() {
    breaks(Flaw::NoRollForward, NO_DEAD_END, two);
}

#[test]
fn an_older_ledger_that_is_not_noticed() {
    breaks(Flaw::NoHeadCheck, ONE_DIGEST, || Protocol {
        backup: true,
        deletes: Deletes::Allow,
        direct_pushes: false,
        ..Protocol::of(1)
    });
}

#[test]
fn a_rejection_that_counts_for_the_put_before_it() {
    breaks(Flaw::RejectionOfARepeat, NO_EARLY_RELEASE, two);
    breaks(Flaw::RejectionOfARepeat, CLAIMED_BYTES, two);
}

#[test]
fn a_delete_that_burns_whatever_is_there() {
    breaks(Flaw::BurnWhateverIsThere, BURNS_ITS_OWN, || Protocol { deletes: Deletes::Allow, release: true, ..two() });
}

#[test]
fn a_delete_that_only_its_own_process_knows_of() {
    breaks(Flaw::LockOfOneProcess, CONTENT_STAYS, || Protocol { deletes: Deletes::Deny, ..two() });
}

#[test]
fn content_that_is_believed_to_be_there() {
    breaks(Flaw::StoredIsBelieved, CLAIMED_IS_STORED, || Protocol { deletes: Deletes::Deny, further: true, ..two() });
}

#[test]
fn a_delete_that_keeps_pushes_out_and_nobody_else() {
    breaks(Flaw::LockOfPushesOnly, CONTENT_STAYS, || Protocol { deletes: Deletes::Deny, ..Protocol::of(2) });
}
