//! The tree over the log: RFC 6962, section 2.1 (RFC 9162, section 2.1.1).
//!
//! The leaf of an event is its text. Beside the leaves, the root of each whole subtree of
//! 256, 65,536 … leaves is stored, as C2SP tlog-tiles does with tiles of height 8; with
//! them the root of any size is computed from a few hundred hashes.

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};

/// How many leaves, or nodes of one level, make a node of the next.
pub const WIDTH: u64 = 256;

/// A SHA-256 of the tree.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// The root of a log without events.
    pub fn of_nothing() -> Self {
        hash(&[])
    }

    pub fn of_leaf(text: &[u8]) -> Self {
        hash(&[&[0], text])
    }

    pub fn of_children(left: &Self, right: &Self) -> Self {
        hash(&[&[1], &left.0, &right.0])
    }

    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

fn hash(parts: &[&[u8]]) -> Hash {
    let mut context = Context::new(&SHA256);
    parts.iter().for_each(|part| context.update(part));
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.finish().as_ref());
    Hash(bytes)
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

/// The root over nodes that are roots of subtrees of one size, left to right. The number
/// of them need not be a power of two (RFC 6962: the left side is the largest one below).
pub fn root(nodes: &[Hash]) -> Hash {
    match nodes {
        [] => Hash::of_nothing(),
        [only] => *only,
        _ => {
            let (left, right) = nodes.split_at(largest_power_below(nodes.len()));
            Hash::of_children(&root(left), &root(right))
        }
    }
}

fn largest_power_below(count: usize) -> usize {
    count.next_power_of_two() / 2
}

/// Which stored nodes the root of `size` leaves is made of: level, first index and how
/// many, from the highest level down. Each level has fewer than [`WIDTH`] of them.
pub fn parts(size: u64) -> Vec<(u32, u64, u64)> {
    let mut parts = Vec::new();
    let (mut level, mut whole) = (0, size);
    while whole > 0 {
        let rest = whole % WIDTH;
        if rest > 0 {
            parts.push((level, whole - rest, rest));
        }
        whole /= WIDTH;
        level += 1;
    }
    parts.reverse();
    parts
}

/// The root of a log from its parts, in the order of [`parts`]: what is on the right is
/// lower, and hangs under the right side of what is on its left.
pub fn root_of_parts(parts: &[Vec<Hash>]) -> Hash {
    // Perfect subtrees, from left to right and from large to small; folded from the right.
    let peaks: Vec<Hash> = parts.iter().flat_map(|nodes| peaks(nodes)).collect();
    let mut peaks = peaks.into_iter().rev();
    let Some(last) = peaks.next() else { return Hash::of_nothing() };
    peaks.fold(last, |right, left| Hash::of_children(&left, &right))
}

/// The roots of the perfect subtrees that `nodes` are made of.
fn peaks(nodes: &[Hash]) -> Vec<Hash> {
    let mut peaks = Vec::new();
    let mut rest = nodes;
    while !rest.is_empty() {
        let (perfect, others) = rest.split_at(1 << rest.len().ilog2());
        peaks.push(root(perfect));
        rest = others;
    }
    peaks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(count: u64) -> Vec<Hash> {
        (0..count).map(|number| Hash::of_leaf(&number.to_be_bytes())).collect()
    }

    /// RFC 6962 test vectors: the tree of one empty leaf.
    #[test]
    fn hashes_are_those_of_the_rfc() {
        let hex = |hash: Hash| format!("{hash:?}");
        assert_eq!(hex(Hash::of_nothing()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(hex(Hash::of_leaf(b"")), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
    }

    #[test]
    fn the_root_of_parts_is_that_of_all_leaves() {
        for size in (0..1_100).chain([65_535, 65_536, 65_537, 65_536 + 256 * 3 + 7]) {
            let leaves = leaves(size);
            let mut levels = vec![leaves.clone()];
            loop {
                let below = &levels[levels.len() - 1];
                let above: Vec<Hash> = below.chunks_exact(WIDTH as usize).map(root).collect();
                if above.is_empty() {
                    break;
                }
                levels.push(above);
            }
            let nodes: Vec<Vec<Hash>> = parts(size)
                .into_iter()
                .map(|(level, first, count)| levels[level as usize][first as usize..(first + count) as usize].to_vec())
                .collect();
            assert_eq!(root_of_parts(&nodes), root(&leaves), "{size} leaves");
        }
    }
}
