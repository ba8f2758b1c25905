//! Bad input gets a clear error, and loses nothing.

mod client;
mod ledger;
mod upstream;

use crate::harness::{Image, Pushonce, Registry};

/// The tag that every test is about.
const TAG: &str = "driftwood/web:1.4.0";

/// Nobody has pushed [`TAG`]: neither the registry nor the ledger knows it, an
/// honest push succeeds, and from then on it means those bytes.
#[track_caller]
fn expect_untouched(proxy: &Pushonce, registry: &Registry) {
    assert_eq!(registry.tag_digest(TAG), None, "the registry has the tag");
    assert_eq!(proxy.metric("pushonce_open_claims", &[]), 0.0, "a claim is open");
    // Other bytes than any before: a row in the ledger would refuse them.
    let honest = Image::random();
    proxy.push(TAG, &honest).expect_created();
    assert_eq!(registry.tag_digest(TAG), Some(honest.digest()));
    assert_eq!(proxy.tag_digest(TAG), Some(honest.digest()));
    proxy.push(TAG, &Image::random()).expect_refused();
}
