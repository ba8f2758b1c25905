//! Registries that hang, break off, or answer what no registry should. A push is
//! acknowledged by no such answer, and a pull never returns other bytes.

mod relay;
mod stale;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use self::relay::Relay;
use self::stale::Stale;
use super::{TAG, expect_untouched};
use crate::harness::exchange::Exchange;
use crate::harness::image::sha256;
use crate::harness::wire::Recorded;
use crate::harness::{Answer, Image, Pushonce, Registry, Upstream};

/// A fault, by name.
type Fault = (&'static str, fn() -> Answer);

const FAULTS: [Fault; 7] = [
    ("hangs", || Answer::Hang),
    ("resets the connection", || Answer::Reset(Vec::new())),
    ("resets the connection in its answer", || Answer::Reset(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf".to_vec())),
    ("ends the connection in its answer", || Answer::Bytes(b"HTTP/1.1 200 OK\r\nContent-Le".to_vec())),
    ("answers 500", || Answer::status(500)),
    ("answers 502", || Answer::status(502)),
    ("answers garbage", || Answer::Bytes(b"\x00\xffnonsense\r\n\r\n".to_vec())),
];

fn in_front_of(relay: &Relay) -> Pushonce {
    let proxy = Pushonce::in_front_of(&relay.url()).setting("upstream.response_timeout = \"1s\"");
    proxy.setting("upstream.manifest_timeout = \"1s\"").start()
}

// The requests that the gate makes of one push, in their order.

fn is_put_by_digest(request: &Recorded) -> bool {
    request.method() == "PUT" && request.target().contains("/manifests/sha256:")
}

fn is_look(request: &Recorded) -> bool {
    ["HEAD", "GET"].into_iter().any(|method| request.is(method, "/manifests/1.4.0"))
}

fn is_put_of_tag(request: &Recorded) -> bool {
    request.is("PUT", "/manifests/1.4.0")
}

/// Pushes while the registry has each fault at one step: every such push is
/// answered 503. Then the registry is well again and `after` looks.
fn push_through_faults(step: fn(&Recorded) -> bool, after: impl Fn(&str, &Pushonce, &Registry, &Image)) {
    for (name, fault) in FAULTS {
        let registry = Registry::start();
        let relay = Relay::to(&registry);
        let proxy = in_front_of(&relay);
        let image = Image::random();
        relay.breaks(step, fault);
        let answer = proxy.push(TAG, &image);
        assert!(answer.status == 503, "a registry that {name}: {answer}");
        let message = answer.expect_unavailable();
        assert!(message.starts_with("this cannot be decided now and nothing was acknowledged; try again"), "{message}");
        relay.heals();
        after(name, &proxy, &registry, &image);
    }
}

#[test]
fn a_push_whose_content_did_not_arrive_leaves_the_tag_free() {
    push_through_faults(is_put_by_digest, |_, proxy, registry, _| expect_untouched(proxy, registry));
}

#[test]
fn a_push_whose_tag_could_not_be_looked_at_leaves_the_tag_free() {
    push_through_faults(is_look, |_, proxy, registry, _| expect_untouched(proxy, registry));
}

#[test]
fn a_push_whose_tag_was_perhaps_pointed_is_finished_by_the_same_bytes_and_refused_to_others() {
    push_through_faults(is_put_of_tag, |name, proxy, registry, image| {
        assert_eq!(proxy.metric("pushonce_open_claims", &[]), 1.0, "a registry that {name}");
        proxy.push(TAG, &Image::random()).expect_refused();
        proxy.push(TAG, image).expect_created();
        assert_eq!(registry.tag_digest(TAG), Some(image.digest()));
        assert_eq!(proxy.tag_digest(TAG), Some(image.digest()));
        assert_eq!(proxy.metric("pushonce_open_claims", &[]), 0.0);
    });
}

#[test]
fn a_pull_from_a_registry_that_breaks_is_an_error_and_the_next_one_is_right() {
    for (name, fault) in FAULTS {
        let registry = Registry::start();
        let relay = Relay::to(&registry);
        let proxy = in_front_of(&relay);
        let image = Image::random();
        proxy.push(TAG, &image).expect_created();
        relay.breaks(|request| matches!(request.method(), "GET" | "HEAD"), fault);
        let pulled = proxy.pull(TAG);
        assert!((500..=503).contains(&pulled.status), "a registry that {name}: {pulled}");
        let head = proxy.head(TAG);
        // A HEAD whose head is whole is an answer, though the connection broke after it.
        assert!((500..=503).contains(&head.status) || head.expect_digest(&image.digest()).status == 200, "{name}: {head}");
        relay.heals();
        assert_eq!(proxy.pull(TAG).expect_ok().body, image.manifest.bytes);
    }
}

/// Pulls a pushed tag from a registry whose answers are changed, and then as it is.
fn pull_changed(change: fn(&mut Exchange), check: impl Fn(&str, &Exchange)) {
    let registry = Registry::start();
    let relay = Relay::to(&registry);
    let proxy = in_front_of(&relay);
    let image = Image::random();
    proxy.push(TAG, &image).expect_created();
    relay.changes(change);
    for answer in [proxy.pull(TAG), proxy.head(TAG)] {
        check(&image.digest(), &answer);
    }
    relay.heals();
    assert_eq!(proxy.pull(TAG).expect_ok().body, image.manifest.bytes);
}

#[test]
fn other_bytes_under_a_digest_are_never_returned() {
    let change = |answer: &mut Exchange| answer.body = Image::random().manifest.bytes;
    pull_changed(change, |digest, answer| {
        if answer.request.method == "HEAD" {
            answer.expect_ok().expect_digest(digest);
        } else {
            answer.expect_unavailable();
        }
    });
}

#[test]
fn a_truncated_manifest_is_never_returned() {
    // The length says that this is all.
    let change = |answer: &mut Exchange| answer.body.truncate(answer.body.len() / 2);
    pull_changed(change, |digest, answer| {
        if answer.request.method == "HEAD" {
            answer.expect_ok().expect_digest(digest);
        } else {
            answer.expect_unavailable();
        }
    });
}

#[test]
fn a_wrong_digest_in_the_header_is_never_passed_on() {
    let change = |answer: &mut Exchange| relay::set_digest(answer, &sha256(b"other"));
    pull_changed(change, |digest, answer| {
        // The bytes of a GET can be checked and are right; a HEAD has only the header.
        if answer.request.method == "HEAD" {
            answer.expect(503);
        } else {
            answer.expect_ok().expect_digest(digest);
        }
    });
}

#[test]
fn a_digest_that_is_none_decides_nothing() {
    let registry = Registry::start();
    let relay = Relay::to(&registry);
    let proxy = in_front_of(&relay);
    registry.put_tag_behind_the_back(TAG, &Image::random());
    relay.changes(|answer| relay::set_digest(answer, "sha256:nonsense"));
    proxy.push(TAG, &Image::random()).expect_unavailable();
    proxy.pull(TAG).expect_unavailable();
    relay.heals();
    proxy.push(TAG, &Image::random()).expect_refused();
}

#[test]
fn a_push_that_the_registry_stored_as_something_else_is_not_acknowledged() {
    let registry = Registry::start();
    let relay = Relay::to(&registry);
    let proxy = in_front_of(&relay);
    let image = Image::random();
    registry.put_tag_behind_the_back("driftwood/web:base", &image);
    relay.changes(|answer| relay::set_digest(answer, &sha256(b"other")));
    proxy.put_manifest(TAG, &image.manifest).expect_unavailable();
    relay.heals();
    expect_untouched(&proxy, &registry);
}

/// The connections of the proxy die whenever they are used a second time, as those
/// do that a registry closes while the next request is on its way.
#[test]
fn a_connection_that_the_registry_closed_meanwhile_is_replaced() {
    let registry = Registry::start();
    let stale = Stale::to(registry.address());
    let proxy = Pushonce::in_front_of(&stale.url()).start();
    for number in 0..10 {
        let (name, image) = (format!("driftwood/web:1.4.{number}"), Image::random());
        registry.put_tag_behind_the_back("driftwood/web:base", &image);
        proxy.put_manifest(&name, &image.manifest).expect_created();
        proxy.put_manifest(&name, &image.manifest).expect_created();
        assert_eq!(proxy.pull(&name).expect_ok().body, image.manifest.bytes);
        proxy.head(&name).expect_ok().expect_digest(&image.digest());
        proxy.put_manifest(&name, &Image::random().manifest).expect_refused();
        assert_eq!(registry.tag_digest(&name), Some(image.digest()));
    }
    assert!(stale.died() > 10, "hardly a connection died");
}

/// What may not be sent twice is answered 503 instead, and the client's own
/// second try succeeds.
#[test]
fn a_moving_tag_is_not_sent_twice_over_a_connection_that_died() {
    let registry = Registry::start();
    let puts = Arc::new(AtomicUsize::new(0));
    let (counted, api) = (Arc::clone(&puts), (*registry).clone());
    let upstream = Upstream::start(move |request| {
        if request.is("PUT", "/manifests/latest") && counted.fetch_add(1, Ordering::Relaxed) == 0 {
            return Answer::Reset(Vec::new());
        }
        relay::ask(&api, request, |_| {})
    });
    let proxy = Pushonce::in_front_of(&upstream.url()).start();
    let image = Image::random();
    // A kept connection is there to be used.
    proxy.push("driftwood/web:base", &image).expect_created();
    proxy.put_manifest("driftwood/web:latest", &image.manifest).expect_unavailable();
    assert_eq!(puts.load(Ordering::Relaxed), 1, "it was sent twice");
    proxy.put_manifest("driftwood/web:latest", &image.manifest).expect_created();
    assert_eq!(registry.tag_digest("driftwood/web:latest"), Some(image.digest()));
}
