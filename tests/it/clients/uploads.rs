//! The ways in which clients bring blobs: at once, in chunks, resumed, mounted.

use super::{REPOSITORY, Stage};
use crate::harness::api::Api;
use crate::harness::blobs::with_query;
use crate::harness::http::Endpoint;
use crate::harness::image::sha256;
use crate::harness::{Client, Dxf, Fault, Faults, Image, OciClient, Oras, random};

const OTHER: &str = "driftwood/other";
const MIB: usize = 1024 * 1024;

/// How many PATCH requests a push through the proxy takes; it is pulled back as pushed.
fn patches_of(client: &dyn Client, push: impl FnOnce(&str)) -> usize {
    let stage = Stage::set();
    let recorder = Faults::in_front_of(stage.proxy.address());
    let name = format!("{}/{REPOSITORY}:1.4.0", recorder.address());
    push(&name);
    assert_eq!(client.pulled_digest(&name), stage.digest("1.4.0"));
    recorder.requests().iter().filter(|request| request.method() == "PATCH").count()
}

#[test]
fn a_layer_is_uploaded_in_chunks_or_at_once() {
    let chunked = OciClient::new();
    chunked.build_of_size("image", 9 * MIB);
    // Three chunks of 4 MiB at most, and the configuration.
    assert_eq!(patches_of(&chunked, |name| drop(chunked.push("image", name).expect_success())), 4);

    let monolithic = OciClient::monolithic();
    monolithic.build_of_size("image", 9 * MIB);
    assert_eq!(patches_of(&monolithic, |name| drop(monolithic.push("image", name).expect_success())), 0);

    let oras = Oras::new();
    oras.build("file", &"content ".repeat(500));
    let patches = patches_of(&oras, |name| drop(oras.push_with("file", name, &["chunked"]).expect_success()));
    assert!(patches >= 4, "4000 bytes in chunks of 1000 took {patches} requests");
}

#[test]
fn an_upload_goes_on_where_it_broke_off() {
    let stage = Stage::set();
    let broken = Faults::in_front_of(stage.proxy.address());
    let api = Api::new(Endpoint::plain(&broken.address()), "");
    let blob = random::bytes(5000);
    let (start, rest) = blob.split_at(3000);
    let chunk = |location: &str, range: &str, bytes: &[u8]| {
        let patch = api.request("PATCH", location).header("Content-Type", "application/octet-stream");
        patch.header("Content-Range", range).body(bytes).try_send()
    };
    let begun = api.begin_upload(REPOSITORY, "").expect("an answer");
    let patched = chunk(&api.location(begun.expect(202)), "0-2999", start).expect("an answer");
    let location = api.location(patched.expect(202));
    broken.once(|request| request.method() == "PATCH", Fault::Cut);
    chunk(&location, "3000-4999", rest).map(drop).expect_err("the connection is cut");

    // How far it came, and where to go on (distribution-spec, end-13).
    let asked = api.request("GET", &location).send();
    assert_eq!(asked.expect(204).header("range"), Some("0-2999"), "{asked}");
    let patched = chunk(&api.location(&asked), "3000-4999", rest).expect("an answer");
    let digest = sha256(&blob);
    api.request("PUT", &with_query(&api.location(patched.expect(202)), "digest", &digest)).send().expect_created();
    assert_eq!(stage.registry.get_blob(REPOSITORY, &digest).expect_ok().body, blob);
}

#[test]
fn an_upload_that_is_given_up_leaves_nothing() {
    let stage = Stage::set();
    let begun = stage.proxy.begin_upload(REPOSITORY, "").expect("an answer");
    let location = stage.proxy.location(begun.expect(202));
    stage.proxy.request("DELETE", &location).send().expect(204);
    stage.proxy.request("GET", &location).send().expect_not_found();
}

#[test]
fn a_layer_is_mounted_from_another_repository() {
    let (stage, image) = (Stage::set(), Image::random());
    stage.proxy.push(&format!("{REPOSITORY}:1.4.0"), &image).expect_created();
    for blob in &image.blobs {
        stage.proxy.mount_blob(OTHER, &sha256(blob), REPOSITORY).expect_created();
    }
    // A registry takes a manifest only once it has every blob.
    stage.proxy.put_manifest(&format!("{OTHER}:1.4.0"), &image.manifest).expect_created();
    assert_eq!(stage.registry.tag_digest(&format!("{OTHER}:1.4.0")), Some(image.digest()));
}

#[test]
fn clients_mount_a_layer_from_another_repository() {
    let (stage, image) = (Stage::set(), Image::random());
    stage.proxy.push(&format!("{REPOSITORY}:1.4.0"), &image).expect_created();
    let digests: Vec<String> = image.blobs.iter().map(|blob| sha256(blob)).collect();
    let other = format!("{}/{OTHER}:1.4.0", stage.proxy.address());
    Dxf::new().run("mount-blob", &other, &[REPOSITORY, &digests[0]]).expect_success();
    OciClient::new().mount(&other, &stage.name("1.4.0"), &digests[1]).expect_success();
    for digest in digests {
        stage.registry.get_blob(OTHER, &digest).expect_ok();
    }
}
