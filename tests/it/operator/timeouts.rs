//! What stands still is ended, what moves is not.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use crate::harness::image::sha256;
use crate::harness::{Answer, Image, Pushonce, Registry, Upstream, raw};

const PATIENCE: Duration = Duration::from_secs(30);

/// Everything the server says until it hangs up. Fails if it never does.
fn until_closed(mut client: &TcpStream) -> String {
    client.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut answer = Vec::new();
    match client.read_to_end(&mut answer) {
        Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
            panic!("still open after {PATIENCE:?}: {}", String::from_utf8_lossy(&answer))
        }
        _ => String::from_utf8_lossy(&answer).into_owned(),
    }
}

#[test]
fn a_head_that_never_ends_is_cut() {
    let registry = Registry::start();
    let proxy = Pushonce::in_front_of(&registry.url()).setting("server.header_timeout = \"200ms\"").start();
    let mut client = TcpStream::connect(proxy.address()).expect("a connection");
    client.write_all(b"GET /v2/ HTTP/1.1\r\nHost: a\r\nX-Slow: ").expect("half a head");
    until_closed(&client);
    proxy.request("GET", "/v2/").send().expect_ok();
}

#[test]
fn a_manifest_that_stops_half_way_names_nothing() {
    let registry = Registry::start();
    let proxy = Pushonce::in_front_of(&registry.url()).setting("server.body_idle_timeout = \"200ms\"").start();
    let image = Image::random();
    let head = format!(
        "PUT /v2/web/manifests/1.4.0 HTTP/1.1\r\nHost: a\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        image.manifest.media_type,
        image.manifest.bytes.len()
    );
    let mut client = TcpStream::connect(proxy.address()).expect("a connection");
    client.write_all(&[head.as_bytes(), &image.manifest.bytes[..20]].concat()).expect("half a manifest");
    let answer = until_closed(&client);
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("the body did not arrive whole"), "{answer}");
    proxy.push("web:1.4.0", &Image::random()).expect_created();
}

#[test]
fn an_upload_that_stops_half_way_is_ended() {
    let registry = Registry::start();
    let proxy = Pushonce::in_front_of(&registry.url()).setting("server.body_idle_timeout = \"200ms\"").start();
    let begun = proxy.request("POST", "/v2/web/blobs/uploads/").send();
    let target = proxy.location(begun.expect(202));
    let mut client = TcpStream::connect(proxy.address()).expect("a connection");
    let head =
        format!("PATCH {target} HTTP/1.1\r\nHost: {}\r\nContent-Length: 1000\r\nConnection: close\r\n\r\nhalf", proxy.address());
    client.write_all(head.as_bytes()).expect("half an upload");
    let answer = until_closed(&client);
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("the body did not arrive whole"), "{answer}");
}

#[test]
fn an_upload_that_moves_slowly_is_not_ended() {
    let registry = Registry::start();
    let settings = "server.body_idle_timeout = \"2s\"\nupstream.response_timeout = \"500ms\"";
    let proxy = Pushonce::in_front_of(&registry.url()).setting(settings).start();
    let bytes = crate::harness::random::bytes(12);
    let mut slow = Trickle { bytes: bytes.clone(), pause: Duration::from_millis(100) };
    let uploaded = proxy.upload_blob_from("web", &sha256(&bytes), &mut slow, 12).expect("an answer");
    uploaded.expect_created();
}

/// A body that comes byte by byte.
struct Trickle {
    bytes: Vec<u8>,
    pause: Duration,
}

impl Read for Trickle {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.bytes.is_empty() {
            return Ok(0);
        }
        thread::sleep(self.pause);
        buffer[0] = self.bytes.remove(0);
        Ok(1)
    }
}

#[test]
fn a_registry_that_does_not_answer_is_not_waited_for_for_ever() {
    let upstream = Upstream::start(|request| if request.target() == "/v2/" { Answer::status(200) } else { Answer::Hang });
    let proxy = Pushonce::in_front_of(&upstream.url()).setting("upstream.response_timeout = \"200ms\"").start();
    proxy.get_blob("web", &sha256(b"x")).expect_unavailable();
    proxy.pull("web:latest").expect_unavailable();
    proxy.put_manifest("web:1.4.0", &Image::random().manifest).expect_unavailable();
    let causes: Vec<String> = proxy.log_lines().iter().filter_map(|line| Some(line["cause"].as_str()?.to_owned())).collect();
    assert!(
        causes.iter().all(|cause| cause == "the registry's answer did not begin within 200ms") && causes.len() == 3,
        "{causes:?}"
    );
}

#[test]
fn a_manifest_that_the_registry_never_finishes_is_given_up() {
    let endless = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n".to_vec();
    let upstream = Upstream::start(move |request| match request.target() {
        "/v2/" => Answer::status(200),
        _ if request.method() == "HEAD" => {
            Answer::Respond { status: 200, headers: vec![("Docker-Content-Digest", sha256(b"x"))], body: Vec::new() }
        }
        _ => Answer::Slowly([endless.as_slice(), &[b' '; 100_000]].concat(), Duration::from_millis(10)),
    });
    let settings = "upstream.manifest_timeout = \"1s\"\npulls.drift_check_interval = \"0s\"";
    let proxy = Pushonce::in_front_of(&upstream.url()).setting(settings).start();
    proxy.pull("web:1.4.0").expect_unavailable();
    let said = proxy.log().contains("the registry did not finish its answer within 1s");
    assert!(said, "{}", proxy.log());
}

#[test]
fn a_download_that_breaks_or_stands_still_never_looks_whole() {
    let upstream = Upstream::start(|request| match request.target() {
        "/v2/" => Answer::status(200),
        target if target.contains("/broken/") => Answer::Reset(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf".to_vec()),
        _ => Answer::Respond { status: 200, headers: vec![("Content-Length", "10".to_owned())], body: b"half".to_vec() },
    });
    let proxy = Pushonce::in_front_of(&upstream.url()).setting("server.body_idle_timeout = \"200ms\"").start();
    for repository in ["broken", "standing"] {
        let target = format!("/v2/{repository}/blobs/{}", sha256(b"x"));
        let ended = proxy.request("GET", &target).try_send();
        let error = ended.err().unwrap_or_else(|| panic!("half a blob of {repository} looked like a whole one"));
        assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof, "{error}");
    }
}

#[test]
fn a_client_that_speaks_tls_is_told_that_this_is_http() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let hello = [0x16, 0x03, 0x01, 0x00, 0x05, 0x01, 0x00, 0x00, 0x01, 0x00, b'\r', b'\n', b'\r', b'\n'];
    let answer = raw(proxy.address(), &hello);
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer:?}");
}
