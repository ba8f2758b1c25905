//! Ledgers that have grown: sealed tags, numbered from zero.

use std::path::Path;

use pushonce::ledger::TagKey;
use pushonce::oci::{Algorithm, Digest, RepositoryName, Tag};
use rusqlite::{Connection, params};

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

/// Enters the tags into a ledger that nobody has opened.
pub fn sqlite(file: &Path, tags: u64) {
    let mut connection = Connection::open(file).expect("the ledger's file");
    let transaction = connection.transaction().expect("a transaction");
    {
        let sql = "INSERT INTO tags (registry, repository, tag, digest, state, origin, claimed_at, changed_at) \
                   VALUES ('default', ?1, ?2, ?3, 'sealed', 'pushed', 0, 0)";
        let mut insert = transaction.prepare(sql).expect("a statement");
        for number in 0..tags {
            insert.execute(params![repository(number), tag(number), digest(number).as_str()]).expect("a row");
        }
    }
    transaction.commit().expect("the rows");
}
