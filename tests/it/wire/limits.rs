//! The limits of the data listener, each with its key and its metric.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::frames::{self, Connection, END_STREAM};
use crate::harness::gate::Gate;
use crate::harness::image::{Manifest, sha256};
use crate::harness::process::eventually;
use crate::harness::{Answer, Fault, Faults, Image, Pushonce, Registry, Upstream, random, raw};

const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until clients have reached the limit with this key so many times.
#[track_caller]
fn expect_reached(proxy: &Pushonce, limit: &str, times: f64) {
    let reached = || proxy.metric("pushonce_limits_reached_total", &[("limit", limit)]);
    eventually(PATIENCE, &format!("{limit} is reached"), || (reached() >= times).then_some(()));
    assert_eq!(reached(), times, "times that {limit} was reached");
}

#[test]
fn a_head_over_the_limit_is_431_and_one_below_passes() {
    let upstream = Upstream::start(|_| Answer::status(200));
    let proxy = Pushonce::in_front_of(&upstream.url()).setting("server.header_limit = \"16KiB\"").start();
    let before = upstream.requests().len();
    let head =
        |size: usize| format!("GET /v2/web/tags/list HTTP/1.1\r\nHost: a\r\nX: {}\r\nConnection: close\r\n\r\n", "a".repeat(size));
    let refused = raw(proxy.address(), head(17 << 10).as_bytes());
    assert!(refused.starts_with("HTTP/1.1 431 "), "{refused}");
    assert_eq!(upstream.requests().len(), before, "the registry got it");
    let passed = raw(proxy.address(), head(15 << 10).as_bytes());
    assert!(passed.starts_with("HTTP/1.1 200 "), "{passed}");
    expect_reached(&proxy, "header_limit", 1.0);
}

#[test]
fn a_head_that_takes_too_long_ends_its_connection_and_is_counted() {
    let upstream = Upstream::start(|_| Answer::status(200));
    let proxy = Pushonce::in_front_of(&upstream.url()).setting("server.header_timeout = \"300ms\"").start();
    for beginning in ["", "PRI * HTTP/2.0", "GET /v2/ HTTP/1.1\r\nHost: a\r\nX:"] {
        let before = proxy.metric("pushonce_limits_reached_total", &[("limit", "header_timeout")]);
        let ended = raw(proxy.address(), beginning.as_bytes());
        assert!(ended.is_empty() || ended.starts_with("HTTP/1.1 408 "), "{beginning:?} is answered with {ended}");
        expect_reached(&proxy, "header_timeout", before + 1.0);
    }
    let mut idle = Kept::connect(&proxy);
    idle.ask();
    assert!(idle.answer(PATIENCE).is_some_and(|answer| answer.starts_with("HTTP/1.1 200 ")));
    assert_eq!(idle.answer(PATIENCE).as_deref(), Some(""), "a connection without a second request goes on");
    expect_reached(&proxy, "header_timeout", 4.0);
}

#[test]
fn a_body_that_stands_still_is_given_up_and_counted() {
    let registry = Registry::start();
    let proxy = Pushonce::in_front_of(&registry.url()).setting("server.body_idle_timeout = \"300ms\"").start();
    let head = "Host: a\r\nContent-Length: 5\r\nContent-Type: application/octet-stream\r\n\r\nab";
    for (times, line) in [(1.0, "PUT /v2/web/manifests/1.4.0 HTTP/1.1"), (2.0, "POST /v2/web/blobs/uploads/ HTTP/1.1")] {
        let answer = raw(proxy.address(), format!("{line}\r\n{head}").as_bytes());
        assert!(answer.starts_with("HTTP/1.1 400 ") || answer.starts_with("HTTP/1.1 202 "), "{line}: {answer}");
        expect_reached(&proxy, "body_idle_timeout", times);
    }
}

#[test]
fn more_resets_than_may_be_end_the_connection_and_are_counted() {
    let upstream = Upstream::start(|_| Answer::status(200));
    let proxy = Pushonce::in_front_of(&upstream.url()).setting("server.max_resets = 3").start();
    let mut client = Connection::open(proxy.address());
    let requests = (0..1000)
        .map(|number| 2 * number + 1)
        .flat_map(|stream| [frames::get(stream, "/v2/"), frames::frame(frames::RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat());
    // The proxy may hang up before all of it is sent.
    let _ = client.send(&requests.collect::<Vec<u8>>());
    let last = std::iter::from_fn(|| client.next()).filter(|frame| frame.kind == frames::GOAWAY).last().expect("GOAWAY");
    const ENHANCE_YOUR_CALM: [u8; 4] = [0, 0, 0, 11];
    assert_eq!(last.payload[4..8], ENHANCE_YOUR_CALM);
    expect_reached(&proxy, "max_resets", 1.0);
}

#[test]
fn a_manifest_over_the_limit_is_413_and_one_below_passes() {
    let registry = Registry::start();
    let proxy = Pushonce::in_front_of(&registry.url()).setting("server.manifest_limit = \"1KiB\"").start();
    let image = Image::random();
    assert!(image.manifest.bytes.len() < 1000, "an image of the harness is small");
    proxy.push("web:1.4.0", &image).expect_created();
    for size in [1025, 4096, 4097, 1 << 20] {
        let manifest = Manifest::new(&image.manifest.media_type, &[b'{'].repeat(size));
        let refused = proxy.put_manifest("web:1.4.1", &manifest);
        let message = refused.expect(413).expect_code("SIZE_INVALID");
        assert_eq!(message, "a manifest may have at most 1024 bytes", "with {size} bytes");
    }
    assert_eq!(registry.tags("web"), ["1.4.0"]);
    expect_reached(&proxy, "manifest_limit", 4.0);
}

#[test]
fn more_uploads_than_may_run_are_429_and_pass_later() {
    let registry = Registry::start();
    let faults = Faults::in_front_of(registry.address());
    let proxy = Pushonce::in_front_of(&faults.url()).setting("server.max_uploads = 1").start();
    let blob = b"hello".as_slice();
    proxy.push("web:1.4.0", &Image::random()).expect_created();
    let gate = Gate::default();
    faults.once(|request| request.method() == "POST", Fault::Hold(gate.clone()));
    std::thread::scope(|scope| {
        let first = scope.spawn(|| proxy.request("POST", "/v2/web/blobs/uploads/").send().status);
        gate.wait_until_reached();
        assert_eq!(proxy.metric("pushonce_uploads", &[]), 1.0);
        let refused = proxy.upload_blob("web", blob);
        refused.expect(429).expect_code("TOOMANYREQUESTS");
        assert_eq!(refused.header("retry-after"), Some("5"), "{refused}");
        assert_eq!(proxy.metric("pushonce_uploads_refused_total", &[]), 1.0);
        proxy.pull("web:1.4.0").expect_ok();
        proxy.head("web:1.4.0").expect_ok();
        gate.open();
        assert_eq!(first.join().expect("an upload"), 202);
    });
    assert_eq!(proxy.metric("pushonce_uploads", &[]), 0.0);
    proxy.upload_blob("web", blob).expect_created().expect_digest(&sha256(blob));
    assert_eq!(proxy.metric("pushonce_uploads_refused_total", &[]), 1.0);
    expect_reached(&proxy, "max_uploads", 1.0);
}

/// A client that keeps its connection.
struct Kept(TcpStream);

impl Kept {
    fn connect(proxy: &Pushonce) -> Self {
        Self(TcpStream::connect(proxy.address()).expect("a connection"))
    }

    fn ask(&mut self) {
        self.0.write_all(b"GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n").expect("a request");
    }

    /// The start of an answer, if it begins within `patience`.
    fn answer(&mut self, patience: Duration) -> Option<String> {
        self.0.set_read_timeout(Some(patience)).expect("a timeout");
        let mut buffer = [0; 4096];
        match self.0.read(&mut buffer) {
            Ok(count) => Some(String::from_utf8_lossy(&buffer[..count]).into_owned()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => None,
            Err(error) => panic!("no answer: {error}"),
        }
    }
}

#[test]
fn one_connection_more_than_may_be_open_waits_for_an_end() {
    let registry = Registry::start();
    let proxy = Pushonce::in_front_of(&registry.url()).setting("server.max_connections = 2").start();
    let mut open = [Kept::connect(&proxy), Kept::connect(&proxy)];
    for client in &mut open {
        client.ask();
        assert!(client.answer(PATIENCE).is_some_and(|answer| answer.starts_with("HTTP/1.1 200 ")));
    }
    assert_eq!(proxy.metric("pushonce_connections", &[]), 2.0);
    assert_eq!(proxy.metric("pushonce_connections_limit", &[]), 2.0);
    let mut third = Kept::connect(&proxy);
    third.ask();
    assert_eq!(third.answer(Duration::from_millis(300)), None, "a third connection was served");
    expect_reached(&proxy, "max_connections", 1.0);
    assert_eq!(proxy.metric("pushonce_connections", &[]), 2.0);

    let [first, mut second] = open;
    drop(first);
    assert!(third.answer(PATIENCE).is_some_and(|answer| answer.starts_with("HTTP/1.1 200 ")));
    second.ask();
    assert!(second.answer(PATIENCE).is_some_and(|answer| answer.starts_with("HTTP/1.1 200 ")), "the one that stayed is served");
}

#[test]
fn one_stream_more_than_may_be_open_is_refused() {
    let upstream = Upstream::start(|request| if request.is("GET", "/hang") { Answer::Hang } else { Answer::status(200) });
    let proxy = Pushonce::in_front_of(&upstream.url())
        .setting("server.max_streams = 2")
        .setting("server.passthrough = [\"/hang\"]")
        .setting("server.drain_timeout = \"1s\"")
        .start();
    let mut client = Connection::open(proxy.address());
    let settings = std::iter::from_fn(|| client.next()).find(|frame| frame.kind == frames::SETTINGS).expect("the settings");
    let max_streams = settings.payload.chunks(6).find(|setting| setting[..2] == [0, 3]).expect("SETTINGS_MAX_CONCURRENT_STREAMS");
    assert_eq!(max_streams[2..], [0, 0, 0, 2]);
    let requests = [frames::get(1, "/hang"), frames::get(3, "/hang"), frames::get(5, "/v2/")];
    client.send(&requests.concat()).expect("three requests");
    let ended = std::iter::from_fn(|| client.next()).find(|frame| matches!(frame.kind, frames::RST_STREAM | frames::HEADERS));
    let ended = ended.expect("an end of the third stream");
    const REFUSED_STREAM: [u8; 4] = [0, 0, 0, 7];
    assert_eq!((ended.kind, ended.stream, ended.payload.as_slice()), (frames::RST_STREAM, 5, REFUSED_STREAM.as_slice()));
    assert_eq!(proxy.metric("pushonce_streams", &[]), 2.0);

    // One of the first two given up makes room.
    client.send(&frames::frame(frames::RST_STREAM, 0, 1, &[0, 0, 0, 8])).expect("a reset");
    client.send(&frames::get(7, "/v2/")).expect("a fourth request");
    let answered = std::iter::from_fn(|| client.next()).find(|frame| frame.stream == 7).expect("an answer");
    assert_eq!((answered.kind, frames::status(&answered.payload).as_str()), (frames::HEADERS, "200"));
    let over = || (proxy.metric("pushonce_connections", &[]) == 0.0).then_some(());
    drop(client);
    eventually(PATIENCE, "the connection is over", over);
}

#[test]
fn a_request_that_never_ends_leaves_no_place_taken() {
    let upstream = Upstream::start(|request| Answer::status(if request.method() == "GET" { 200 } else { 202 }));
    let proxy = Pushonce::in_front_of(&upstream.url())
        .setting("server.max_uploads = 1")
        .setting("server.body_idle_timeout = \"300ms\"")
        .start();
    let mut client = Connection::open(proxy.address());
    client.send(&frames::request(1, "PATCH", "/v2/web/blobs/uploads/1", 0)).expect("an upload without a body");
    let answer = std::iter::from_fn(|| client.next()).find(|frame| frame.kind == frames::HEADERS).expect("an answer");
    assert_eq!(frames::status(&answer.payload), "400");
    client.send(&frames::request(3, "PATCH", "/v2/web/blobs/uploads/1", END_STREAM)).expect("an empty upload");
    let answer = std::iter::from_fn(|| client.next()).find(|frame| frame.kind == frames::HEADERS && frame.stream == 3);
    assert_eq!(frames::status(&answer.expect("an answer").payload), "202");
    assert_eq!(proxy.metric("pushonce_uploads", &[]), 0.0);
}

#[test]
fn a_client_that_reads_nothing_of_a_large_answer_is_hung_up_on() {
    let registry = Registry::start();
    let proxy = Pushonce::in_front_of(&registry.url()).setting("server.body_idle_timeout = \"500ms\"").start();
    // More than the buffers on the way hold.
    let blob = random::bytes(64 << 20);
    registry.upload_blob("web", &blob).expect_created();
    let target = format!("/v2/web/blobs/{}", sha256(&blob));
    let mut first = TcpStream::connect(proxy.address()).expect("a connection");
    write!(first, "GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").expect("a request");
    let mut second = Connection::open(proxy.address());
    // Windows as large as can be, so that nothing but the reading is missing.
    const MOST: [u8; 4] = [0x7f, 0xff, 0, 0];
    let windows = [frames::frame(frames::SETTINGS, 0, 0, &[&[0, 4], MOST.as_slice()].concat()), frames::frame(8, 0, 0, &MOST)];
    second.send(&[windows.concat(), frames::get(1, &target)].concat()).expect("a request");
    let upstream = |outcome| proxy.metric("pushonce_upstream_seconds_count", &[("method", "GET"), ("outcome", outcome)]);
    eventually(PATIENCE, "both are answered", || (upstream("answered") == 2.0).then_some(()));
    eventually(PATIENCE, "both are hung up on", || (proxy.metric("pushonce_connections", &[]) == 0.0).then_some(()));
    drop((first, second));
    assert_eq!(proxy.get_blob("web", &sha256(&blob)).expect_ok().body.len(), blob.len(), "one that reads gets all of it");
}
