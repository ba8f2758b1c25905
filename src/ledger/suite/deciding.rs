//! Decisions of operators: written down, used up once, and the one change of a sealed tag.

use super::log::{lines, note};
use super::*;
use crate::ledger::Act;
use crate::ledger::decision::{Allows, Decided, Decisions};

fn grant(tag: &str, id: &str) -> Act {
    let (key, allows, until) = (key(tag), Allows::Push, at(1_000));
    Decided::Granted { id: id.to_owned(), key, allows, until }.act("ann", "a secret", at(1))
}

fn used(id: &str) -> Act {
    Decided::Used { id: id.to_owned() }.act("bob", "a secret", at(2))
}

async fn open(ledger: &dyn Ledger) -> Vec<String> {
    let decisions = Decisions::of(&ledger.acts().await.expect("the acts"));
    decisions.open(at(5)).map(|exception| exception.id.clone()).collect()
}

pub(super) async fn an_exception_is_used_once(store: &impl Store) {
    let ledger = &*store.open("ours").await;
    sealed(ledger, "web:1", "a", 1).await;
    for id in ["one", "two", "three"] {
        ledger.act(&grant("web:1", id), Some(&key("web:1"))).await.expect("granted");
    }
    assert_eq!(ledger.count_acts().await.expect("an answer"), 3);
    assert_eq!(open(ledger).await, ["one", "two", "three"]);

    let (key, a, b, c) = (key("web:1"), digest("a"), digest("b"), digest("c"));
    let replaced = ledger.replace(&key, &a, &b, Some(("one", &used("one"))), &note("bob", 7)).await.expect("an answer");
    let record = replaced.expect("it was replaced");
    assert_eq!((&record.digest, record.state, record.since), (&b, State::Sealed, at(7)));
    assert_eq!(lookup(ledger, "web:1").await, Some(record.clone()));
    assert_eq!(open(ledger).await, ["two", "three"]);

    let withdrawn = Decided::Withdrawn { id: "two".to_owned() }.act("ann", "not needed", at(3));
    ledger.act(&withdrawn, Some(&key)).await.expect("withdrawn");
    for (from, id) in [(&b, "one"), (&b, "two"), (&a, "three")] {
        let refused = ledger.replace(&key, from, &c, Some((id, &used(id))), &note("cyd", 8)).await.expect("an answer");
        assert_eq!(refused, None, "{id}");
    }
    assert!(!ledger.spend("one", &used("one"), &key).await.expect("an answer"));
    assert!(ledger.spend("three", &used("three"), &key).await.expect("an answer"));
    assert!(open(ledger).await.is_empty());
    assert_eq!(lookup(ledger, "web:1").await, Some(record));
    let pointing: Vec<String> = lines(ledger).await.into_iter().filter(|line| line.starts_with("pushed")).collect();
    assert_eq!(pointing, ["pushed 1 a - -", "pushed 1 b a bob"], "the log has both for ever");
}

pub(super) async fn only_what_is_sealed_is_replaced(store: &impl Store) {
    let ledger = &*store.open("ours").await;
    let (a, b) = (digest("a"), digest("b"));
    let replace = async |tag: &str| ledger.replace(&key(tag), &a, &b, None, &note("bob", 9)).await.expect("an answer");
    assert_eq!(replace("web:1").await, None, "there is no such tag");
    let claimed = ledger.claim(&key("web:1"), &a, AttemptId::random(), &note("ann", 1)).await.expect("an answer");
    assert!(matches!(claimed, Claimed::Granted(_)));
    assert_eq!(replace("web:1").await, None, "it is open");
    sealed(ledger, "web:2", "a", 2).await;
    ledger.burn(&key("web:2"), &a, &note("ann", 3)).await.expect("burnt");
    assert_eq!(replace("web:2").await, None, "it is burnt");
    sealed(ledger, "web:3", "a", 4).await;
    assert_eq!(replace("web:3").await.map(|record| record.digest), Some(b.clone()));
    assert_eq!(ledger.count_acts().await.expect("an answer"), 0, "nobody decided it");
    // Then it is as immutable as before.
    let taken = ledger.claim(&key("web:3"), &a, AttemptId::random(), &note("ann", 5)).await.expect("an answer");
    assert!(matches!(taken, Claimed::Taken(_)), "{taken:?}");
}

pub(super) async fn of_two_uses_at_once_one_is_first(store: &impl Store) {
    let ledger = &*store.open("ours").await;
    let (a, act) = (digest("a"), used("one"));
    sealed(ledger, "web:1", "a", 1).await;
    ledger.act(&grant("web:1", "one"), Some(&key("web:1"))).await.expect("granted");
    let (first, second) = (digest("b"), digest("c"));
    let (key, note) = (key("web:1"), note("bob", 2));
    let (one, other) = futures_util::join!(
        ledger.replace(&key, &a, &first, Some(("one", &act)), &note),
        ledger.replace(&key, &a, &second, Some(("one", &act)), &note)
    );
    let done = [one, other].into_iter().filter(|answer| answer.as_ref().expect("an answer").is_some()).count();
    assert_eq!(done, 1);
    assert_eq!(ledger.count_acts().await.expect("an answer"), 2);
}
