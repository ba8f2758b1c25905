//! helm, whose charts have their versions as tags.

use super::Stage;
use crate::harness::{Client, Helm};

#[test]
fn helm_pushes_a_version_of_a_chart_once() {
    let (stage, helm) = (Stage::set(), Helm::new());
    helm.build("first", "first");
    helm.build("second", "second");
    for _ in 0..2 {
        helm.push("first", &stage.name("1.4.0")).expect_success();
    }
    let first = stage.digest("1.4.0");
    stage.expect_refused("helm push", "push", || helm.push("second", &stage.name("1.4.0")));
    helm.push("second", &stage.name("1.4.1")).expect_success();
    assert_ne!(stage.digest("1.4.1"), first);
    for (tag, digest) in stage.digests() {
        assert_eq!(helm.pulled_digest(&stage.name(&tag)), digest);
    }
}
