//! The release log: what each operation leaves in it, and what it answers.

use super::*;
use crate::ledger::event::{Action, Entry, Event, Outcome};
use crate::ledger::log::Filter;
use crate::ledger::tree::{Hash, parts, root_of_parts};
use crate::ledger::{Change, Followed, Look, Note};

/// Everything that the questions answer about a small log, in words that do not depend on
/// how an engine numbers its events.
pub(super) async fn whole(ledger: &dyn Ledger) -> Vec<String> {
    let mut said = Vec::new();
    let entries = ledger.entries(&Filter::default(), 1_000).await.expect("the log");
    said.extend(entries.iter().map(|entry| entry.event.text()));
    let repositories = ledger.repositories(None, 10).await.expect("the repositories");
    said.push(format!("{repositories:?}"));
    for repository in &repositories {
        let meanings = ledger.meanings(repository, None, None, 10).await.expect("the meanings");
        said.extend(meanings.iter().map(|entry| format!("means {}", entry.event.text())));
    }
    for content in ["a", "b"] {
        for span in ledger.spans(&digest(content), 100).await.expect("the spans") {
            said.push(format!("{} until {:?}", span.from.event.text(), span.until.map(|entry| entry.event.text())));
        }
    }
    let counts = ledger.counts(at(0), at(1_000), 10).await.expect("the counts");
    said.extend(counts.iter().map(|count| format!("{count:?}")));
    let size = ledger.plant().await.expect("the size");
    said.push(format!("{size} {:?}", tree_root(ledger, size).await));
    said
}

pub(super) async fn tree_root(ledger: &dyn Ledger, size: u64) -> Hash {
    let mut nodes = Vec::new();
    for (level, first, count) in parts(size) {
        let found = ledger.nodes(level, first, count as usize).await.expect("nodes");
        assert_eq!(found.len() as u64, count, "nodes of level {level}");
        nodes.push(found);
    }
    root_of_parts(&nodes)
}

fn shown(content: Option<&str>, version: u64) -> Look {
    Look { found: content.map(digest), version }
}

pub(super) fn note(who: &str, moment: i64) -> Note {
    Note { who: Some(who.to_owned()), ..at(moment).into() }
}

pub(super) async fn begun(ledger: &dyn Ledger, tag: &str, to: Option<&str>, note: &Note) -> Change {
    let to = to.map(digest);
    ledger.begin(&key(tag), to.as_ref(), AttemptId::random(), note).await.expect("an answer").change
}

pub(super) async fn moved(ledger: &dyn Ledger, tag: &str, content: &str, moment: i64) -> Entry {
    let change = begun(ledger, tag, Some(content), &at(moment).into()).await;
    ledger.complete(change, Outcome::Moved, &Followed::default(), &at(moment).into()).await.expect("an answer").entry
}

/// The log, the oldest first: `outcome tag digest previous who`.
pub(super) async fn lines(ledger: &dyn Ledger) -> Vec<String> {
    let entries = ledger.entries(&Filter::default(), 1_000).await.expect("the log");
    entries.iter().rev().map(|entry| line(&entry.event)).collect()
}

pub(super) fn line(event: &Event) -> String {
    let name = |digest: &Option<Digest>| {
        let contents = ["a", "b", "c", "d"];
        digest.as_ref().map_or("-", |found| contents.into_iter().find(|content| super::digest(content) == *found).unwrap_or("?"))
    };
    let tag = event.tag.as_ref().map_or("-", Tag::as_str);
    let who = event.who.as_deref().unwrap_or("-");
    format!("{} {tag} {} {} {who}", event.outcome, name(&event.digest), name(&event.previous))
}

pub(super) async fn each_operation_leaves_its_event(store: &impl Store) {
    let ledger = &*store.open("ours").await;
    let claimed = match ledger.claim(&key("web:1"), &digest("a"), AttemptId::random(), &note("ann", 1)).await.expect("an answer") {
        Claimed::Granted(claim) => claim,
        other => panic!("{other:?}"),
    };
    ledger.confirm(claimed, &note("ann", 2)).await.expect("sealed");
    let again = match ledger.claim(&key("web:1"), &digest("a"), AttemptId::random(), &note("bob", 3)).await.expect("an answer") {
        Claimed::AlreadySealed(claim, _) => claim,
        other => panic!("{other:?}"),
    };
    ledger.confirm(again, &note("bob", 3)).await.expect("sealed");
    ledger.adopt(&key("web:2"), &digest("b"), &note("cyd", 4)).await.expect("adopted");
    ledger.adopt(&key("web:2"), &digest("c"), &note("cyd", 5)).await.expect("it stays");
    let yielding = granted(ledger, "web:3", "a", 6).await;
    ledger.yield_to(yielding, &digest("d"), &note("dan", 6)).await.expect("sealed");
    ledger.burn(&key("web:1"), &digest("a"), &note("eve", 7)).await.expect("burnt");
    ledger.burn(&key("web:1"), &digest("a"), &note("eve", 8)).await.expect("burnt");
    let change = begun(ledger, "web:latest", Some("a"), &note("fay", 9)).await;
    ledger.complete(change, Outcome::Moved, &Followed::default(), &note("fay", 9)).await.expect("moved");
    let change = begun(ledger, "web:latest", None, &note("fay", 10)).await;
    ledger.complete(change, Outcome::Deleted, &Followed::default(), &note("fay", 10)).await.expect("deleted");
    drop(granted(ledger, "web:4", "a", 11).await);
    ledger.release(&key("web:4"), "gus", "stuck", at(12)).await.expect("released");
    let refused = Event::of("ours", &key("web:2"), Action::Push, Outcome::Refused, &note("hal", 13));
    ledger.record(&[refused.with(Some(&digest("a")), Some(&digest("b")))]).await.expect("recorded");
    let expected = [
        "pushed 1 a - ann",
        "repeated 1 a - bob",
        "adopted 2 b - cyd",
        "adopted 3 d - dan",
        "deleted 1 - a eve",
        "moved latest a - fay",
        "deleted latest - a fay",
        "acted 4 - - gus",
        "refused 2 a b hal",
    ];
    assert_eq!(lines(ledger).await, expected);
}

pub(super) async fn who_finishes_speaks_in_the_words_of_who_pushed(store: &impl Store) {
    let ledger = &*store.open("ours").await;
    for (number, who) in [(1, "ann"), (2, "bob")] {
        let claimed = ledger.claim(&key("web:1"), &digest("a"), AttemptId::random(), &note(who, number)).await;
        assert!(matches!(claimed, Ok(Claimed::Granted(_))), "{claimed:?}");
    }
    let joined = ledger.join(&key("web:1"), &digest("a"), AttemptId::random(), at(3)).await.expect("an answer").expect("open");
    ledger.confirm(joined, &note("pushonce", 9)).await.expect("sealed");
    // Adopting an open claim finishes it as well.
    let claimed = ledger.claim(&key("web:2"), &digest("b"), AttemptId::random(), &note("cyd", 10)).await;
    assert!(matches!(claimed, Ok(Claimed::Granted(_))), "{claimed:?}");
    ledger.adopt(&key("web:2"), &digest("b"), &note("pushonce", 11)).await.expect("sealed");
    assert_eq!(lines(ledger).await, ["pushed 1 a - ann", "pushed 2 b - cyd"]);
    let entries = ledger.entries(&Filter::default(), 10).await.expect("the log");
    assert_eq!(entries[1].event.at, at(9), "when it was finished");
    assert_eq!(entries[1].event.detail, Some(format!("begun {}, its end was written down later", at(1))));
}

pub(super) async fn a_change_is_open_until_it_is_ended(store: &impl Store) {
    let ledger = &*store.open("ours").await;
    sealed(ledger, "web:latest", "a", 1).await;
    let beginning =
        ledger.begin(&key("web:latest"), Some(&digest("b")), AttemptId::random(), &note("ann", 2)).await.expect("an answer");
    assert!(beginning.lifted, "it was immutable once");
    assert_eq!(lookup(ledger, "web:latest").await, None);
    let other = begun(ledger, "web:edge", None, &note("bob", 3)).await;
    let open = ledger.open_changes(None, 10).await.expect("an answer");
    let said: Vec<_> = open.iter().map(|change| (change.key.to_string(), change.to.clone(), change.note.who.clone())).collect();
    let expected = [
        ("web:edge".to_owned(), None, Some("bob".to_owned())),
        ("web:latest".to_owned(), Some(digest("b")), Some("ann".to_owned())),
    ];
    assert_eq!(said, expected);
    assert_eq!(ledger.open_changes(Some(&open[0]), 10).await.expect("an answer"), open[1..]);
    assert_eq!(ledger.open_changes(None, 1).await.expect("an answer"), open[..1]);
    ledger.complete(beginning.change, Outcome::Moved, &Followed::default(), &note("ann", 4)).await.expect("moved");
    ledger.abandon(other).await.expect("abandoned");
    assert_eq!(ledger.open_changes(None, 10).await.expect("an answer"), []);
    let again = moved(ledger, "web:latest", "b", 5).await;
    assert_eq!(again.event.outcome, Outcome::Repeated);
    assert_eq!(lines(ledger).await, ["pushed latest a - -", "moved latest b a ann", "repeated latest b b -"]);
}

pub(super) async fn changes_of_one_tag_at_once_are_noticed(store: &impl Store) {
    let ledger = &*store.open("ours").await;
    let first = begun(ledger, "web:latest", Some("a"), &note("ann", 1)).await;
    let second = begun(ledger, "web:latest", Some("b"), &note("bob", 2)).await;
    let elsewhere = begun(ledger, "web:edge", Some("b"), &note("cyd", 2)).await;
    let done = ledger.complete(second, Outcome::Moved, &Followed::default(), &note("bob", 3)).await.expect("moved");
    assert_eq!((done.overlapped.is_some(), done.others.len()), (true, 1), "the first one is open");
    assert!(
        ledger
            .settle(&done.overlapped.expect("it is due a look"), &shown(Some("b"), done.version), &note("bob", 3))
            .await
            .expect("an answer")
    );
    assert_eq!(done.others[0].attempt, first.attempt());
    let done = ledger.complete(first, Outcome::Moved, &Followed::default(), &note("ann", 4)).await.expect("moved");
    assert_eq!((done.overlapped.is_some(), done.others.len()), (true, 0), "the second one ended meanwhile");
    let own = done.overlapped.expect("it is due a look");
    assert_eq!(ledger.open_changes(None, 10).await.expect("an answer").iter().filter(|change| change.is_told).count(), 1);
    assert!(!ledger.settle(&own, &shown(Some("b"), done.version - 1), &note("bob", 4)).await.expect("an answer"), "an older look");
    assert!(ledger.settle(&own, &shown(Some("a"), done.version), &note("ann", 4)).await.expect("an answer"));
    let done = ledger.complete(elsewhere, Outcome::Moved, &Followed::default(), &note("cyd", 4)).await.expect("moved");
    assert_eq!((done.overlapped, done.others.len()), (None, 0));
    let alone = moved(ledger, "web:latest", "c", 5).await;
    assert_eq!(alone.event.previous, Some(digest("a")));
    let lines = lines(ledger).await;
    assert_eq!(lines.iter().filter(|line| line.starts_with("moved latest")).count(), 3, "a look writes nothing twice: {lines:?}");
}

pub(super) async fn what_nobody_ended_is_settled_by_what_is_shown(store: &impl Store) {
    let ledger = &*store.open("ours").await;
    moved(ledger, "web:latest", "a", 1).await;
    for (number, content) in [Some("b"), Some("b"), Some("a"), None, None].into_iter().enumerate() {
        drop(begun(ledger, "web:latest", content, &note("ann", 2 + number as i64)).await);
    }
    let mut open = ledger.open_changes(None, 10).await.expect("an answer");
    open.sort_by_key(|change| change.note.at);
    let settle = async |number: usize, found: Option<&str>| {
        let look = shown(found, ledger.version(&key("web:latest")).await.expect("an answer"));
        ledger.settle(&open[number], &look, &note("pushonce", 10 + number as i64)).await.expect("an answer")
    };
    assert!(settle(0, Some("b")).await);
    assert!(!settle(0, Some("b")).await, "it has ended");
    assert!(settle(1, Some("b")).await);
    assert!(settle(2, Some("c")).await);
    assert!(settle(3, None).await);
    assert!(settle(4, Some("d")).await);
    let expected = [
        "moved latest a - -",
        "moved latest b a ann",
        "repeated latest b b ann",
        "unknown latest a b ann",
        "deleted latest - b ann",
        "unknown latest - - ann",
        "seen latest d - pushonce",
    ];
    assert_eq!(lines(ledger).await, expected);
    assert_eq!(ledger.open_changes(None, 10).await.expect("an answer"), []);
}

pub(super) async fn what_is_shown_is_written_down_once(store: &impl Store) {
    let ledger = &*store.open("ours").await;
    let see = async |content: Option<&str>, moment: i64| {
        let look = shown(content, ledger.version(&key("web:latest")).await.expect("an answer"));
        ledger.observe(&key("web:latest"), &look, &note("audit", moment)).await.expect("an answer")
    };
    assert!(!see(None, 1).await, "nothing is what the log says");
    assert!(see(Some("a"), 2).await);
    assert!(!see(Some("a"), 3).await);
    let change = begun(ledger, "web:latest", Some("b"), &note("ann", 4)).await;
    assert!(!see(Some("b"), 5).await, "its change may be about to say it");
    ledger.abandon(change).await.expect("abandoned");
    assert!(see(Some("b"), 6).await);
    assert!(see(None, 7).await);
    let old = ledger.observe(&key("web:latest"), &shown(Some("c"), 1), &note("audit", 8)).await.expect("an answer");
    assert!(!old, "the log knows more than a look of before");
    assert_eq!(lines(ledger).await, ["adopted latest a - audit", "seen latest b a audit", "seen latest - b audit"]);
}

pub(super) async fn time_never_goes_back_for_a_tag(store: &impl Store) {
    let ledger = &*store.open("ours").await;
    moved(ledger, "web:latest", "a", 100).await;
    let slow = moved(ledger, "web:latest", "b", 50).await;
    assert_eq!(slow.event.at, at(100), "by a clock that is behind");
    let meaning = ledger.meaning(&key("web:latest"), None).await.expect("an answer").expect("a meaning");
    assert_eq!(meaning, slow);
    assert_eq!(moved(ledger, "web:edge", "b", 50).await.event.at, at(50));
}
