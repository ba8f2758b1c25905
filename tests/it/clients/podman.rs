//! podman.

use super::tell_a_release;
use crate::harness::Podman;

#[test]
fn podman_pushes_a_release_once() {
    tell_a_release(&Podman::new(), "podman push");
}
