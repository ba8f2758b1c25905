//! end-4 to end-7, end-11 and end-13: uploads, mounts and manifests.

use super::pair::{Pair, outcome};
use crate::harness::Image;
use crate::harness::api::Api;
use crate::harness::exchange::Exchange;
use crate::harness::image::sha256;
use crate::harness::random;

const BEGIN: &str = "/v2/web/blobs/uploads/";

fn begin(api: &Api, _: &str) -> Exchange {
    api.request("POST", BEGIN).send()
}

fn send(api: &Api, method: &str, place: &str, bytes: &[u8], range: &str) -> Exchange {
    let draft = api.request(method, place).header("Content-Type", "application/octet-stream");
    if range.is_empty() { draft.body(bytes).send() } else { draft.header("Content-Range", range).body(bytes).send() }
}

fn and_digest(place: &str, bytes: &[u8]) -> String {
    format!("{place}&digest={}", sha256(bytes))
}

#[test]
fn end_4a_an_upload_begins() {
    let pair = Pair::start();
    let begun = pair.same(|api| begin(api, ""));
    assert!(begun.expect(202).header("location").is_some());
}

/// docker-registry begins an upload instead, which the specification lets it do.
#[test]
fn end_4b_an_upload_in_one_request() {
    let (pair, blob) = (Pair::start(), random::bytes(1000));
    let target = format!("{BEGIN}?digest={}", sha256(&blob));
    pair.same(|api| send(api, "POST", &target, &blob, "")).expect(202);
}

#[test]
fn end_5_and_end_6_an_upload_in_chunks() {
    let (pair, blob) = (Pair::start(), random::bytes(3000));
    pair.same_steps(&[
        &begin,
        &|api, place| send(api, "PATCH", place, &blob[..1000], "0-999"),
        &|api, place| send(api, "PATCH", place, &blob[1000..2500], "1000-2499"),
        &|api, place| send(api, "PUT", &and_digest(place, &blob), &blob[2500..], ""),
    ])
    .expect_created();
    assert_eq!(pair.same(|api| api.get_blob("web", &sha256(&blob))).expect_ok().body, blob);
}

/// docker-registry 2.8 takes it as if it did; the specification wants a 416.
#[test]
fn end_5_a_chunk_that_does_not_follow_is_the_registrys_to_judge() {
    let (pair, blob) = (Pair::start(), random::bytes(2000));
    pair.same_steps(&[&begin, &|api, place| send(api, "PATCH", place, &blob[..1000], "0-999"), &|api, place| {
        send(api, "PATCH", place, &blob[1000..], "1500-2499")
    }])
    .expect(202);
}

#[test]
fn end_6_an_upload_in_two_requests() {
    let (pair, blob) = (Pair::start(), random::bytes(70_000));
    pair.same_steps(&[&begin, &|api, place| send(api, "PUT", &and_digest(place, &blob), &blob, "")]).expect_created();
    pair.same_steps(&[&begin, &|api, place| send(api, "PUT", &and_digest(place, b"other"), &blob, "")]).expect(400);
    pair.same(|api| send(api, "PUT", &format!("{BEGIN}none?digest={}", sha256(&blob)), &blob, "")).expect_not_found();
}

#[test]
fn end_13_an_upload_says_how_far_it_is_and_can_be_given_up() {
    let (pair, blob) = (Pair::start(), random::bytes(500));
    let status = |api: &Api, place: &str| api.request("GET", place).send();
    let first = |api: &Api, place: &str| send(api, "PATCH", place, &blob, "0-499");
    let told = pair.same_steps(&[&begin, &first, &status]);
    assert_eq!(told.expect(204).header("range"), Some("0-499"));
    let given_up = |api: &Api, place: &str| api.request("DELETE", place).send();
    pair.same_steps(&[&begin, &first, &given_up, &status]).expect_not_found();
}

#[test]
fn end_11_a_blob_is_mounted_from_another_repository() {
    let (pair, image) = (Pair::start(), Image::random());
    pair.push("first:1.4.0", &image);
    let digest = sha256(&image.blobs[0]);
    pair.same(|api| api.mount_blob("second", &digest, "first")).expect_created();
    pair.same(|api| api.get_blob("second", &digest)).expect_ok();
    pair.same(|api| api.mount_blob("third", &sha256(b"unknown"), "first")).expect(202);
    pair.same(|api| api.request("POST", &format!("/v2/fourth/blobs/uploads/?mount={digest}")).send()).expect(202);
}

#[test]
fn end_7a_a_manifest_is_pushed_and_pushed_again() {
    let (pair, image, other) = (Pair::start(), Image::random(), Image::random());
    let unnamed = format!("web@{}", image.digest());
    for blob in image.blobs.iter().chain(&other.blobs) {
        pair.prepare(|api| drop(api.upload_blob("web", blob)));
    }
    for name in [unnamed.as_str(), "web:1.4.0", "web:latest", "web:1.4.0", unnamed.as_str()] {
        pair.same(|api| api.put_manifest(name, &image.manifest)).expect_created().expect_digest(&image.digest());
    }
    // A tag that moves, moves.
    pair.same(|api| api.put_manifest("web:latest", &other.manifest)).expect_created();
    pair.same(|api| api.pull("web:latest")).expect_digest(&other.digest());
    // The policy forbids: a release keeps its bytes.
    let refused = pair.differs(|api| api.put_manifest("web:1.4.0", &other.manifest));
    refused.direct.expect_created();
    refused.proxied.expect_refused();
}

/// The proxy sets the tags itself; docker-registry does not know the parameter.
#[test]
fn end_7b_a_manifest_is_pushed_by_digest_with_tags() {
    let (pair, image) = (Pair::start(), Image::random());
    for blob in &image.blobs {
        pair.prepare(|api| drop(api.upload_blob("web", blob)));
    }
    let target = format!("/v2/web/manifests/{}?tag=1.4.0&tag=latest", image.digest());
    let put = |api: &Api| {
        api.request("PUT", &target).header("Content-Type", &image.manifest.media_type).body(&image.manifest.bytes).send()
    };
    let mut pushed = pair.differs(put);
    pushed.proxied.expect_created().expect_digest(&image.digest());
    assert_eq!(pushed.proxied.headers.all("oci-tag").collect::<Vec<_>>(), ["1.4.0", "latest"]);
    assert_eq!((pair.direct.tags("web"), pair.behind.tags("web")), (vec![], vec!["1.4.0".to_owned(), "latest".to_owned()]));
    // Apart from the tags it is the same answer.
    pushed.proxied.headers.0.retain(|(name, _)| !name.eq_ignore_ascii_case("oci-tag"));
    assert_eq!(outcome(&pair.direct, &pushed.direct), outcome(&pair.proxy, &pushed.proxied));
}
