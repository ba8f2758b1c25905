//! buildah.

use super::tell_a_release;
use crate::harness::Buildah;

#[test]
fn buildah_pushes_a_release_once() {
    tell_a_release(&Buildah::new(), "buildah push");
}
