//! Receivers that do not take what they get.

use super::{HANGS, PATIENCE, Receiver};
use crate::harness::link::Mishap;
use crate::harness::process::eventually;
use crate::harness::{Image, Link, Pushonce, Registry};
use crate::operator::ledger_commands::operate;
use crate::release_log::refused;

fn count(proxy: &Pushonce, webhook: &str, outcome: &str) -> f64 {
    proxy.metric("pushonce_webhook_deliveries_total", &[("webhook", webhook), ("outcome", outcome)])
}

/// How many lines of the log have this message.
fn lines(proxy: &Pushonce, message: &str) -> usize {
    proxy.log_lines().iter().filter(|line| line["message"] == message).count()
}

const NOT_TAKEN: &str = "a webhook's receiver did not take an event; it gets it again";

#[test]
fn whatever_a_receiver_answers_but_2xx_it_gets_the_event_again() {
    for status in [500, 503, 404, 410, 307] {
        let (registry, receiver, other) = (Registry::start(), Receiver::start(), Receiver::start());
        let proxy = Pushonce::in_front_of(&registry.url())
            .setting(&receiver.webhook("chat", ""))
            .setting(&other.webhook("other", ""))
            .start();
        receiver.answer(status);
        proxy.push("web:1.4.0", &Image::random()).expect_created();
        proxy.push("web:1.4.1", &Image::random()).expect_created();
        // It is tried again, and nothing behind it is delivered before.
        assert_eq!(receiver.expect(2), ["pushed web:1.4.0", "pushed web:1.4.0"], "{status}");
        // The other webhook goes on meanwhile.
        other.expect_exactly(&["pushed web:1.4.0", "pushed web:1.4.1"]);
        assert_eq!(lines(&proxy, NOT_TAKEN), 1, "said once: {}", proxy.log());
        assert!(proxy.metric("pushonce_webhook_waiting", &[("webhook", "chat")]) >= 2.0);
        receiver.answer(202);
        let told = eventually(PATIENCE, "both are delivered", || {
            Some(receiver.told()).filter(|told| told.last().is_some_and(|last| last.ends_with("1.4.1")))
        });
        assert!(told[..told.len() - 1].iter().all(|event| event == "pushed web:1.4.0"), "{told:?}");
        eventually(PATIENCE, "they are counted", || (count(&proxy, "chat", "delivered") == 2.0).then_some(()));
        assert!(count(&proxy, "chat", "refused") >= 2.0);
        assert_eq!(lines(&proxy, "a webhook's events are delivered again"), 1, "{}", proxy.log());
        let requests = receiver.requests();
        assert!(requests.iter().all(|request| request.target() == "/hook"), "a redirect was followed");
        assert_eq!(requests[0].header("webhook-id"), requests[1].header("webhook-id"), "a receiver can drop the second");
        receiver.check_signatures();
    }
}

#[test]
fn a_receiver_that_was_away_gets_what_it_missed() {
    let (registry, receiver) = (Registry::start(), Receiver::start());
    let link = Link::always(&receiver.server.address(), Mishap::Refuse, 1);
    let url = format!("http://{}/hook", link.address());
    let proxy = Pushonce::in_front_of(&registry.url()).setting(&receiver.webhook_at(&url, "chat", "")).start();
    link.unleash();
    for number in 0..5 {
        proxy.push(&format!("web:1.4.{number}"), &Image::random()).expect_created();
    }
    eventually(PATIENCE, "it was tried twice", || (count(&proxy, "chat", "failed") >= 2.0).then_some(()));
    assert_eq!(receiver.told(), Vec::<String>::new());
    link.heal();
    receiver.expect_exactly(&["pushed web:1.4.0", "pushed web:1.4.1", "pushed web:1.4.2", "pushed web:1.4.3", "pushed web:1.4.4"]);
}

#[test]
fn a_receiver_that_hangs_holds_up_nobody_else() {
    let (registry, receiver, other) = (Registry::start(), Receiver::start(), Receiver::start());
    receiver.answer(HANGS);
    let mut proxy = Pushonce::in_front_of(&registry.url())
        .setting(&receiver.webhook("chat", "timeout = \"10m\""))
        .setting(&other.webhook("other", ""))
        .start();
    proxy.push("web:1.4.0", &Image::random()).expect_created();
    receiver.expect(1);
    // The delivery hangs for minutes; these are answered all the same.
    for number in 1..6 {
        proxy.push(&format!("web:1.4.{number}"), &Image::random()).expect_created();
        proxy.push("web:latest", &Image::random()).expect_created();
    }
    assert_eq!(other.expect(11).len(), 11);
    assert_eq!(receiver.told(), ["pushed web:1.4.0"]);
    // Nor does it hold up the end.
    assert!(proxy.terminate().success());
    assert!(proxy.log().contains("shut down; everything was finished"), "{}", proxy.log());
    receiver.answer(200);
    proxy.restart();
    let told = receiver.expect(12);
    assert_eq!(told[..3], ["pushed web:1.4.0", "pushed web:1.4.0", "pushed web:1.4.1"]);
}

#[test]
fn an_operator_passes_over_an_event_that_is_never_taken() {
    let (registry, receiver) = (Registry::start(), Receiver::start());
    let proxy = Pushonce::in_front_of(&registry.url()).setting(&receiver.webhook("chat", "")).start();
    refused(&proxy, &["log", "skip-webhook", "chat", "--reason", "why"], 1, "the webhook `chat` has delivered everything");
    refused(&proxy, &["log", "skip-webhook", "chta", "--reason", "why"], 2, "no webhook is called `chta`");
    receiver.answer(413);
    proxy.push("web:1.4.0", &Image::random()).expect_created();
    proxy.push("web:1.4.1", &Image::random()).expect_created();
    receiver.expect(2);
    let skip = || {
        let run = operate(&proxy, &["log", "skip-webhook", "chat", "--reason", "too large for the chat"]);
        // While it is being delivered, it is somebody else's.
        run.status.success().then_some(run)
    };
    let said = eventually(PATIENCE, "the event is passed over", skip).stdout;
    assert!(said.starts_with("the webhook `chat` goes on behind event 0-") && said.contains("web:1.4.0"), "{said}");
    receiver.answer(200);
    // The act is an event itself, of those that nobody hears of by default.
    let last = eventually(PATIENCE, "the next is delivered", || receiver.told().pop().filter(|last| last != "pushed web:1.4.0"));
    assert_eq!(last, "pushed web:1.4.1");
    let acts = operate(&proxy, &["log", "--outcome", "acted", "--output", "json"]).expect_success().stdout.clone();
    assert!(
        acts.contains("skip-webhook chat") && acts.contains("too large for the chat") && acts.contains("\"who\":\"ann\""),
        "{acts}"
    );
}
