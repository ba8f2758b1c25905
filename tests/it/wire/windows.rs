//! Clients of HTTP/2 that ask, and make no room for the answer (RFC 9113, section 5.2).

use std::thread;
use std::time::Duration;

use super::frames::{self, Connection, DATA, END_STREAM, Frame, HEADERS, PREFACE, RST_STREAM, SETTINGS, frame};
use crate::harness::image::sha256;
use crate::harness::process::eventually;
use crate::harness::{Image, Pushonce, Registry, random};

const PATIENCE: Duration = Duration::from_secs(30);
const CANCEL: [u8; 4] = [0, 0, 0, 8];

/// How many answers at once nobody takes: as many as `server.max_streams` allows on
/// each of ten connections.
const CONNECTIONS: usize = 10;
const STREAMS: u32 = 100;

/// The most memory that the proxy may have had resident (docs/RELIABILITY.md).
const MOST_MIB: u64 = 192;

const HONEST: usize = 10;

/// A connection on which each stream begins with room for `window` bytes.
fn connect(proxy: &Pushonce, window: u32) -> Connection {
    let mut connection = Connection::silent(proxy.address());
    let settings = frame(SETTINGS, 0, 0, &[&[0, 4], window.to_be_bytes().as_slice()].concat());
    connection.send(&[PREFACE, &settings].concat()).expect("a fresh connection takes the preface");
    connection
}

/// Room for so many more bytes.
fn window_update(stream: u32, bytes: u32) -> Vec<u8> {
    frame(8, 0, stream, &bytes.to_be_bytes())
}

/// What comes on a stream until it ends: its bytes, and the frame that ended it.
fn rest(connection: &mut Connection, stream: u32) -> (Vec<u8>, Frame) {
    let mut bytes = Vec::new();
    loop {
        let frame = connection.next().unwrap_or_else(|| panic!("the connection ended before stream {stream}"));
        if frame.stream != stream {
            continue;
        }
        if frame.kind == DATA {
            bytes.extend_from_slice(&frame.payload);
        }
        if frame.kind == RST_STREAM || frame.flags & END_STREAM != 0 && matches!(frame.kind, DATA | HEADERS) {
            return (bytes, frame);
        }
    }
}

fn reached(proxy: &Pushonce) -> f64 {
    proxy.metric("pushonce_limits_reached_total", &[("limit", "body_idle_timeout")])
}

#[test]
fn an_answer_that_nobody_makes_room_for_ends_its_stream_alone() {
    let registry = Registry::start();
    let proxy = Pushonce::in_front_of(&registry.url()).setting("server.body_idle_timeout = \"500ms\"").start();
    let (large, small) = (random::bytes(8 << 20), random::bytes(400));
    proxy.push("web:1.4.0", &Image::random()).expect_created();
    for blob in [&large, &small] {
        registry.upload_blob("web", blob).expect_created();
    }
    let of_blob = |blob: &[u8]| format!("/v2/web/blobs/{}", sha256(blob));
    // Passed on, read whole, and answered by the proxy itself.
    let targets = [
        of_blob(&large),
        of_blob(&small),
        "/v2/web/manifests/9.9.9".to_owned(),
        "/v2/web/tags/list".to_owned(),
        "/nowhere".to_owned(),
    ];
    for window in [0, 1, 7] {
        let before = reached(&proxy);
        let mut connection = connect(&proxy, window);
        for (number, target) in targets.iter().enumerate() {
            let stream = 2 * number as u32 + 1;
            connection.send(&frames::get(stream, target)).expect("a request");
            let (bytes, end) = rest(&mut connection, stream);
            assert_eq!(bytes.len(), window as usize, "{target} with a window of {window}");
            assert_eq!((end.kind, end.payload.as_slice()), (RST_STREAM, CANCEL.as_slice()), "{target}, {window}");
        }
        assert_eq!(reached(&proxy) - before, targets.len() as f64);
        // The connection goes on.
        connection.send(&[frames::get(21, &targets[1]), window_update(21, 100_000)].concat()).expect("a request");
        let (bytes, end) = rest(&mut connection, 21);
        assert_eq!((end.kind, bytes == small), (DATA, true));
        connection.send(&frames::request(23, "HEAD", &targets[0], END_STREAM)).expect("a request");
        assert_eq!(rest(&mut connection, 23).1.kind, HEADERS);
    }
    assert_eq!(proxy.metric("pushonce_streams", &[]), 0.0);
    proxy.push("web:1.4.1", &Image::random()).expect_created();
}

#[test]
fn an_answer_that_fits_exactly_needs_no_more_room() {
    let registry = Registry::start();
    let proxy = Pushonce::in_front_of(&registry.url()).setting("server.body_idle_timeout = \"2s\"").start();
    let blob = random::bytes(400);
    registry.upload_blob("web", &blob).expect_created();
    let (target, length) = (format!("/v2/web/blobs/{}", sha256(&blob)), blob.len() as u32);
    for (window, is_whole) in [(length, true), (length + 1, true), (length - 1, false)] {
        let mut connection = connect(&proxy, window);
        connection.send(&frames::get(1, &target)).expect("a request");
        let (bytes, end) = rest(&mut connection, 1);
        assert_eq!((bytes.len() as u32, end.kind == DATA), (window.min(length), is_whole), "a window of {window}");
    }
}

#[test]
fn who_makes_room_slowly_gets_all_of_it() {
    let registry = Registry::start();
    let proxy = Pushonce::in_front_of(&registry.url()).setting("server.body_idle_timeout = \"1s\"").start();
    let blob = random::bytes(600 << 10);
    registry.upload_blob("web", &blob).expect_created();
    let mut connection = connect(&proxy, 0);
    connection.send(&frames::get(1, &format!("/v2/web/blobs/{}", sha256(&blob)))).expect("a request");
    // Ten times as long as may pass without a part being taken, divided by three.
    for _ in 0..10 {
        connection.send(&[window_update(0, 64 << 10), window_update(1, 64 << 10)].concat()).expect("room");
        thread::sleep(Duration::from_millis(300));
    }
    let (bytes, end) = rest(&mut connection, 1);
    assert_eq!((end.kind, bytes == blob), (DATA, true));
    assert_eq!(reached(&proxy), 0.0);
}

#[test]
fn windows_that_never_open_hold_bounded_memory_and_are_ended() {
    let registry = Registry::start();
    let proxy = Pushonce::in_front_of(&registry.url()).setting("server.body_idle_timeout = \"10s\"").start();
    let (image, blob) = (Image::random(), random::bytes(8 << 20));
    proxy.push("web:1.4.0", &image).expect_created();
    registry.upload_blob("web", &blob).expect_created();
    let target = format!("/v2/web/blobs/{}", sha256(&blob));
    let before = proxy.rss_mib();
    let count = CONNECTIONS as f64 * f64::from(STREAMS);
    let mut connections: Vec<Connection> = (0..CONNECTIONS).map(|_| connect(&proxy, 0)).collect();
    for connection in &mut connections {
        let requests: Vec<u8> = (0..STREAMS).flat_map(|number| frames::get(2 * number + 1, &target)).collect();
        connection.send(&requests).expect("requests");
    }
    eventually(PATIENCE, "all run at once", || (proxy.metric("pushonce_streams", &[]) == count).then_some(()));
    for number in 0..HONEST {
        proxy.push(&format!("web:2.0.{number}"), &Image::random()).expect_created();
        assert_eq!(proxy.pull("web:1.4.0").expect_ok().body, image.manifest.bytes);
    }
    let peak = proxy.peak_rss_mib();
    println!(
        "{count} answers that nobody makes room for: {before} MiB resident before, {peak} MiB at most, {HONEST} honest pushes and pulls"
    );
    assert!(peak < MOST_MIB, "{peak} MiB were resident with {count} such answers");
    eventually(PATIENCE, "all are ended", || (proxy.metric("pushonce_streams", &[]) == 0.0).then_some(()));
    assert_eq!(reached(&proxy), count);
}
