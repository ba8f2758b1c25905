//! The tags that a benchmark's ledger holds, and those that it pushes.

use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use pushonce::clock::{AttemptId, Clock, SystemClock};
use pushonce::ledger::TagKey;
use pushonce::oci::{Algorithm, Digest, RepositoryName, Tag};

/// How many releases a repository has.
const RELEASES: u64 = 1_000;

/// The repository of a tag, and the tag: numbers that follow each other follow each
/// other in the order of the keys.
pub fn names(number: u64) -> (String, String) {
    (format!("team/app-{:06}", number / RELEASES), format!("1.{}.0", 1_000 + number % RELEASES))
}

pub fn key(number: u64) -> TagKey {
    let (repository, tag) = names(number);
    key_of(&repository, &tag)
}

fn key_of(repository: &str, tag: &str) -> TagKey {
    TagKey { repository: RepositoryName::parse(repository).expect("a name"), tag: Tag::parse(tag).expect("a tag") }
}

pub fn digest(number: u64) -> Digest {
    Digest::of(Algorithm::Sha256, &number.to_be_bytes())
}

pub fn now() -> Timestamp {
    SystemClock.now()
}

pub fn attempt() -> AttemptId {
    AttemptId::random()
}

/// Names that nobody has pushed yet, each handed out once.
pub struct Names {
    next: AtomicU64,
    /// Spread over the repositories that are there, so that a claim meets every
    /// part of a large ledger; else in a repository of their own.
    spread: bool,
}

impl Names {
    pub fn new() -> Self {
        Self { next: AtomicU64::new(0), spread: false }
    }

    pub fn spread() -> Self {
        Self { next: AtomicU64::new(0), spread: true }
    }

    pub fn fresh(&self) -> TagKey {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        match self.spread {
            true => key_of(&format!("team/app-{:06}", number.wrapping_mul(7919) % 10_000), &format!("2.{number}.0")),
            false => key_of("team/new", &format!("2.{number}.0")),
        }
    }
}
