//! The first push of an immutable tag, and every one after it.

use std::thread;

use crate::harness::image::{Manifest, sha512};
use crate::harness::{Answer, Fault, Image, Pushonce, Registry, Upstream};

use super::{Chain, state};

#[test]
fn the_digest_comes_first_then_the_look_then_the_tag() {
    let chain = Chain::start();
    let image = Image::random();
    chain.proxy.push("web:1.4.0", &image).expect_created().expect_digest(&image.digest());
    let digest = image.digest();
    let mut requests = chain.manifest_requests();
    // Looked at as well, at the same time: whether the registry shows this client what it
    // has just stored.
    requests[1..3].sort();
    let looks = ["HEAD 1.4.0".to_owned(), format!("HEAD {digest}")];
    assert_eq!(requests, [&[format!("PUT {digest}")], &looks[..], &["PUT 1.4.0".to_owned()]].concat());
    assert_eq!(chain.registry.tag_digest("web:1.4.0"), Some(digest));
    assert_eq!(state(&chain.proxy, "web", "1.4.0").as_deref(), Some("sealed"));
}

#[test]
fn who_was_shown_the_repository_a_moment_ago_is_believed_when_a_tag_is_absent() {
    let chain = Chain::start();
    for tag in ["1.4.0", "1.4.1", "1.4.2"] {
        chain.proxy.push(&format!("web:{tag}"), &Image::random()).expect_created();
    }
    let looks = chain.manifest_requests().into_iter().filter(|request| request.starts_with("HEAD sha256:"));
    assert_eq!(looks.count(), 1);
}

#[test]
fn nothing_is_named_when_the_registry_rejects_the_content() {
    for (status, seen) in [(403, 403), (400, 400), (500, 503)] {
        let chain = Chain::start();
        chain
            .faults
            .when(|request| request.method() == "PUT" && request.target().contains("/manifests/sha256:"), Fault::Status(status));
        chain.proxy.push("web:1.4.0", &Image::random()).expect(seen);
        assert_eq!(chain.faults.count("PUT", "/manifests/1.4.0"), 0);
        assert_eq!(state(&chain.proxy, "web", "1.4.0"), None, "a rejected push claimed the tag");
        chain.faults.heal();
        chain.proxy.push("web:1.4.0", &Image::random()).expect_created();
    }
}

#[test]
fn an_image_whose_layers_are_missing_names_nothing() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let image = Image::random();
    proxy.put_manifest("web:1.4.0", &image.manifest).expect_code("MANIFEST_BLOB_UNKNOWN");
    assert_eq!(state(&proxy, "web", "1.4.0"), None);
    proxy.push("web:1.4.0", &Image::random()).expect_created();
}

#[test]
fn an_identical_repush_is_created_again() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let (image, index) = (Image::random(), Image::index(&[&Image::random(), &Image::docker()]));
    for (name, image) in [("web:1.4.0", &image), ("web:git-9f3c2a1", &index)] {
        for _ in 0..3 {
            proxy.push(name, image).expect_created().expect_digest(&image.digest());
        }
        assert_eq!(registry.tag_digest(name), Some(image.digest()));
    }
}

#[test]
fn other_bytes_are_refused_and_the_old_stay() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let first = Image::random();
    proxy.push("web:1.4.0", &first).expect_created();
    for second in [Image::random(), Image::docker(), Image::index(&[&first])] {
        proxy.push("web:1.4.0", &second).expect_refused();
        assert_eq!(registry.tag_digest("web:1.4.0"), Some(first.digest()));
    }
    assert_eq!(proxy.pull("web:1.4.0").expect_ok().body, first.manifest.bytes);
}

#[test]
fn a_refused_push_stores_nothing() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    proxy.push("web:1.4.0", &Image::random()).expect_created();
    let second = Image::random();
    proxy.push("web:1.4.0", &second).expect_refused();
    registry.pull(&format!("web@{}", second.digest())).expect_not_found();
}

#[test]
fn a_repush_points_a_lost_tag_again() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let image = Image::random();
    proxy.push("web:1.4.0", &image).expect_created();
    registry.delete(&format!("web@{}", image.digest())).expect(202);
    registry.pull("web:1.4.0").expect_not_found();

    proxy.push("web:1.4.0", &Image::random()).expect_refused();
    proxy.push("web:1.4.0", &image).expect_created();
    assert_eq!(registry.tag_digest("web:1.4.0"), Some(image.digest()));
    assert_eq!(proxy.tag_digest("web:1.4.0"), Some(image.digest()));
}

#[test]
fn a_repush_points_a_moved_tag_back() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let image = Image::random();
    proxy.push("web:1.4.0", &image).expect_created();
    registry.put_tag_behind_the_back("web:1.4.0", &Image::random());
    proxy.push("web:1.4.0", &image).expect_created();
    assert_eq!(registry.tag_digest("web:1.4.0"), Some(image.digest()));
    assert_eq!(proxy.metric("pushonce_drift_total", &[]), 1.0);
}

#[test]
fn of_many_pushes_at_once_one_wins() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let images: Vec<Image> = (0..8).map(|_| Image::random()).collect();
    let statuses: Vec<u16> = thread::scope(|scope| {
        let push = |image| {
            let proxy = &proxy;
            scope.spawn(move || proxy.push("web:1.4.0", image).status)
        };
        let pushes: Vec<_> = images.iter().map(push).collect();
        pushes.into_iter().map(|push| push.join().expect("a push")).collect()
    });
    let winners: Vec<&Image> = images.iter().zip(&statuses).filter(|(_, status)| **status == 201).map(|(image, _)| image).collect();
    assert_eq!(winners.len(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 7, "{statuses:?}");
    assert_eq!(registry.tag_digest("web:1.4.0"), Some(winners[0].digest()));
}

#[test]
fn many_pushes_of_the_same_bytes_all_succeed() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let image = Image::random();
    // The blobs once: docker-registry loses sight of one that is uploaded twice at a time.
    proxy.push("web:latest", &image).expect_created();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| proxy.put_manifest("web:1.4.0", &image.manifest).expect_created().status);
        }
    });
    assert_eq!(registry.tag_digest("web:1.4.0"), Some(image.digest()));
}

#[test]
fn a_push_by_sha512_means_the_same_bytes_as_one_by_sha256() {
    // docker-registry 2.8.2 takes sha256 only, so a stand-in that takes both.
    let image = Image::random();
    let (ours, bytes) = (sha512(&image.manifest.bytes), image.manifest.bytes.clone());
    let pointed = ours.clone();
    let upstream = Upstream::start(move |request| match request.method() {
        "PUT" => Answer::status(201),
        "HEAD" if request.target().contains("sha512") => digest_answer(&pointed, &bytes),
        "HEAD" => Answer::status(404),
        "GET" if request.target().contains("/manifests/") => digest_answer(&pointed, &bytes),
        _ => Answer::status(200),
    });
    let proxy = Pushonce::in_front_of(&upstream.url()).setting("pulls.drift_check_interval = \"0s\"").start();
    let pushed = put(&proxy, &format!("/v2/web/manifests/{ours}?tag=1.4.0"), &image.manifest);
    assert_eq!(pushed.expect_created().header("oci-tag"), Some("1.4.0"));
    assert!(upstream.requests().iter().any(|request| request.is("PUT", &ours)));

    proxy.put_manifest("web:1.4.0", &image.manifest).expect_created();
    proxy.pull("web:1.4.0").expect_ok().expect_digest(&ours);
    let message = proxy.put_manifest("web:1.4.0", &Image::random().manifest).expect_refused();
    assert!(message.contains(&ours[..19]), "{message}");
    let wrong = put(&proxy, &format!("/v2/web/manifests/{}?tag=1.4.1", sha512(b"")), &image.manifest);
    wrong.expect(400).expect_code("DIGEST_INVALID");
}

fn put(proxy: &Pushonce, target: &str, manifest: &Manifest) -> crate::harness::exchange::Exchange {
    proxy.request("PUT", target).header("Content-Type", &manifest.media_type).body(&manifest.bytes).send()
}

fn digest_answer(digest: &str, bytes: &[u8]) -> Answer {
    Answer::Respond { status: 200, headers: vec![("Docker-Content-Digest", digest.to_owned())], body: bytes.to_vec() }
}
