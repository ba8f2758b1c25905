//! What a tag that follows releases has followed, and who else changes it.

use super::log::note;
use super::*;
use crate::ledger::event::Outcome;
use crate::ledger::{Begun, Followed};

fn followed(release: Option<&str>, is_unreleased: bool) -> Followed {
    Followed { release: release.map(|text| Tag::parse(text).expect(text)), is_unreleased }
}

async fn begin(ledger: &dyn Ledger, tag: &str, content: &str, moment: i64) -> Begun {
    ledger.begin(&key(tag), Some(&digest(content)), AttemptId::random(), &note("ann", moment)).await.expect("an answer")
}

/// What the tag had followed before.
async fn moved(ledger: &dyn Ledger, tag: &str, content: &str, followed: &Followed, moment: i64) -> Option<String> {
    let begun = begin(ledger, tag, content, moment).await;
    ledger.complete(begun.change, Outcome::Moved, followed, &note("ann", moment)).await.expect("an answer");
    begun.followed.map(|tag| tag.to_string())
}

async fn unreleased(ledger: &dyn Ledger) -> Vec<String> {
    let found = ledger.unreleased(None, 10).await.expect("an answer");
    found.iter().map(|(key, followed)| format!("{key} {}", followed.as_ref().map_or("-", Tag::as_str))).collect()
}

pub(super) async fn what_a_tag_has_followed_is_kept(store: &impl Store) {
    let ledger = &*store.open("ours").await;
    assert_eq!(moved(ledger, "web:1.4", "a", &followed(Some("1.4.0"), false), 1).await, None);
    assert_eq!(unreleased(ledger).await, [""; 0]);
    assert_eq!(moved(ledger, "web:1.4", "b", &followed(Some("1.4.0"), true), 2).await.as_deref(), Some("1.4.0"));
    assert_eq!(moved(ledger, "web:edge", "b", &followed(None, true), 3).await, None);
    assert_eq!(unreleased(ledger).await, ["web:1.4 1.4.0", "web:edge -"]);
    assert_eq!(ledger.unreleased(None, 1).await.expect("an answer").len(), 1);
    assert_eq!(ledger.unreleased(Some(&key("web:1.4")), 9).await.expect("an answer"), [(key("web:edge"), None)]);

    // An abandoned change leaves it as it was, and so does a look.
    let abandoned = begin(ledger, "web:1.4", "c", 4).await;
    assert_eq!(abandoned.before.map(|entry| entry.event.digest), Some(Some(digest("b"))));
    ledger.abandon(abandoned.change).await.expect("abandoned");
    // A tag that moves freely follows nothing.
    assert_eq!(moved(ledger, "web:1.4", "c", &Followed::default(), 5).await.as_deref(), Some("1.4.0"));
    assert_eq!(moved(ledger, "web:1.4", "a", &followed(Some("1.4.1"), false), 6).await, None);
    assert_eq!(unreleased(ledger).await, ["web:edge -"]);
}

pub(super) async fn of_two_changes_at_once_the_later_one_sees_the_other(store: &impl Store) {
    let ledger = &*store.open("ours").await;
    let first = begin(ledger, "web:1.4", "a", 1).await;
    assert!(first.others.is_empty());
    let (second, elsewhere) = futures_util::join!(begin(ledger, "web:1.4", "b", 2), begin(ledger, "web:1", "b", 2));
    assert!(elsewhere.others.is_empty());
    assert_eq!(second.others.iter().map(|other| other.attempt).collect::<Vec<_>>(), [first.change.attempt()]);
    ledger.abandon(second.change).await.expect("abandoned");
    ledger.complete(first.change, Outcome::Moved, &Followed::default(), &note("ann", 3)).await.expect("an answer");
    assert!(begin(ledger, "web:1.4", "b", 4).await.others.is_empty());
}
