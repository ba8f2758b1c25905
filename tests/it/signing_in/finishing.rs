//! Who finishes a claim that was left open: the next client, or the proxy's own
//! account where it has the right.

use std::time::Duration;

use super::{GATE, Stage};
use crate::harness::process::eventually;
use crate::harness::pushonce::PushonceBuilder;
use crate::harness::registry::{PASSWORD, USER};
use crate::harness::{Fault, Faults, Image, Pushonce, Registry};

const PATIENCE: Duration = Duration::from_secs(30);
const OFTEN: &str = "ledger.reconcile_interval = \"100ms\"";
const NEVER: &str = "ledger.reconcile_interval = \"0s\"";
const EITHER: &str = "an open claim could not be finished with upstream.username either";

fn with_account(builder: PushonceBuilder, (name, password): (&str, &str)) -> PushonceBuilder {
    builder.setting(&format!("upstream.username = \"{name}\"\nupstream.password = \"{password}\""))
}

/// A push of web:1.4.0 whose PUT of the tag is lost on its way.
fn leave_a_claim_open(stage: &Stage, proxy: &Pushonce) -> Image {
    let image = Image::random();
    stage.granting.break_once("PUT", "/manifests/1.4.0");
    stage.client(proxy, &["pull", "push"]).push("web:1.4.0", &image).expect_unavailable();
    image
}

#[track_caller]
fn wait_until_stuck(proxy: &Pushonce) -> serde_json::Value {
    let stuck = || (proxy.metric("pushonce_stuck_claims", &[]) == 1.0).then_some(());
    eventually(PATIENCE, "the claim counts as stuck", stuck);
    let said = || proxy.log_lines().into_iter().find(|line| line["message"] == "an open claim is stuck");
    let line = eventually(PATIENCE, "its line", said);
    assert!(
        line["remedy"].as_str().is_some_and(|remedy| remedy.starts_with("give `upstream.username` the right to push")),
        "{line}"
    );
    assert_eq!(proxy.metric("pushonce_open_claims", &[]), 1.0);
    line
}

#[track_caller]
fn wait_until_finished(proxy: &Pushonce) {
    let finished = || (proxy.metric("pushonce_open_claims", &[]) == 0.0).then_some(());
    eventually(PATIENCE, "the claim is finished", finished);
}

#[test]
fn an_account_that_may_push_finishes_what_nobody_comes_back_to() {
    let stage = Stage::with_account(&["pull", "push"]);
    let proxy = with_account(Pushonce::in_front_of(&stage.granting.url()).setting(OFTEN), GATE).start();
    let image = leave_a_claim_open(&stage, &proxy);
    wait_until_finished(&proxy);
    assert_eq!(stage.granting.registry.tag_digest("web:1.4.0"), Some(image.digest()));
    let requests = stage.tokens.requests();
    for scope in ["/token?scope=repository%3Aweb%3Apull&", "/token?scope=repository%3Aweb%3Apull%2Cpush&"] {
        assert!(requests.iter().any(|request| request.target().starts_with(scope)), "{scope}");
    }
}

#[test]
fn an_account_that_may_only_pull_finishes_what_is_pointed_already() {
    // Some token services give less than they are asked for, some nothing then.
    for strict in [false, true] {
        let stage = Stage::with_account(&["pull"]);
        stage.tokens.strict(strict);
        let proxy = with_account(Pushonce::in_front_of(&stage.granting.url()).setting(OFTEN), GATE).start();
        let image = leave_a_claim_open(&stage, &proxy);
        let line = wait_until_stuck(&proxy);
        let cause = if strict { "the token service gave no token: it answered 403 Forbidden" } else { "the registry answered 401" };
        assert!(line["cause"].as_str().is_some_and(|said| said.starts_with(cause)), "{line}");
        assert_eq!(stage.granting.registry.tag_digest("web:1.4.0"), None);

        stage.granting.registry.put_tag_behind_the_back("web:1.4.0", &image);
        wait_until_finished(&proxy);
        let client = stage.client(&proxy, &["pull", "push"]);
        client.push("web:1.4.0", &Image::random()).expect_refused();
    }
}

#[test]
fn without_an_account_the_next_client_finishes_it() {
    let stage = Stage::set();
    let proxy = Pushonce::in_front_of(&stage.granting.url()).setting(OFTEN).start();
    let image = leave_a_claim_open(&stage, &proxy);
    wait_until_stuck(&proxy);
    stage.client(&proxy, &["pull", "push"]).push("web:1.4.0", &Image::random()).expect_refused();
    assert_eq!(stage.granting.registry.tag_digest("web:1.4.0"), Some(image.digest()));
}

#[test]
fn a_client_without_the_right_finds_the_claim_finished_by_the_account() {
    let stage = Stage::with_account(&["pull", "push"]);
    let proxy = with_account(Pushonce::in_front_of(&stage.granting.url()).setting(NEVER), GATE).start();
    let image = leave_a_claim_open(&stage, &proxy);
    let client = stage.client(&proxy, &["pull"]);
    let message = client.put_manifest("web:1.4.0", &Image::random().manifest);
    assert!(message.expect_refused().contains(&image.digest()[..19]));
    assert_eq!(stage.granting.registry.tag_digest("web:1.4.0"), Some(image.digest()));
    assert_eq!(proxy.metric("pushonce_open_claims", &[]), 0.0);
}

#[test]
fn where_the_account_may_not_push_either_the_client_gets_its_own_no() {
    let stage = Stage::with_account(&["pull"]);
    let proxy = with_account(Pushonce::in_front_of(&stage.granting.url()).setting(NEVER), GATE).start();
    let image = leave_a_claim_open(&stage, &proxy);
    let denied = stage.client(&proxy, &["pull"]).put_manifest("web:1.4.0", &Image::random().manifest);
    assert!(denied.header("www-authenticate").is_some_and(|value| value.contains("repository:web:push")), "{denied}");
    denied.expect(401);
    assert!(proxy.log().contains(EITHER), "{}", proxy.log());
    assert_eq!(proxy.metric("pushonce_open_claims", &[]), 1.0);
    stage.client(&proxy, &["pull", "push"]).push("web:1.4.0", &image).expect_created();
}

#[test]
fn what_was_hidden_from_the_client_is_not_overwritten_by_the_account() {
    let stage = Stage::with_account(&["pull", "push"]);
    let faults = Faults::in_front_of(stage.granting.api().address());
    let proxy = with_account(Pushonce::in_front_of(&faults.url()).setting(NEVER), GATE).start();
    leave_a_claim_open(&stage, &proxy);
    let before = Image::random();
    stage.granting.registry.put_tag_behind_the_back("web:1.4.0", &before);
    // The client is told that there is no such tag, and the account's own look breaks.
    for fault in [Fault::Status(404), Fault::Cut] {
        faults.once(|request| request.is("HEAD", "/manifests/1.4.0"), fault);
    }
    stage.client(&proxy, &["pull"]).put_manifest("web:1.4.0", &Image::random().manifest).expect_refused();
    assert_eq!(stage.granting.registry.tag_digest("web:1.4.0"), Some(before.digest()));
    // Two for the push, two for the client, and one for the account alone.
    assert_eq!(faults.count("HEAD", "/manifests/1.4.0"), 5);
}

#[test]
fn with_basic_the_account_signs_in_by_its_password() {
    for (account, finishes) in [(Some((USER, PASSWORD)), true), (Some((USER, "wrong")), false), (None, false)] {
        let registry = Registry::with().basic_auth().start();
        let faults = Faults::in_front_of(registry.address());
        let builder = Pushonce::in_front_of(&faults.url()).setting(OFTEN);
        let proxy = match account {
            Some(account) => with_account(builder, account).start(),
            None => builder.start(),
        };
        let image = Image::random();
        faults.once(|request| request.is("PUT", "/manifests/1.4.0"), Fault::Cut);
        proxy.signed_in(USER, PASSWORD).push("web:1.4.0", &image).expect_unavailable();
        if finishes {
            wait_until_finished(&proxy);
            assert_eq!(registry.as_user().tag_digest("web:1.4.0"), Some(image.digest()));
        } else {
            wait_until_stuck(&proxy);
            assert_eq!(registry.as_user().tag_digest("web:1.4.0"), None);
        }
    }
}
