//! The proxy as a process: started, asked, killed, started again. They stand on
//! nothing but the two listeners, so a failure here is one of the harness or of
//! the program's frame, not of the gate.

use crate::harness::{Image, Pushonce, Registry};

#[test]
fn a_push_goes_through_and_a_changed_one_is_refused() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let (first, second) = (Image::random(), Image::random());
    proxy.push("driftwood/web:1.4.0", &first).expect_created();
    let message = proxy.push("driftwood/web:1.4.0", &second).expect_refused();
    assert!(message.starts_with("tag driftwood/web:1.4.0 is immutable"), "{message}");
    proxy.delete("driftwood/web:1.4.0").expect_delete_refused();
    assert_eq!(registry.tag_digest("driftwood/web:1.4.0"), Some(first.digest()));
    assert!(proxy.rss_mib() <= proxy.peak_rss_mib());
    assert!(!proxy.log_lines().is_empty(), "no JSON in the log:\n{}", proxy.log());
    assert_eq!(proxy.metric("no_such_metric", &[("kind", "push")]), 0.0);
}

#[test]
fn it_comes_back_after_a_kill_and_ends_when_told() {
    let mut registry = Registry::start();
    let mut proxy = Pushonce::in_front_of(&registry.url()).setting("server.drain_timeout = \"1s\"").start();
    let image = Image::random();
    proxy.push("web:1.4.0", &image).expect_created();
    proxy.kill9();
    assert!(proxy.try_pull("web:1.4.0").is_err(), "a killed proxy answered");
    proxy.restart();
    proxy.push("web:1.4.0", &Image::random()).expect_refused();
    registry.stop();
    proxy.push("web:1.4.1", &Image::random()).expect_unavailable();
    registry.start_again();
    proxy.push("web:1.4.1", &Image::random()).expect_created();
    assert!(proxy.terminate().success());
}

#[test]
fn it_lives_without_an_upstream_but_is_not_ready() {
    let proxy = Pushonce::in_front_of("http://127.0.0.1:1").environment("PUSHONCE_LOG__FILTER", "info").unready().start();
    proxy.admin().request("GET", "/readyz").send().expect(503);
    proxy.push("web:1.4.0", &Image::random()).expect_unavailable();
}

#[test]
fn a_policy_that_was_changed_holds_after_a_restart() {
    let registry = Registry::start();
    let mut proxy = Pushonce::in_front_of(&registry.url()).policy("default = \"mutable\"\n").start();
    proxy.push("web:1.4.0", &Image::random()).expect_created();
    proxy.set_policy("default = \"immutable\"\n");
    proxy.restart();
    proxy.push("web:1.4.0", &Image::random()).expect_refused();
    assert!(proxy.config_file().starts_with(proxy.directory()));
}

#[test]
fn a_configuration_that_is_wrong_ends_it_with_a_reason() {
    let failed = Pushonce::in_front_of("http://127.0.0.1:1").setting("no_such_key = 1").start_and_fail();
    failed.expect_said("no_such_key");
}
