//! What memory answers in place of the ledger, and what it must not.

use std::sync::Arc;
use std::time::Duration;

use pushonce::clock::SystemClock;
use pushonce::ledger::memory::MemoryLedger;

use crate::harness::process::eventually;
use crate::harness::pushonce::POLICY;
use crate::harness::{Image, Pushonce, Registry, Shared};

use super::DELETABLE;

const PATIENCE: Duration = Duration::from_secs(20);

/// Releases move.
const MOVING: &str = "[[rule]]\nname = \"all\"\ntags = [\"*\"]\nmutability = \"mutable\"\n";

/// How often the ledger was asked anything while somebody waited; refusals are written
/// down behind the answer.
fn questions(proxy: &Pushonce) -> f64 {
    let operations =
        ["lookup", "records", "claim", "join", "confirm", "withdraw", "yield", "adopt", "burn", "begin", "complete", "spans"];
    operations.iter().map(|operation| proxy.metric("pushonce_ledger_seconds_count", &[("operation", operation)])).sum()
}

fn replicas_of(registry: &Registry) -> Shared {
    Shared { ledger: MemoryLedger::new(), clock: Arc::new(SystemClock), upstream: registry.url() }
}

#[test]
fn refusing_and_pulling_a_known_tag_ask_no_ledger() {
    let registry = Registry::start();
    let mut proxy = Pushonce::in_front_of(&registry.url()).setting("ledger.reconcile_interval = \"0s\"").start();
    let image = Image::random();
    proxy.push("web:1.4.0", &image).expect_created();
    let asked = questions(&proxy);
    for _ in 0..2 {
        let message = proxy.push("web:1.4.0", &Image::random()).expect_refused();
        assert!(message.contains(&format!("it means {}… since ", &image.digest()[..19])), "{message}");
        proxy.pull("web:1.4.0").expect_ok().expect_digest(&image.digest());
    }
    assert_eq!(questions(&proxy), asked, "what was pushed here is known");
    assert_eq!(proxy.metric("pushonce_known_tags_total", &[("outcome", "hit")]), 4.0);

    proxy.restart();
    proxy.pull("web:1.4.0").expect_ok();
    assert_eq!(questions(&proxy), 1.0);
    proxy.pull("web:1.4.0").expect_ok();
    proxy.push("web:1.4.0", &Image::random()).expect_refused();
    assert_eq!(questions(&proxy), 1.0);
    assert_eq!(proxy.metric("pushonce_known_tags_total", &[("outcome", "miss")]), 1.0);
    assert_eq!(proxy.metric("pushonce_known_tags_total", &[("outcome", "hit")]), 2.0);
}

#[test]
fn the_same_bytes_go_through_the_ledger_each_time() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let image = Image::random();
    for times in [1.0, 2.0, 3.0] {
        proxy.push("web:1.4.0", &image).expect_created();
        assert_eq!(proxy.metric("pushonce_ledger_seconds_count", &[("operation", "claim")]), times);
    }
}

#[test]
fn rights_are_the_registry_s_to_judge_also_of_a_known_tag() {
    let registry = Registry::with().basic_auth().start();
    let proxy = Pushonce::start(&registry);
    let image = Image::random();
    let user = proxy.signed_in(crate::harness::registry::USER, crate::harness::registry::PASSWORD);
    user.push("web:1.4.0", &image).expect_created();
    user.pull("web:1.4.0").expect_ok();
    proxy.pull("web:1.4.0").expect(401);
    proxy.put_manifest("web:1.4.0", &Image::random().manifest).expect(401);
}

#[test]
fn a_tag_that_another_replica_deleted_is_gone() {
    let registry = Registry::start();
    // The other one may have read its policy before deletes were allowed.
    for policy in [DELETABLE, POLICY] {
        let shared = replicas_of(&registry);
        let (one, other) = (shared.replica(policy, ""), shared.replica(DELETABLE, ""));
        let image = Image::random();
        one.push("web:1.4.0", &image).expect_created();
        for replica in [&one, &other] {
            replica.pull("web:1.4.0").expect_ok().expect_digest(&image.digest());
        }
        other.delete(&format!("web@{}", image.digest())).expect(202);
        for replica in [&one, &other] {
            replica.pull("web:1.4.0").expect_not_found();
            let message = replica.push("web:1.4.0", &Image::random()).expect_refused();
            assert!(message.contains("it was deleted on"), "{message}");
            replica.push("web:1.4.0", &image).expect_refused();
        }
    }
}

#[test]
fn where_deletes_are_allowed_the_ledger_is_always_asked() {
    let registry = Registry::start();
    let replica = replicas_of(&registry).replica(DELETABLE, "");
    let image = Image::random();
    replica.push("web:1.4.0", &image).expect_created();
    let lookups = || replica.metric("pushonce_ledger_seconds_count", &[("operation", "lookup")]);
    let before = lookups();
    replica.pull("web:1.4.0").expect_ok();
    replica.push("web:1.4.0", &Image::random()).expect_refused();
    assert_eq!(lookups(), before + 2.0);
}

#[test]
fn a_tag_that_another_replica_let_move_is_forgotten_once_the_drift_is_seen() {
    let registry = Registry::start();
    let shared = replicas_of(&registry);
    let holding = shared.replica(POLICY, "pulls.drift_check_interval = \"1ms\"");
    let moving = shared.replica(MOVING, "");
    let (first, second) = (Image::random(), Image::random());
    holding.push("web:1.4.0", &first).expect_created();
    assert_eq!(holding.tag_digest("web:1.4.0"), Some(first.digest()));
    moving.push("web:1.4.0", &second).expect_created();
    let follows = || (holding.tag_digest("web:1.4.0") == Some(second.digest())).then_some(());
    eventually(PATIENCE, "the tag is adopted as it is now", follows);
    holding.push("web:1.4.0", &first).expect_refused();
}
