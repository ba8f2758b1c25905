//! How requests look on their way to the registry.

use std::path::Path;

use crate::harness::client_authority::ClientAuthority;
use crate::harness::{Answer, Image, Pushonce, Registry, Upstream, raw};

fn echo() -> Upstream {
    Upstream::start(|_| Answer::status(200))
}

fn last_head(upstream: &Upstream) -> crate::harness::wire::Recorded {
    upstream.requests().pop().expect("a request")
}

#[test]
fn the_clients_host_is_passed_on_or_replaced() {
    for (setting, is_kept) in [("upstream.preserve_host = true", true), ("upstream.preserve_host = false", false)] {
        let upstream = echo();
        let proxy = Pushonce::in_front_of(&upstream.url()).setting(setting).start();
        let request = "GET /v2/ HTTP/1.1\r\nHost: registry.example:5000\r\nConnection: close\r\n\r\n";
        assert!(raw(proxy.address(), request.as_bytes()).starts_with("HTTP/1.1 200"));
        let seen = last_head(&upstream);
        let address = upstream.address();
        assert_eq!(seen.headers("host"), [if is_kept { "registry.example:5000" } else { address.as_str() }]);
        assert_eq!(seen.headers("x-forwarded-host"), ["registry.example:5000"]);
    }
}

#[test]
fn uploads_work_whatever_host_the_registry_sees() {
    for setting in ["upstream.preserve_host = true", "upstream.preserve_host = false"] {
        for prefix in ["", "/registry"] {
            let registry = Registry::with().prefix(prefix).start();
            let proxy = Pushonce::in_front_of(&registry.url()).setting(setting).start();
            let image = Image::random();
            proxy.push("web:1.4.0", &image).expect_created();
            let begun = proxy.request("POST", "/v2/web/blobs/uploads/").send();
            assert!(proxy.location(begun.expect(202)).starts_with("/v2/web/blobs/uploads/"), "{begun}");
            assert_eq!(registry.tag_digest("web:1.4.0"), Some(image.digest()));
        }
    }
}

#[test]
fn the_chain_of_proxies_is_believed_only_where_configured() {
    for trusts in [false, true] {
        let upstream = echo();
        let proxy = Pushonce::in_front_of(&upstream.url()).setting(&format!("server.trust_forwarded = {trusts}")).start();
        let asked = proxy.request("GET", "/v2/").header("X-Forwarded-For", "192.0.2.7").header("X-Forwarded-Proto", "https");
        asked.header("Forwarded", "for=192.0.2.7").send().expect_ok();
        let seen = last_head(&upstream);
        let (chain, scheme) = if trusts { ("192.0.2.7, 127.0.0.1", "https") } else { ("127.0.0.1", "http") };
        assert_eq!(seen.headers("x-forwarded-for"), [chain]);
        assert_eq!(seen.headers("x-forwarded-proto"), [scheme]);
        assert_eq!(seen.header("forwarded").is_some(), trusts);
        assert_eq!(seen.headers("via"), ["1.1 pushonce"]);
    }
}

#[test]
fn what_concerns_one_connection_stays_on_it() {
    let upstream = Upstream::start(|request| match request.target() {
        "/v2/" => Answer::status(200),
        _ => {
            let headers = vec![
                ("Connection", "X-Once".to_owned()),
                ("X-Once", "1".to_owned()),
                ("Keep-Alive", "timeout=5".to_owned()),
                ("Docker-Distribution-Api-Version", "registry/2.0".to_owned()),
            ];
            Answer::Respond { status: 200, headers, body: b"{}".to_vec() }
        }
    });
    let proxy = Pushonce::in_front_of(&upstream.url()).start();
    let asked = proxy.request("GET", "/v2/_catalog").header("Connection", "X-Secret").header("X-Secret", "1");
    let asked = asked.header("TE", "trailers").header("Proxy-Authorization", "Basic x").header("X-HTTP-Method-Override", "DELETE");
    let answer = asked.header("X-Original-URL", "/v2/web/manifests/1.4.0").header("X-Kept", "yes").send();
    let seen = last_head(&upstream);
    for gone in ["x-secret", "te", "proxy-authorization", "x-http-method-override", "x-original-url", "connection"] {
        assert_eq!(seen.header(gone), None, "{gone} was passed on");
    }
    assert_eq!(seen.header("x-kept"), Some("yes"));
    assert_eq!(answer.expect_ok().header("docker-distribution-api-version"), Some("registry/2.0"));
    assert_eq!((answer.header("x-once"), answer.header("keep-alive")), (None, None), "{answer}");
}

#[test]
fn every_accept_line_arrives_as_it_was_sent() {
    let upstream = echo();
    let proxy = Pushonce::in_front_of(&upstream.url()).start();
    proxy.request("GET", "/v2/web/manifests/latest").header("Accept", "a/b").header("Accept", "c/d, e/f").send().expect_ok();
    assert_eq!(last_head(&upstream).headers("accept").join(", "), "a/b, c/d, e/f");
}

#[test]
fn a_redirect_is_the_clients_to_follow() {
    let upstream = Upstream::start(|request| match request.target() {
        "/v2/" => Answer::status(200),
        _ => Answer::Respond {
            status: 307,
            headers: vec![("Location", "https://bucket.example/x?sig=a%2Fb".to_owned())],
            body: Vec::new(),
        },
    });
    let proxy = Pushonce::in_front_of(&upstream.url()).start();
    let digest = crate::harness::image::sha256(b"x");
    let answer = proxy.get_blob("web", &digest);
    assert_eq!(answer.expect(307).header("location"), Some("https://bucket.example/x?sig=a%2Fb"));
    proxy.put_manifest("web:1.4.0", &Image::random().manifest).expect_unavailable();
}

#[test]
fn a_registry_with_tls_is_reached_with_its_authority() {
    let registry = Registry::with().tls().prefix("/registry").start();
    let ca = format!("upstream.ca_file = \"{}\"", registry.ca_file().display());
    let proxy = Pushonce::in_front_of(&registry.url()).setting(&ca).start();
    let image = Image::with_layers(&[100_000]);
    proxy.push("web:1.4.0", &image).expect_created();
    proxy.push("web:1.4.0", &Image::random()).expect_refused();
    assert_eq!(proxy.tag_digest("web:1.4.0"), Some(image.digest()));
    assert_eq!(registry.tag_digest("web:1.4.0"), Some(image.digest()));
}

#[test]
fn a_registry_with_an_unknown_authority_is_not_ready_and_gets_nothing() {
    let (registry, other) = (Registry::with().tls().start(), Registry::with().tls().start());
    let ca = format!("upstream.ca_file = \"{}\"", other.ca_file().display());
    let proxy = Pushonce::in_front_of(&registry.url()).setting(&ca).unready().start();
    let text = proxy.admin().request("GET", "/readyz").send().expect(503).text();
    assert!(text.contains("failed  upstream: ") && text.contains("certificate"), "{text}");
    proxy.put_manifest("web:1.4.0", &Image::random().manifest).expect_unavailable();
    let causes: Vec<String> = proxy.log_lines().iter().filter_map(|line| Some(line["cause"].as_str()?.to_owned())).collect();
    assert!(causes.iter().any(|cause| cause.contains("certificate")), "{causes:?}");
    assert!(registry.tags("web").is_empty());
}

/// The lines that name a client's certificate.
fn identity(directory: &Path, name: &str) -> [String; 2] {
    [("client_certificate", "pem"), ("client_key", "key")]
        .map(|(key, ending)| format!("upstream.{key} = \"{}\"", directory.join(format!("{name}.{ending}")).display()))
}

#[test]
fn a_registry_that_asks_for_a_certificate_is_shown_one_and_the_next_one_when_it_is_renewed() {
    let files = tempfile::Builder::new().prefix("pushonce-it-clients-").tempdir().expect("a temporary directory");
    let authority = ClientAuthority::new();
    authority.write(&files.path().join("clients.pem"));
    authority.write_client(files.path(), "proxy", 1);
    let registry = Registry::with().client_ca(&files.path().join("clients.pem")).start();
    let ca = format!("upstream.ca_file = \"{}\"", registry.ca_file().display());
    let [certificate, key] = identity(files.path(), "proxy");
    // Nothing is kept open, so that each request opens a connection.
    let builder = Pushonce::in_front_of(&registry.url()).setting(&ca).setting("upstream.idle_connections = 0");
    let proxy = builder.setting(&certificate).setting(&key).start();
    proxy.push("web:1.4.0", &Image::random()).expect_created();

    // One of another authority is refused by the registry, so it was shown.
    ClientAuthority::new().write_client(files.path(), "proxy", 2);
    proxy.put_manifest("web:1.4.1", &Image::random().manifest).expect_unavailable();
    // One that cannot be read is not shown; the last good one is, and it is said once.
    authority.write_client(files.path(), "proxy", 3);
    proxy.push("web:1.4.2", &Image::random()).expect_created();
    std::fs::write(files.path().join("proxy.pem"), "").expect("written");
    proxy.push("web:1.4.3", &Image::random()).expect_created();
    let told = proxy.log().matches("the certificate for the registry cannot be read again; the one before is shown").count();
    // The readiness probe has a client of its own.
    assert!((1..=2).contains(&told), "told {told} times: {}", proxy.log());

    let without = Pushonce::in_front_of(&registry.url()).setting(&ca).unready().start();
    without.put_manifest("web:1.4.4", &Image::random().manifest).expect_unavailable();
}

#[test]
fn a_certificate_for_the_registry_that_cannot_be_used_ends_it_with_a_reason() {
    let files = tempfile::Builder::new().prefix("pushonce-it-clients-").tempdir().expect("a temporary directory");
    ClientAuthority::new().write_client(files.path(), "one", 1);
    ClientAuthority::new().write_client(files.path(), "other", 1);
    let start = |url: &str, lines: &[&String]| {
        lines.iter().fold(Pushonce::in_front_of(url), |builder, line| builder.setting(line)).start_and_fail()
    };
    let ([certificate, key], [_, other]) = (identity(files.path(), "one"), identity(files.path(), "other"));
    let https = "https://127.0.0.1:1";
    start(https, &[&certificate, &other])
        .expect_said("upstream.client_certificate and upstream.client_key cannot be used together");
    start(https, &[&certificate, &identity(files.path(), "missing")[1]])
        .expect_said("upstream.client_key")
        .expect_said("missing.key");
    let run = start(https, &[&certificate]).expect_said("client_key = \"key.pem\"");
    assert_eq!(run.status.code(), Some(2), "{run}");
    let run = start("http://127.0.0.1:1", &[&certificate, &key]).expect_said("`upstream.url` is plain HTTP");
    assert_eq!(run.status.code(), Some(2), "{run}");
}

#[test]
fn a_file_of_authorities_that_cannot_be_used_ends_it_with_a_reason() {
    let failed = Pushonce::in_front_of("https://127.0.0.1:1").setting("upstream.ca_file = \"policy.toml\"").start_and_fail();
    failed.expect_said("upstream.ca_file").expect_said("there is no certificate in it");
}

#[test]
fn a_variable_moves_the_upstream() {
    let (named, real) = (Registry::start(), Registry::start());
    let proxy = Pushonce::in_front_of(&named.url()).environment("PUSHONCE_UPSTREAM__URL", &real.url()).start();
    let image = Image::random();
    proxy.push("web:1.4.0", &image).expect_created();
    assert_eq!(real.tag_digest("web:1.4.0"), Some(image.digest()));
    assert!(named.tags("web").is_empty());
}

#[test]
fn a_large_blob_is_never_held_in_memory() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let length = 96 << 20;
    let bytes = crate::harness::random::bytes(length);
    let digest = crate::harness::image::sha256(&bytes);
    let before = proxy.peak_rss_mib();
    let uploaded = proxy.upload_blob_from("web", &digest, &mut bytes.as_slice(), length as u64).expect("an answer");
    uploaded.expect_created();
    let mut received = Vec::with_capacity(length);
    proxy.download_blob("web", &digest, &mut received).expect("an answer").expect_ok();
    assert!(received == bytes, "other bytes came back");
    assert!(proxy.peak_rss_mib() < before + 48, "{} MiB after {before} MiB", proxy.peak_rss_mib());
}
