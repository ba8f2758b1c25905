//! Several replicas, and several registries, on one PostgreSQL ledger.

use super::{PATIENCE, Receiver};
use crate::harness::postgres::Postgres;
use crate::harness::process::eventually;
use crate::harness::{Image, Pushonce, Registry};

#[test]
fn of_two_replicas_one_delivers_at_a_time() {
    let (registry, receiver, url) = (Registry::start(), Receiver::start(), Postgres::shared().schema());
    let replica = || {
        let proxy = Pushonce::in_front_of(&registry.url()).environment("PUSHONCE_LEDGER__URL", &url);
        proxy.setting(&receiver.webhook("chat", "timeout = \"5s\"")).start()
    };
    let mut replicas = [replica(), replica()];
    let mut expected: Vec<String> = Vec::new();
    for number in 0..20 {
        let tag = format!("web:1.4.{number}");
        replicas[number % 2].push(&tag, &Image::random()).expect_created();
        expected.push(format!("pushed {tag}"));
    }
    receiver.expect_exactly(&expected.iter().map(String::as_str).collect::<Vec<_>>());

    // The other one goes on where one that was killed has stopped.
    replicas[0].kill9();
    for number in 20..25 {
        let tag = format!("web:1.4.{number}");
        replicas[1].push(&tag, &Image::random()).expect_created();
        expected.push(format!("pushed {tag}"));
    }
    let told = eventually(PATIENCE, "the last event", || Some(receiver.told()).filter(|told| told.last() == expected.last()));
    assert_eq!(told, expected);
    receiver.check_signatures();
}

#[test]
fn registries_that_share_a_ledger_share_no_events() {
    let database = Postgres::shared().database();
    let url = Postgres::shared().url(&database);
    let (one, other) = (Registry::start(), Registry::start());
    let (here, there) = (Receiver::start(), Receiver::start());
    let named = |registry: &Registry, name: &str, receiver: &Receiver| {
        let proxy = Pushonce::in_front_of(&registry.url()).environment("PUSHONCE_LEDGER__URL", &url);
        proxy.environment("PUSHONCE_UPSTREAM__NAME", name).setting(&receiver.webhook("chat", "")).start()
    };
    let first = named(&one, "one", &here);
    // What `pushonce ledger accept` does: one more registry is an operator's word.
    Postgres::shared().sql(&database, "INSERT INTO registries VALUES ('other')");
    let second = named(&other, "other", &there);
    for number in 0..3 {
        first.push(&format!("web:1.0.{number}"), &Image::random()).expect_created();
        second.push(&format!("web:2.0.{number}"), &Image::random()).expect_created();
    }
    here.expect_exactly(&["pushed web:1.0.0", "pushed web:1.0.1", "pushed web:1.0.2"]);
    there.expect_exactly(&["pushed web:2.0.0", "pushed web:2.0.1", "pushed web:2.0.2"]);
    assert!(there.events().iter().all(|event| event["source"] == "pushonce/other"));
}
