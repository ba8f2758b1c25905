//! How a ledger that went back is noticed: by what is remembered outside of it.
//!
//! Every change of a ledger ends with a new [`Head`]: its number, and a mark that
//! is chained to the one before and that nobody can guess. The *witness* is a small
//! file with the head that was seen last. It is written after the head is durable,
//! so it may be behind the ledger and is never ahead of it: a ledger that does not
//! know its witness's head is not the one that the witness has seen.

mod doubt;
mod file;
mod keeper;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use data_encoding::HEXLOWER;

pub use doubt::{Doubt, in_file};
pub use file::{Witness, WitnessError, read};
pub use keeper::Keeper;

use super::paths::with_suffix;
use crate::clock;

/// Every so manieth head is kept for good.
pub const MILESTONE: u64 = 1_000;

/// How many of the newest heads are kept beside the milestones.
pub const KEPT: u64 = 1_000;

/// What tells one state of a ledger from every other, of any ledger.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Mark([u8; 32]);

impl Mark {
    /// `None` where it is not 32 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads 64 hexadecimal digits.
    fn parse(text: &str) -> Option<Self> {
        Self::from_bytes(&HEXLOWER.decode(text.as_bytes()).ok()?)
    }

    /// Enough of it for people to compare.
    pub fn short(&self) -> String {
        HEXLOWER.encode(&self.0[..6])
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}

/// A state of a ledger.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// How many changes led to it.
    pub number: u64,
    pub mark: Mark,
}

impl Head {
    /// The head of the next change: SHA-256 of this one and 16 random bytes.
    fn next(self) -> Self {
        let number = self.number + 1;
        let mut hash = digest::Context::new(&digest::SHA256);
        for part in [self.mark.as_bytes().as_slice(), &number.to_be_bytes(), &clock::nonce()] {
            hash.update(part);
        }
        let mut mark = [0; 32];
        mark.copy_from_slice(hash.finish().as_ref());
        Self { number, mark: Mark(mark) }
    }
}

/// What is remembered of a ledger, in it and outside of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Heads {
    /// The mark at 0, by which the ledger is named.
    pub ledger: Mark,
    pub newest: Head,
    /// The last milestone up to the newest.
    pub milestone: Head,
}

impl Heads {
    /// The number of the last milestone up to `number`.
    pub fn milestone_of(number: u64) -> u64 {
        number - number % MILESTONE
    }

    /// What is remembered after one more change.
    pub fn advanced(&self) -> Self {
        let newest = self.newest.next();
        let milestone = if newest.number.is_multiple_of(MILESTONE) { newest } else { self.milestone };
        Self { ledger: self.ledger, newest, milestone }
    }

    /// The head that need not be kept any more now that this is the newest.
    pub fn dispensable(&self) -> Option<u64> {
        self.newest.number.checked_sub(KEPT).filter(|number| !number.is_multiple_of(MILESTONE))
    }
}

/// What a ledger says to the head and the milestone of a witness.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Standing {
    pub heads: Heads,
    /// The marks that the ledger has at the numbers of the witness, if any.
    pub at_newest: Option<Mark>,
    pub at_milestone: Option<Mark>,
}

/// How a ledger and its witness differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Difference {
    /// They are of two ledgers.
    Another,
    /// The ledger stands before what the witness has seen.
    Older,
    /// It went on from an older state, in another way.
    OtherHistory,
}

/// `None` where everything that the witness knows is part of the ledger.
pub fn compare(known: &Heads, standing: &Standing) -> Option<Difference> {
    if known.ledger != standing.heads.ledger {
        return Some(Difference::Another);
    }
    if known.newest.number > standing.heads.newest.number {
        return Some(Difference::Older);
    }
    let is_part = match standing.at_newest {
        Some(mark) => mark == known.newest.mark,
        None => standing.at_milestone == Some(known.milestone.mark),
    };
    (!is_part).then_some(Difference::OtherHistory)
}

/// Writes the witness on an operator's word, whatever is there.
pub fn replace(file: &Path, heads: &Heads) -> Result<(), WitnessError> {
    file::write(file, heads, true)
}

/// Where the witness of a ledger in a file is, unless it was put elsewhere.
pub fn beside(ledger: &Path) -> PathBuf {
    with_suffix(ledger, ".head")
}
