//! Bytes that no other test has, so that no two images are the same by accident;
//! and choices that can be made again.

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

/// Choices that follow from a seed (splitmix64).
#[derive(Clone, Debug)]
pub struct Seeded(u64);

impl Seeded {
    /// The choices of `purpose` in the run of this seed; those of another purpose are
    /// others, however many of either are made.
    pub fn new(seed: u64, purpose: u64) -> Self {
        let mut mixer = Self(seed);
        Self(mixer.next() ^ Self(purpose).next())
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// At least 0, less than `count`, which is not 0.
    pub fn below(&mut self, count: usize) -> usize {
        (self.next() % count as u64) as usize
    }

    /// True `percent` times of a hundred.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of `choices`, which are not none.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}
