//! The story of the background: what shipped as 1.4 on that day.

use jiff::Timestamp;

use super::*;
use crate::clock::AttemptId;
use crate::ledger::event::Outcome;
use crate::ledger::log::Filter;
use crate::ledger::memory::MemoryLedger;
use crate::ledger::{Claimed, Followed, Ledger, Note, TagKey};
use crate::oci::{Algorithm, Digest, Tag};

fn key(text: &str) -> TagKey {
    let (repository, tag) = text.split_once(':').expect("repository:tag");
    TagKey { repository: RepositoryName::parse(repository).expect("a name"), tag: Tag::parse(tag).expect("a tag") }
}

fn digest(content: &str) -> Digest {
    Digest::of(Algorithm::Sha256, content.as_bytes())
}

fn day(number: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + number * 86_400).expect("a time")
}

fn note(who: &str, at: i64) -> Note {
    Note { who: Some(who.to_owned()), ..day(at).into() }
}

async fn pushed(ledger: &dyn Ledger, tag: &str, content: &str, at: i64) {
    let claimed = ledger.claim(&key(tag), &digest(content), AttemptId::random(), &note("ann", at)).await.expect("an answer");
    let Claimed::Granted(claim) = claimed else { panic!("{tag}: {claimed:?}") };
    ledger.confirm(claim, &note("ann", at)).await.expect("sealed");
}

async fn moved(ledger: &dyn Ledger, tag: &str, content: Option<&str>, at: i64) {
    let to = content.map(digest);
    let begun = ledger.begin(&key(tag), to.as_ref(), AttemptId::random(), &note("bob", at)).await.expect("an answer");
    let outcome = if content.is_some() { Outcome::Moved } else { Outcome::Deleted };
    ledger.complete(begun.change, outcome, &Followed::default(), &note("bob", at)).await.expect("an answer");
}

/// Three releases, the last of them without a commit.
async fn story() -> MemoryLedger {
    let ledger = MemoryLedger::new();
    pushed(&ledger, "web:git-0a1b2c3", "one", 1).await;
    pushed(&ledger, "web:1.4.0", "one", 1).await;
    for tag in ["web:1.4", "web:1", "web:latest"] {
        moved(&ledger, tag, Some("one"), 1).await;
    }
    pushed(&ledger, "web:git-9f8e7d6", "two", 5).await;
    pushed(&ledger, "web:1.4.1", "two", 5).await;
    for tag in ["web:1.4", "web:1", "web:latest"] {
        moved(&ledger, tag, Some("two"), 5).await;
    }
    pushed(&ledger, "web:1.10.0", "three", 9).await;
    moved(&ledger, "web:latest", Some("three"), 9).await;
    moved(&ledger, "web:edge", Some("three"), 9).await;
    moved(&ledger, "web:edge", None, 10).await;
    ledger
}

#[tokio::test]
async fn a_tag_is_resolved_now_and_at_a_time() {
    let ledger = story().await;
    let meant = async |tag: &str, at: Option<i64>| match resolve(&ledger, &key(tag), at.map(day)).await.expect("an answer") {
        Resolution::Means(resolved) => resolved.pin,
        other => format!("{other:?}"),
    };
    assert_eq!(meant("web:1.4", None).await, format!("web@{}", digest("two")));
    assert_eq!(meant("web:1.4", Some(3)).await, format!("web@{}", digest("one")));
    assert_eq!(meant("web:1.4", Some(5)).await, format!("web@{}", digest("two")));
    assert_eq!(meant("web:1.4.0", None).await, format!("web@{}", digest("one")));
    assert_eq!(meant("web:1.4", Some(0)).await, "Unknown");
    assert_eq!(meant("web:edge", None).await, format!("Deleted({})", day(10)));
    assert_eq!(meant("web:2.0.0", None).await, "Unknown");
    ledger.burn(&key("web:1.4.0"), &digest("one"), &note("eve", 12)).await.expect("burnt");
    assert_eq!(meant("web:1.4.0", None).await, format!("Deleted({})", day(12)));
    assert_eq!(meant("web:1.4.0", Some(11)).await, format!("web@{}", digest("one")));
    moved(&ledger, "web:1.4.0", Some("three"), 13).await;
    assert_eq!(meant("web:1.4.0", None).await, format!("web@{}", digest("three")), "the policy lets it move since");
}

#[tokio::test]
async fn an_answer_says_who_and_how() {
    let ledger = story().await;
    ledger.adopt(&key("web:0.9.0"), &digest("old"), &note("pushonce", 11)).await.expect("adopted");
    let said = async |tag: &str| match resolve(&ledger, &key(tag), None).await.expect("an answer") {
        Resolution::Means(resolved) => (resolved.who.unwrap_or_default(), resolved.outcome, resolved.since),
        other => panic!("{tag}: {other:?}"),
    };
    assert_eq!(said("web:1.4.0").await, ("ann".to_owned(), Some(Outcome::Pushed), day(1)));
    assert_eq!(said("web:1.4").await, ("bob".to_owned(), Some(Outcome::Moved), day(5)));
    assert_eq!(said("web:0.9.0").await, ("pushonce".to_owned(), Some(Outcome::Adopted), day(11)));
}

#[tokio::test]
async fn an_open_claim_means_nothing_yet() {
    let ledger = MemoryLedger::new();
    let claimed = ledger.claim(&key("web:1.4.0"), &digest("one"), AttemptId::random(), &note("ann", 1)).await;
    assert!(matches!(claimed, Ok(Claimed::Granted(_))));
    assert_eq!(resolve(&ledger, &key("web:1.4.0"), None).await.expect("an answer"), Resolution::Unknown);
}

#[tokio::test]
async fn a_digest_knows_its_tags() {
    let ledger = story().await;
    let Known { tags: meant, more, .. } = whatis(&ledger, &digest("one")).await.expect("an answer");
    assert!(!more);
    let said: Vec<_> = meant.iter().map(|meant| (meant.tag.as_str(), meant.kind, meant.now, meant.times.len())).collect();
    let expected = [
        ("1.4.0", Kind::Release, true, 1),
        ("git-0a1b2c3", Kind::Commit, true, 1),
        ("latest", Kind::Other, false, 1),
        ("1.4", Kind::Other, false, 1),
        ("1", Kind::Other, false, 1),
    ];
    assert_eq!(said, expected);
    assert_eq!((meant[2].times[0].from, meant[2].times[0].until), (day(1), Some(day(5))));
    assert_eq!(whatis(&ledger, &digest("nothing")).await.expect("an answer").tags, []);
}

#[tokio::test]
async fn a_tag_that_came_back_has_two_times_and_what_is_left_out_is_said() {
    let ledger = story().await;
    moved(&ledger, "web:latest", Some("one"), 20).await;
    let all = whatis(&ledger, &digest("one")).await.expect("an answer");
    let latest = all.tags.iter().find(|meant| meant.tag.as_str() == "latest").expect("latest");
    let times: Vec<_> = latest.times.iter().map(|time| (time.from, time.until)).collect();
    assert!(latest.now);
    assert_eq!(times, [(day(20), None), (day(1), Some(day(5)))]);
    let some = digests::known(&ledger, &digest("one"), 1).await.expect("an answer");
    assert!(some.more && some.tags.len() == 1 && some.tags[0].tag.as_str() == "latest", "{some:?}");
}

#[tokio::test]
async fn releases_stand_in_the_order_of_versions() {
    let ledger = story().await;
    ledger.burn(&key("web:1.4.0"), &digest("one"), &note("eve", 12)).await.expect("burnt");
    let found = releases(&ledger, &key("web:1").repository).await.expect("an answer");
    let names = |tags: &[Tag]| tags.iter().map(Tag::as_str).collect::<Vec<_>>().join(" ");
    let said: Vec<_> = found
        .releases
        .iter()
        .map(|release| (release.tag.as_str(), release.digest.clone(), names(&release.commits), names(&release.pointed_to_by)))
        .collect();
    let expected = [
        ("1.10.0", Some(digest("three")), String::new(), "latest".to_owned()),
        ("1.4.1", Some(digest("two")), "git-9f8e7d6".to_owned(), "1 1.4".to_owned()),
        ("1.4.0", None, String::new(), String::new()),
    ];
    assert_eq!(said, expected);
    let moving: Vec<_> =
        found.moving.iter().map(|moving| (moving.tag.as_str(), moving.release.as_ref().map(Tag::as_str))).collect();
    assert_eq!(moving, [("1", Some("1.4.1")), ("1.4", Some("1.4.1")), ("latest", Some("1.10.0"))]);
}

#[tokio::test]
async fn between_two_moments_tags_appear_move_and_go() {
    let ledger = story().await;
    let repository = key("web:1").repository;
    let said = async |first: i64, second: i64| {
        let found = diff(&ledger, &repository, (day(first), day(second))).await.expect("an answer");
        found.iter().map(|one| format!("{} {:?}", one.tag, one.change)).collect::<Vec<_>>()
    };
    assert_eq!(said(1, 5).await, ["1 Moved", "1.4 Moved", "1.4.1 Appeared", "git-9f8e7d6 Appeared", "latest Moved"]);
    assert_eq!(said(9, 10).await, ["edge Went"]);
    assert_eq!(said(8, 10).await, ["1.10.0 Appeared", "latest Moved"], "edge came and went");
    assert_eq!(said(3, 3).await, Vec::<String>::new());
}

#[tokio::test]
async fn pages_of_the_history_follow_each_other() {
    let ledger = story().await;
    let filter = Filter { repository: Some(key("web:1").repository), ..Filter::default() };
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = history(&ledger, &filter, after, 4).await.expect("a page");
        found.extend(page.entries);
        let Some(next) = page.next else { break };
        assert_eq!(next.to_string().parse(), Ok(next));
        after = Some(next);
    }
    assert_eq!(found.len(), 14);
    assert!("yesterday".parse::<Cursor>().expect_err("no cursor").contains("give the `next` of the page before"));
}

#[test]
fn a_tag_is_known_by_its_spelling() {
    for (tag, kind) in [
        ("1.4.0", Kind::Release),
        ("v1.4.0-rc.1", Kind::Release),
        ("1.4", Kind::Other),
        ("01.4.0", Kind::Other),
        ("git-0a1b2c3", Kind::Commit),
        ("sha-0123456789abcdef", Kind::Commit),
        ("git-main", Kind::Other),
        ("git-0a1b", Kind::Other),
        ("latest", Kind::Other),
    ] {
        assert_eq!(Kind::of(&Tag::parse(tag).expect("a tag")), kind, "{tag}");
    }
}
