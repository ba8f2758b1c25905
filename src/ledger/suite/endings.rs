//! Every way out of an open claim, and what can still happen to a sealed tag.

use super::*;

pub async fn confirming_seals_and_ends_every_attempt(store: &impl Store) {
    let ledger = &*store.open("ours").await;
    let first = granted(ledger, "web:1.0.0", "a", 1).await;
    let second = granted(ledger, "web:1.0.0", "a", 2).await;
    let third = granted(ledger, "web:1.0.0", "a", 3).await;
    let expected = record("a", State::Sealed, Origin::Pushed, 4);

    assert_eq!(ledger.confirm(second, &at(4).into()).await.expect("sealed"), expected);
    assert_eq!(ledger.count_open().await.expect("a count"), 0);
    assert_eq!(ledger.confirm(first, &at(5).into()).await.expect("sealed before"), expected);
    ledger.withdraw(third).await.expect("nothing");
    assert_eq!(lookup(ledger, "web:1.0.0").await, Some(expected));
}

pub async fn confirming_fails_where_the_row_lets_go(store: &impl Store) {
    let ledger = &*store.open("ours").await;

    let lifted = granted(ledger, "web:lifted", "a", 1).await;
    assert!(lift(ledger, "web:lifted", 2).await);
    expect_lost(ledger.confirm(lifted, &at(3).into()).await);
    assert_eq!(lookup(ledger, "web:lifted").await, None);

    let burnt = granted(ledger, "web:burnt", "a", 1).await;
    assert!(burn(ledger, "web:burnt", "a", 2).await);
    expect_lost(ledger.confirm(burnt, &at(3).into()).await);
    assert_eq!(lookup(ledger, "web:burnt").await, Some(record("a", State::Burnt, Origin::Pushed, 2)));

    let outrun = granted(ledger, "web:yielded", "a", 1).await;
    let yielding = granted(ledger, "web:yielded", "a", 2).await;
    ledger.yield_to(yielding, &digest("b"), &at(3).into()).await.expect("sealed");
    expect_lost(ledger.confirm(outrun, &at(4).into()).await);
    assert_eq!(lookup(ledger, "web:yielded").await, Some(record("b", State::Sealed, Origin::Adopted, 3)));

    sealed(ledger, "web:sealed", "a", 1).await;
    let Claimed::AlreadySealed(again, _) = claim(ledger, "web:sealed", "a", 2).await else { panic!("not sealed") };
    assert!(lift(ledger, "web:sealed", 3).await);
    sealed(ledger, "web:sealed", "b", 4).await;
    expect_lost(ledger.confirm(again, &at(5).into()).await);

    let message = ledger.confirm(lifted_claim(ledger).await, &at(6).into()).await.expect_err("lost").to_string();
    assert_eq!(message, format!("the claim of web:message for {} does not hold any more", digest("a")));
}

async fn lifted_claim(ledger: &dyn Ledger) -> Claim {
    let claim = granted(ledger, "web:message", "a", 1).await;
    assert!(lift(ledger, "web:message", 2).await);
    claim
}

pub async fn yielding_seals_what_was_found(store: &impl Store) {
    let ledger = &*store.open("ours").await;
    let first = granted(ledger, "web:1.0.0", "a", 1).await;
    let _crashed = granted(ledger, "web:1.0.0", "a", 2).await;
    let expected = record("b", State::Sealed, Origin::Adopted, 3);
    assert_eq!(ledger.yield_to(first, &digest("b"), &at(3).into()).await.expect("sealed"), expected);
    assert_eq!(lookup(ledger, "web:1.0.0").await, Some(expected.clone()));
    assert_eq!(ledger.count_open().await.expect("a count"), 0);
    assert_eq!(claim(ledger, "web:1.0.0", "a", 4).await, Claimed::Taken(expected));

    let same = granted(ledger, "web:2.0.0", "a", 1).await;
    let expected = record("a", State::Sealed, Origin::Pushed, 2);
    assert_eq!(ledger.yield_to(same, &digest("a"), &at(2).into()).await.expect("sealed"), expected);
}

pub async fn yielding_keeps_what_was_decided_before(store: &impl Store) {
    let ledger = &*store.open("ours").await;

    let late = granted(ledger, "web:sealed", "a", 1).await;
    let standing = sealed(ledger, "web:sealed", "a", 2).await;
    assert_eq!(ledger.yield_to(late, &digest("b"), &at(3).into()).await.expect("the row"), standing);

    let late = granted(ledger, "web:yielded", "a", 1).await;
    let yielding = granted(ledger, "web:yielded", "a", 2).await;
    let standing = ledger.yield_to(yielding, &digest("b"), &at(3).into()).await.expect("sealed");
    assert_eq!(ledger.yield_to(late, &digest("c"), &at(4).into()).await.expect("the row"), standing);

    let late = granted(ledger, "web:burnt", "a", 1).await;
    assert!(burn(ledger, "web:burnt", "a", 2).await);
    let standing = record("a", State::Burnt, Origin::Pushed, 2);
    assert_eq!(ledger.yield_to(late, &digest("b"), &at(3).into()).await.expect("the row"), standing);
    assert_eq!(lookup(ledger, "web:burnt").await, Some(standing));

    let late = granted(ledger, "web:lifted", "a", 1).await;
    assert!(lift(ledger, "web:lifted", 2).await);
    expect_lost(ledger.yield_to(late, &digest("b"), &at(3).into()).await);
    assert_eq!(lookup(ledger, "web:lifted").await, None);
}

pub async fn adopting_enters_what_is_there(store: &impl Store) {
    let ledger = &*store.open("ours").await;
    let adopted = record("a", State::Sealed, Origin::Adopted, 1);
    assert_eq!(adopt(ledger, "web:1.0.0", "a", 1).await, adopted);
    assert_eq!(adopt(ledger, "web:1.0.0", "a", 2).await, adopted);
    assert_eq!(lookup(ledger, "web:1.0.0").await, Some(adopted));

    let open = granted(ledger, "web:2.0.0", "a", 1).await;
    let expected = record("a", State::Sealed, Origin::Pushed, 2);
    assert_eq!(adopt(ledger, "web:2.0.0", "a", 2).await, expected);
    assert_eq!(ledger.count_open().await.expect("a count"), 0);
    assert_eq!(ledger.confirm(open, &at(3).into()).await.expect("sealed before"), expected);
}

pub async fn adopting_never_changes_a_decision(store: &impl Store) {
    let ledger = &*store.open("ours").await;
    let claim = granted(ledger, "web:open", "a", 1).await;
    assert_eq!(adopt(ledger, "web:open", "b", 2).await, record("a", State::Open, Origin::Pushed, 1));
    ledger.confirm(claim, &at(3).into()).await.expect("sealed");

    let standing = sealed(ledger, "web:sealed", "a", 1).await;
    assert_eq!(adopt(ledger, "web:sealed", "b", 2).await, standing);

    sealed(ledger, "web:burnt", "a", 1).await;
    assert!(burn(ledger, "web:burnt", "a", 2).await);
    for content in ["a", "b"] {
        assert_eq!(adopt(ledger, "web:burnt", content, 3).await, record("a", State::Burnt, Origin::Pushed, 2));
    }
}

pub async fn a_burnt_tag_refuses_everything(store: &impl Store) {
    let ledger = &*store.open("ours").await;
    assert!(!burn(ledger, "web:none", "a", 1).await, "there is nothing to burn");
    assert_eq!(lookup(ledger, "web:none").await, None);

    for (tag, is_sealed) in [("web:open", false), ("web:sealed", true)] {
        match is_sealed {
            true => drop(sealed(ledger, tag, "a", 1).await),
            false => drop(granted(ledger, tag, "a", 1).await),
        }
        assert!(!burn(ledger, tag, "b", 2).await, "it means other bytes");
        assert!(burn(ledger, tag, "a", 2).await);
        let tombstone = record("a", State::Burnt, Origin::Pushed, 2);
        assert!(burn(ledger, tag, "a", 3).await, "a burnt row counts");
        assert!(!burn(ledger, tag, "b", 3).await, "it meant other bytes");
        assert!(!lift(ledger, tag, 4).await, "a tombstone stays");
        assert_eq!(claim(ledger, tag, "a", 5).await, Claimed::Taken(tombstone.clone()));
        assert_eq!(claim(ledger, tag, "b", 6).await, Claimed::Taken(tombstone.clone()));
        assert_eq!(lookup(ledger, tag).await, Some(tombstone));
    }
    assert_eq!(ledger.count_open().await.expect("a count"), 0);
}

pub async fn a_lifted_tag_starts_afresh(store: &impl Store) {
    let ledger = &*store.open("ours").await;
    assert!(!lift(ledger, "web:none", 1).await, "there is nothing to lift");

    sealed(ledger, "web:claimed", "a", 1).await;
    assert!(lift(ledger, "web:claimed", 2).await);
    assert!(!lift(ledger, "web:claimed", 3).await, "it is lifted already");
    assert!(!burn(ledger, "web:claimed", "a", 3).await, "a lifted row counts as none");
    assert_eq!(lookup(ledger, "web:claimed").await, None);
    assert_eq!(sealed(ledger, "web:claimed", "b", 4).await, record("b", State::Sealed, Origin::Pushed, 4));

    sealed(ledger, "web:adopted", "a", 1).await;
    assert!(lift(ledger, "web:adopted", 2).await);
    assert_eq!(adopt(ledger, "web:adopted", "b", 3).await, record("b", State::Sealed, Origin::Adopted, 3));
    assert!(lift(ledger, "web:adopted", 4).await);
    let open = granted(ledger, "web:adopted", "c", 5).await;
    assert_eq!(lookup(ledger, "web:adopted").await, Some(record("c", State::Open, Origin::Pushed, 5)));

    ledger.withdraw(open).await.expect("withdrawn");
    assert_eq!(lookup(ledger, "web:adopted").await, None);
    sealed(ledger, "web:adopted", "d", 6).await;
}

pub async fn a_lift_ends_the_attempts_of_before(store: &impl Store) {
    let ledger = &*store.open("ours").await;
    let confirming = granted(ledger, "web:1.0.0", "a", 1).await;
    let yielding = granted(ledger, "web:1.0.0", "a", 1).await;
    assert!(lift(ledger, "web:1.0.0", 2).await);
    assert_eq!(ledger.count_open().await.expect("a count"), 0);

    let newer = granted(ledger, "web:1.0.0", "a", 3).await;
    expect_lost(ledger.confirm(confirming, &at(4).into()).await);
    expect_lost(ledger.yield_to(yielding, &digest("b"), &at(5).into()).await);
    assert_eq!(lookup(ledger, "web:1.0.0").await, Some(record("a", State::Open, Origin::Pushed, 3)));
    ledger.confirm(newer, &at(6).into()).await.expect("sealed");

    // An attempt counts for the digest it was opened for, even if it is opened
    // again for another.
    let attempt = AttemptId::random();
    let mut claims = Vec::new();
    for (content, now) in [("a", 1), ("a", 1), ("a", 1), ("b", 3)] {
        let answer = ledger.claim(&key("web:2.0.0"), &digest(content), attempt, &at(now).into()).await.expect("an answer");
        let Claimed::Granted(claim) = answer else { panic!("{answer:?}") };
        claims.push(claim);
        if claims.len() == 3 {
            assert!(lift(ledger, "web:2.0.0", 2).await);
        }
    }
    let [withdrawing, confirming, yielding, _newer] = claims.try_into().expect("four claims");
    ledger.withdraw(withdrawing).await.expect("nothing");
    expect_lost(ledger.confirm(confirming, &at(4).into()).await);
    expect_lost(ledger.yield_to(yielding, &digest("c"), &at(4).into()).await);
    assert_eq!(lookup(ledger, "web:2.0.0").await, Some(record("b", State::Open, Origin::Pushed, 3)));
}

pub async fn releasing_ends_an_open_claim_and_is_written_down(store: &impl Store) {
    let ours = store.open("ours").await;
    let ledger = &*ours;
    let release = async |tag: &str, now| ledger.release(&key(tag), "ann", "its content is gone", at(now)).await.expect("an answer");
    let confirming = granted(ledger, "web:1.0.0", "a", 1).await;
    let yielding = granted(ledger, "web:1.0.0", "a", 1).await;
    let withdrawing = granted(ledger, "web:1.0.0", "a", 1).await;
    assert_eq!(release("web:1.0.0", 2).await, Some(digest("a")));
    assert_eq!(lookup(ledger, "web:1.0.0").await, None);
    assert_eq!(release("web:1.0.0", 3).await, None, "it is released already");

    sealed(ledger, "web:1.0.0", "b", 4).await;
    ledger.withdraw(withdrawing).await.expect("nothing");
    expect_lost(ledger.confirm(confirming, &at(5).into()).await);
    assert_eq!(ledger.yield_to(yielding, &digest("c"), &at(5).into()).await.expect("what stands").digest, digest("b"));
    assert_eq!(release("web:1.0.0", 6).await, None, "a sealed tag is not released");
    assert_eq!(lookup(ledger, "web:1.0.0").await, Some(record("b", State::Sealed, Origin::Pushed, 4)));
    assert!(burn(ledger, "web:1.0.0", "b", 7).await);
    assert_eq!(release("web:1.0.0", 8).await, None, "a burnt tag is not released");

    let what = format!("release-claim web:1.0.0 {}", digest("a"));
    let act = Act { at: at(2), who: "ann".to_owned(), what, reason: "its content is gone".to_owned() };
    assert_eq!(ledger.acts().await.expect("the acts"), [act]);
    drop(ours);
    assert_eq!(store.open("theirs").await.acts().await.expect("the acts"), [], "another registry has acts of its own");
}

pub async fn a_ping_changes_nothing(store: &impl Store) {
    let ledger = &*store.open("ours").await;
    ledger.ping().await.expect("an empty ledger answers");
    let standing = sealed(ledger, "web:1.0.0", "a", 1).await;
    ledger.ping().await.expect("a ledger answers");
    assert_eq!(lookup(ledger, "web:1.0.0").await, Some(standing));
}
