//! What the registry's answer to the tag says of the claim: only a certain no, read
//! to its end, withdraws it.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::harness::{Answer, Fault, Faults, Gate, Image, Pushonce, Registry, Upstream};

use super::{Chain, send_push, state};

/// Lets the next PUT of a tag meet a fault.
fn at_the_tag(chain: &Chain, tag: &str, fault: Fault) {
    let end = format!("/manifests/{tag}");
    chain.faults.once(move |request| request.is("PUT", &end), fault);
}

#[test]
fn a_certain_no_leaves_the_tag_free() {
    let chain = Chain::start();
    for status in [400, 401, 403, 404, 405, 413, 415] {
        let tag = format!("1.4.{status}");
        let name = format!("web:{tag}");
        at_the_tag(&chain, &tag, Fault::Status(status));
        chain.proxy.push(&name, &Image::random()).expect(status);
        assert_eq!(state(&chain.proxy, "web", &tag), None, "{status}");
        chain.proxy.push(&name, &Image::random()).expect_created();
    }
}

#[test]
fn any_other_answer_keeps_the_claim() {
    let chain = Chain::start();
    for (status, seen) in [(307, 503), (408, 408), (409, 409), (429, 429), (500, 503), (502, 503), (503, 503), (504, 503)] {
        let (tag, image) = (format!("1.4.{status}"), Image::random());
        let name = format!("web:{tag}");
        at_the_tag(&chain, &tag, Fault::Status(status));
        chain.proxy.push(&name, &image).expect(seen);
        assert_eq!(state(&chain.proxy, "web", &tag).as_deref(), Some("open"), "{status}");
        let message = chain.proxy.push(&name, &Image::random()).expect_refused();
        assert!(message.contains(&image.digest()[..19]), "{message}");
    }
}

#[test]
fn no_answer_keeps_the_claim() {
    let registry = Registry::start();
    let faults = Faults::in_front_of(registry.address());
    let proxy = Pushonce::in_front_of(&faults.url()).setting("upstream.response_timeout = \"3s\"").start();
    let gate = Gate::default();
    for (tag, fault) in [("1.4.0", Fault::Cut), ("1.4.1", Fault::LoseAnswer), ("1.4.2", Fault::Hold(gate.clone()))] {
        let (name, image) = (format!("web:{tag}"), Image::random());
        let end = format!("/manifests/{tag}");
        faults.once(move |request| request.is("PUT", &end), fault);
        proxy.push(&name, &image).expect_unavailable();
        assert_eq!(state(&proxy, "web", tag).as_deref(), Some("open"), "{tag}");
        proxy.push(&name, &Image::random()).expect_refused();
        assert_eq!(registry.tag_digest(&name), Some(image.digest()));
    }
    gate.open();
}

/// A registry that answers every push with 201, shows what was pushed by digest, and
/// knows no tag, but for the tags of the tests below.
fn stand_in(at_the_tag: impl Fn() -> Answer + Send + Sync + 'static) -> Upstream {
    Upstream::start(move |request| match request.method() {
        "PUT" if request.is("PUT", "/manifests/1.4.0") => at_the_tag(),
        "PUT" => Answer::status(201),
        "GET" if request.target() == "/v2/" => Answer::status(200),
        "HEAD" if request.target().contains("/manifests/sha256:") => Answer::status(200),
        _ => Answer::status(404),
    })
}

#[test]
fn a_no_that_breaks_off_keeps_the_claim() {
    let upstream = stand_in(|| Answer::Bytes(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n\r\n{\"errors\"".to_vec()));
    let proxy = Pushonce::in_front_of(&upstream.url()).start();
    proxy.put_manifest("web:1.4.0", &Image::random().manifest).expect_unavailable();
    assert_eq!(state(&proxy, "web", "1.4.0").as_deref(), Some("open"));
}

#[test]
fn a_no_to_a_request_that_was_sent_twice_keeps_the_claim() {
    // A kept connection breaks under the first, which may have been carried out.
    let sent = AtomicUsize::new(0);
    let upstream = stand_in(move || match sent.fetch_add(1, Ordering::Relaxed) {
        0 => Answer::Reset(Vec::new()),
        _ => Answer::status(403),
    });
    let proxy = Pushonce::in_front_of(&upstream.url()).start();
    proxy.put_manifest("web:1.4.0", &Image::random().manifest).expect(403);
    let puts = upstream.requests().iter().filter(|request| request.is("PUT", "/manifests/1.4.0")).count();
    assert_eq!(puts, 2);
    assert_eq!(state(&proxy, "web", "1.4.0").as_deref(), Some("open"));
}

#[test]
fn a_no_frees_nothing_while_another_attempt_is_open() {
    let chain = Chain::start();
    let image = Image::random();
    chain.proxy.push(&format!("web@{}", image.digest()), &image).expect_created();
    let gate = Gate::default();
    at_the_tag(&chain, "1.4.0", Fault::Hold(gate.clone()));
    let client = send_push(chain.proxy.address(), "/v2/web/manifests/1.4.0", &image);
    gate.wait_until_reached();
    at_the_tag(&chain, "1.4.0", Fault::Status(403));
    chain.proxy.push("web:1.4.0", &image).expect(403);
    assert_eq!(state(&chain.proxy, "web", "1.4.0").as_deref(), Some("open"));
    chain.proxy.push("web:1.4.0", &Image::random()).expect_refused();
    assert_eq!(chain.registry.tag_digest("web:1.4.0"), Some(image.digest()));
    gate.open();
    drop(client);
}

#[test]
fn a_look_that_fails_before_anything_was_pointed_leaves_the_tag_free() {
    let chain = Chain::start();
    for (status, seen) in [(401, 401), (403, 403), (429, 503)] {
        let tag = format!("1.4.{status}");
        let end = format!("/manifests/{tag}");
        chain.faults.once(move |request| request.is("HEAD", &end), Fault::Status(status));
        chain.proxy.push(&format!("web:{tag}"), &Image::random()).expect(seen);
        assert_eq!(state(&chain.proxy, "web", &tag), None, "{status}");
        assert_eq!(chain.faults.count("PUT", &format!("/manifests/{tag}")), 0);
    }
}
