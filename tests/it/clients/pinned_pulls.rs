//! What each client prints where a tag that moves has to be pulled by its digest.

use super::REPOSITORY;
use super::document::expect_pull;
use crate::harness::{Buildah, Client, Containerd, Dockerd, Dxf, Helm, Image, OciClient, Podman, Pushonce, Registry, Skopeo};

const RULE: &str = "[[pull]]\nname = \"production\"\naction = \"refuse\"\n";
/// Under this policy it moves, and helm pulls no other kind of tag.
const TAG: &str = "1.4.0";

struct Stage {
    _registry: Registry,
    proxy: Pushonce,
    digest: String,
}

/// A client that pulls the tag is refused, and shows the digest to pin.
fn refused(client: &dyn Client, command: &str) -> Stage {
    let registry = Registry::start();
    let image = Image::docker();
    registry.push(&format!("{REPOSITORY}:{TAG}"), &image).expect_created();
    let proxy = Pushonce::in_front_of(&registry.url()).policy(RULE).start();
    let run = client.pull(&format!("{}/{REPOSITORY}:{TAG}", proxy.address())).expect_failure();
    let advice = format!(
        "tag {REPOSITORY}:{TAG} moves and cannot be pulled here (pull rule \"production\"): pull {REPOSITORY}@{}",
        image.digest()
    );
    let plain = format!("{}{}", run.stdout, run.stderr).replace('\\', "");
    assert!(plain.lines().any(|line| line.contains(&advice)), "{} does not show the advice in one line: {run}", client.name());
    let requests = proxy.metric("pushonce_requests_total", &[("kind", "pull"), ("verdict", "refused")]);
    expect_pull(command, &run, proxy.address(), requests);
    Stage { _registry: registry, proxy, digest: image.digest() }
}

/// The same, and it does as it is told.
fn refused_and_advised(client: &dyn Client, command: &str) {
    let stage = refused(client, command);
    let pinned = format!("{}/{REPOSITORY}@{}", stage.proxy.address(), stage.digest);
    assert_eq!(client.pulled_digest(&pinned), stage.digest, "{}", client.name());
}

#[test]
fn docker_shows_the_digest_to_pin() {
    refused_and_advised(&Dockerd::start(), "docker pull");
}

#[test]
fn containerd_shows_the_digest_to_pin() {
    refused_and_advised(&Containerd::start(), "ctr content fetch");
}

#[test]
fn podman_shows_the_digest_to_pin() {
    refused_and_advised(&Podman::new(), "podman pull");
}

#[test]
fn buildah_shows_the_digest_to_pin() {
    refused(&Buildah::new(), "buildah pull");
}

#[test]
fn skopeo_shows_the_digest_to_pin() {
    refused_and_advised(&Skopeo::new(), "skopeo copy");
}

#[test]
fn oci_client_shows_the_digest_to_pin() {
    refused_and_advised(&OciClient::new(), "oci-client pull");
}

#[test]
fn the_python_clients_show_the_digest_to_pin() {
    refused(&Dxf::new(), "dxf get-manifest");
    refused(&Helm::new(), "helm pull");
}
