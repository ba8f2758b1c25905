//! What breaks in the middle of a push, and who finishes it.

use std::time::Duration;

use crate::harness::process::eventually;
use crate::harness::{Fault, Gate, Image};

use super::{Chain, send_push, state};

const PATIENCE: Duration = Duration::from_secs(20);

/// A push of 1.4.0 whose PUT of the tag never arrives, and a proxy that was killed
/// and started again since.
fn chain_with_an_open_claim(image: &Image) -> Chain {
    let mut chain = Chain::start();
    chain.faults.when(|request| request.is("PUT", "/manifests/1.4.0"), Fault::Cut);
    chain.proxy.push("web:1.4.0", image).expect_unavailable();
    chain.proxy.kill9();
    chain.faults.heal();
    chain.proxy.restart();
    assert_eq!(state(&chain.proxy, "web", "1.4.0").as_deref(), Some("open"));
    assert_eq!(chain.proxy.metric("pushonce_open_claims", &[]), 1.0);
    assert_eq!(chain.registry.tag_digest("web:1.4.0"), None);
    chain
}

#[test]
fn an_open_claim_is_rolled_forward_by_whoever_comes_with_other_bytes() {
    let claimed = Image::random();
    let chain = chain_with_an_open_claim(&claimed);
    let message = chain.proxy.push("web:1.4.0", &Image::random()).expect_refused();
    assert!(message.contains(&claimed.digest()[..19]), "{message}");
    assert_eq!(chain.registry.tag_digest("web:1.4.0"), Some(claimed.digest()));
    assert_eq!(state(&chain.proxy, "web", "1.4.0").as_deref(), Some("sealed"));
    assert_eq!(chain.proxy.metric("pushonce_open_claims", &[]), 0.0);
}

#[test]
fn an_open_claim_is_finished_by_whoever_comes_with_the_same_bytes() {
    let claimed = Image::random();
    let chain = chain_with_an_open_claim(&claimed);
    chain.proxy.push("web:1.4.0", &claimed).expect_created();
    assert_eq!(chain.registry.tag_digest("web:1.4.0"), Some(claimed.digest()));
    chain.proxy.push("web:1.4.0", &Image::random()).expect_refused();
}

#[test]
fn a_pull_does_not_point_a_tag_that_is_only_claimed() {
    let claimed = Image::random();
    let chain = chain_with_an_open_claim(&claimed);
    chain.proxy.pull("web:1.4.0").expect_not_found().expect_code("MANIFEST_UNKNOWN");
    assert_eq!(chain.registry.tag_digest("web:1.4.0"), None);
    chain.proxy.push("web:1.4.0", &claimed).expect_created();
}

#[test]
fn a_tag_whose_answer_was_lost_is_what_was_pushed() {
    for finish in ["pull", "same", "other"] {
        let chain = Chain::start();
        let image = Image::random();
        chain.faults.once(|request| request.is("PUT", "/manifests/1.4.0"), Fault::LoseAnswer);
        chain.proxy.push("web:1.4.0", &image).expect_unavailable();
        assert_eq!(state(&chain.proxy, "web", "1.4.0").as_deref(), Some("open"));
        match finish {
            "pull" => assert_eq!(chain.proxy.tag_digest("web:1.4.0"), Some(image.digest())),
            "same" => drop(chain.proxy.push("web:1.4.0", &image).expect_created()),
            _ => drop(chain.proxy.push("web:1.4.0", &Image::random()).expect_refused()),
        }
        assert_eq!(state(&chain.proxy, "web", "1.4.0").as_deref(), Some("sealed"), "after {finish}");
        assert_eq!(chain.registry.tag_digest("web:1.4.0"), Some(image.digest()), "after {finish}");
    }
}

#[test]
fn a_put_that_lands_late_does_no_harm() {
    let mut chain = Chain::start();
    let image = Image::random();
    chain.proxy.push(&format!("web@{}", image.digest()), &image).expect_created();
    let gate = Gate::default();
    chain.faults.once(|request| request.is("PUT", "/manifests/1.4.0"), Fault::Hold(gate.clone()));
    let client = send_push(chain.proxy.address(), "/v2/web/manifests/1.4.0", &image);
    gate.wait_until_reached();
    chain.proxy.kill9();
    drop(client);
    chain.proxy.restart();

    chain.proxy.push("web:1.4.0", &Image::random()).expect_refused();
    assert_eq!(chain.registry.tag_digest("web:1.4.0"), Some(image.digest()));
    // Somebody moves it behind the back, so that the late PUT can be seen to land.
    let moved = Image::random();
    chain.registry.put_tag_behind_the_back("web:1.4.0", &moved);
    gate.open();
    let landed = || chain.registry.tag_digest("web:1.4.0").filter(|digest| *digest != moved.digest());
    assert_eq!(eventually(PATIENCE, "the late PUT lands", landed), image.digest());
    assert_eq!(chain.proxy.tag_digest("web:1.4.0"), Some(image.digest()));
}

#[test]
fn a_push_is_finished_though_its_client_hangs_up() {
    let chain = Chain::start();
    let image = Image::random();
    chain.proxy.push(&format!("web@{}", image.digest()), &image).expect_created();
    let gate = Gate::default();
    chain.faults.once(|request| request.is("PUT", "/manifests/1.4.0"), Fault::Hold(gate.clone()));
    let client = send_push(chain.proxy.address(), "/v2/web/manifests/1.4.0", &image);
    gate.wait_until_reached();
    drop(client);
    assert_eq!(state(&chain.proxy, "web", "1.4.0").as_deref(), Some("open"));
    gate.open();
    let sealed = || state(&chain.proxy, "web", "1.4.0").filter(|state| state == "sealed");
    eventually(PATIENCE, "the push is confirmed", sealed);
    assert_eq!(chain.registry.tag_digest("web:1.4.0"), Some(image.digest()));
    chain.proxy.push("web:1.4.0", &Image::random()).expect_refused();
}

#[test]
fn a_look_that_fails_now_and_then_is_made_again() {
    let chain = Chain::start();
    for _ in 0..2 {
        chain.faults.once(|request| request.is("HEAD", "/manifests/1.4.0"), Fault::Status(500));
    }
    chain.proxy.push("web:1.4.0", &Image::random()).expect_created();
    assert_eq!(chain.faults.count("HEAD", "/manifests/1.4.0"), 3);
}

#[test]
fn a_look_that_never_succeeds_points_nothing() {
    let chain = Chain::start();
    chain.faults.when(|request| request.is("HEAD", "/manifests/1.4.0"), Fault::Status(500));
    chain.proxy.push("web:1.4.0", &Image::random()).expect_unavailable();
    assert_eq!(chain.faults.count("PUT", "/manifests/1.4.0"), 0);
    assert_eq!(chain.registry.tag_digest("web:1.4.0"), None);
    assert_eq!(state(&chain.proxy, "web", "1.4.0"), None);
    chain.faults.heal();
    chain.proxy.push("web:1.4.0", &Image::random()).expect_created();
}

#[test]
fn a_push_while_the_registry_is_away_names_nothing() {
    let mut chain = Chain::start();
    let image = Image::random();
    chain.proxy.push("web:1.4.0", &image).expect_created();
    chain.registry.stop();
    chain.proxy.put_manifest("web:1.4.1", &image.manifest).expect_unavailable();
    chain.registry.start_again();
    assert_eq!(state(&chain.proxy, "web", "1.4.1"), None);
    chain.proxy.push("web:1.4.1", &Image::random()).expect_created();
}
