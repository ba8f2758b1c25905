//! Tags that move, where a pull rule wants digests.

use std::time::Duration;

use serde_json::{Value, json};

use super::store;
use crate::harness::process::eventually;
use crate::harness::registry::{PASSWORD, USER};
use crate::harness::{Answer, Image, Pushonce, Registry, Upstream, raw};

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
    // The dot that ends a full name is no other host.
    ask("GET", "latest", "registry.prod.example.com.").expect(403);
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

    for (rule, action, count) in [("production", "refuse", 3.0), ("staging", "warn", 1.0), ("tools", "allow", 1.0)] {
        assert_eq!(proxy.metric("pushonce_pull_rules_total", &[("rule", rule), ("action", action)]), count, "{rule}");
    }
    assert_eq!(proxy.metric("pushonce_requests_total", &[("kind", "pull"), ("verdict", "refused")]), 3.0);
    let decided = |verdict: &str| {
        let is_it = |line: &Value| line["kind"] == "pull" && line["verdict"] == verdict;
        eventually(Duration::from_secs(5), "the line of the decision", || proxy.log_lines().into_iter().find(is_it))
    };
    for (verdict, rule) in [("refused", "production"), ("would_refuse", "staging")] {
        let line = decided(verdict);
        assert_eq!((&line["rule"], &line["digest"]), (&json!(rule), &json!(image.digest())), "{line}");
    }
}

#[test]
fn the_status_line_says_it_too() {
    let (_registry, proxy, image) = stage();
    for method in ["HEAD", "GET"] {
        let request =
            format!("{method} /v2/web/manifests/latest HTTP/1.1\r\nHost: a.prod.example.com\r\nConnection: close\r\n\r\n");
        let answer = raw(proxy.address(), request.as_bytes());
        let (line, _) = answer.split_once("\r\n").expect("a status line");
        assert!(line.starts_with("HTTP/1.1 403 Forbidden: tag web:latest moves and cannot be pulled here"), "{line}");
        assert!(line.contains(&format!("pull web@{} instead", image.digest())), "{line}");
    }
}

#[test]
fn what_a_look_does_not_find_is_not_pulled_after_all() {
    // A tag that is pushed between the look and the pull, or that HEAD does not show.
    let image = Image::random();
    let (digest, bytes) = (image.digest(), image.manifest.bytes.clone());
    let upstream = Upstream::start(move |request| match request.method() {
        "GET" if request.target().ends_with("/manifests/latest") => {
            Answer::Respond { status: 200, headers: vec![("Docker-Content-Digest", digest.clone())], body: bytes.clone() }
        }
        _ if request.target() == "/v2/" => Answer::status(200),
        _ => Answer::status(404),
    });
    let policy = "[[pull]]\nname = \"production\"\naction = \"refuse\"\n";
    let proxy = Pushonce::in_front_of(&upstream.url()).policy(policy).start();
    proxy.pull("web:latest").expect_not_found();
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

#[test]
fn anonymous_pulls_have_no_user() {
    let registry = Registry::start();
    let policy = "[[pull]]\nname = \"everybody\"\nusers = [\"*\"]\naction = \"refuse\"\n";
    let proxy = Pushonce::in_front_of(&registry.url()).policy(policy).start();
    registry.push("web:latest", &Image::random()).expect_created();
    proxy.pull("web:latest").expect_ok();
    proxy.signed_in("ann", "secret").pull("web:latest").expect(403).expect_code("DENIED");
}

#[test]
fn who_may_not_read_gets_the_registrys_own_no() {
    for status in [401, 403, 404] {
        let upstream = Upstream::start(move |request| match request.target() {
            "/v2/" => Answer::status(200),
            _ => Answer::Respond {
                status,
                headers: vec![("WWW-Authenticate", "Basic realm=\"its own\"".to_owned())],
                body: Vec::new(),
            },
        });
        let policy = "[[pull]]\nname = \"production\"\naction = \"refuse\"\n";
        let proxy = Pushonce::in_front_of(&upstream.url()).policy(policy).start();
        let answer = proxy.signed_in("ann", "secret").pull("web:latest");
        answer.expect(status);
        assert!(!answer.text().contains("pull rule"), "{answer}");
        if status != 404 {
            assert_eq!(answer.header("www-authenticate"), Some("Basic realm=\"its own\""));
        }
        assert_eq!(proxy.metric("pushonce_pull_rules_total", &[]), 0.0);
    }
}
