//! A registry's questions reach the client as they are, and so do its answers.

use std::sync::Arc;

use crate::harness::api::Api;
use crate::harness::exchange::Exchange;
use crate::harness::http::Endpoint;
use crate::harness::registry::{PASSWORD, USER};
use crate::harness::{Answer, Image, Pushonce, Registry, TokenServer, Upstream};

/// Two users beside the harness' own, as `htpasswd -nbB` prints them.
const READER: &str = "reader:$2y$04$6MmKeb.z/7ROgsLwpSu9T.kQDxRph5zjwXd4NPrE7r8mIu4VhWa.u";
const OPERATOR: &str = "operator:$2y$04$ys7WTg1j4wtkpUb4buUjT.SoTcNXJhacxO3KynHSt66SazQjRivJ2";

/// docker-registry names two actions in one order or the other, by chance.
fn challenges(answer: &Exchange) -> Vec<String> {
    answer.headers.all("www-authenticate").map(|value| value.replace(":push,pull\"", ":pull,push\"")).collect()
}

/// What a client does with a 401: asks the token service that it names for what it
/// names. Returns the token.
fn follow(answer: &Exchange, user: &str, password: &str) -> String {
    let challenge = answer.expect(401).header("www-authenticate").expect("a challenge").to_owned();
    let value = |key: &str| {
        let (_, rest) = challenge.split_once(&format!("{key}=\"")).unwrap_or_else(|| panic!("no {key} in {challenge}"));
        rest.split('"').next().unwrap_or_default().to_owned()
    };
    let realm = value("realm");
    let (address, path) = realm.strip_prefix("http://").and_then(|rest| rest.split_once('/')).expect("an http URL");
    let service = Api::new(Endpoint::plain(address), "").signed_in(user, password);
    let target = format!("/{path}?service={}&scope={}", value("service"), value("scope"));
    let body = service.request("GET", &target).send().expect_ok().text();
    let body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    body["token"].as_str().expect("a token").to_owned()
}

#[test]
fn a_challenge_is_the_one_that_the_registry_alone_would_give() {
    let tokens = Arc::new(TokenServer::start());
    let image = Image::random();
    let (digest, manifest) = (image.digest(), &image.manifest);
    for registry in [Registry::with().basic_auth().start(), Registry::with().token_auth(&tokens).start()] {
        let proxy = Pushonce::start(&registry);
        let ask = |api: &Api, method: &str, target: &str| {
            let body = if method == "PUT" { manifest.bytes.as_slice() } else { &[] };
            api.request(method, target).header("Content-Type", &manifest.media_type).body(body).send()
        };
        for (method, target) in [
            ("GET", "/v2/".to_owned()),
            ("GET", "/v2/driftwood/web/manifests/latest".to_owned()),
            ("GET", "/v2/driftwood/web/manifests/1.4.0".to_owned()),
            ("HEAD", "/v2/driftwood/web/manifests/1.4.0".to_owned()),
            ("GET", format!("/v2/driftwood/web/manifests/{digest}")),
            ("GET", format!("/v2/driftwood/web/blobs/{digest}")),
            ("POST", "/v2/driftwood/web/blobs/uploads/".to_owned()),
            ("GET", "/v2/driftwood/web/tags/list".to_owned()),
            ("PUT", "/v2/driftwood/web/manifests/latest".to_owned()),
            ("PUT", "/v2/driftwood/web/manifests/1.4.0".to_owned()),
            ("PUT", format!("/v2/driftwood/web/manifests/{digest}")),
            ("DELETE", "/v2/driftwood/web/manifests/latest".to_owned()),
        ] {
            let (alone, proxied) = (ask(&registry, method, &target), ask(&proxy, method, &target));
            let challenges = challenges(&alone);
            assert_eq!(challenges.len(), 1, "{alone}");
            assert_eq!(self::challenges(proxied.expect(401)), challenges, "{proxied}");
        }
    }
}

#[test]
fn challenges_pass_byte_for_byte_also_with_a_realm_on_the_registry_s_own_host() {
    let lines = |address: &str| {
        vec![
            format!("Bearer realm=\"http://{address}/token\",service=\"a, b\",scope=\"\",error=\"insufficient_scope\""),
            "Basic   realm=\"it is \\\"here\\\"\"  , charset=UTF-8".to_owned(),
            "Negotiate".to_owned(),
        ]
    };
    let upstream = Upstream::start(move |request| {
        let host = request.header("host").unwrap_or_default();
        let headers = lines(host).into_iter().map(|line| ("WWW-Authenticate", line)).collect();
        Answer::Respond { status: 401, headers, body: Vec::new() }
    });
    let proxy = Pushonce::in_front_of(&upstream.url()).start();
    for answer in [
        proxy.pull("web:latest"),
        proxy.pull("web:1.4.0"),
        proxy.put_manifest("web:1.4.0", &Image::random().manifest),
        proxy.delete("web:1.4.0"),
    ] {
        assert_eq!(challenges(answer.expect(401)), lines(proxy.address()), "{answer}");
    }
}

#[test]
fn a_token_that_does_not_do_is_answered_so_that_the_client_fetches_a_better_one() {
    let tokens = Arc::new(TokenServer::start());
    tokens.user(USER, PASSWORD, &["pull", "push", "delete"]);
    let registry = Registry::with().token_auth(&tokens).start();
    let proxy = Pushonce::start(&registry);
    let image = Image::random();
    let full = proxy.with_token(&tokens.issue(USER, "web", &["pull", "push"]));
    full.push(&format!("web@{}", image.digest()), &image).expect_created();

    for weak in [tokens.issue(USER, "web", &["pull"]), tokens.issue(USER, "elsewhere", &["pull", "push"])] {
        let weak = proxy.with_token(&weak);
        let denied = weak.put_manifest("web:1.4.0", &image.manifest);
        assert!(denied.header("www-authenticate").is_some_and(|value| value.contains("error=\"insufficient_scope\"")), "{denied}");
        let better = proxy.with_token(&follow(&denied, USER, PASSWORD));
        better.put_manifest("web:1.4.0", &image.manifest).expect_created();
    }
    // What is refused for good is refused only to whom the registry shows the tag.
    let other = Image::index(&[&image]);
    let denied = proxy.with_token(&tokens.issue(USER, "elsewhere", &["pull"])).put_manifest("web:1.4.0", &other.manifest);
    let better = proxy.with_token(&follow(&denied, USER, PASSWORD));
    better.put_manifest("web:1.4.0", &other.manifest).expect_refused();
    let pulled = proxy.pull("web:1.4.0");
    proxy.with_token(&follow(&pulled, USER, PASSWORD)).pull("web:1.4.0").expect_ok().expect_digest(&image.digest());
}

#[test]
fn several_users_of_one_registry_are_told_apart() {
    let registry = Registry::with().htpasswd(READER).htpasswd(OPERATOR).start();
    let proxy = Pushonce::start(&registry);
    let users = [(USER, PASSWORD), ("reader", "reader-password"), ("operator", "operator-password")];
    for (number, (user, password)) in users.iter().enumerate() {
        let client = proxy.signed_in(user, password);
        client.push(&format!("web:1.4.{number}"), &Image::random()).expect_created();
        client.push("web:1.4.0", &Image::random()).expect_refused();
        proxy.signed_in(user, "reader-passwore").put_manifest("web:1.4.0", &Image::random().manifest).expect(401);
    }
}
