//! The fault proxy in front of the real registry.

use std::io::Write;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::api::Api;
use crate::harness::http::Endpoint;
use crate::harness::process::eventually;
use crate::harness::{Fault, Faults, Gate, Image, Registry};

fn pair() -> (Registry, Faults, Api) {
    let registry = Registry::start();
    let faults = Faults::in_front_of(registry.address());
    let api = Api::new(Endpoint::plain(&faults.address()), "");
    (registry, faults, api)
}

#[test]
fn it_is_transparent_until_told_otherwise() {
    let (registry, faults, api) = pair();
    let image = Image::with_layers(&[3_000_000]);
    api.push("web:1", &image).expect_created();
    assert_eq!(registry.tag_digest("web:1"), Some(image.digest()));
    assert_eq!(api.tag_digest("web:1"), Some(image.digest()));
    assert_eq!(faults.count("PUT", "/manifests/1"), 1);
    assert!(faults.url().ends_with(&faults.address()));
}

#[test]
fn a_cut_request_never_reaches_the_registry() {
    let (registry, faults, api) = pair();
    faults.when(|request| request.is("PUT", "/manifests/1"), Fault::Cut);
    let image = Image::random();
    assert!(api.try_push("web:1", &image).is_err());
    assert_eq!(registry.tag_digest("web:1"), None);
    api.push("web:2", &image).expect_created();
    faults.heal();
    api.push("web:1", &image).expect_created();
}

#[test]
fn a_lost_answer_leaves_the_deed_done() {
    let (registry, faults, api) = pair();
    faults.once(|request| request.is("PUT", "/manifests/1"), Fault::LoseAnswer);
    let image = Image::random();
    assert!(api.try_push("web:1", &image).is_err());
    assert_eq!(registry.tag_digest("web:1"), Some(image.digest()));
    api.push("web:1", &image).expect_created();
}

#[test]
fn a_status_is_given_in_the_registrys_place() {
    let (registry, faults, api) = pair();
    faults.once(|request| request.is("PUT", "/manifests/1"), Fault::Status(500));
    api.push("web:1", &Image::random()).expect(500);
    assert_eq!(registry.tag_digest("web:1"), None);
}

#[test]
fn a_held_request_waits_for_the_test() {
    let (registry, faults, api) = pair();
    let gate = Gate::default();
    faults.once(|request| request.is("PUT", "/manifests/1"), Fault::Hold(gate.clone()));
    let image = Image::random();
    let digest = image.digest();
    let client = thread::spawn(move || api.push("web:1", &image).status);
    gate.wait_until_reached();
    assert_eq!(registry.tag_digest("web:1"), None);
    gate.open();
    assert_eq!(client.join().expect("the client's thread"), 201);
    assert_eq!(registry.tag_digest("web:1"), Some(digest));
}

#[test]
fn a_held_request_goes_on_after_its_client_has_left() {
    let (registry, faults, _api) = pair();
    let image = Image::random();
    registry.push("web:0", &image).expect_created();
    let gate = Gate::default();
    faults.once(|request| request.is("PUT", "/manifests/1"), Fault::Hold(gate.clone()));
    let (manifest, mut client) = (&image.manifest, TcpStream::connect(faults.address()).expect("a connection"));
    let (media_type, length) = (&manifest.media_type, manifest.bytes.len());
    let head =
        format!("PUT /v2/web/manifests/1 HTTP/1.1\r\nHost: a\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\n\r\n");
    client.write_all(&[head.as_bytes(), &manifest.bytes].concat()).expect("a request");
    gate.wait_until_reached();
    drop(client);
    gate.open();
    let arrived = || registry.tag_digest("web:1");
    assert_eq!(eventually(Duration::from_secs(10), "the zombie arrives", arrived), image.digest());
}

#[test]
fn a_delayed_request_is_late() {
    let (_registry, faults, api) = pair();
    faults.when(|request| request.method() == "GET", Fault::Delay(Duration::from_millis(300)));
    let started = Instant::now();
    api.pull("web:1").expect_not_found();
    assert!(started.elapsed() >= Duration::from_millis(300));
}
