//! Tags that move, as clients push them: forward, and with every entry kept.

use serde_json::Value;

use super::{REPOSITORY, Stage};
use crate::harness::image::Manifest;
use crate::harness::{Client, Dockerd, Image, Podman, Pushonce, Registry, Skopeo};

const FOLLOWED: &str = r#"
referrers = "append-only"

[[rule]]
name = "releases"
tags = ["semver:x.y.z"]
mutability = "immutable"

[[rule]]
name = "shortcuts"
tags = ["latest", "semver:x.y", "semver:x"]
mutability = "forward-only"
"#;

fn stage() -> Stage {
    let registry = Registry::start();
    let proxy = Pushonce::in_front_of(&registry.url()).policy(FOLLOWED).start();
    Stage { registry, proxy }
}

#[test]
fn docker_pushes_all_tags_of_a_release_and_a_hotfix_does_not_drag_latest_back() {
    let (stage, docker) = (stage(), Dockerd::start());
    let repository = format!("{}/{REPOSITORY}", stage.proxy.address());
    docker.build("newest", "newest");
    for tag in ["1", "1.4", "1.4.2", "latest"] {
        docker.tag("newest", &stage.name(tag));
    }
    docker.push_all_tags(&repository).expect_success();
    let newest = stage.digest("1.4.2");
    docker.build("hotfix", "hotfix");
    for tag in ["1.3", "1.3.9", "latest"] {
        docker.tag("hotfix", &stage.name(tag));
    }
    for tag in ["1.3", "1.3.9"] {
        docker.run(&["push", &stage.name(tag)]).expect_success();
    }
    let refused = docker.run(&["push", &stage.name("latest")]).expect_failure();
    let line = format!(
        "denied: tag {REPOSITORY}:latest is forward-only (rule \"shortcuts\"): it follows 1.4.2, and these bytes are 1.3.9, which is older"
    );
    assert!(refused.stderr.lines().any(|said| said.starts_with(&line)), "no line begins {line:?}\n{refused}");
    assert_eq!(stage.digest("latest"), newest);
    assert_ne!(stage.digest("1.3"), newest);
}

#[test]
fn podman_reads_which_release_a_tag_follows() {
    let (stage, podman) = (stage(), Podman::new());
    for (image, tags) in [("old", &["1.4.1"][..]), ("new", &["1.4.2", "1.4"])] {
        podman.build(image, image);
        for tag in tags {
            podman.push(image, &stage.name(tag)).expect_success();
        }
    }
    podman.push("old", &stage.name("1.4")).expect_failure().expect_said("it follows 1.4.2, and these bytes are 1.4.1");
    assert_eq!(stage.digest("1.4"), stage.digest("1.4.2"));
}

/// An artifact with the layers of both.
fn together(one: &Image, other: &Image) -> Image {
    let read = |image: &Image| serde_json::from_slice::<Value>(&image.manifest.bytes).expect("a manifest");
    let (mut manifest, more) = (read(one), read(other));
    let layers = more["layers"].as_array().expect("layers").clone();
    manifest["layers"].as_array_mut().expect("layers").extend(layers);
    let blobs = one.blobs.iter().chain(&other.blobs).cloned().collect();
    Image { manifest: Manifest::new(&one.manifest.media_type, manifest.to_string().as_bytes()), blobs, children: Vec::new() }
}

#[test]
fn skopeo_adds_a_signature_and_takes_none_away() {
    let (stage, skopeo) = (stage(), Skopeo::new());
    let tag = format!("sha256-{}.sig", "a".repeat(64));
    let (one, other) = (Image::random(), Image::random());
    skopeo.push_image(&one, &stage.name(&tag)).expect_success();
    skopeo.push_image(&together(&one, &other), &stage.name(&tag)).expect_success();
    let both = stage.digest(&tag);
    skopeo.push_image(&other, &stage.name(&tag)).expect_failure().expect_said("leaves out 1 of its 2 entries");
    assert_eq!(stage.digest(&tag), both);
}
