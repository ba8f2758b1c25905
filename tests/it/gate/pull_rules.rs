//! Tags that move, where a pull rule wants digests.

use crate::harness::registry::{PASSWORD, USER};
use crate::harness::{Image, Pushonce, Registry};

use super::store;

const RULES: &str = r#"
[[rule]]
name = "releases"
tags = ["semver:x.y.z"]
mutability = "immutable"

[[pull]]
name = "tools"
repositories = ["tools/**"]
action = "allow"

[[pull]]
name = "production"
hosts = ["*.prod.example.com"]
action = "refuse"
help_url = "https://wiki.example.com/pin"

[[pull]]
name = "staging"
hosts = ["staging.example.com"]
action = "warn"
"#;

fn stage() -> (Registry, Pushonce, Image) {
    let registry = Registry::start();
    let proxy = Pushonce::in_front_of(&registry.url()).policy(RULES).start();
    let image = Image::random();
    for name in ["web:1.4.0", "web:latest", "tools/sh:latest"] {
        proxy.push(name, &image).expect_created();
    }
    (registry, proxy, image)
}

#[test]
fn a_moving_tag_is_refused_with_the_digest_to_pin() {
    let (_registry, proxy, image) = stage();
    let ask = |method: &str, reference: &str, host: &str| {
        proxy.request(method, &format!("/v2/web/manifests/{reference}")).header("Host", host).accept_manifests().send()
    };
    let production = "registry.PROD.example.com:443";
    let refused = ask("GET", "latest", production);
    let expected = format!(
        "tag web:latest moves and cannot be pulled here (pull rule \"production\"): pull web@{} instead (https://wiki.example.com/pin)",
        image.digest()
    );
    assert_eq!(refused.expect(403).expect_code("DENIED"), expected);
    ask("HEAD", "latest", production).expect(403);
    // The digest, and a tag that does not move, are what is wanted.
    ask("GET", &image.digest(), production).expect_ok();
    ask("GET", "1.4.0", production).expect_ok();
    ask("HEAD", "1.4.0", production).expect_ok();
    ask("GET", "nothing", production).expect_not_found();
    // Elsewhere it passes, with a warning or without; and nobody says where they come from.
    let warned = ask("GET", "latest", "staging.example.com");
    let warning = warned.expect_ok().header("warning").unwrap_or_default();
    assert!(warning.contains("should not be pulled here") && warning.contains(&image.digest()), "{warning}");
    assert_eq!(ask("GET", "latest", "registry.example.com").expect_ok().header("warning"), None);
    let spoofed = proxy.request("GET", "/v2/web/manifests/latest").header("X-Forwarded-Host", "registry.prod.example.com");
    spoofed.accept_manifests().send().expect_ok();
    let allowed = proxy.request("GET", "/v2/tools/sh/manifests/latest").header("Host", production).accept_manifests().send();
    allowed.expect_ok();

    assert_eq!(proxy.metric("pushonce_refusals_total", &[("rule", "production"), ("enforcement", "enforce")]), 2.0);
    assert_eq!(proxy.metric("pushonce_refusals_total", &[("rule", "staging"), ("enforcement", "audit")]), 1.0);
    assert_eq!(proxy.metric("pushonce_requests_total", &[("kind", "pull"), ("verdict", "refused")]), 2.0);
}

#[test]
fn signatures_are_read_by_their_tags() {
    let (registry, proxy, image) = stage();
    let signature = Image::random();
    store(&registry, "web", &signature);
    let tag = format!("{}.sig", image.digest().replace(':', "-"));
    proxy.push(&format!("web:{tag}"), &signature).expect_created();
    let pulled = proxy.request("GET", &format!("/v2/web/manifests/{tag}")).header("Host", "a.prod.example.com");
    pulled.accept_manifests().send().expect_ok();
}

#[test]
fn a_user_is_known_by_the_credentials_and_others_learn_nothing() {
    let registry = Registry::with().basic_auth().start();
    let policy = format!("[[pull]]\nname = \"deployers\"\nusers = [\"{USER}\"]\naction = \"refuse\"\n");
    let proxy = Pushonce::in_front_of(&registry.url()).policy(&policy).start();
    let image = Image::random();
    registry.as_user().push("web:latest", &image).expect_created();
    let message = proxy.signed_in(USER, PASSWORD).pull("web:latest").expect(403).expect_code("DENIED");
    assert!(message.contains(&image.digest()), "{message}");
    for outsider in [proxy.signed_in(USER, "wrong"), proxy.signed_in("stranger", PASSWORD)] {
        let answer = outsider.pull("web:latest");
        assert!(!answer.expect(401).text().contains("sha256:"), "{answer}");
    }
    proxy.pull("web:latest").expect(401);
}
