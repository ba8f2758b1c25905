//! What the plain listener does besides: IPv6, `Expect`, bytes of TLS, descriptors.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::curl::Curl;
use crate::harness::image::sha256;
use crate::harness::process::eventually;
use crate::harness::{Answer, Image, Pushonce, Registry, Upstream, raw};

/// Reads up to the end of the head that comes next.
fn head(mut connection: &TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        connection.read_exact(&mut byte).expect("a byte of a head");
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}

#[test]
fn it_listens_on_ipv6() {
    let registry = Registry::start();
    let proxy = Pushonce::in_front_of(&registry.url()).host("[::1]").start();
    let curl = Curl::new();
    let url = format!("{}/v2/", proxy.url());
    assert!(url.starts_with("http://[::1]:"), "{url}");
    assert_eq!(curl.version_and_status(&["--globoff", &url]), "1.1 200");
    assert_eq!(curl.version_and_status(&["--globoff", "--http2-prior-knowledge", &url]), "2 200");
    let image = Image::random();
    proxy.push("web:1.4.0", &image).expect_created();
    assert_eq!(proxy.tag_digest("web:1.4.0"), Some(image.digest()));
}

#[test]
fn an_expectation_is_answered_before_the_body_and_stays_behind() {
    let upstream = Upstream::start(|request| Answer::status(if request.method() == "GET" { 200 } else { 202 }));
    let proxy = Pushonce::in_front_of(&upstream.url()).start();
    let mut client = TcpStream::connect(proxy.address()).expect("a connection");
    client.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
    let head_only = "PATCH /v2/web/blobs/uploads/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    client.write_all(head_only.as_bytes()).expect("a head");
    assert!(head(&client).starts_with("HTTP/1.1 100 "), "the body is asked for");
    client.write_all(b"hello").expect("a body");
    assert!(head(&client).starts_with("HTTP/1.1 202 "));
    let requests = upstream.requests();
    let upload = requests.iter().find(|request| request.method() == "PATCH").expect("the upload");
    assert_eq!((upload.header("expect"), upload.body.as_slice()), (None, b"hello".as_slice()));
}

#[test]
fn a_refused_expectation_gets_its_answer_in_place_of_the_body() {
    let upstream = Upstream::start(|request| Answer::status(if request.method() == "GET" { 200 } else { 202 }));
    let proxy = Pushonce::in_front_of(&upstream.url()).start();
    let request = b"PATCH /v2/web/blobs/uploads/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: something\r\n\r\n";
    let answer = raw(proxy.address(), request);
    assert!(answer.starts_with("HTTP/1.1 400 ") && !answer.contains("HTTP/1.1 100"), "{answer}");
}

#[test]
fn curl_waits_for_the_continue_and_pushes() {
    let registry = Registry::start();
    let (proxy, curl) = (Pushonce::start(&registry), Curl::new());
    std::fs::write(curl.directory().join("blob"), b"hello").expect("a file");
    let begun = proxy.request("POST", "/v2/web/blobs/uploads/").send();
    let target = format!("{}{}&digest={}", proxy.url(), proxy.location(begun.expect(202)), sha256(b"hello"));
    let expecting = ["--http1.1", "--header", "Expect: 100-continue", "--expect100-timeout", "60"];
    let upload = ["--header", "Content-Type: application/octet-stream", "--upload-file", "blob", &target];
    assert_eq!(curl.version_and_status(&[expecting.as_slice(), &upload].concat()), "1.1 201");
}

/// docker goes on with plain HTTP only where the answer begins so.
#[test]
fn every_client_hello_is_answered_in_http() {
    let upstream = Upstream::start(|_| Answer::status(200));
    let proxy = Pushonce::in_front_of(&upstream.url()).start();
    for versions in [rustls::ALL_VERSIONS, &[&rustls::version::TLS12], &[&rustls::version::TLS13]] {
        for protocols in [vec![], vec![b"h2".to_vec(), b"http/1.1".to_vec()]] {
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).expect("versions");
            let mut config = config.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
            config.alpn_protocols = protocols;
            let name = ServerName::try_from("localhost").expect("a name");
            let mut session = ClientConnection::new(Arc::new(config), name).expect("a session");
            let mut hello = Vec::new();
            session.write_tls(&mut hello).expect("a ClientHello");
            let answer = raw(proxy.address(), &hello);
            assert!(answer.starts_with("HTTP/"), "{answer:?}");
        }
    }
}

#[test]
fn the_limit_on_descriptors_is_raised_and_logged() {
    let registry = Registry::start();
    let proxy = Pushonce::in_front_of(&registry.url()).setting("server.max_connections = 10").ulimit("-Sn 256").start();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", proxy.pid())).expect("the limits of a running process");
    let line = limits.lines().find(|line| line.starts_with("Max open files")).expect("the limit");
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words[3], words[4], "the soft limit is not the hard one: {line}");
    assert_ne!(words[3], "256");
    let logged = proxy.log_lines().into_iter().find(|line| line["message"] == "the limit on open descriptors");
    let logged = logged.unwrap_or_else(|| panic!("not in the log:\n{}", proxy.log()));
    assert_eq!(
        (logged["before"].as_u64(), logged["limit"].as_u64().map(|limit| limit.to_string())),
        (Some(256), Some(words[3].to_owned()))
    );
    assert!(!proxy.log().contains("server.max_connections needs more"), "{}", proxy.log());
}

#[test]
fn more_connections_than_descriptors_are_warned_of() {
    let registry = Registry::start();
    let proxy = Pushonce::in_front_of(&registry.url()).ulimit("-n 1000").start();
    let warned = proxy.log_lines().into_iter().find(|line| line["level"] == "WARN" && line["max_connections"] == 20_000);
    assert!(warned.is_some(), "no warning in the log:\n{}", proxy.log());
}

#[test]
fn a_client_that_sends_nothing_does_not_hold_up_the_end() {
    let registry = Registry::start();
    let mut proxy = Pushonce::in_front_of(&registry.url()).setting("server.drain_timeout = \"60s\"").start();
    let silent: Vec<TcpStream> = (0..2).map(|_| TcpStream::connect(proxy.address()).expect("a connection")).collect();
    { &silent[1] }.write_all(b"PRI * HTT").expect("a part of the preface");
    eventually(Duration::from_secs(20), "the connections are open", || {
        (proxy.metric("pushonce_connections", &[]) == 2.0).then_some(())
    });
    // It is killed, and has no success to show, where it takes longer than half that.
    assert!(proxy.terminate().success());
    assert!(proxy.log().contains("shut down; everything was finished"), "{}", proxy.log());
}
