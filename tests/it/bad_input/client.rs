//! Clients that send what is no push, or only a part of one.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::{TAG, expect_untouched};
use crate::harness::image::{Manifest, sha256};
use crate::harness::process::eventually;
use crate::harness::{Image, Pushonce, Registry, random, raw};

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const PUT: &str = "PUT /v2/driftwood/web/manifests/1.4.0 HTTP/1.1";

fn pair() -> (Registry, Pushonce) {
    let registry = Registry::start();
    let proxy = Pushonce::in_front_of(&registry.url()).setting("server.body_idle_timeout = \"1s\"").start();
    (registry, proxy)
}

/// A push of `body` is answered so, and leaves nothing.
#[track_caller]
fn expect_rejected(body: &[u8], status: u16, code: &str, message: &str) {
    let (registry, proxy) = pair();
    let answer = proxy.put_manifest(TAG, &Manifest::new(OCI_MANIFEST, body));
    let said = answer.expect(status).expect_code(code);
    assert!(said.contains(message), "expected to read {message:?}\n{answer}");
    expect_untouched(&proxy, &registry);
}

/// A head and a body, sent as they are, are answered so, and leave nothing.
#[track_caller]
fn expect_raw_rejected(request: &str, message: &str) {
    let (registry, proxy) = pair();
    let answer = raw(proxy.address(), request.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 400 "), "{request:?} was answered {answer:?}");
    assert!(answer.contains(message), "expected to read {message:?} in {answer}");
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "more than one answer: {answer}");
    expect_untouched(&proxy, &registry);
}

/// Waits until the proxy has given up what a client left behind.
fn wait_until_over(proxy: &Pushonce) {
    eventually(Duration::from_secs(20), "the connection is over", || {
        (proxy.metric("pushonce_connections", &[]) == 0.0).then_some(())
    });
}

#[test]
fn a_manifest_over_the_limit_is_read_whole_and_refused() {
    let (registry, proxy) = pair();
    let body = format!("{{\"schemaVersion\": 2, \"pad\": \"{}\"}}", "x".repeat(5 << 20));
    let answer = proxy.put_manifest(TAG, &Manifest::new(OCI_MANIFEST, body.as_bytes()));
    assert_eq!(answer.expect(413).expect_code("SIZE_INVALID"), "a manifest may have at most 4194304 bytes");
    // The next request on the same connection is answered: nothing was left unread.
    let head = format!("{PUT}\r\nHost: a\r\nContent-Type: {OCI_MANIFEST}\r\nContent-Length: {}\r\n\r\n", body.len());
    let answers = raw(proxy.address(), format!("{head}{body}GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
    assert!(answers.starts_with("HTTP/1.1 413 ") && answers.contains("HTTP/1.1 200 "), "{answers}");
    expect_untouched(&proxy, &registry);
}

#[test]
fn a_manifest_under_another_digest_is_refused() {
    let (registry, proxy) = pair();
    let (image, other) = (Image::random(), Image::random());
    registry.put_tag_behind_the_back("driftwood/web:base", &image);
    for query in ["", "?tag=1.4.0"] {
        let target = format!("/v2/driftwood/web/manifests/{}{query}", other.digest());
        let push = proxy.request("PUT", &target).header("Content-Type", OCI_MANIFEST).body(&image.manifest.bytes);
        let message = push.send().expect(400).expect_code("DIGEST_INVALID");
        assert_eq!(message, format!("the request names {}, but its body is {}", other.digest(), image.digest()));
    }
    registry.pull(&format!("driftwood/web@{}", other.digest())).expect_not_found();
    expect_untouched(&proxy, &registry);
}

#[test]
fn what_is_not_json_is_refused() {
    expect_rejected(b"{ \"schemaVersion\": 2,", 400, "MANIFEST_INVALID", "the manifest is not JSON");
    expect_rejected(b"\x00\xff\xfe", 400, "MANIFEST_INVALID", "the manifest is not JSON");
    expect_rejected(b"[]", 400, "MANIFEST_INVALID", "the manifest is not a JSON object");
}

#[test]
fn an_empty_body_is_refused() {
    expect_rejected(b"", 400, "MANIFEST_INVALID", "the manifest is empty");
}

#[test]
fn a_manifest_whose_blobs_nobody_pushed_is_refused_by_the_registry() {
    let image = Image::random();
    expect_rejected(&image.manifest.bytes, 400, "MANIFEST_BLOB_UNKNOWN", "blob unknown");
}

#[test]
fn a_body_that_stands_still_before_its_length_is_refused() {
    let body = String::from_utf8(Image::random().manifest.bytes).expect("text");
    let head = format!("{PUT}\r\nHost: a\r\nContent-Type: {OCI_MANIFEST}\r\nContent-Length: {}\r\n\r\n", body.len());
    expect_raw_rejected(
        &format!("{head}{}", &body[..body.len() / 2]),
        "the body did not arrive whole: no byte of the body moved for 1s",
    );
}

#[test]
fn a_client_that_hangs_up_in_a_manifest_leaves_nothing() {
    let (registry, proxy) = pair();
    let image = Image::random();
    registry.put_tag_behind_the_back("driftwood/web:base", &image);
    let body = &image.manifest.bytes;
    let head = format!("{PUT}\r\nHost: a\r\nContent-Type: {OCI_MANIFEST}\r\nContent-Length: {}\r\n\r\n", body.len());
    for sent in [0, 1, body.len() / 2, body.len() - 1] {
        for end in [Shutdown::Write, Shutdown::Both] {
            let mut client = TcpStream::connect(proxy.address()).expect("a connection");
            client.write_all(&[head.as_bytes(), &body[..sent]].concat()).expect("a part of a request");
            client.shutdown(end).expect("the end");
            let mut answer = String::new();
            // A client that still listens may be told; it must not be told success.
            let _ = client.read_to_string(&mut answer);
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
        }
    }
    wait_until_over(&proxy);
    expect_untouched(&proxy, &registry);
}

#[test]
fn a_client_that_hangs_up_in_a_blob_leaves_no_blob() {
    let (registry, proxy) = pair();
    let bytes = random::bytes(1_000_000);
    let digest = sha256(&bytes);
    for chunked in [false, true] {
        let begun = proxy.request("POST", "/v2/driftwood/web/blobs/uploads/").send();
        let target = format!("{}&digest={digest}", proxy.location(begun.expect(202)));
        let framing = if chunked {
            format!("Transfer-Encoding: chunked\r\n\r\n{:x}", bytes.len())
        } else {
            format!("Content-Length: {}\r\n", bytes.len())
        };
        let head = format!("PUT {target} HTTP/1.1\r\nHost: {}\r\n{framing}\r\n", proxy.address());
        let mut client = TcpStream::connect(proxy.address()).expect("a connection");
        client.write_all(&[head.as_bytes(), &bytes[..600_000]].concat()).expect("a part of a request");
        drop(client);
    }
    wait_until_over(&proxy);
    proxy.get_blob("driftwood/web", &digest).expect_not_found();
    proxy.upload_blob("driftwood/web", &bytes).expect_created();
    assert_eq!(proxy.get_blob("driftwood/web", &digest).expect_ok().body, bytes);
    expect_untouched(&proxy, &registry);
}

#[test]
fn a_body_in_broken_chunks_is_refused() {
    let head = format!("{PUT}\r\nHost: a\r\nContent-Type: {OCI_MANIFEST}\r\nTransfer-Encoding: chunked\r\n\r\n");
    for body in ["zz\r\n{}\r\n0\r\n\r\n", "-1\r\n\r\n", "2\r\n{}garbage\r\n0\r\n\r\n", "ffffffffffffffffff\r\n"] {
        expect_raw_rejected(&format!("{head}{body}"), "a chunk is malformed");
    }
}

#[test]
fn a_body_of_two_lengths_is_refused() {
    let smuggled = "GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n";
    let message = "Content-Length";
    expect_raw_rejected(
        &format!("{PUT}\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"),
        message,
    );
    expect_raw_rejected(&format!("{PUT}\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{{}}{smuggled}"), message);
    // The HTTP library answers this one by itself, without a text.
    let message = "";
    expect_raw_rejected(&format!("{PUT}\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{{}} {smuggled}"), message);
}

#[test]
fn a_request_for_no_host_or_two_is_refused() {
    let message = "Host header";
    expect_raw_rejected(&format!("{PUT}\r\nContent-Length: 2\r\n\r\n{{}}"), message);
    expect_raw_rejected(&format!("{PUT}\r\nHost: a\r\nHost: b\r\nContent-Length: 2\r\n\r\n{{}}"), message);
    expect_raw_rejected(&format!("{PUT}\r\nHost: a\r\nHost: a\r\nContent-Length: 2\r\n\r\n{{}}"), message);
}

/// docker falls back to plain HTTP only when it reads this.
#[test]
fn a_client_that_begins_tls_is_answered_in_http() {
    let (registry, proxy) = pair();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("TLS 1.2 and 1.3");
    let config = config.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    let name = ServerName::try_from("registry.example").expect("a name");
    let mut session = ClientConnection::new(Arc::new(config), name).expect("a session");
    let mut hello = Vec::new();
    session.write_tls(&mut hello).expect("a ClientHello");
    assert_eq!(hello[..2], [0x16, 0x03], "no ClientHello");
    let answer = raw(proxy.address(), &hello);
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer:?}");
    expect_untouched(&proxy, &registry);
}
