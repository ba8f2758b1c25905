//! What the release log answers.

use jiff::Timestamp;

use super::log::{begun, line, lines, moved, note, tree_root};
use super::*;
use crate::ledger::Followed;
use crate::ledger::event::{Action, Entry, Event, Outcome};
use crate::ledger::log::Filter;
use crate::ledger::tree::{Hash, WIDTH, root};

/// Three repositories with many events each.
async fn filled(ledger: &dyn Ledger) {
    for moment in 0..40 {
        let repository = ["api", "web", "web/front"][moment as usize % 3];
        let content = ["a", "b", "c"][moment as usize % 7 % 3];
        moved(ledger, &format!("{repository}:latest"), content, moment / 2).await;
        if moment % 5 == 0 {
            let refused =
                Event::of("ours", &key(&format!("{repository}:1.0")), Action::Push, Outcome::Refused, &note("ann", moment / 2));
            ledger.record(&[refused.with(Some(&digest(content)), None)]).await.expect("recorded");
        }
    }
}

pub(super) async fn pages_follow_each_other_under_every_filter(store: &impl Store) {
    let ledger = &*store.open("ours").await;
    filled(ledger).await;
    let all = ledger.entries(&Filter::default(), 1_000).await.expect("the log");
    assert_eq!(all.len(), 48);
    let newest_first = all.windows(2).all(|pair| (pair[0].event.at, pair[0].number) > (pair[1].event.at, pair[1].number));
    assert!(newest_first);
    let web = Some(key("web:latest").repository);
    let latest = Some(key("web:latest").tag);
    let filters = [
        Filter::default(),
        Filter { repository: web.clone(), ..Filter::default() },
        Filter { repository: web.clone(), tag: latest.clone(), ..Filter::default() },
        Filter { outcome: Some(Outcome::Refused), ..Filter::default() },
        Filter { repository: web.clone(), outcome: Some(Outcome::Moved), ..Filter::default() },
        Filter { repository: web.clone(), tag: latest, outcome: Some(Outcome::Moved), ..Filter::default() },
        Filter { since: Some(at(5)), until: Some(at(12)), ..Filter::default() },
        Filter { repository: web, since: Some(at(7)), outcome: Some(Outcome::Refused), ..Filter::default() },
    ];
    for filter in filters {
        let is_asked = |entry: &&Entry| {
            let Entry { event, .. } = entry;
            (filter.repository.is_none() || filter.repository == event.repository)
                && (filter.tag.is_none() || filter.tag == event.tag)
                && filter.outcome.is_none_or(|outcome| outcome == event.outcome)
                && filter.since.is_none_or(|since| event.at >= since)
                && filter.until.is_none_or(|until| event.at <= until)
        };
        let expected: Vec<Entry> = all.iter().filter(is_asked).cloned().collect();
        let (mut found, mut before) = (Vec::new(), None);
        loop {
            let page = ledger.entries(&Filter { before, ..filter.clone() }, 3).await.expect("a page");
            let Some(last) = page.last() else { break };
            before = Some((last.event.at, last.number));
            found.extend(page);
        }
        assert_eq!(found, expected, "{filter:?}");
    }
}

pub(super) async fn what_a_tag_meant_at_a_time(store: &impl Store) {
    let ledger = &*store.open("ours").await;
    moved(ledger, "web:latest", "a", 10).await;
    moved(ledger, "web:latest", "b", 20).await;
    let change = begun(ledger, "web:latest", None, &note("ann", 30)).await;
    ledger.complete(change, Outcome::Deleted, &Followed::default(), &note("ann", 30)).await.expect("deleted");
    moved(ledger, "web:edge", "c", 25).await;
    moved(ledger, "api:latest", "d", 1).await;
    let meant = async |moment: Option<i64>| {
        let found = ledger.meaning(&key("web:latest"), moment.map(at)).await.expect("an answer");
        found.map(|entry| entry.event.digest)
    };
    assert_eq!(meant(Some(9)).await, None);
    assert_eq!(meant(Some(10)).await, Some(Some(digest("a"))));
    assert_eq!(meant(Some(19)).await, Some(Some(digest("a"))));
    assert_eq!(meant(Some(29)).await, Some(Some(digest("b"))));
    assert_eq!(meant(None).await, Some(None), "it was deleted");
    let repository = key("web:latest").repository;
    let all = async |moment: Option<i64>, after: Option<&Tag>| {
        let found = ledger.meanings(&repository, moment.map(at), after, 10).await.expect("an answer");
        found.iter().map(|entry| line(&entry.event)).collect::<Vec<_>>()
    };
    assert_eq!(all(None, None).await, ["moved edge c - -", "deleted latest - b ann"]);
    assert_eq!(all(Some(24), None).await, ["moved latest b a -"]);
    assert_eq!(all(None, Some(&key("web:edge").tag)).await, ["deleted latest - b ann"]);
    assert_eq!(ledger.meanings(&repository, None, None, 1).await.expect("an answer").len(), 1);
    let names: Vec<String> = ledger.repositories(None, 10).await.expect("names").iter().map(ToString::to_string).collect();
    assert_eq!(names, ["api", "web"]);
    let behind = ledger.repositories(Some(&key("api:latest").repository), 10).await.expect("names");
    assert_eq!(behind, [repository]);
}

pub(super) async fn every_time_in_which_a_tag_meant_a_digest(store: &impl Store) {
    let ledger = &*store.open("ours").await;
    sealed(ledger, "web:1.4.0", "a", 1).await;
    sealed(ledger, "web:git-1", "a", 2).await;
    moved(ledger, "web:latest", "a", 3).await;
    moved(ledger, "web:latest", "b", 4).await;
    moved(ledger, "api:latest", "a", 5).await;
    let spans = ledger.spans(&digest("a"), 10).await.expect("an answer");
    let said: Vec<_> = spans
        .iter()
        .map(|span| (span.from.event.key().expect("a tag").to_string(), span.until.as_ref().map(|until| until.event.at)))
        .collect();
    let expected = [
        ("api:latest".to_owned(), None),
        ("web:latest".to_owned(), Some(at(4))),
        ("web:git-1".to_owned(), None),
        ("web:1.4.0".to_owned(), None),
    ];
    assert_eq!(said, expected);
    assert_eq!(ledger.spans(&digest("a"), 2).await.expect("an answer").len(), 2);
    assert_eq!(ledger.spans(&digest("c"), 2).await.expect("an answer"), []);
}

pub(super) async fn events_are_counted_in_steps(store: &impl Store) {
    let ledger = &*store.open("ours").await;
    for moment in [0, 5, 9, 10, 25, 30] {
        moved(ledger, "web:latest", if moment % 2 == 0 { "a" } else { "b" }, moment).await;
    }
    let counts = ledger.counts(at(0), at(30), 10).await.expect("an answer");
    let said: Vec<(Timestamp, Outcome, u64)> = counts.iter().map(|count| (count.at, count.outcome, count.events)).collect();
    let expected =
        [(at(0), Outcome::Moved, 2), (at(0), Outcome::Repeated, 1), (at(10), Outcome::Moved, 1), (at(20), Outcome::Moved, 1)];
    assert_eq!(said, expected);
}

pub(super) async fn the_tree_is_that_of_all_events(store: &impl Store) {
    let ledger = &*store.open("ours").await;
    assert_eq!(ledger.plant().await.expect("the size"), 0);
    assert_eq!(tree_root(ledger, 0).await, Hash::of_nothing());
    let refused = Event::of("ours", &key("web:1.0"), Action::Push, Outcome::Refused, &note("ann", 1));
    let many: Vec<Event> = (0..600).map(|number| Event { size: Some(number), ..refused.clone() }).collect();
    for events in many.chunks(77) {
        ledger.record(events).await.expect("recorded");
    }
    assert_eq!(ledger.plant().await.expect("the size"), 600);
    let leaves = ledger.leaves(0, 1_000).await.expect("the leaves");
    assert_eq!(leaves.iter().map(|leaf| leaf.position).collect::<Vec<_>>(), (0..600).collect::<Vec<u64>>());
    assert!(leaves.iter().all(|leaf| leaf.hash == Hash::of_leaf(leaf.event.text().as_bytes())));
    let mut sizes: Vec<Option<u64>> = leaves.iter().map(|leaf| leaf.event.size).collect();
    sizes.sort();
    assert_eq!(sizes, (0..600).map(Some).collect::<Vec<_>>(), "each is there once");
    let hashes: Vec<Hash> = leaves.iter().map(|leaf| leaf.hash).collect();
    assert_eq!(ledger.nodes(1, 0, 10).await.expect("nodes"), hashes.chunks_exact(WIDTH as usize).map(root).collect::<Vec<_>>());
    for size in [1, 255, 256, 257, 600] {
        assert_eq!(tree_root(ledger, size).await, root(&hashes[..size as usize]), "{size} leaves");
    }
    assert_eq!(ledger.leaves(598, 10).await.expect("the leaves"), leaves[598..]);
}

pub(super) async fn one_at_a_time_hands_the_log_on(store: &impl Store) {
    let ledger = &*store.open("ours").await;
    moved(ledger, "web:latest", "a", 1).await;
    let (one, other) = (AttemptId::random(), AttemptId::random());
    let take = async |name: &str, holder, now, until| ledger.take_turn(name, holder, at(now), at(until)).await.expect("an answer");
    assert_eq!(take("hook", one, 10, 20).await, Some(1), "from the end of the log");
    assert_eq!(take("hook", other, 15, 25).await, None);
    assert_eq!(take("hook", one, 15, 25).await, Some(1), "the holder may go on");
    assert_eq!(take("second", other, 15, 25).await, Some(1), "each name has its own");
    assert!(ledger.end_turn("hook", one, 7).await.expect("an answer"));
    assert!(!ledger.end_turn("hook", one, 8).await.expect("an answer"), "it was ended");
    assert_eq!(take("hook", other, 16, 26).await, Some(7));
    assert_eq!(take("hook", one, 26, 36).await, Some(7), "the other one's time is over");
    assert!(!ledger.end_turn("hook", other, 9).await.expect("an answer"), "it came too late");
}

pub(super) async fn registries_have_logs_of_their_own(store: &impl Store) {
    let ours = store.open("ours").await;
    moved(&*ours, "web:latest", "a", 1).await;
    let expected = lines(&*ours).await;
    drop(ours);
    let theirs = store.open("theirs").await;
    assert_eq!(theirs.meaning(&key("web:latest"), None).await.expect("an answer"), None);
    assert_eq!(theirs.spans(&digest("a"), 10).await.expect("an answer"), []);
    assert_eq!(lines(&*theirs).await, Vec::<String>::new());
    assert_eq!(theirs.repositories(None, 10).await.expect("an answer"), []);
    drop(begun(&*theirs, "web:latest", Some("b"), &note("ann", 2)).await);
    drop(theirs);
    let ours = store.open("ours").await;
    assert_eq!(ours.open_changes(None, 10).await.expect("an answer"), []);
    assert_eq!(lines(&*ours).await, expected);
}
