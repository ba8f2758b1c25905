//! Claiming, joining, withdrawing, and what keeps rows apart.

use super::*;

pub async fn a_free_tag_is_granted(store: &impl Store) {
    let ledger = &*store.open("ours").await;
    assert_eq!(lookup(ledger, "web:1.0.0").await, None);

    let attempt = AttemptId::random();
    let answer = ledger.claim(&key("web:1.0.0"), &digest("a"), attempt, &at(1).into()).await.expect("an answer");
    let Claimed::Granted(claim) = answer else { panic!("{answer:?}") };
    assert_eq!((claim.key(), claim.digest(), claim.attempt()), (&key("web:1.0.0"), &digest("a"), attempt));
    assert_eq!(lookup(ledger, "web:1.0.0").await, Some(record("a", State::Open, Origin::Pushed, 1)));
    assert_eq!(ledger.count_open().await.expect("a count"), 1);
}

pub async fn equal_bytes_join_and_other_bytes_find_it_taken(store: &impl Store) {
    let ledger = &*store.open("ours").await;
    let _first = granted(ledger, "web:1.0.0", "a", 1).await;
    let open = record("a", State::Open, Origin::Pushed, 1);

    let second = granted(ledger, "web:1.0.0", "a", 2).await;
    assert_eq!(lookup(ledger, "web:1.0.0").await, Some(open.clone()), "to join is no change of state");
    assert_eq!(claim(ledger, "web:1.0.0", "b", 3).await, Claimed::Taken(open.clone()));
    assert_eq!(lookup(ledger, "web:1.0.0").await, Some(open));
    assert_eq!(ledger.count_open().await.expect("a count"), 1);

    ledger.withdraw(second).await.expect("withdrawn");
    assert_eq!(ledger.count_open().await.expect("a count"), 1, "the first attempt still holds the claim");
}

pub async fn joining_adds_an_attempt_to_an_open_claim_and_claims_nothing(store: &impl Store) {
    let ledger = &*store.open("ours").await;
    let join_tag = async |tag: &str, content: &str| {
        ledger.join(&key(tag), &digest(content), AttemptId::random(), at(9)).await.expect("an answer")
    };
    let join = async |content: &str| join_tag("web:1.0.0", content).await;
    assert_eq!(join("a").await, None);
    assert_eq!(lookup(ledger, "web:1.0.0").await, None, "what is free is not claimed");

    let first = granted(ledger, "web:1.0.0", "a", 1).await;
    assert_eq!(join("b").await, None, "it is open for other bytes");
    let joined = join("a").await.expect("joined");
    assert_eq!((joined.key(), joined.digest()), (&key("web:1.0.0"), &digest("a")));
    ledger.withdraw(first).await.expect("withdrawn");
    assert_eq!(lookup(ledger, "web:1.0.0").await, Some(record("a", State::Open, Origin::Pushed, 1)), "the joined one holds it");
    let standing = ledger.confirm(joined, &at(2).into()).await.expect("sealed");

    assert_eq!(join("a").await, None, "it is sealed");
    assert_eq!(lookup(ledger, "web:1.0.0").await, Some(standing));
    assert!(burn(ledger, "web:1.0.0", "a", 3).await);
    assert_eq!(join("a").await, None, "it is burnt");

    sealed(ledger, "web:2.0.0", "a", 1).await;
    assert!(lift(ledger, "web:2.0.0", 2).await);
    assert_eq!(join_tag("web:2.0.0", "a").await, None, "it is lifted");
}

pub async fn a_sealed_tag_takes_its_own_bytes_only(store: &impl Store) {
    let ledger = &*store.open("ours").await;
    let standing = sealed(ledger, "web:1.0.0", "a", 1).await;

    let Claimed::AlreadySealed(again, shown) = claim(ledger, "web:1.0.0", "a", 2).await else { panic!("not sealed") };
    assert_eq!((again.digest(), &shown), (&digest("a"), &standing));
    assert_eq!(ledger.confirm(again, &at(3).into()).await.expect("confirmed again"), standing, "since its first confirmation");
    assert_eq!(claim(ledger, "web:1.0.0", "b", 4).await, Claimed::Taken(standing.clone()));
    assert_eq!(lookup(ledger, "web:1.0.0").await, Some(standing));
    assert_eq!(ledger.count_open().await.expect("a count"), 0);
}

pub async fn withdrawing_frees_the_tag_when_nobody_else_tries(store: &impl Store) {
    let ledger = &*store.open("ours").await;
    let first = granted(ledger, "web:1.0.0", "a", 1).await;
    let second = granted(ledger, "web:1.0.0", "a", 2).await;

    ledger.withdraw(first).await.expect("withdrawn");
    assert!(matches!(claim(ledger, "web:1.0.0", "b", 3).await, Claimed::Taken(_)), "the second attempt still holds it");
    ledger.withdraw(second).await.expect("withdrawn");
    assert_eq!(lookup(ledger, "web:1.0.0").await, None);

    let other = granted(ledger, "web:1.0.0", "b", 4).await;
    assert_eq!(ledger.confirm(other, &at(5).into()).await.expect("sealed"), record("b", State::Sealed, Origin::Pushed, 5));
}

pub async fn a_claim_whose_attempt_never_ended_stays(store: &impl Store) {
    let ledger = store.open("ours").await;
    drop(granted(&*ledger, "web:1.0.0", "a", 1).await);
    drop(ledger);

    let ledger = &*store.open("ours").await;
    let joined = granted(ledger, "web:1.0.0", "a", 2).await;
    ledger.withdraw(joined).await.expect("withdrawn");
    assert!(matches!(claim(ledger, "web:1.0.0", "b", 3).await, Claimed::Taken(_)), "the lost attempt may still point the tag");
    let rolled_forward = granted(ledger, "web:1.0.0", "a", 4).await;
    ledger.confirm(rolled_forward, &at(5).into()).await.expect("sealed");
}

pub async fn withdrawing_does_nothing_where_the_claim_has_ended(store: &impl Store) {
    let ledger = &*store.open("ours").await;
    let late = granted(ledger, "web:1.0.0", "a", 1).await;
    let standing = sealed(ledger, "web:1.0.0", "a", 2).await;
    ledger.withdraw(late).await.expect("nothing");
    assert_eq!(lookup(ledger, "web:1.0.0").await, Some(standing.clone()));

    let Claimed::AlreadySealed(again, _) = claim(ledger, "web:1.0.0", "a", 3).await else { panic!("not sealed") };
    ledger.withdraw(again).await.expect("nothing");
    assert_eq!(lookup(ledger, "web:1.0.0").await, Some(standing));

    let late = granted(ledger, "web:2.0.0", "a", 4).await;
    assert!(lift(ledger, "web:2.0.0", 5).await);
    let _newer = granted(ledger, "web:2.0.0", "a", 6).await;
    ledger.withdraw(late).await.expect("nothing");
    assert_eq!(lookup(ledger, "web:2.0.0").await, Some(record("a", State::Open, Origin::Pushed, 6)));

    let late = granted(ledger, "web:3.0.0", "a", 7).await;
    assert!(burn(ledger, "web:3.0.0", "a", 8).await);
    ledger.withdraw(late).await.expect("nothing");
    assert_eq!(lookup(ledger, "web:3.0.0").await, Some(record("a", State::Burnt, Origin::Pushed, 8)));
}

pub async fn repositories_do_not_touch_each_other(store: &impl Store) {
    let ledger = &*store.open("ours").await;
    sealed(ledger, "web:1.0.0", "a", 1).await;
    sealed(ledger, "driftwood/web:1.0.0", "b", 2).await;
    sealed(ledger, "web:1.0", "c", 3).await;
    assert!(burn(ledger, "driftwood/web:1.0.0", "b", 4).await);

    assert_eq!(lookup(ledger, "web:1.0.0").await, Some(record("a", State::Sealed, Origin::Pushed, 1)));
    assert_eq!(lookup(ledger, "driftwood/web:1.0.0").await, Some(record("b", State::Burnt, Origin::Pushed, 4)));
    assert_eq!(lookup(ledger, "web:1.0").await, Some(record("c", State::Sealed, Origin::Pushed, 3)));
}

pub async fn registries_do_not_touch_each_other(store: &impl Store) {
    let ours = store.open("ours").await;
    sealed(&*ours, "web:1.0.0", "a", 1).await;
    let open = granted(&*ours, "web:2.0.0", "a", 1).await;
    drop(ours);

    let theirs = store.open("theirs").await;
    assert_eq!(lookup(&*theirs, "web:1.0.0").await, None);
    assert_eq!(theirs.records(&key("web:_").repository).await.expect("rows"), []);
    assert_eq!(theirs.count_open().await.expect("a count"), 0);
    expect_lost(theirs.confirm(open, &at(2).into()).await);
    sealed(&*theirs, "web:1.0.0", "b", 3).await;
    assert!(burn(&*theirs, "web:1.0.0", "b", 4).await);
    drop(theirs);

    let ours = &*store.open("ours").await;
    assert_eq!(lookup(ours, "web:1.0.0").await, Some(record("a", State::Sealed, Origin::Pushed, 1)));
    assert_eq!(ours.count_open().await.expect("a count"), 1);
}

pub async fn records_are_ordered_and_leave_lifted_rows_out(store: &impl Store) {
    let ledger = &*store.open("ours").await;
    for tag in ["web:b", "web:1.10.0", "web:B", "web:_", "web:1.9.0", "web:lifted", "webb:1", "a/web:1"] {
        sealed(ledger, tag, tag, 1).await;
    }
    assert!(lift(ledger, "web:lifted", 2).await);
    assert!(burn(ledger, "web:_", "web:_", 3).await);

    let records = ledger.records(&key("web:1").repository).await.expect("rows");
    let tags: Vec<&str> = records.iter().map(|(tag, _)| tag.as_str()).collect();
    assert_eq!(tags, ["1.10.0", "1.9.0", "B", "_", "b"], "by bytes, whatever the engine's language");
    assert_eq!(records[3].1, record("web:_", State::Burnt, Origin::Pushed, 3));
}

pub async fn open_claims_are_paged_in_order(store: &impl Store) {
    let ledger = &*store.open("ours").await;
    let mut expected = Vec::new();
    for (now, tag) in (1..).zip(["web:1.0.0", "web:1.0.1", "web/a:1.0.0", "api:2.0.0"]) {
        let _open = granted(ledger, tag, "a", now).await;
        let _joined = granted(ledger, tag, "a", now + 10).await;
        expected.push(OpenClaim { key: key(tag), digest: digest("a"), since: at(now) });
    }
    sealed(ledger, "web:1.0.2", "a", 5).await;
    expected.sort_by(|one, other| one.key.cmp(&other.key));

    let page = async |after: Option<&TagKey>, limit| ledger.open_claims(after, limit).await.expect("a page");
    assert_eq!(page(None, 10).await, expected);
    assert_eq!(page(None, 2).await, expected[..2]);
    assert_eq!(page(Some(&expected[1].key), 2).await, expected[2..]);
    assert_eq!(page(Some(&expected[3].key), 2).await, []);
    assert_eq!(ledger.count_open().await.expect("a count"), 4);
}
