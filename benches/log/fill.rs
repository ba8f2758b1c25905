//! A release log that has grown: what pipelines of many repositories would have written.
//!
//! Each release of a repository is five pushes, to its version, its commit, `x.y`, `x` and
//! `latest`; after every twentieth somebody pushes other bytes as the same version and is
//! refused. One manifest is meant by very many tags. The rows are those that the program
//! writes, entered in bulk: without the hashes of the tree, of which no question is asked.

use std::path::Path;

use pushonce::ledger::TagKey;
use pushonce::oci::{Algorithm, Digest, RepositoryName, Tag};
use rusqlite::{Connection, Statement, params};

pub const REPOSITORIES: u64 = 200;

/// Tags of one and the same manifest.
pub const ALIKE: u64 = 5_000;

/// The first event, and the milliseconds from one to the next: three years for ten million.
const BEGIN: i64 = 1_700_000_000_000;
const STEP: i64 = 10_000;

const ENTER: &str = "INSERT INTO events (registry, at, repository, tag, action, outcome, points, digest, previous, media_type, \
     size, who, client, rule, request, detail) VALUES ('default', ?1, ?2, ?3, 'push', ?4, ?5, ?6, ?7, \
     'application/vnd.oci.image.manifest.v1+json', 1770, 'ci', 'docker/29.1', ?8, ?9, ?10)";
const ENTER_TAG: &str = "INSERT INTO tags (registry, repository, tag, digest, state, origin, claimed_at, changed_at) \
     VALUES ('default', ?1, ?2, ?3, 'sealed', 'pushed', ?4, ?4)";

/// How many events.
#[expect(clippy::disallowed_methods, reason = "a benchmark has no command line of its own")]
pub fn many() -> u64 {
    let given = std::env::var("EVENTS").ok().filter(|text| !text.is_empty());
    given.map_or(10_000_000, |text| text.parse().expect("EVENTS is a number"))
}

pub fn repository(number: u64) -> String {
    format!("driftwood/service-{}", number % REPOSITORIES)
}

fn version(release: u64) -> String {
    format!("1.{}.{}", release / 10, release % 10)
}

pub fn digest(repository: u64, release: u64) -> Digest {
    Digest::of(Algorithm::Sha256, format!("{} {release}", repository % REPOSITORIES).as_bytes())
}

/// What very many tags mean.
pub fn alike() -> Digest {
    Digest::of(Algorithm::Sha256, b"alike")
}

pub fn key(repository: &str, tag: &str) -> TagKey {
    TagKey { repository: RepositoryName::parse(repository).expect("a name"), tag: Tag::parse(tag).expect("a tag") }
}

/// How many releases each repository has, of so many events.
pub fn releases(events: u64) -> u64 {
    (events.saturating_sub(ALIKE) * 20 / 101 / REPOSITORIES).max(1)
}

struct Writer<'a> {
    enter: Statement<'a>,
    enter_tag: Statement<'a>,
    written: i64,
}

impl Writer<'_> {
    fn event(&mut self, (repository, tag): (&str, &str), outcome: &str, digest: &Digest, previous: Option<&Digest>) {
        let at = BEGIN + self.written * STEP;
        self.written += 1;
        let rule = if outcome == "moved" { "shortcuts" } else { "releases" };
        let detail = (outcome == "refused").then(|| format!("tag {repository}:{tag} is immutable; push a new tag"));
        let points = outcome != "refused";
        let request = format!("{:016x}", self.written);
        let row =
            params![at, repository, tag, outcome, points, digest.as_str(), previous.map(Digest::as_str), rule, request, detail];
        self.enter.execute(row).expect("an event");
        if outcome == "pushed" {
            self.enter_tag.execute(params![repository, tag, digest.as_str(), at]).expect("a tag");
        }
    }

    fn release(&mut self, number: u64, release: u64) {
        let (repository, version) = (repository(number), version(release));
        let new = digest(number, release);
        let before = release.checked_sub(1).map(|release| digest(number, release));
        let commit = format!("git-{:012x}", release * REPOSITORIES + number);
        self.event((&repository, &commit), "pushed", &new, None);
        self.event((&repository, &version), "pushed", &new, None);
        let line = format!("1.{}", release / 10);
        for tag in [line.as_str(), "1", "latest"] {
            self.event((&repository, tag), "moved", &new, before.as_ref());
        }
        if release % 20 == 19 {
            self.event((&repository, &version), "refused", &alike(), Some(&new));
        }
    }
}

/// Fills a new ledger. The indexes are made at the end, since that is faster by far.
pub fn fill(file: &Path, events: u64) {
    let connection = Connection::open(file).expect("the ledger's file");
    let text = |sql: &str| -> Vec<String> {
        let mut statement = connection.prepare(sql).expect(sql);
        statement.query_map([], |row| row.get(0)).expect(sql).map(|row| row.expect("a text")).collect()
    };
    let indexes = text("SELECT sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'events' AND sql IS NOT NULL");
    let names = text("SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = 'events' AND sql IS NOT NULL");
    connection.execute_batch("PRAGMA synchronous = OFF; PRAGMA temp_store = FILE; PRAGMA cache_size = -1000000").expect("settings");
    for name in names {
        connection.execute_batch(&format!("DROP INDEX {name}")).expect("dropped");
    }
    connection.execute_batch("BEGIN").expect("begun");
    {
        let (enter, enter_tag) = (connection.prepare(ENTER).expect("SQL"), connection.prepare(ENTER_TAG).expect("SQL"));
        let mut writer = Writer { enter, enter_tag, written: 0 };
        for number in 0..ALIKE {
            let tag = format!("nightly-{number}");
            writer.event((&repository(number), &tag), "moved", &alike(), None);
        }
        for release in 0..releases(events) {
            (0..REPOSITORIES).for_each(|number| writer.release(number, release));
        }
    }
    connection.execute_batch("COMMIT").expect("the rows");
    for index in indexes {
        connection.execute_batch(&index).expect("an index");
    }
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").expect("folded");
}

/// When the event with this number was written.
pub fn at(number: u64) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(BEGIN + number.cast_signed() * STEP).expect("a time")
}
