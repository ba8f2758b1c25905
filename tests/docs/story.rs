//! The releases that the documents tell of: a ledger that holds them, for their examples.

use std::fs;
use std::path::Path;

use jiff::Timestamp;
use pushonce::clock::AttemptId;
use pushonce::ledger::event::{Action, Event, Outcome};
use pushonce::ledger::sqlite::SqliteLedger;
use pushonce::ledger::{Claimed, Followed, Ledger, Note, TagKey};
use pushonce::oci::{Algorithm, Digest, RepositoryName, Tag};

/// The name of the configuration that names the ledger.
pub const CONFIG: &str = "story.toml";

/// The commands that ask the ledger, and nothing else.
pub fn asks(arguments: &[&str]) -> bool {
    matches!(arguments, ["resolve" | "whatis" | "releases" | "diff", ..])
        || matches!(arguments, ["log", _, ..] if !is_tested_elsewhere(arguments))
}

/// The commands about checkpoints, since a key is a new one each time, and those that walk a
/// registry: their tests are beside those of the program.
pub fn is_tested_elsewhere(arguments: &[&str]) -> bool {
    matches!(arguments, ["log", "checkpoint" | "verify" | "new-key", ..] | ["adopt" | "audit", ..])
}

fn key(tag: &str) -> TagKey {
    let repository = RepositoryName::parse("driftwood/web").expect("a name");
    TagKey { repository, tag: Tag::parse(tag).expect("a tag") }
}

fn note(who: &str, at: &str, rule: &str) -> Note {
    let at: Timestamp = at.parse().expect("a time");
    let client = Some("docker/29.1".to_owned());
    Note { who: Some(who.to_owned()), client, rule: Some(rule.to_owned()), ..at.into() }
}

async fn release(ledger: &dyn Ledger, tag: &str, digest: &Digest, note: &Note) {
    let claimed = ledger.claim(&key(tag), digest, AttemptId::random(), note).await.expect("an answer");
    let Claimed::Granted(claim) = claimed else { panic!("{tag}: {claimed:?}") };
    ledger.confirm(claim, note).await.expect("sealed");
}

async fn point(ledger: &dyn Ledger, tag: &str, digest: &Digest, note: &Note) {
    let begun = ledger.begin(&key(tag), Some(digest), AttemptId::random(), note).await.expect("begun");
    ledger.complete(begun.change, Outcome::Moved, &Followed::default(), note).await.expect("completed");
}

/// Writes the configuration and its ledger into a directory that has the `config/` of the
/// repository, once.
pub fn tell(directory: &Path) {
    if directory.join(CONFIG).exists() {
        return;
    }
    let config = "upstream.url = \"http://127.0.0.1:1\"\nledger.url = \"sqlite:story.db\"\npolicy.file = \"config/policy.toml\"\n";
    fs::write(directory.join(CONFIG), config).expect("a file");
    let ledger = SqliteLedger::open(&directory.join("story.db"), "default").expect("a ledger");
    let digest = |content: &str| Digest::of(Algorithm::Sha256, content.as_bytes());
    let told = async {
        for (commit, version, at) in
            [("git-0a1b2c3", "1.4.0", "2026-11-24T15:03:10Z"), ("git-9f8e7d6", "1.4.1", "2026-11-25T09:12:44Z")]
        {
            for tag in [commit, version] {
                release(&ledger, tag, &digest(version), &note("ci", at, "releases")).await;
            }
            for tag in ["1.4", "1", "latest"] {
                point(&ledger, tag, &digest(version), &note("ci", at, "shortcuts")).await;
            }
        }
        let late = Note { detail: Some("it means other bytes".to_owned()), ..note("ann", "2026-11-25T11:40:02Z", "releases") };
        let refused = Event::of("default", &key("1.4.0"), Action::Push, Outcome::Refused, &late);
        ledger.record(&[refused.with(Some(&digest("1.4.1")), Some(&digest("1.4.0")))]).await.expect("recorded");
        release(&ledger, "1.5.0-rc.1", &digest("1.5.0-rc.1"), &note("ann", "2026-11-25T16:20:31Z", "releases")).await;
    };
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(told);
}
