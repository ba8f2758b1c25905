//! Real clients push a tag with upper-case letters to a registry that folds them.

use crate::harness::{Buildah, Client, Dockerd, OciClient, Podman, Skopeo};

use super::{FOLD, Stage};

/// As far as no client writes it in another way.
const REFUSAL: &str = "tag driftwood/web:v1.4.0 is immutable (rule ";

fn tell(client: &dyn Client) {
    let stage = Stage::with(FOLD);
    let name = |tag: &str| format!("{}/driftwood/web:{tag}", stage.proxy.address());
    client.build("first", "first");
    client.build("second", "second");
    for tag in ["V1.4.0", "v1.4.0", "V1.4.0"] {
        client.push("first", &name(tag)).expect_success();
    }
    let meant = stage.registry.tag_digest("driftwood/web:v1.4.0");
    for tag in ["v1.4.0", "V1.4.0"] {
        client.push("second", &name(tag)).expect_failure().expect_said(REFUSAL);
    }
    assert_eq!(stage.registry.tags("driftwood/web"), ["v1.4.0"]);
    assert_eq!(stage.registry.tag_digest("driftwood/web:v1.4.0"), meant);
    assert_eq!(Some(client.pulled_digest(&name("V1.4.0"))), meant, "{} pulled other bytes", client.name());
    client.push("second", &name("LATEST")).expect_success();
    assert_eq!(stage.registry.tags("driftwood/web"), ["latest", "v1.4.0"]);
    stage.expect_only_folded_names();
}

#[test]
fn skopeo_pushes_a_release_once_by_whatever_name() {
    tell(&Skopeo::new());
}

#[test]
fn docker_pushes_a_release_once_by_whatever_name() {
    tell(&Dockerd::start());
}

#[test]
fn podman_pushes_a_release_once_by_whatever_name() {
    tell(&Podman::new());
}

#[test]
fn buildah_pushes_a_release_once_by_whatever_name() {
    tell(&Buildah::new());
}

#[test]
fn the_rust_library_pushes_a_release_once_by_whatever_name() {
    tell(&OciClient::new());
}

#[test]
fn unknown_to_pushonce_a_client_overwrites_a_release_by_its_other_name() {
    let (stage, skopeo) = (Stage::with(""), Skopeo::new());
    let name = |tag: &str| format!("{}/driftwood/web:{tag}", stage.proxy.address());
    skopeo.build("first", "first");
    skopeo.build("second", "second");
    skopeo.push("first", &name("v1.4.0")).expect_success();
    let meant = stage.registry.tag_digest("driftwood/web:v1.4.0");
    skopeo.push("second", &name("V1.4.0")).expect_success();
    assert_ne!(stage.registry.tag_digest("driftwood/web:v1.4.0"), meant);
}
