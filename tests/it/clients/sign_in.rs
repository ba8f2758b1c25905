//! Each client signs in to the registry through the proxy, by the registry's own
//! challenge.

use super::{REPOSITORY, Stage};
use crate::harness::registry::{PASSWORD, USER};
use crate::harness::{Client, Containerd, Helm, Image, OciClient, Oras, Pushonce, Registry};

/// Without a password nothing passes; with one a release is pushed once.
fn expect_signed_in(client: &dyn Client) {
    let registry = Registry::with().basic_auth().start();
    let stage = Stage { proxy: Pushonce::start(&registry), registry };
    let name = stage.name("1.4.0");
    client.build("first", "first");
    client.build("second", "second");
    let tag = || stage.registry.as_user().tag_digest(&format!("{REPOSITORY}:1.4.0"));
    // Some clients try for minutes where they cannot sign in, so this is no client.
    stage.proxy.push(&format!("{REPOSITORY}:1.4.0"), &Image::random()).expect(401);

    client.login(stage.proxy.address(), USER, PASSWORD);
    client.push("first", &name).expect_success();
    let first = tag().expect("the pushed tag");
    client.push("first", &name).expect_success();
    client.push("second", &name).expect_failure();
    assert_eq!(tag(), Some(first.clone()));
    assert_eq!(client.pulled_digest(&name), first);
}

#[test]
fn containerd_signs_in() {
    expect_signed_in(&Containerd::start());
}

#[test]
fn helm_signs_in() {
    expect_signed_in(&Helm::new());
}

#[test]
fn the_rust_library_signs_in() {
    expect_signed_in(&OciClient::new());
}

#[test]
fn the_python_sdk_of_oras_signs_in() {
    expect_signed_in(&Oras::new());
}
