//! Clients that push the manifest of each platform to the tag, and then the index.

use crate::harness::exchange::Exchange;
use crate::harness::image::Manifest;
use crate::harness::{Image, Pushonce, Registry};

const SETTLED: &str = r#"
[[rule]]
name = "releases"
tags = ["semver:x.y.z"]
mutability = "immutable"
multi_arch = "settle"
"#;

/// A registry that holds two platforms and their index by digest.
fn stage(policy: &str) -> (Registry, Pushonce, [Image; 2], Image) {
    let registry = Registry::start();
    let proxy = Pushonce::in_front_of(&registry.url()).policy(policy).start();
    let platforms = [(); 2].map(|()| Image::random());
    let index = Image::index(&[&platforms[0], &platforms[1]]);
    for image in &platforms {
        registry.push(&format!("web@{}", image.digest()), image).expect_created();
    }
    (registry, proxy, platforms, index)
}

/// As one client pushes.
fn put(proxy: &Pushonce, tag: &str, manifest: &Manifest, client: &str) -> Exchange {
    let draft = proxy.request("PUT", &format!("/v2/web/manifests/{tag}")).header("User-Agent", client);
    draft.header("Content-Type", &manifest.media_type).body(&manifest.bytes).send()
}

#[test]
fn an_image_is_assembled_on_its_tag() {
    let (registry, proxy, [one, two], index) = stage(SETTLED);
    let push = |image: &Image| put(&proxy, "1.4.0", &image.manifest, "buildx/0.10");
    push(&one).expect_created();
    // The second platform is stored, and the tag stays what it is.
    push(&two).expect_created().expect_digest(&two.digest());
    proxy.pull("web:1.4.0").expect_ok().expect_digest(&one.digest());
    assert_eq!(registry.tag_digest("web:1.4.0"), Some(one.digest()));
    push(&index).expect_created().expect_digest(&index.digest());
    proxy.pull("web:1.4.0").expect_ok().expect_digest(&index.digest());
    assert_eq!(registry.tag_digest("web:1.4.0"), Some(index.digest()));

    // Once: no manifest and no index follows.
    for image in [&one, &two, &Image::index(&[&one]), &Image::random()] {
        registry.push(&format!("web@{}", image.digest()), image).expect_created();
        push(image).expect_refused();
    }
    push(&index).expect_created();
    proxy.pull("web:1.4.0").expect_ok().expect_digest(&index.digest());
}

#[test]
fn only_the_same_pusher_and_an_index_that_lists_it() {
    let (registry, proxy, [one, two], index) = stage(SETTLED);
    put(&proxy, "1.4.0", &one.manifest, "buildx/0.10").expect_created();
    for client in ["buildx/0.11", "docker"] {
        put(&proxy, "1.4.0", &index.manifest, client).expect_refused();
        put(&proxy, "1.4.0", &two.manifest, client).expect_refused();
    }
    let without = Image::index(&[&two]);
    registry.push(&format!("web@{}", without.digest()), &without).expect_created();
    put(&proxy, "1.4.0", &without.manifest, "buildx/0.10").expect_refused();
    put(&proxy, "1.4.0", &index.manifest, "buildx/0.10").expect_created();
}

#[test]
fn the_refusal_says_how_it_is_switched_on() {
    let policy = SETTLED.replace("multi_arch = \"settle\"\n", "");
    let (_registry, proxy, [one, two], index) = stage(&policy);
    put(&proxy, "1.4.0", &one.manifest, "buildx/0.10").expect_created();
    let message = put(&proxy, "1.4.0", &index.manifest, "buildx/0.10").expect_refused();
    let hint = "for clients that push each platform to the tag first, set multi_arch = \"settle\" in the rule";
    assert!(message.ends_with(hint), "{message}");
    // Another platform looks like any other push of the tag.
    let message = put(&proxy, "1.4.0", &two.manifest, "buildx/0.10").expect_refused();
    assert!(!message.contains("multi_arch"), "{message}");
}
