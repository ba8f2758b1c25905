//! The second listener: health and metrics.

use std::time::Duration;

use crate::harness::process::eventually;
use crate::harness::pushonce::POLICY;
use crate::harness::{Answer, Fault, Faults, Gate, Image, Pushonce, Registry, Upstream};
use crate::webhooks::Receiver;

#[test]
fn it_is_ready_while_the_registry_answers() {
    let mut registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let ready = || proxy.admin().request("GET", "/readyz").send();
    assert_eq!(ready().expect_ok().text(), "ok      ledger\nok      upstream\nok      serving\n");

    registry.stop();
    let answer = ready();
    let text = answer.expect(503).text();
    assert!(text.starts_with("ok      ledger\nfailed  upstream: the registry gave no answer to GET /v2/"), "{text}");
    assert!(text.contains("refused"), "the cause is missing: {text}");
    assert_eq!(proxy.admin().request("GET", "/livez").send().expect_ok().text(), "ok\n");

    registry.start_again();
    ready().expect_ok();
}

#[test]
fn a_registry_that_asks_for_a_password_is_ready() {
    let registry = Registry::with().basic_auth().start();
    let proxy = Pushonce::start(&registry);
    proxy.admin().request("GET", "/readyz").send().expect_ok();
}

#[test]
fn a_registry_that_answers_anything_else_is_not_ready() {
    for status in [302, 403, 404, 500] {
        let upstream = Upstream::start(move |_| Answer::status(status));
        let proxy = Pushonce::in_front_of(&upstream.url()).unready().start();
        let text = proxy.admin().request("GET", "/readyz").send().expect(503).text();
        assert!(text.contains(&format!("failed  upstream: the registry answered GET /v2/ with {status}")), "{text}");
    }
}

#[test]
fn it_lives_without_an_upstream_and_pushes_are_undecided() {
    let proxy = Pushonce::in_front_of("http://127.0.0.1:1").unready().start();
    proxy.admin().request("GET", "/livez").send().expect_ok();
    proxy.put_manifest("web:1.4.0", &Image::random().manifest).expect_unavailable();
    proxy.pull("web:latest").expect_unavailable();
}

/// A proxy that has pull rules, audits and a webhook, so that there is a series of each.
pub(super) fn doing_everything(registry: &Registry, receiver: &Receiver) -> Pushonce {
    let pull = "[[pull]]\nname = \"production\"\naction = \"warn\"\n";
    let proxy = Pushonce::in_front_of(&registry.url()).policy(&format!("{POLICY}\n{pull}"));
    proxy.setting("audit.interval = \"1s\"").setting(&receiver.webhook("one", "")).start()
}

#[test]
fn every_metric_is_exported_with_help() {
    let (registry, receiver) = (Registry::start(), Receiver::start());
    let proxy = doing_everything(&registry, &receiver);
    proxy.push("web:1.4.0", &Image::random()).expect_created();
    registry.put_tag_behind_the_back("web:latest", &Image::random());
    proxy.pull("web:latest").expect_ok();
    proxy.push("web:1.4.0", &Image::random()).expect_refused();
    receiver.expect(2);
    let audited = || (proxy.metric("pushonce_audit_ended_timestamp_seconds", &[]) > 0.0).then_some(());
    eventually(Duration::from_secs(30), "an audit", audited);
    let answer = proxy.admin().request("GET", "/metrics").send();
    assert_eq!(answer.expect_ok().header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = answer.text();
    let source = include_str!("../../../src/metrics.rs");
    let names: Vec<&str> = source.split('"').filter(|part| part.starts_with("pushonce_")).collect();
    assert!(names.len() >= 8, "{names:?}");
    for name in names {
        assert!(text.contains(&format!("# HELP {name} ")), "{name} has no help\n{text}");
        let has_series = text.lines().any(|line| line.starts_with(name));
        assert!(has_series, "{name} has no series\n{text}");
    }
}

#[test]
fn requests_are_counted_by_kind_and_verdict() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let (first, second) = (Image::random(), Image::random());
    proxy.push("web:1.4.0", &first).expect_created();
    proxy.push("web:1.4.0", &first).expect_created();
    for _ in 0..3 {
        proxy.push("web:1.4.0", &second).expect_refused();
    }
    proxy.push("web:latest", &first).expect_created();
    proxy.pull("web:1.4.0").expect_ok();
    proxy.pull("web:9.9.9").expect_not_found();
    proxy.delete("web:1.4.0").expect_delete_refused();
    proxy.request("GET", "/nowhere").send().expect_not_found();
    for (kind, verdict, count) in [
        ("push", "pushed", 1.0),
        ("push", "repeated", 1.0),
        ("push", "refused", 3.0),
        ("push", "moved", 1.0),
        ("pull", "pinned", 1.0),
        ("pull", "unknown", 1.0),
        ("delete", "refused", 1.0),
        ("other", "malformed", 1.0),
        ("upload", "passed", 24.0),
    ] {
        let counted = proxy.metric("pushonce_requests_total", &[("kind", kind), ("verdict", verdict)]);
        assert_eq!(counted, count, "{kind} {verdict}");
    }
    assert_eq!(proxy.metric("pushonce_refusals_total", &[("rule", "releases"), ("enforcement", "enforce")]), 4.0);
    assert_eq!(proxy.metric("pushonce_ledger_seconds_count", &[("operation", "confirm"), ("outcome", "answered")]), 1.0);
    // By digest and by tag, the repeated one by digest only, and the free one.
    assert_eq!(proxy.metric("pushonce_upstream_seconds_count", &[("method", "PUT"), ("outcome", "answered")]), 16.0);
    assert_eq!(proxy.metric("pushonce_drift_total", &[]), 0.0);
}

#[test]
fn open_claims_and_connections_are_counted_while_they_last() {
    let registry = Registry::start();
    let faults = Faults::in_front_of(registry.address());
    let proxy = Pushonce::in_front_of(&faults.url()).start();
    let gate = Gate::default();
    faults.once(|request| request.is("PUT", "/manifests/1.4.0"), Fault::Hold(gate.clone()));
    std::thread::scope(|scope| {
        let push = scope.spawn(|| proxy.push("web:1.4.0", &Image::random()).status);
        gate.wait_until_reached();
        assert_eq!(proxy.metric("pushonce_open_claims", &[]), 1.0);
        assert_eq!(proxy.metric("pushonce_connections", &[]), 1.0);
        gate.open();
        assert_eq!(push.join().expect("a push"), 201);
    });
    assert_eq!(proxy.metric("pushonce_open_claims", &[]), 0.0);
    let closed = || (proxy.metric("pushonce_connections", &[]) == 0.0).then_some(());
    eventually(Duration::from_secs(10), "the connection is gone", closed);
}

#[test]
fn the_second_listener_serves_no_registry_and_the_first_no_health() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    proxy.admin().request("GET", "/v2/").send().expect_not_found();
    for target in ["/livez", "/readyz", "/metrics"] {
        proxy.request("GET", target).send().expect_not_found();
    }
}
