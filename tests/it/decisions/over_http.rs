//! Exceptions over HTTP: with a token of their own, or not at all.

use std::path::Path;

use serde_json::{Value, json};

use crate::harness::exchange::Exchange;
use crate::harness::{Image, Pushonce, Registry};

use super::push_soon;

const LOOK: &str = "a-token-to-look-with-of-thirty-two-letters";
const GRANT: &str = "a-token-to-grant-with-of-thirty-two-letters";

fn asked() -> Value {
    json!({"repository": "web", "tag": "1.4.0", "allow": "push", "for": "5m", "reason": "a key leaked"})
}

fn post(proxy: &Pushonce, token: Option<&str>, body: &Value) -> Exchange {
    let admin = proxy.admin();
    let admin = token.map_or_else(|| admin.clone(), |token| admin.with_token(token));
    let draft = admin.request("POST", "/api/v1/exceptions").header("Content-Type", "application/json");
    draft.body(body.to_string().as_bytes()).send()
}

fn with_tokens(registry: &Registry, directory: &Path) -> Pushonce {
    let setting = |key: &str, token: &str| {
        let file = directory.join(key);
        std::fs::write(&file, token).expect("written");
        format!("admin.{key} = \"{}\"", file.display())
    };
    let proxy = Pushonce::in_front_of(&registry.url()).setting(&setting("token_file", LOOK));
    proxy.setting(&setting("exceptions_token_file", GRANT)).start()
}

#[test]
fn nobody_grants_without_the_token_for_it() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let words = post(&proxy, None, &asked()).expect(403).text();
    assert_eq!(words, "nobody grants exceptions here: set `admin.exceptions_token_file`, or run `pushonce exception grant`\n");

    let directory = tempfile::tempdir().expect("a directory");
    let proxy = with_tokens(&registry, directory.path());
    for token in [None, Some(LOOK), Some("another")] {
        post(&proxy, token, &asked()).expect(401);
    }
    // And who grants may not look.
    proxy.admin().with_token(GRANT).request("GET", "/api/v1/decisions").send().expect(401);
    proxy.admin().with_token(LOOK).request("GET", "/api/v1/exceptions").send().expect(405);
}

#[test]
fn an_exception_is_granted_and_shown_and_used() {
    let registry = Registry::start();
    let directory = tempfile::tempdir().expect("a directory");
    let proxy = with_tokens(&registry, directory.path());
    let (first, second) = (Image::random(), Image::random());
    proxy.push("web:1.4.0", &first).expect_created();
    let granted = post(&proxy, Some(GRANT), &asked());
    let granted: Value = serde_json::from_slice(&granted.expect(201).body).expect("JSON");
    assert_eq!(
        (&granted["allows"], &granted["reason"], &granted["who"]),
        (&json!("push"), &json!("a key leaked"), &json!("the admin API"))
    );
    let shown = || {
        let answer = proxy.admin().with_token(LOOK).request("GET", "/api/v1/decisions").send();
        serde_json::from_slice::<Value>(&answer.expect_ok().body).expect("JSON")
    };
    assert_eq!(shown()["exceptions"], json!([granted]));
    let page = proxy.admin().with_token(LOOK).request("GET", "/").send().expect_ok().text();
    assert!(page.contains("Open exceptions") && page.contains("a key leaked"), "the overview does not show it");
    push_soon(&proxy, "web:1.4.0", &second);
    assert_eq!(shown()["exceptions"], json!([]));

    for (key, value, status) in [
        ("allow", json!("everything"), 400),
        ("for", json!("2 weeks"), 400),
        ("for", json!("48h"), 400),
        ("reason", json!(" "), 400),
        ("reason", json!("a\nb"), 400),
        ("tag", json!("not a tag"), 400),
        ("repository", json!(7), 422),
        ("more", json!(7), 422),
    ] {
        let mut body = asked();
        body[key] = value;
        let answer = post(&proxy, Some(GRANT), &body);
        let error: Value = serde_json::from_slice(&answer.expect(status).body).expect("JSON");
        assert!(error["error"].as_str().is_some_and(|words| !words.is_empty()), "{key}: {error}");
    }
    post(&proxy, Some(GRANT), &asked()).expect(201);
    post(&proxy, Some(GRANT), &asked()).expect(409);
}

#[test]
fn one_token_for_both_is_a_mistake() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str, token: &str| {
        let file = directory.path().join(name);
        std::fs::write(&file, token).expect("written");
        file.display().to_string()
    };
    let start = |look: &str, grant: &str| {
        let proxy = Pushonce::in_front_of("http://127.0.0.1:1").setting(&format!("admin.token_file = \"{look}\""));
        proxy.setting(&format!("admin.exceptions_token_file = \"{grant}\"")).start_and_fail()
    };
    let (look, short) = (file("look", LOOK), file("short", "too-short"));
    start(&look, &look).expect_said("whoever may look could grant exceptions as well: both tokens are the same");
    start(&look, &short).expect_said("the token that `admin.exceptions_token_file` names is too short");
    start(&look, "/nowhere/token").expect_said("/nowhere/token");
}
