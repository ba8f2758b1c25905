//! What is not there, and what is no request: the errors are the registry's own
//! wherever it is asked.

use super::pair::Pair;
use crate::harness::Image;
use crate::harness::image::{Manifest, sha256};

#[test]
fn what_is_not_there_is_not_found_in_the_same_words() {
    let pair = Pair::start();
    pair.push("web:latest", &Image::random());
    let unknown = sha256(b"unknown");
    for path in [
        "/v2/web/manifests/none".to_owned(),
        format!("/v2/web/manifests/{unknown}"),
        format!("/v2/web/blobs/{unknown}"),
        "/v2/web/blobs/uploads/none".to_owned(),
        "/v2/none/manifests/latest".to_owned(),
        format!("/v2/none/manifests/{unknown}"),
        format!("/v2/none/blobs/{unknown}"),
        "/v2/none/tags/list".to_owned(),
    ] {
        let said = pair.same(|api| api.request("GET", &path).accept_manifests().send());
        said.expect_not_found().error();
        pair.same(|api| api.request("HEAD", &path).accept_manifests().send());
    }
}

/// The proxy answers for a release that is not there, since it asked for the tag on
/// its own behalf: the same status and code, without docker-registry's detail.
#[test]
fn a_release_that_is_not_there_is_not_found() {
    let pair = Pair::start();
    pair.push("web:latest", &Image::random());
    for name in ["web:1.4.0", "none:1.4.0"] {
        let missing = pair.differs(|api| api.pull(name));
        assert_eq!(missing.direct.expect_not_found().error().code, missing.proxied.expect_not_found().error().code);
        let head = pair.differs(|api| api.head(name));
        assert_eq!((head.direct.status, head.proxied.status), (404, 404));
        assert!(head.proxied.body.is_empty());
    }
}

#[test]
fn a_manifest_that_the_registry_rejects_is_rejected_in_the_same_words() {
    let (pair, image) = (Pair::start(), Image::random());
    for name in ["web:1.4.0", "web:latest", &format!("web@{}", image.digest())] {
        pair.same(|api| api.put_manifest(name, &image.manifest)).expect(400).expect_code("MANIFEST_BLOB_UNKNOWN");
    }
    pair.prepare(|api| drop(api.upload_blob("web", b"{}")));
    let broken = Manifest::new(&image.manifest.media_type, br#"{"schemaVersion":2,"config":{},"layers":[]}"#);
    pair.same(|api| api.put_manifest("web:latest", &broken)).expect(400);
    // The tag is free afterwards.
    pair.push("web:1.4.0", &image);
    pair.same(|api| api.pull("web:1.4.0")).expect_digest(&image.digest());
}

/// The proxy reads a request more strictly than registries do.
#[test]
fn what_is_no_manifest_never_reaches_the_registry() {
    let (pair, image) = (Pair::start(), Image::random());
    let body = |bytes: &[u8]| Manifest::new(&image.manifest.media_type, bytes);
    for manifest in [body(b"{"), body(b""), body(b"[]"), Manifest::new("application/json", &image.manifest.bytes)] {
        let rejected = pair.differs(|api| api.put_manifest("web:latest", &manifest));
        assert_eq!((rejected.direct.status, rejected.proxied.status), (400, 400), "{}{}", rejected.direct, rejected.proxied);
        rejected.proxied.expect_code("MANIFEST_INVALID");
    }
    let wrong = pair.differs(|api| api.put_manifest(&format!("web@{}", sha256(b"other")), &image.manifest));
    assert_eq!((wrong.direct.status, wrong.proxied.status), (400, 400));
    wrong.proxied.expect_code("DIGEST_INVALID");
}
