//! SIGTERM: what runs is finished, nothing new begins.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::harness::api::Api;
use crate::harness::image::sha256;
use crate::harness::process::eventually;
use crate::harness::{Fault, Faults, Gate, Image, Pushonce, Registry};

const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until no new connection is taken.
fn until_it_refuses(proxy: &Api) {
    let refused = || TcpStream::connect(proxy.address()).is_err().then_some(());
    eventually(PATIENCE, "new connections are refused", refused);
}

#[test]
fn an_idle_proxy_ends_at_once() {
    let registry = Registry::start();
    let mut proxy = Pushonce::in_front_of(&registry.url()).setting("server.drain_timeout = \"1h\"").start();
    let mut idle = TcpStream::connect(proxy.address()).expect("a connection");
    idle.write_all(b"GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n").expect("a request");
    idle.read_exact(&mut [0; 12]).expect("an answer");
    assert_eq!(proxy.terminate().code(), Some(0));
    assert!(proxy.log().contains("shut down; everything was finished"), "{}", proxy.log());
    let left: Vec<_> = std::fs::read_dir(proxy.directory()).expect("its files").flatten().map(|entry| entry.file_name()).collect();
    assert!(!left.iter().any(|name| name == "ledger.db-wal"), "the ledger was not closed: {left:?}");
}

#[test]
fn a_held_push_is_finished_before_it_ends() {
    let registry = Registry::start();
    let faults = Faults::in_front_of(registry.address());
    let mut proxy = Pushonce::in_front_of(&faults.url()).start();
    let api = Api::clone(&proxy);
    let admin = proxy.admin().clone();
    let image = Image::random();
    let gate = Gate::default();
    faults.once(|request| request.is("PUT", "/manifests/1.4.0"), Fault::Hold(gate.clone()));
    thread::scope(|scope| {
        let push = scope.spawn(|| api.push("web:1.4.0", &image).status);
        gate.wait_until_reached();
        let ending = scope.spawn(|| proxy.terminate());
        until_it_refuses(&api);
        let ready = admin.request("GET", "/readyz").send();
        assert!(ready.expect(503).text().contains("failed  serving: shutting down"), "{ready}");
        gate.open();
        assert_eq!(push.join().expect("a push"), 201);
        assert_eq!(ending.join().expect("an end").code(), Some(0));
    });
    assert_eq!(registry.tag_digest("web:1.4.0"), Some(image.digest()));
    proxy.restart();
    assert_eq!(proxy.metric("pushonce_open_claims", &[]), 0.0);
}

#[test]
fn a_running_upload_is_finished_before_it_ends() {
    let registry = Registry::start();
    let mut proxy = Pushonce::start(&registry);
    let api = Api::clone(&proxy);
    let bytes = crate::harness::random::bytes(100_000);
    let begun = api.request("POST", "/v2/web/blobs/uploads/").send();
    let target = format!("{}&digest={}", api.location(begun.expect(202)), sha256(&bytes));
    let mut client = TcpStream::connect(api.address()).expect("a connection");
    let head = format!("PUT {target} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n", api.address(), bytes.len());
    client.write_all(&[head.as_bytes(), &bytes[..50_000]].concat()).expect("the first half");
    let runs = || (proxy.metric("pushonce_uploads", &[]) == 1.0).then_some(());
    eventually(PATIENCE, "the upload runs", runs);
    thread::scope(|scope| {
        let ending = scope.spawn(|| proxy.terminate());
        until_it_refuses(&api);
        client.write_all(&bytes[50_000..]).expect("the second half");
        let mut answer = String::new();
        client.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
        assert_eq!(ending.join().expect("an end").code(), Some(0));
    });
    assert_eq!(registry.get_blob("web", &sha256(&bytes)).expect_ok().body, bytes);
}

#[test]
fn what_takes_longer_than_the_limit_is_cut_and_finished_by_the_next_push() {
    let registry = Registry::start();
    let faults = Faults::in_front_of(registry.address());
    let mut proxy = Pushonce::in_front_of(&faults.url()).setting("server.drain_timeout = \"100ms\"").start();
    let api = Api::clone(&proxy);
    let image = Image::random();
    let gate = Gate::default();
    faults.once(|request| request.is("PUT", "/manifests/1.4.0"), Fault::Hold(gate.clone()));
    thread::scope(|scope| {
        let push = scope.spawn(|| api.try_push("web:1.4.0", &image).is_err());
        gate.wait_until_reached();
        assert_eq!(proxy.terminate().code(), Some(0));
        assert!(push.join().expect("a push"), "it was answered though it was cut");
    });
    assert!(proxy.log().contains("shut down at server.drain_timeout"), "{}", proxy.log());
    proxy.restart();
    assert_eq!(proxy.metric("pushonce_open_claims", &[]), 1.0);
    proxy.push("web:1.4.0", &Image::random()).expect_refused();
    assert_eq!(registry.tag_digest("web:1.4.0"), Some(image.digest()));
    gate.open();
}

#[test]
fn only_one_proxy_has_a_ledger() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let file = format!("sqlite:{}", proxy.directory().join("ledger.db").display());
    let failed = Pushonce::in_front_of(&registry.url()).environment("PUSHONCE_LEDGER__URL", &file).start_and_fail();
    assert_eq!(failed.status.code(), Some(1), "{failed}");
    assert!(failed.stderr.contains("ledger.db") && failed.stderr.contains("process "), "{failed}");
}

/// What systemd does with `deploy/pushonce.socket`: the socket stays while the process is
/// replaced, three times, and no request of all that run meanwhile is refused or lost.
#[test]
fn a_socket_that_is_handed_over_refuses_nobody_while_it_restarts() {
    let registry = Registry::start();
    let socket = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    let mut proxy = Pushonce::in_front_of(&registry.url()).socket(socket).start();
    proxy.push("web:1.4.0", &Image::random()).expect_created();
    let (api, is_over) = (Api::clone(&proxy), AtomicBool::new(false));
    let answered = thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut answered = 0;
                    while !is_over.load(Ordering::Relaxed) {
                        api.pull("web:1.4.0").expect_ok();
                        answered += 1;
                    }
                    answered
                })
            })
            .collect();
        for _ in 0..3 {
            assert_eq!(proxy.terminate().code(), Some(0));
            proxy.restart();
            thread::sleep(Duration::from_millis(300));
        }
        is_over.store(true, Ordering::Relaxed);
        clients.into_iter().map(|client| client.join().expect("a client")).sum::<u32>()
    });
    assert!(answered > 20, "{answered} requests");
}
