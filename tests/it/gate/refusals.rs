//! What a refusal looks like, to the byte.

use std::time::Duration;

use serde_json::json;

use crate::harness::process::eventually;
use crate::harness::{Fault, Image, Pushonce, Registry, raw};

use super::{Chain, ledger};

#[test]
fn a_refused_push_is_told_in_one_line_what_to_do() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let image = Image::random();
    for (tag, rule, advice) in [
        ("1.4.0", "releases", "push a new tag, such as 1.4.1"),
        ("v2.0.0-rc.1", "releases", "push a new tag, such as v2.0.0-rc.2"),
        ("git-9f3c2a1", "builds", "push a new tag"),
    ] {
        let name = format!("driftwood/web:{tag}");
        proxy.push(&name, &image).expect_created();
        let refused = proxy.push(&name, &Image::random());
        let (digest, day) = (&image.digest()[..19], day_of(&proxy, tag));
        let message = format!("tag {name} is immutable (rule \"{rule}\"): it means {digest}… since {day}; {advice}");
        refused.expect_refused();
        let body: serde_json::Value = serde_json::from_slice(&refused.body).expect("JSON");
        assert_eq!(body, json!({"errors": [{"code": "DENIED", "message": message}]}));
        assert_eq!(refused.header("content-type"), Some("application/json"));
        assert_eq!(refused.header("content-length"), Some(refused.body.len().to_string().as_str()));
        assert!(refused.header("x-request-id").is_some(), "{refused}");
    }
}

/// The day that the ledger has for a tag, in UTC, as SQLite reckons it.
fn day_of(proxy: &Pushonce, tag: &str) -> String {
    let sql = "SELECT date(claimed_at / 1000, 'unixepoch') FROM tags WHERE tag = ?1";
    ledger(proxy).query_row(sql, [tag], |row| row.get(0)).expect("a day")
}

#[test]
fn the_help_of_the_rule_ends_the_line() {
    let policy =
        "[[rule]]\nname = \"all\"\ntags = [\"*\"]\nmutability = \"immutable\"\nhelp_url = \"https://wiki.example.com/tags\"\n";
    let registry = Registry::start();
    let proxy = Pushonce::in_front_of(&registry.url()).policy(policy).start();
    proxy.push("web:1.4.0", &Image::random()).expect_created();
    let message = proxy.push("web:1.4.0", &Image::random()).expect_refused();
    assert!(message.ends_with("; push a new tag, such as 1.4.1 (https://wiki.example.com/tags)"), "{message}");
}

#[test]
fn a_refused_body_is_read_to_its_end_first() {
    let registry = Registry::start();
    let proxy = Pushonce::in_front_of(&registry.url()).setting("server.manifest_limit = \"1KiB\"").start();
    proxy.push("web:1.4.0", &Image::random()).expect_created();
    let second = Image::random();
    let large = vec![b' '; 3_000];
    for (body, status) in [(&second.manifest.bytes, 409), (&large, 413), (&b"{}".to_vec(), 400)] {
        // The next request on the connection is understood only if the body of
        // the one before it was read whole.
        let mut requests = format!(
            "PUT /v2/web/manifests/1.4.0 HTTP/1.1\r\nHost: a\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n",
            second.manifest.media_type,
            body.len()
        )
        .into_bytes();
        requests.extend_from_slice(body);
        requests.extend_from_slice(b"GET /v2/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let answers = raw(proxy.address(), &requests);
        assert!(answers.starts_with(&format!("HTTP/1.1 {status} ")), "{answers}");
        assert!(answers.contains("HTTP/1.1 200 OK"), "the body was left unread:\n{answers}");
    }
}

#[test]
fn a_manifest_over_the_limit_is_too_large() {
    let registry = Registry::start();
    let proxy = Pushonce::in_front_of(&registry.url()).setting("server.manifest_limit = \"1KiB\"").start();
    let image = Image::with_layers(&[10; 20]);
    assert!(image.manifest.bytes.len() > 1024);
    for name in ["web:1.4.0".to_owned(), "web:latest".to_owned(), format!("web@{}", image.digest())] {
        let refused = proxy.put_manifest(&name, &image.manifest);
        assert_eq!(refused.expect(413).expect_code("SIZE_INVALID"), "a manifest may have at most 1024 bytes");
    }
    proxy.push("web:1.4.0", &Image::random()).expect_created();
}

#[test]
fn four_mebibytes_are_the_limit_where_none_is_set() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let mut manifest = Image::random().manifest;
    manifest.bytes.resize((4 << 20) + 1, b' ');
    proxy.put_manifest("web:1.4.0", &manifest).expect(413).expect_code("SIZE_INVALID");
    manifest.bytes.pop();
    // Within the limit it is the registry's to judge: the layers are missing.
    proxy.put_manifest("web:1.4.0", &manifest).expect(400).expect_code("MANIFEST_BLOB_UNKNOWN");
}

#[test]
fn what_cannot_be_decided_says_when_to_come_back_and_how_to_find_the_line() {
    let chain = Chain::start();
    chain.faults.when(|request| request.is("PUT", "/manifests/1.4.0"), Fault::Cut);
    let answer = chain.proxy.push("web:1.4.0", &Image::random());
    let message = answer.expect_unavailable();
    assert_eq!(answer.header("retry-after"), Some("5"));
    let id = answer.header("x-request-id").expect("a request id").to_owned();
    assert_eq!(message, format!("this cannot be decided now and nothing was acknowledged; try again (request {id})"));
    assert!(!answer.text().contains("detail"), "{answer}");
    let find = || chain.proxy.log_lines().into_iter().find(|line| line["request"] == *id);
    let line = eventually(Duration::from_secs(10), "the line of the request", find);
    assert_eq!((line["verdict"].as_str(), line["level"].as_str()), (Some("undecided"), Some("WARN")));
    assert!(line["cause"].as_str().is_some_and(|cause| cause.contains("connection")), "{line}");
}

#[test]
fn a_request_with_a_broken_name_is_malformed() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    for (target, code) in [
        ("/v2/Web/manifests/1.4.0", "NAME_INVALID"),
        ("/v2/web/manifests/-1.4.0", "TAG_INVALID"),
        ("/v2/web/manifests/sha256:abc", "DIGEST_INVALID"),
        ("/v2/web/blobs/abc", "DIGEST_INVALID"),
        ("/v2/web/manifests/1.4.0?tag=1.4.1", "UNSUPPORTED"),
    ] {
        let answer = proxy.request("PUT", target).header("Content-Type", "a/b").body(b"{}").send();
        let answer = if answer.status == 405 { proxy.request("GET", target).send() } else { answer };
        answer.expect(400).expect_code(code);
    }
}
