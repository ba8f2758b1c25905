//! Ledgers that have grown: sealed tags, numbered from zero.

use pushonce::ledger::TagKey;
use pushonce::oci::{Algorithm, Digest, RepositoryName, Tag};

/// A ledger of a small team.
pub const FEW: u64 = 10_000;

/// How many tags share a repository.
const OF_A_REPOSITORY: u64 = 1_000;

pub fn repository(number: u64) -> String {
    format!("driftwood/service-{}", number / OF_A_REPOSITORY)
}

pub fn tag(number: u64) -> String {
    format!("1.{}.{}", number % OF_A_REPOSITORY / 10, number % 10)
}

pub fn key(number: u64) -> TagKey {
    TagKey {
        repository: RepositoryName::parse(&repository(number)).expect("a name"),
        tag: Tag::parse(&tag(number)).expect("a tag"),
    }
}

pub fn digest(number: u64) -> Digest {
    Digest::of(Algorithm::Sha256, &number.to_le_bytes())
}

/// How many tags a grown ledger has.
#[expect(clippy::disallowed_methods, reason = "a benchmark has no command line of its own")]
pub fn many() -> u64 {
    let given = std::env::var("TAGS").ok().filter(|text| !text.is_empty());
    given.map_or(10_000_000, |text| text.parse().expect("TAGS is a number"))
}
