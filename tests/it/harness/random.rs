//! Bytes that no other test has, so that no two images are the same by accident.

use std::hash::{BuildHasher, Hasher, RandomState};

/// `count` random bytes; fast enough for a layer of many MiB.
pub fn bytes(count: usize) -> Vec<u8> {
    let mut state = number() | 1;
    let mut bytes = Vec::with_capacity(count + 8);
    while bytes.len() < count {
        // xorshift64: unpredictable is not needed, different is.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(count);
    bytes
}

/// A random number from the seed that the standard library gives every hash map.
pub fn number() -> u64 {
    RandomState::new().build_hasher().finish()
}
