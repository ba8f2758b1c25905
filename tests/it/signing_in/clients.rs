//! The real clients sign in through the proxy in every way that a registry knows.

use std::sync::Arc;

use crate::harness::registry::{PASSWORD, USER};
use crate::harness::{Algorithm, Client, Dockerd, Podman, Pushonce, Registry, Skopeo, TokenServer};

fn with_tokens(algorithm: Algorithm) -> Registry {
    let tokens = Arc::new(TokenServer::signing_with(algorithm));
    tokens.user(USER, PASSWORD, &["pull", "push", "delete"]);
    Registry::with().token_auth(&tokens).start()
}

/// Refused with a wrong password; with the right one a release is pushed once,
/// pushed again as it is, pulled, and never pushed with other bytes.
fn prove(client: &dyn Client) {
    client.build("first", "first");
    client.build("second", "second");
    let registries = [
        ("Basic", Registry::with().basic_auth().start()),
        ("RS256", with_tokens(Algorithm::Rs256)),
        ("ES256", with_tokens(Algorithm::Es256)),
    ];
    for (way, registry) in &registries {
        let proxy = Pushonce::start(registry);
        let name = format!("{}/driftwood/web:1.4.0", proxy.address());
        client.login(proxy.address(), USER, "wrong");
        client.push("first", &name).expect_failure();
        client.login(proxy.address(), USER, PASSWORD);
        client.push("first", &name).expect_success();
        let digest = client.pulled_digest(&name);
        client.push("first", &name).expect_success();
        let meaning = format!("it means {}…", &digest[..19]);
        client.push("second", &name).expect_failure().expect_said(&meaning);
        assert_eq!(client.pulled_digest(&name), digest, "{} with {way}", client.name());
        let status = registry.request("GET", "/v2/driftwood/web/tags/list").send().status;
        assert_eq!(status, 401, "the registry asks nobody who they are, so {way} proves nothing");
    }
}

#[test]
fn skopeo_signs_in() {
    prove(&Skopeo::new());
}

#[test]
fn podman_signs_in() {
    prove(&Podman::new());
}

#[test]
fn docker_signs_in() {
    prove(&Dockerd::start());
}
