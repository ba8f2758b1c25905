//! end-9 and end-10: deletes.

use super::pair::Pair;
use crate::harness::Image;
use crate::harness::image::sha256;

#[test]
fn end_9_a_manifest_that_no_release_needs_is_deleted() {
    let (pair, release, image) = (Pair::start(), Image::random(), Image::random());
    pair.push("web:1.4.0", &release);
    pair.push("web:latest", &image);
    let name = format!("web@{}", image.digest());
    pair.same(|api| api.delete(&name)).expect(202);
    for name in [name.as_str(), "web:latest"] {
        pair.same(|api| api.pull(name)).expect_not_found();
    }
    pair.same(|api| api.delete(&name)).expect_not_found();
    pair.same(|api| api.pull("web:1.4.0")).expect_ok();
}

/// docker-registry 2.8 deletes by digest only.
#[test]
fn end_9_a_tag_that_moves_is_the_registrys_to_delete() {
    let pair = Pair::start();
    pair.push("web:latest", &Image::random());
    pair.same(|api| api.delete("web:latest")).expect(400);
    pair.same(|api| api.delete("none:latest"));
}

/// The policy forbids: a release stays, and so does what it needs.
#[test]
fn end_9_a_release_is_not_deleted_by_any_name() {
    let (pair, image) = (Pair::start(), Image::random());
    let index = Image::index(&[&image]);
    pair.push("web:1.4.0", &index);
    for digest in [image.digest(), index.digest()] {
        let refused = pair.differs(|api| api.delete(&format!("web@{digest}")));
        refused.direct.expect(202);
        refused.proxied.expect_delete_refused();
    }
    pair.differs(|api| api.delete("web:1.4.0")).proxied.expect_delete_refused();
    assert_eq!((pair.direct.tag_digest("web:1.4.0"), pair.behind.tag_digest("web:1.4.0")), (None, Some(index.digest())));
}

#[test]
fn end_10_a_blob_is_deleted_where_no_release_can_be() {
    let (pair, image) = (Pair::with_rules_for_other_repositories(), Image::random());
    pair.push("web:1.4.0", &image);
    let digest = sha256(&image.blobs[1]);
    pair.same(|api| api.delete_blob("web", &digest)).expect(202);
    pair.same(|api| api.get_blob("web", &digest)).expect_not_found();
    pair.same(|api| api.delete_blob("web", &digest)).expect_not_found();
    pair.same(|api| api.delete(&format!("web@{}", image.digest()))).expect(202);
}

/// The policy forbids: a release may need the blob, and only the registry knows.
#[test]
fn end_10_a_blob_stays_where_a_release_can_be() {
    let (pair, image) = (Pair::start(), Image::random());
    pair.push("web:latest", &image);
    let digest = sha256(&image.blobs[1]);
    let refused = pair.differs(|api| api.delete_blob("web", &digest));
    refused.direct.expect(202);
    refused.proxied.expect_delete_refused();
    pair.proxy.get_blob("web", &digest).expect_ok();
}
