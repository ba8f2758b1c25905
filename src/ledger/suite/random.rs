//! Random sequences of operations: an engine answers each as memory does.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;

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
    Lift {
        tag: usize,
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
    prop_oneof![
        8 => (tag.clone(), content.clone()).prop_map(|(tag, content)| Step::Claim { tag, content }),
        4 => claim.clone().prop_map(|claim| Step::Confirm { claim }),
        4 => claim.clone().prop_map(|claim| Step::Withdraw { claim }),
        3 => (claim.clone(), content.clone()).prop_map(|(claim, content)| Step::Yield { claim, content }),
        1 => claim.prop_map(|claim| Step::Crash { claim }),
        2 => (tag.clone(), content.clone()).prop_map(|(tag, content)| Step::Adopt { tag, content }),
        3 => (tag.clone(), content.clone()).prop_map(|(tag, content)| Step::Join { tag, content }),
        1 => (tag.clone(), content).prop_map(|(tag, content)| Step::Burn { tag, content }),
        4 => tag.clone().prop_map(|tag| Step::Lift { tag }),
        2 => tag.prop_map(|tag| Step::Release { tag }),
        1 => Just(Step::Ping),
    ]
}

/// The claims held so far, each as the engine and as memory granted it.
type Held = Vec<(Claim, Claim)>;

pub fn agrees_with_memory<S: Store>() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let config = Config { cases: 64, failure_persistence: None, ..Config::default() };
    let sequences = proptest::collection::vec(step(), 1..60);
    let outcome = TestRunner::new(config).run(&sequences, |steps| {
        let store = S::new();
        runtime.block_on(async {
            let (tested, memory) = (store.open("ours").await, MemoryLedger::new());
            let mut held = Held::new();
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
    match step {
        Step::Claim { tag, content } => {
            let (key, digest, attempt) = (key(TAGS[tag]), digest(CONTENTS[content]), AttemptId::random());
            let answer = tested.claim(&key, &digest, attempt, now).await.expect("an answer");
            let expected = memory.claim(&key, &digest, attempt, now).await.expect("an answer");
            prop_assert_eq!(&answer, &expected);
            if let (
                Claimed::Granted(ours) | Claimed::AlreadySealed(ours, _),
                Claimed::Granted(theirs) | Claimed::AlreadySealed(theirs, _),
            ) = (answer, expected)
            {
                held.push((ours, theirs));
            }
        }
        Step::Confirm { claim } => {
            let Some((ours, theirs)) = pick(held, claim) else { return Ok(()) };
            prop_assert_eq!(words(tested.confirm(ours, now).await), words(memory.confirm(theirs, now).await));
        }
        Step::Withdraw { claim } => {
            let Some((ours, theirs)) = pick(held, claim) else { return Ok(()) };
            prop_assert_eq!(words(tested.withdraw(ours).await), words(memory.withdraw(theirs).await));
        }
        Step::Yield { claim, content } => {
            let Some((ours, theirs)) = pick(held, claim) else { return Ok(()) };
            let found = digest(CONTENTS[content]);
            let answer = words(tested.yield_to(ours, &found, now).await);
            prop_assert_eq!(answer, words(memory.yield_to(theirs, &found, now).await));
        }
        Step::Crash { claim } => drop(pick(held, claim)),
        Step::Adopt { tag, content } => {
            let (key, digest) = (key(TAGS[tag]), digest(CONTENTS[content]));
            prop_assert_eq!(words(tested.adopt(&key, &digest, now).await), words(memory.adopt(&key, &digest, now).await));
        }
        Step::Join { tag, content } => {
            let (key, digest, attempt) = (key(TAGS[tag]), digest(CONTENTS[content]), AttemptId::random());
            let answer = tested.join(&key, &digest, attempt, now).await.expect("an answer");
            let expected = memory.join(&key, &digest, attempt, now).await.expect("an answer");
            prop_assert_eq!(&answer, &expected);
            held.extend(answer.zip(expected));
        }
        Step::Burn { tag, content } => {
            let (key, digest) = (key(TAGS[tag]), digest(CONTENTS[content]));
            prop_assert_eq!(words(tested.burn(&key, &digest, now).await), words(memory.burn(&key, &digest, now).await));
        }
        Step::Lift { tag } => {
            let key = key(TAGS[tag]);
            prop_assert_eq!(words(tested.lift(&key, now).await), words(memory.lift(&key, now).await));
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

fn pick(held: &mut Held, number: usize) -> Option<(Claim, Claim)> {
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
    Ok(())
}
