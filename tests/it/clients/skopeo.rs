//! skopeo, which copies images as they are and deletes them.

use super::{Stage, TAGS, tell_a_release};
use crate::harness::{Client, Skopeo};

#[test]
fn skopeo_pushes_a_release_once() {
    tell_a_release(&Skopeo::new(), "skopeo copy");
}

#[test]
fn skopeo_does_not_delete_a_release() {
    let (stage, skopeo) = (Stage::set(), Skopeo::new());
    skopeo.build("first", "first");
    for tag in TAGS {
        skopeo.push("first", &stage.name(tag)).expect_success();
    }
    let digests = stage.digests();
    stage.expect_refused("skopeo delete", "delete", || skopeo.delete(&stage.name("1.4.0")));
    // A shortcut on the same image is refused too: skopeo deletes the manifest,
    // and every tag on it.
    skopeo.delete(&stage.name("latest")).expect_failure().expect_said("is needed by tag driftwood/web:");
    assert_eq!(stage.digests(), digests);

    skopeo.build("second", "second");
    skopeo.push("second", &stage.name("latest")).expect_success();
    skopeo.delete(&stage.name("latest")).expect_success();
    assert_eq!(stage.registry.tags("driftwood/web"), ["1.4", "1.4.0", "git-9f3c2a1"]);
}
