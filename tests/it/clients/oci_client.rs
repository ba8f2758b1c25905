//! oci-client, the Rust library.

use super::tell_a_release;
use crate::harness::OciClient;

#[test]
fn the_rust_library_pushes_a_release_once() {
    tell_a_release(&OciClient::new(), "oci-client push");
}
