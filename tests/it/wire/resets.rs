//! Attacks within one connection of HTTP/2: each ends that connection, and nobody
//! else notices.

use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::frames::{self, CONTINUATION, Connection, END_STREAM, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS};
use crate::harness::{Image, Pushonce, Registry};

/// The most memory that the proxy may have had resident (docs/RELIABILITY.md).
const MOST_MIB: u64 = 96;

const ATTACKERS: usize = 8;
const HONEST: usize = 10;
const CANCEL: [u8; 4] = [0, 0, 0, 8];

/// Runs `attack` on connection after connection while an honest client pushes and
/// pulls. Every attack ends with its connection.
fn survive(what: &str, attack: impl Fn(&mut Connection) + Sync) {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let image = Image::random();
    proxy.push("web:1.4.0", &image).expect_created();
    let (is_over, attacks) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..ATTACKERS {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let mut connection = Connection::open(proxy.address());
                    attack(&mut connection);
                    let last = std::iter::from_fn(|| connection.next()).filter(|frame| frame.kind == GOAWAY).last();
                    let frame = last.unwrap_or_else(|| panic!("{what}: the connection ended without GOAWAY"));
                    assert_ne!(frame.payload[4..8], [0; 4], "{what}: GOAWAY without an error");
                    attacks.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        // The attackers end with the honest client, however it ends.
        let _end = OnDrop(&is_over);
        for number in 0..HONEST {
            proxy.push(&format!("web:2.0.{number}"), &Image::random()).expect_created();
            assert_eq!(proxy.pull("web:1.4.0").expect_ok().body, image.manifest.bytes);
        }
    });
    let (attacks, peak) = (attacks.into_inner(), proxy.peak_rss_mib());
    println!("{what}: {attacks} connections, {peak} MiB resident at most, {HONEST} honest pushes and pulls");
    assert!(attacks >= ATTACKERS, "{what}: only {attacks} attacks");
    assert!(peak < MOST_MIB, "{what}: {peak} MiB were resident");
}

struct OnDrop<'a>(&'a AtomicBool);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Sends until the proxy hangs up, or `most` times.
fn flood(connection: &mut Connection, most: u32, mut part: impl FnMut(u32) -> Vec<u8>) {
    for number in 0..most {
        if connection.send(&part(number)).is_err() {
            return;
        }
    }
}

/// CVE-2023-44487.
#[test]
fn rapid_resets_end_the_connection() {
    survive("rapid resets", |connection| {
        flood(connection, 20_000, |number| {
            let stream = 2 * number + 1;
            [frames::get(stream, "/v2/web/manifests/1.4.0"), frames::frame(RST_STREAM, 0, stream, &CANCEL)].concat()
        });
    });
}

/// CVE-2025-8671: the client makes the server reset.
#[test]
fn resets_that_the_server_is_made_to_send_end_the_connection() {
    survive("made resets", |connection| {
        flood(connection, 20_000, |number| {
            let stream = 2 * number + 1;
            // A window that grows by nothing is an error of the stream.
            [frames::request(stream, "PUT", "/v2/web/manifests/2", 0), frames::frame(8, 0, stream, &[0; 4])].concat()
        });
    });
}

/// CVE-2024-27316.
#[test]
fn endless_continuations_end_the_connection() {
    survive("continuations", |connection| {
        let fields = frames::block([(b"x".as_slice(), [b'a'; 16_000].as_slice())]);
        let _ = connection.send(&frames::frame(HEADERS, END_STREAM, 1, &fields));
        flood(connection, 5_000, |_| frames::frame(CONTINUATION, 0, 1, &fields));
    });
}

/// What costs the server an answer each time is either answered at the pace of
/// whoever reads the answers, or ends the connection.
#[test]
fn pings_and_settings_whose_answers_nobody_reads_are_bounded() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let image = Image::random();
    proxy.push("web:1.4.0", &image).expect_created();
    for frame in [frames::frame(PING, 0, 0, &[0; 8]), frames::frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 255, 255])] {
        let parts = frame.repeat(1000);
        let connection = TcpStream::connect(proxy.address()).expect("a connection");
        // Where the proxy reads no more until its answers are read, this ends it.
        connection.set_write_timeout(Some(Duration::from_secs(2))).expect("a timeout");
        let mut connection = &connection;
        let settings = frames::frame(SETTINGS, 0, 0, &[]);
        connection.write_all(&[frames::PREFACE, &settings].concat()).expect("a preface");
        let sent = (0..3000).take_while(|_| connection.write_all(&parts).is_ok()).count();
        println!("{} thousand frames of type {} whose answers nobody reads", sent, frame[3]);
        assert_eq!(proxy.pull("web:1.4.0").expect_ok().body, image.manifest.bytes);
    }
    let peak = proxy.peak_rss_mib();
    println!("{peak} MiB resident at most");
    assert!(peak < MOST_MIB, "{peak} MiB were resident");
}
