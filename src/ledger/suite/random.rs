//! Random sequences of operations: an engine answers each as memory does.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;
use crate::ledger::event::{Action, Event, Outcome};
use crate::ledger::{Begun, Change, Followed, Look, Note};

#[derive(Clone, Copy, Debug)]
enum Step {
    Claim {
        tag: usize,
        content: usize,
    },
    /// The claims still held are numbered; the step takes one of them.
    Confirm {
        claim: usize,
    },
    Withdraw {
        claim: usize,
    },
    Yield {
        claim: usize,
        content: usize,
    },
    Crash {
        claim: usize,
    },
    Adopt {
        tag: usize,
        content: usize,
    },
    Join {
        tag: usize,
        content: usize,
    },
    Burn {
        tag: usize,
        content: usize,
    },
    Begin {
        tag: usize,
        content: Option<usize>,
    },
    /// The changes still held are numbered as well.
    Complete {
        change: usize,
        outcome: Outcome,
    },
    Abandon {
        change: usize,
    },
    /// The first change that is open.
    Settle {
        content: Option<usize>,
    },
    Observe {
        tag: usize,
        content: Option<usize>,
    },
    Refuse {
        tag: usize,
        content: usize,
    },
    Release {
        tag: usize,
    },
    Ping,
}

/// Few, so that operations meet often.
const TAGS: [&str; 2] = ["web:1.0.0", "api:1.0.0"];
const CONTENTS: [&str; 2] = ["a", "b"];

fn step() -> impl Strategy<Value = Step> {
    let (tag, content, claim) = (0..TAGS.len(), 0..CONTENTS.len(), 0..8usize);
    let maybe = prop_oneof![1 => Just(None), 3 => content.clone().prop_map(Some)];
    let outcome = prop_oneof![4 => Just(Outcome::Moved), 1 => Just(Outcome::Warned), 1 => Just(Outcome::Deleted)];
    prop_oneof![
        8 => (tag.clone(), content.clone()).prop_map(|(tag, content)| Step::Claim { tag, content }),
        4 => claim.clone().prop_map(|claim| Step::Confirm { claim }),
        4 => claim.clone().prop_map(|claim| Step::Withdraw { claim }),
        3 => (claim.clone(), content.clone()).prop_map(|(claim, content)| Step::Yield { claim, content }),
        1 => claim.clone().prop_map(|claim| Step::Crash { claim }),
        2 => (tag.clone(), content.clone()).prop_map(|(tag, content)| Step::Adopt { tag, content }),
        3 => (tag.clone(), content.clone()).prop_map(|(tag, content)| Step::Join { tag, content }),
        1 => (tag.clone(), content).prop_map(|(tag, content)| Step::Burn { tag, content }),
        5 => (tag.clone(), maybe.clone()).prop_map(|(tag, content)| Step::Begin { tag, content }),
        5 => (claim.clone(), outcome).prop_map(|(change, outcome)| Step::Complete { change, outcome }),
        1 => claim.prop_map(|change| Step::Abandon { change }),
        2 => maybe.clone().prop_map(|content| Step::Settle { content }),
        2 => (tag.clone(), maybe).prop_map(|(tag, content)| Step::Observe { tag, content }),
        1 => (tag.clone(), 0..CONTENTS.len()).prop_map(|(tag, content)| Step::Refuse { tag, content }),
        2 => tag.prop_map(|tag| Step::Release { tag }),
        1 => Just(Step::Ping),
    ]
}

/// The claims and changes held so far, each as the engine and as memory granted it.
#[derive(Default)]
struct Held {
    claims: Vec<(Claim, Claim)>,
    changes: Vec<(Change, Change)>,
}

pub fn agrees_with_memory<S: Store>() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let config = Config { cases: 64, failure_persistence: None, ..Config::default() };
    let sequences = proptest::collection::vec(step(), 1..60);
    let outcome = TestRunner::new(config).run(&sequences, |steps| {
        let store = S::new();
        runtime.block_on(async {
            let (tested, memory) = (store.open("ours").await, MemoryLedger::of("ours"));
            let mut held = Held::default();
            for (moment, step) in (1..).zip(steps) {
                take(step, moment, &*tested, &memory, &mut held).await?;
                compare(&*tested, &memory).await?;
            }
            Ok(())
        })
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

async fn take(step: Step, moment: i64, tested: &dyn Ledger, memory: &dyn Ledger, held: &mut Held) -> Result<(), TestCaseError> {
    let now = at(moment);
    // Clocks of replicas differ.
    let at = at(moment + moment * 7 % 5 - 2);
    let note =
        Note { who: Some(format!("user-{moment}")), rule: Some("rule".to_owned()), size: Some(moment.unsigned_abs()), ..at.into() };
    match step {
        Step::Claim { tag, content } => {
            let (key, digest, attempt) = (key(TAGS[tag]), digest(CONTENTS[content]), AttemptId::random());
            let answer = tested.claim(&key, &digest, attempt, &note).await.expect("an answer");
            let expected = memory.claim(&key, &digest, attempt, &note).await.expect("an answer");
            prop_assert_eq!(&answer, &expected);
            if let (
                Claimed::Granted(ours) | Claimed::AlreadySealed(ours, _),
                Claimed::Granted(theirs) | Claimed::AlreadySealed(theirs, _),
            ) = (answer, expected)
            {
                held.claims.push((ours, theirs));
            }
        }
        Step::Confirm { claim } => {
            let Some((ours, theirs)) = pick(&mut held.claims, claim) else { return Ok(()) };
            prop_assert_eq!(words(tested.confirm(ours, &note).await), words(memory.confirm(theirs, &note).await));
        }
        Step::Withdraw { claim } => {
            let Some((ours, theirs)) = pick(&mut held.claims, claim) else { return Ok(()) };
            prop_assert_eq!(words(tested.withdraw(ours).await), words(memory.withdraw(theirs).await));
        }
        Step::Yield { claim, content } => {
            let Some((ours, theirs)) = pick(&mut held.claims, claim) else { return Ok(()) };
            let found = digest(CONTENTS[content]);
            let answer = words(tested.yield_to(ours, &found, &note).await);
            prop_assert_eq!(answer, words(memory.yield_to(theirs, &found, &note).await));
        }
        Step::Crash { claim } => drop(pick(&mut held.claims, claim)),
        Step::Adopt { tag, content } => {
            let (key, digest) = (key(TAGS[tag]), digest(CONTENTS[content]));
            prop_assert_eq!(words(tested.adopt(&key, &digest, &note).await), words(memory.adopt(&key, &digest, &note).await));
        }
        Step::Join { tag, content } => {
            let (key, digest, attempt) = (key(TAGS[tag]), digest(CONTENTS[content]), AttemptId::random());
            let answer = tested.join(&key, &digest, attempt, now).await.expect("an answer");
            let expected = memory.join(&key, &digest, attempt, now).await.expect("an answer");
            prop_assert_eq!(&answer, &expected);
            held.claims.extend(answer.zip(expected));
        }
        Step::Burn { tag, content } => {
            let (key, digest) = (key(TAGS[tag]), digest(CONTENTS[content]));
            prop_assert_eq!(words(tested.burn(&key, &digest, &note).await), words(memory.burn(&key, &digest, &note).await));
        }
        Step::Begin { tag, content } => {
            let (key, to, attempt) = (key(TAGS[tag]), content.map(|content| digest(CONTENTS[content])), AttemptId::random());
            let ours = tested.begin(&key, to.as_ref(), attempt, &note).await.expect("an answer");
            let theirs = memory.begin(&key, to.as_ref(), attempt, &note).await.expect("an answer");
            let words = |begun: &Begun| {
                let before = begun.before.as_ref().map(|entry| entry.event.clone());
                (begun.lifted, before, begun.others.clone(), begun.followed.clone())
            };
            prop_assert_eq!(words(&ours), words(&theirs));
            held.changes.push((ours.change, theirs.change));
        }
        Step::Complete { change, outcome } => {
            let Some((ours, theirs)) = pick(&mut held.changes, change) else { return Ok(()) };
            let release = (moment % 3 == 0).then(|| Tag::parse(&format!("1.4.{moment}")).expect("a tag"));
            let followed = Followed { release, is_unreleased: moment % 2 == 0 };
            let ours = tested.complete(ours, outcome, &followed, &note).await.expect("an answer");
            let theirs = memory.complete(theirs, outcome, &followed, &note).await.expect("an answer");
            let unreleased = tested.unreleased(None, 10).await.expect("an answer");
            prop_assert_eq!(unreleased, memory.unreleased(None, 10).await.expect("an answer"));
            prop_assert_eq!(
                (ours.entry.event, ours.overlapped, ours.others),
                (theirs.entry.event, theirs.overlapped, theirs.others)
            );
        }
        Step::Abandon { change } => {
            let Some((ours, theirs)) = pick(&mut held.changes, change) else { return Ok(()) };
            prop_assert_eq!(words(tested.abandon(ours).await), words(memory.abandon(theirs).await));
        }
        Step::Settle { content } => {
            let Some(open) = memory.open_changes(None, 1).await.expect("an answer").pop() else { return Ok(()) };
            let version = tested.version(&open.key).await.expect("an answer");
            prop_assert_eq!(version, memory.version(&open.key).await.expect("an answer"));
            // Now and then an older look.
            let look = Look {
                found: content.map(|content| digest(CONTENTS[content])),
                version: version.saturating_sub(u64::from(moment % 4 == 0)),
            };
            let answer = words(tested.settle(&open, &look, &note).await);
            prop_assert_eq!(answer, words(memory.settle(&open, &look, &note).await));
        }
        Step::Observe { tag, content } => {
            let (key, found) = (key(TAGS[tag]), content.map(|content| digest(CONTENTS[content])));
            let look = Look { found, version: memory.version(&key).await.expect("an answer") };
            let answer = words(tested.observe(&key, &look, &note).await);
            prop_assert_eq!(answer, words(memory.observe(&key, &look, &note).await));
        }
        Step::Refuse { tag, content } => {
            let event = Event::of("ours", &key(TAGS[tag]), Action::Push, Outcome::Refused, &note);
            let events = [event.with(Some(&digest(CONTENTS[content])), None)];
            prop_assert_eq!(words(tested.record(&events).await), words(memory.record(&events).await));
        }
        Step::Release { tag } => {
            let key = key(TAGS[tag]);
            let answer = words(tested.release(&key, "ann", "gone", now).await);
            prop_assert_eq!(answer, words(memory.release(&key, "ann", "gone", now).await));
        }
        Step::Ping => prop_assert_eq!(words(tested.ping().await), words(memory.ping().await)),
    }
    Ok(())
}

fn pick<T>(held: &mut Vec<(T, T)>, number: usize) -> Option<(T, T)> {
    (!held.is_empty()).then(|| held.swap_remove(number % held.len()))
}

/// An error can be compared by its words only.
fn words<T>(outcome: Result<T, LedgerError>) -> Result<T, String> {
    outcome.map_err(|error| error.to_string())
}

async fn compare(tested: &dyn Ledger, memory: &dyn Ledger) -> Result<(), TestCaseError> {
    for tag in TAGS {
        prop_assert_eq!(lookup(tested, tag).await, lookup(memory, tag).await);
        let repository = key(tag).repository;
        prop_assert_eq!(words(tested.records(&repository).await), words(memory.records(&repository).await));
    }
    prop_assert_eq!(words(tested.count_open().await), words(memory.count_open().await));
    prop_assert_eq!(words(tested.open_claims(None, 8).await), words(memory.open_claims(None, 8).await));
    prop_assert_eq!(words(tested.acts().await), words(memory.acts().await));
    prop_assert_eq!(words(tested.open_changes(None, 8).await), words(memory.open_changes(None, 8).await));
    let (ours, theirs) = (log::whole(tested).await, log::whole(memory).await);
    prop_assert_eq!(ours, theirs);
    Ok(())
}
