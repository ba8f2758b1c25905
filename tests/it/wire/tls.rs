//! TLS of the data listener: what it takes to start, and what it says.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use super::secure::{Certificates, Secure, settings};
use crate::harness::{Answer, Image, Pushonce, Registry, Upstream, raw};

/// Starts with these files, and fails with exit code 1 and one line that says `texts`.
#[track_caller]
fn expect_no_start(certificate: &Path, key: &Path, texts: &[&str]) {
    let lines = settings(certificate, key);
    let builder = lines.iter().fold(Pushonce::in_front_of("http://127.0.0.1:1"), |builder, line| builder.setting(line));
    let run = builder.start_and_fail();
    assert_eq!(run.status.code(), Some(1), "{run}");
    for text in texts {
        assert!(run.stderr.contains(text), "expected to read {text:?}\n{run}");
    }
    assert_eq!(run.stderr.lines().count(), 1, "more than one line\n{run}");
}

#[test]
fn a_push_and_a_pull_over_tls() {
    let registry = Registry::start();
    let proxy = Secure::in_front_of(&registry.url(), &[]);
    let image = Image::random();
    proxy.push("web:1.4.0", &image).expect_created();
    assert_eq!(proxy.tag_digest("web:1.4.0"), Some(image.digest()));
    proxy.push("web:1.4.0", &Image::random()).expect_refused();
}

#[test]
fn the_registry_is_told_how_the_client_came() {
    let upstream = Upstream::start(|_| Answer::status(200));
    let secure = Secure::in_front_of(&upstream.url(), &[]);
    let plain = Pushonce::in_front_of(&upstream.url()).start();
    secure.request("GET", "/v2/secure/tags/list").send().expect_ok();
    plain.request("GET", "/v2/plain/tags/list").send().expect_ok();
    let told = |path: &str| {
        let requests = upstream.requests();
        let request = requests.iter().find(|request| request.is("GET", path)).expect("the request");
        request.header("x-forwarded-proto").map(str::to_owned)
    };
    assert_eq!(told("/v2/secure/tags/list").as_deref(), Some("https"));
    assert_eq!(told("/v2/plain/tags/list").as_deref(), Some("http"));
}

#[test]
fn a_missing_file_ends_it_with_a_reason() {
    let certificates = Certificates::new();
    let (missing, certificate, key) =
        (certificates.path("missing.pem"), certificates.path("server.pem"), certificates.path("server.key"));
    expect_no_start(&missing, &key, &["server.tls_certificate", "missing.pem", "No such file"]);
    expect_no_start(&certificate, &missing, &["server.tls_key", "missing.pem", "No such file"]);
}

#[test]
fn a_key_that_does_not_fit_ends_it_with_a_reason() {
    let (one, other) = (Certificates::new(), Certificates::new());
    let texts = ["server.tls_certificate and server.tls_key cannot be used together"];
    expect_no_start(&one.path("server.pem"), &other.path("server.key"), &texts);
}

#[test]
fn garbage_ends_it_with_a_reason() {
    let certificates = Certificates::new();
    let (certificate, key) = (certificates.path("server.pem"), certificates.path("server.key"));
    let garbage = [
        ("empty", ""),
        ("words", "no certificate at all\n"),
        ("broken", "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n"),
        ("unfinished", "-----BEGIN PRIVATE KEY-----\nAAAA\n"),
    ];
    for (name, text) in garbage {
        let file = certificates.path(name);
        std::fs::write(&file, text).expect("a file");
        expect_no_start(&file, &key, &[name, "cannot read the certificate of server.tls_certificate"]);
        expect_no_start(&certificate, &file, &[name, "cannot read the private key of server.tls_key"]);
    }
    let nonsense = certificates.path("nonsense");
    std::fs::write(&nonsense, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").expect("a file");
    expect_no_start(&nonsense, &key, &["cannot be used together"]);
    expect_no_start(&key, &key, &["there is no certificate in it"]);
    expect_no_start(&certificate, &certificate, &["cannot read the private key of server.tls_key"]);
}

#[test]
fn one_file_without_the_other_is_a_mistake_of_the_configuration() {
    let certificates = Certificates::new();
    for line in certificates.settings() {
        let run = Pushonce::in_front_of("http://127.0.0.1:1").setting(&line).start_and_fail();
        assert_eq!(run.status.code(), Some(2), "{run}");
        let run = run.expect_said("tls_certificate");
        run.expect_said("tls_key");
    }
}

#[test]
fn plain_http_on_the_port_for_tls_reaches_nothing() {
    let upstream = Upstream::start(|_| Answer::status(200));
    let proxy = Secure::in_front_of(&upstream.url(), &[]);
    let before = upstream.requests().len();
    for request in [b"GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n".as_slice(), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let answer = raw(proxy.address(), request);
        assert!(!answer.contains("HTTP/"), "{answer}");
    }
    assert_eq!(upstream.requests().len(), before);
    proxy.request("GET", "/v2/").send().expect_ok();
}

#[test]
fn a_handshake_that_never_ends_is_cut() {
    let upstream = Upstream::start(|_| Answer::status(200));
    let proxy = Secure::in_front_of(&upstream.url(), &["server.header_timeout = \"2s\""]);
    // Nothing, and the start of a ClientHello that announces more.
    for bytes in [b"".as_slice(), b"\x16\x03\x01\x02\x00\x01"] {
        let mut client = TcpStream::connect(proxy.address()).expect("a connection");
        client.write_all(bytes).expect("a fresh connection takes bytes");
        client.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).expect("the proxy hangs up");
    }
    proxy.request("GET", "/v2/").send().expect_ok();
}
