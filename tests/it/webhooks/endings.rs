//! The end of the process in the middle of deliveries.

use super::{PATIENCE, Receiver};
use crate::harness::postgres::Postgres;
use crate::harness::process::eventually;
use crate::harness::{Image, Pushonce, Registry};
use crate::operator::ledger_commands::operate;

#[test]
fn nothing_is_lost_when_it_is_killed_or_ended_in_the_middle() {
    let (registry, receiver) = (Registry::start(), Receiver::start());
    // A turn outlives its holder by the timeout and five seconds.
    let mut proxy = Pushonce::in_front_of(&registry.url()).setting(&receiver.webhook("chat", "timeout = \"1s\"")).start();
    let mut expected = Vec::new();
    for round in 0..4 {
        for number in 0..5 {
            let tag = format!("web:{round}.0.{number}");
            proxy.push(&tag, &Image::random()).expect_created();
            expected.push(format!("pushed {tag}"));
            // Some are refused once, so that the end comes in the middle of a pause as well.
            receiver.answer(if number == 3 { 500 } else { 200 });
        }
        if round % 2 == 0 {
            proxy.kill9();
        } else {
            assert!(proxy.terminate().success());
        }
        receiver.answer(200);
        proxy.restart();
    }
    let all = || {
        let mut told = receiver.told();
        (told.last() == expected.last()).then(|| {
            told.dedup();
            told
        })
    };
    let told = eventually(PATIENCE, "the last event is delivered", all);
    // Some may come twice, with the same id, and then so do those behind them.
    let mut first_times = Vec::new();
    for event in told {
        if !first_times.contains(&event) {
            first_times.push(event);
        }
    }
    assert_eq!(first_times, expected);
    let (mut ids, events) = (std::collections::BTreeMap::new(), receiver.events());
    for event in &events {
        let subject = event["subject"].as_str().expect("a subject");
        assert_eq!(ids.entry(subject).or_insert(&event["id"]), &&event["id"], "a tag that was pushed once has one id");
    }
    receiver.check_signatures();
}

#[test]
fn a_ledger_that_moves_takes_along_how_far_its_webhooks_have_come() {
    let (registry, receiver) = (Registry::start(), Receiver::start());
    let mut proxy = Pushonce::in_front_of(&registry.url()).setting(&receiver.webhook("chat", "")).start();
    proxy.push("web:1.4.0", &Image::random()).expect_created();
    receiver.expect(1);
    receiver.answer(503);
    proxy.push("web:1.4.1", &Image::random()).expect_created();
    proxy.push("web:1.4.2", &Image::random()).expect_created();
    receiver.expect(2);
    assert!(proxy.terminate().success());
    receiver.answer(200);
    let url = Postgres::shared().url(&Postgres::shared().database());
    operate(&proxy, &["ledger", "move", "--to", &url]).expect_success();
    proxy.set_environment("PUSHONCE_LEDGER__URL", Some(&url));
    proxy.restart();
    proxy.push("web:1.4.3", &Image::random()).expect_created();
    let mut told = eventually(PATIENCE, "the last event", || {
        Some(receiver.told()).filter(|told| told.last().is_some_and(|last| last == "pushed web:1.4.3"))
    });
    told.dedup();
    assert_eq!(told, ["pushed web:1.4.0", "pushed web:1.4.1", "pushed web:1.4.2", "pushed web:1.4.3"]);
}
