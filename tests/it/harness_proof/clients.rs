//! The real clients, directly on the real registry.

use std::fs;

use crate::harness::registry::{PASSWORD, USER};
use crate::harness::{Buildah, Client, Dockerd, Image, Podman, Registry, Skopeo};

/// Pushes, pulls back and compares; then the same with a password.
fn prove(client: &dyn Client) {
    let registry = Registry::start();
    let name = format!("{}/driftwood/web:1.4.0", registry.address());
    client.build("driftwood-web", "first");
    client.push("driftwood-web", &name).expect_success();
    let digest = registry.tag_digest("driftwood/web:1.4.0").expect("the pushed tag");
    assert_eq!(client.pulled_digest(&name), digest, "what {} pulled", client.name());

    let image = Image::random();
    registry.put_tag_behind_the_back("driftwood/web:1.4.1", &image);
    let other = format!("{}/driftwood/web:1.4.1", registry.address());
    assert_eq!(client.pulled_digest(&other), image.digest(), "what {} pulled of ours", client.name());

    let closed = Registry::with().basic_auth().start();
    let name = format!("{}/driftwood/web:1.4.0", closed.address());
    client.push("driftwood-web", &name).expect_failure();
    client.login(closed.address(), USER, PASSWORD);
    client.push("driftwood-web", &name).expect_success();
    assert!(closed.as_user().tag_digest("driftwood/web:1.4.0").is_some());
    let missing = format!("{}/driftwood/web:9.9.9", closed.address());
    client.pull(&missing).expect_failure().expect_said("manifest unknown");
}

#[test]
fn skopeo_pushes_and_pulls() {
    prove(&Skopeo::new());
}

#[test]
fn podman_pushes_and_pulls() {
    prove(&Podman::new());
}

#[test]
fn buildah_pushes_and_pulls() {
    prove(&Buildah::new());
}

#[test]
fn docker_pushes_and_pulls() {
    prove(&Dockerd::start());
}

#[test]
fn skopeo_carries_our_bytes_and_deletes_by_digest() {
    let (registry, skopeo) = (Registry::start(), Skopeo::new());
    for (tag, image) in [("oci", Image::random()), ("docker", Image::docker())] {
        let name = format!("{}/web:{tag}", registry.address());
        skopeo.push_image(&image, &name).expect_success();
        assert_eq!(registry.tag_digest(&format!("web:{tag}")), Some(image.digest()));
        skopeo.delete(&name).expect_success();
        assert_eq!(registry.tag_digest(&format!("web:{tag}")), None);
    }
}

#[test]
fn docker_pushes_all_tags_of_a_repository() {
    let (registry, docker) = (Registry::start(), Dockerd::start());
    let repository = format!("{}/driftwood/web", registry.address());
    docker.build("build", "content");
    let tags = ["1.4", "1.4.0", "git-9f3c2a1", "latest"];
    for tag in tags {
        docker.tag("build", &format!("{repository}:{tag}"));
    }
    docker.push_all_tags(&repository).expect_success();
    assert_eq!(registry.tags("driftwood/web"), tags);
}

#[test]
fn docker_leaves_nothing_behind() {
    let docker = Dockerd::start();
    docker.build("build", "content");
    let directory = docker.directory().to_owned();
    let pid = docker.pid();
    drop(docker);
    assert!(!directory.exists(), "files are left in {}", directory.display());
    assert!(!fs::exists(format!("/proc/{pid}")).expect("a look at the processes"), "dockerd still runs");
    let text = directory.display().to_string();
    assert!(!fs::read_to_string("/proc/self/mounts").expect("the mounts").contains(&text), "mounts are left");
    let left =
        fs::read_dir("/proc").expect("the processes").flatten().filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    let left: Vec<String> =
        left.map(|line| String::from_utf8_lossy(&line).into_owned()).filter(|line| line.contains(&text)).collect();
    assert!(left.is_empty(), "still running: {left:?}");
}
