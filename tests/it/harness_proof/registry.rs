//! Registries and the plain client.

use std::io::{Read, repeat};
use std::path::Path;

use crate::harness::image::{Manifest, sha256, sha512};
use crate::harness::registry::{PASSWORD, USER};
use crate::harness::{Image, Registry, raw};

#[test]
fn a_push_is_pulled_back_unchanged() {
    let registry = Registry::start();
    let (amd64, arm64) = (Image::with_layers(&[10, 100_000]), Image::random());
    let docker = [Image::docker(), Image::docker()];
    let index = Image::index(&[&amd64, &arm64]);
    let list = Image::docker_list(&[&docker[0], &docker[1]]);
    let images = [("one", &amd64), ("index", &index), ("docker", &docker[0]), ("list", &list)];
    for (tag, image) in images {
        let name = format!("driftwood/web:{tag}");
        registry.push(&name, image).expect_created().expect_digest(&image.digest());
        let pulled = registry.pull(&name);
        assert_eq!(pulled.expect_ok().body, image.manifest.bytes);
        assert_eq!(pulled.header("content-type"), Some(image.manifest.media_type.as_str()));
        registry.head(&name).expect_ok().expect_digest(&image.digest());
        assert_eq!(registry.tag_digest(&name), Some(image.digest()));
    }
    assert_eq!(registry.tags("driftwood/web"), ["docker", "index", "list", "one"]);
    assert_eq!(registry.tag_digest("driftwood/web:other"), None);
    assert!(registry.tags("driftwood/other").is_empty());
}

#[test]
fn blobs_travel_in_every_way() {
    let registry = Registry::start();
    let bytes = crate::harness::random::bytes(300_000);
    let digest = sha256(&bytes);
    registry.upload_blob("a", &bytes).expect_created().expect_digest(&digest);
    registry.upload_blob_in_chunks("b", &bytes, 70_001).expect_created();
    registry.mount_blob("c", &digest, "a").expect_created();
    for repository in ["a", "b", "c"] {
        assert_eq!(registry.get_blob(repository, &digest).expect_ok().body, bytes, "the blob in {repository}");
    }
    registry.mount_blob("d", &sha256(b"unknown"), "a").expect(202);
    registry.delete_blob("a", &digest).expect(202);
    registry.get_blob("a", &digest).expect_not_found();

    let zeros = vec![0; 5_000_000];
    let streamed = registry.upload_blob_from("e", &sha256(&zeros), &mut repeat(0).take(5_000_000), 5_000_000);
    streamed.expect("an answer").expect_created();
    let mut received = Vec::new();
    registry.download_blob("e", &sha256(&zeros), &mut received).expect("an answer").expect_ok();
    assert_eq!(received, zeros);
}

#[test]
fn a_registry_asks_for_the_password() {
    let registry = Registry::with().basic_auth().start();
    let image = Image::random();
    registry.push("web:1.4.0", &image).expect(401).expect_code("UNAUTHORIZED");
    registry.as_user().push("web:1.4.0", &image).expect_created();
    registry.signed_in(USER, &PASSWORD[1..]).pull("web:1.4.0").expect(401);
}

#[test]
fn a_registry_speaks_tls_below_a_prefix() {
    let registry = Registry::with().tls().prefix("/registry").start();
    let image = Image::with_layers(&[200_000]);
    registry.push("web:1.4.0", &image).expect_created();
    assert_eq!(registry.tag_digest("web:1.4.0"), Some(image.digest()));
    assert!(registry.url().starts_with("https://127.0.0.1:") && registry.url().ends_with("/registry"));
    registry.request("GET", "/v2/").send().expect_not_found();
    let authority = std::fs::read_to_string(registry.ca_file()).expect("the authority's certificate");
    assert!(authority.starts_with("-----BEGIN CERTIFICATE-----"));
}

#[test]
fn a_registry_keeps_its_tags_and_address_over_a_restart() {
    let mut registry = Registry::start();
    let (first, second) = (Image::random(), Image::random());
    registry.put_tag_behind_the_back("web:1.4.0", &first);
    registry.put_tag_behind_the_back("web:1.4.0", &second);
    registry.stop();
    assert!(registry.try_pull("web:1.4.0").is_err(), "a stopped registry answered");
    registry.start_again();
    assert_eq!(registry.tag_digest("web:1.4.0"), Some(second.digest()));
    registry.delete(&format!("web@{}", second.digest())).expect(202);
    registry.pull("web:1.4.0").expect_not_found().expect_code("MANIFEST_UNKNOWN");
}

#[test]
fn what_is_not_a_manifest_is_refused_by_the_registry() {
    let registry = Registry::start();
    let image = Image::random();
    registry.push("web:1", &image).expect_created();
    registry.put_manifest("web:2", &Manifest::new(&image.manifest.media_type, b"{")).expect(400).expect_code("MANIFEST_INVALID");
    assert_eq!(sha512(b"").len(), "sha512:".len() + 128);
}

#[test]
fn raw_bytes_arrive_as_they_are() {
    let registry = Registry::start();
    let answer = raw(registry.address(), b"GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    let answer = raw(registry.address(), b"GET /v2/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}

#[test]
fn nothing_is_left_behind() {
    let registry = Registry::start();
    registry.push("web:1", &Image::random()).expect_created();
    let (directory, address) = (registry.ca_file().parent().expect("a directory").to_owned(), registry.address().to_owned());
    assert!(directory.join("data").exists());
    drop(registry);
    assert!(!Path::new(&directory).exists(), "the files of the registry are still there");
    assert!(std::net::TcpStream::connect(address).is_err(), "the registry still listens");
}
