//! What each client prints where a tag that moves has to be pulled by its digest.

use super::REPOSITORY;
use crate::harness::{Client, Containerd, Dockerd, Image, Podman, Pushonce, Registry, Skopeo};

const RULE: &str = "[[pull]]\nname = \"production\"\naction = \"refuse\"\n";

fn refused(client: &dyn Client) {
    let registry = Registry::start();
    let image = Image::docker();
    registry.push(&format!("{REPOSITORY}:latest"), &image).expect_created();
    let proxy = Pushonce::in_front_of(&registry.url()).policy(RULE).start();
    let name = format!("{}/{REPOSITORY}", proxy.address());
    let run = client.pull(&format!("{name}:latest")).expect_failure();
    let advice = format!("pull {REPOSITORY}@{}", image.digest());
    assert!(run.stderr.contains(&advice) || run.stdout.contains(&advice), "{} does not show the advice: {run}", client.name());
    assert_eq!(client.pulled_digest(&format!("{name}@{}", image.digest())), image.digest(), "{}", client.name());
}

#[test]
fn docker_shows_the_digest_to_pin() {
    refused(&Dockerd::start());
}

#[test]
fn containerd_shows_the_digest_to_pin() {
    refused(&Containerd::start());
}

#[test]
fn podman_shows_the_digest_to_pin() {
    refused(&Podman::new());
}

#[test]
fn skopeo_shows_the_digest_to_pin() {
    refused(&Skopeo::new());
}
