//! Deletes: what an immutable tag needs stays, everything else may go.

use crate::harness::image::sha256;
use crate::harness::{Answer, Fault, Image, Pushonce, Registry, Upstream};

use super::{Chain, DELETABLE, state, store};

#[test]
fn an_immutable_tag_is_not_deleted() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let image = Image::random();
    proxy.push("web:1.4.0", &image).expect_created();
    let refused = proxy.delete("web:1.4.0");
    assert_eq!(refused.expect_delete_refused(), "tag web:1.4.0 is immutable (rule \"releases\") and cannot be deleted");
    assert_eq!(refused.header("allow"), Some("GET, HEAD, PUT"));
    assert_eq!(registry.tag_digest("web:1.4.0"), Some(image.digest()));
}

#[test]
fn the_digest_of_an_immutable_tag_is_not_deleted() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let image = Image::random();
    proxy.push("web:1.4.0", &image).expect_created();
    proxy.push("web:latest", &image).expect_created();
    let digest = image.digest();
    let expected = format!(
        "manifest {}… is needed by tag web:1.4.0, which is immutable (rule \"releases\") and cannot be deleted",
        &digest[..19]
    );
    assert_eq!(proxy.delete(&format!("web@{digest}")).expect_delete_refused(), expected);
    assert_eq!(registry.tag_digest("web:1.4.0"), Some(digest));
}

#[test]
fn what_an_index_behind_an_immutable_tag_lists_is_not_deleted() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let (leaf, other) = (Image::random(), Image::random());
    let inner = Image::index(&[&leaf]);
    let outer = Image::index(&[&inner, &other]);
    proxy.push("web:1.4.0", &outer).expect_created();
    for needed in [&outer, &inner, &leaf, &other] {
        proxy.delete(&format!("web@{}", needed.digest())).expect_delete_refused();
        assert_eq!(registry.tag_digest(&format!("web@{}", needed.digest())), Some(needed.digest()));
    }
}

#[test]
fn tags_that_the_ledger_has_not_met_are_looked_up_first() {
    let registry = Registry::start();
    let child = Image::random();
    registry.put_tag_behind_the_back("web:1.4.0", &Image::index(&[&child]));
    let plain = Image::docker();
    registry.put_tag_behind_the_back("web:git-9f3c2a1", &plain);
    let proxy = Pushonce::start(&registry);
    for needed in [&child, &plain] {
        assert!(state(&proxy, "web", "2.0.0").is_none());
        proxy.delete(&format!("web@{}", needed.digest())).expect_delete_refused();
    }
    proxy.delete("web:git-9f3c2a1").expect_delete_refused();
    assert_eq!(registry.tags("web"), ["1.4.0", "git-9f3c2a1"]);
}

#[test]
fn what_no_immutable_tag_needs_may_go() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    proxy.push("web:1.4.0", &Image::random()).expect_created();
    let (loose, child) = (Image::random(), Image::random());
    let index = Image::index(&[&child]);
    store(&registry, "web", &loose);
    proxy.push("web:latest", &index).expect_created();
    for free in [&loose, &child, &index] {
        proxy.delete(&format!("web@{}", free.digest())).expect(202);
        registry.pull(&format!("web@{}", free.digest())).expect_not_found();
    }
    proxy.pull("web:latest").expect_not_found();
    proxy.pull("web:1.4.0").expect_ok();
}

#[test]
fn a_delete_of_nothing_is_answered_by_the_registry() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    proxy.push("web:1.4.0", &Image::random()).expect_created();
    proxy.delete(&format!("web@{}", sha256(b"unknown"))).expect_not_found().expect_code("MANIFEST_UNKNOWN");
    // docker-registry 2.8.2 takes no delete by tag, and says so itself.
    proxy.delete("web:latest").expect(400).expect_code("DIGEST_INVALID");
}

#[test]
fn blobs_stay_where_a_tag_may_be_immutable() {
    let policy =
        "[[rule]]\nname = \"releases\"\nrepositories = [\"driftwood/**\"]\ntags = [\"semver:x.y.z\"]\nmutability = \"immutable\"\n";
    let registry = Registry::start();
    let proxy = Pushonce::in_front_of(&registry.url()).policy(policy).start();
    let bytes = b"a blob";
    for repository in ["driftwood/web", "scratch"] {
        proxy.upload_blob(repository, bytes).expect_created();
    }
    let message = proxy.delete_blob("driftwood/web", &sha256(bytes)).expect_delete_refused();
    assert!(message.starts_with("blobs of driftwood/web cannot be deleted"), "{message}");
    registry.get_blob("driftwood/web", &sha256(bytes)).expect_ok();
    proxy.delete_blob("scratch", &sha256(bytes)).expect(202);
    registry.get_blob("scratch", &sha256(bytes)).expect_not_found();
}

#[test]
fn a_deleted_tag_is_burnt_for_ever() {
    let registry = Registry::start();
    let mut proxy = Pushonce::in_front_of(&registry.url()).policy(DELETABLE).start();
    let image = Image::random();
    proxy.push("web:1.4.0", &image).expect_created();
    proxy.pull("web:1.4.0").expect_ok();
    proxy.delete(&format!("web@{}", image.digest())).expect(202);
    assert_eq!(state(&proxy, "web", "1.4.0").as_deref(), Some("burnt"));

    for round in ["before a restart", "after it"] {
        for bytes in [&Image::random(), &image] {
            let message = proxy.push("web:1.4.0", bytes).expect_refused();
            assert!(message.contains("it was deleted on ") && message.contains(" and is never used again"), "{round}: {message}");
        }
        proxy.pull("web:1.4.0").expect_not_found().expect_code("MANIFEST_UNKNOWN");
        registry.put_tag_behind_the_back("web:1.4.0", &image);
        proxy.pull("web:1.4.0").expect_not_found();
        proxy.head("web:1.4.0").expect_not_found();
        proxy.restart();
    }
    proxy.push("web:1.4.1", &Image::random()).expect_created();
}

#[test]
fn a_tag_is_burnt_where_the_registry_deletes_by_tag() {
    // docker-registry 2.8.2 does not, so a stand-in that does.
    let image = Image::random();
    let (digest, bytes) = (image.digest(), image.manifest.bytes.clone());
    let upstream = Upstream::start(move |request| match request.method() {
        "DELETE" => Answer::status(202),
        "PUT" => Answer::status(201),
        _ => Answer::Respond { status: 200, headers: vec![("Docker-Content-Digest", digest.clone())], body: bytes.clone() },
    });
    let proxy = Pushonce::in_front_of(&upstream.url()).policy(DELETABLE).start();
    proxy.delete("web:1.4.0").expect(202);
    assert!(upstream.requests().iter().any(|request| request.is("DELETE", "/v2/web/manifests/1.4.0")));
    proxy.pull("web:1.4.0").expect_not_found();
    proxy.put_manifest("web:1.4.0", &image.manifest).expect_refused();
}

#[test]
fn a_tag_that_the_registry_did_not_delete_is_not_burnt() {
    let registry = Registry::start();
    let proxy = Pushonce::in_front_of(&registry.url()).policy(DELETABLE).start();
    let image = Image::random();
    proxy.push("web:1.4.0", &image).expect_created();
    proxy.delete("web:1.4.0").expect(400);
    assert_eq!(proxy.tag_digest("web:1.4.0"), Some(image.digest()));
    proxy.push("web:1.4.0", &image).expect_created();
}

#[test]
fn a_delete_that_is_answered_404_burns_nothing() {
    let Chain { proxy, faults, .. } = &Chain::under(DELETABLE);
    let image = Image::random();
    proxy.push("web:1.4.0", &image).expect_created();
    faults.when(|request| request.method() == "DELETE", Fault::Status(404));
    proxy.delete("web:1.4.0").expect(404);
    proxy.delete(&format!("web@{}", image.digest())).expect(404);
    assert_eq!(state(proxy, "web", "1.4.0").as_deref(), Some("sealed"));
    assert_eq!(proxy.tag_digest("web:1.4.0"), Some(image.digest()));
}

#[test]
fn a_digest_goes_only_if_every_tag_on_it_may_go() {
    let policy = format!("[[rule]]\nname = \"builds\"\ntags = [\"git-*\"]\nmutability = \"immutable\"\n{DELETABLE}");
    let registry = Registry::start();
    let proxy = Pushonce::in_front_of(&registry.url()).policy(&policy).start();
    let (image, child) = (Image::random(), Image::random());
    proxy.push("web:1.4.0", &image).expect_created();
    proxy.push("web:git-9f3c2a1", &image).expect_created();
    proxy.delete(&format!("web@{}", image.digest())).expect_delete_refused();
    assert_eq!(state(&proxy, "web", "1.4.0").as_deref(), Some("sealed"));

    proxy.push("web:1.5.0", &Image::index(&[&child])).expect_created();
    let message = proxy.delete(&format!("web@{}", child.digest())).expect_delete_refused();
    assert!(message.ends_with("is part of tag web:1.5.0; delete that tag first"), "{message}");
}
