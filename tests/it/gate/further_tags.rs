//! The further tags of a build: the same manifest again, from the same client, a moment
//! after.

use crate::harness::{Fault, Image};

use super::{Chain, DELETABLE, state};

/// A chain through which an image was pushed as `web:1.4.0`, and the number of requests
/// that the registry has seen by then.
fn pushed(image: &Image) -> (Chain, usize) {
    let chain = Chain::start();
    chain.proxy.push("web:1.4.0", image).expect_created();
    let seen = chain.manifest_requests().len();
    (chain, seen)
}

fn since(chain: &Chain, seen: usize) -> Vec<String> {
    chain.manifest_requests().split_off(seen)
}

#[test]
fn the_manifest_comes_with_the_tag_alone() {
    let image = Image::random();
    let (chain, mut seen) = pushed(&image);
    for tag in ["git-9f3c2a1", "1.4.1", "1.4.2"] {
        chain.proxy.push(&format!("web:{tag}"), &image).expect_created().expect_digest(&image.digest());
        assert_eq!(since(&chain, seen), [format!("HEAD {tag}"), format!("PUT {tag}")]);
        assert_eq!(state(&chain.proxy, "web", tag).as_deref(), Some("sealed"));
        assert_eq!(chain.registry.tag_digest(&format!("web:{tag}")), Some(image.digest()));
        seen += 2;
    }
    chain.proxy.push("web:1.4.1", &Image::random()).expect_refused();
}

#[test]
fn another_client_repository_or_manifest_brings_it_under_its_digest() {
    let image = Image::random();
    let (chain, seen) = pushed(&image);
    let brings = |name: &str| since(&chain, seen).iter().filter(|request| **request == name).count();
    let digest = format!("PUT {}", image.digest());

    let other = chain.proxy.signed_in("ci", "secret");
    other.push("web:1.4.1", &image).expect_created();
    assert_eq!(brings(&digest), 1, "another client");
    chain.proxy.push("api:1.4.0", &image).expect_created();
    assert_eq!(brings(&digest), 2, "another repository");
    let next = Image::random();
    chain.proxy.push("web:1.5.0", &next).expect_created();
    assert_eq!(brings(&format!("PUT {}", next.digest())), 1, "another manifest");
}

#[test]
fn what_may_be_deleted_is_not_believed_to_be_there() {
    let Chain { proxy, faults, registry } = Chain::under(DELETABLE);
    let image = Image::random();
    proxy.push("web:1.4.0", &image).expect_created();
    registry.delete(&format!("web@{}", image.digest())).expect(202);
    proxy.push("web:1.4.1", &image).expect_created();
    assert_eq!(faults.count("PUT", &format!("/manifests/{}", image.digest())), 2);
}

#[test]
fn a_client_that_may_not_is_refused_and_claims_nothing() {
    let image = Image::random();
    let (chain, _) = pushed(&image);
    chain.faults.when(|request| request.is("PUT", "/manifests/1.4.1"), Fault::Status(403));
    chain.proxy.push("web:1.4.1", &image).expect(403);
    assert_eq!(state(&chain.proxy, "web", "1.4.1"), None);
    chain.faults.heal();
    chain.proxy.push("web:1.4.1", &Image::random()).expect_created();
}

#[test]
fn a_tag_that_was_there_is_adopted() {
    let (image, there) = (Image::random(), Image::random());
    let (chain, _) = pushed(&image);
    chain.registry.put_tag_behind_the_back("web:1.4.1", &there);
    chain.registry.put_tag_behind_the_back("web:1.4.2", &image);
    chain.proxy.push("web:1.4.1", &image).expect_refused();
    assert_eq!(chain.registry.tag_digest("web:1.4.1"), Some(there.digest()));

    let seen = chain.manifest_requests().len();
    chain.proxy.push("web:1.4.2", &image).expect_created();
    assert_eq!(since(&chain, seen), ["HEAD 1.4.2".to_owned(), format!("PUT {}", image.digest())], "the registry was not asked");
    assert_eq!(state(&chain.proxy, "web", "1.4.2").as_deref(), Some("sealed"));
}

#[test]
fn the_same_tag_again_is_the_registry_s_to_allow() {
    let image = Image::random();
    let (chain, _) = pushed(&image);
    chain.proxy.push("web:1.4.0", &image).expect_created();
    chain.faults.when(|request| request.method() == "PUT", Fault::Status(403));
    chain.proxy.push("web:1.4.0", &image).expect(403);
    assert_eq!(state(&chain.proxy, "web", "1.4.0").as_deref(), Some("sealed"));
}

#[test]
fn a_claim_that_a_killed_proxy_left_is_finished_with_the_content_of_the_other_tag() {
    let image = Image::random();
    let (mut chain, _) = pushed(&image);
    chain.faults.when(|request| request.is("PUT", "/manifests/1.4.1"), Fault::Cut);
    chain.proxy.push("web:1.4.1", &image).expect_unavailable();
    assert_eq!(state(&chain.proxy, "web", "1.4.1").as_deref(), Some("open"));
    chain.proxy.kill9();
    chain.faults.heal();
    chain.proxy.restart();
    let message = chain.proxy.push("web:1.4.1", &Image::random()).expect_refused();
    assert!(message.contains(&image.digest()[..19]), "{message}");
    assert_eq!(chain.registry.tag_digest("web:1.4.1"), Some(image.digest()));
}
