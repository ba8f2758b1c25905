//! A file that takes seconds to read is open before all of it was read.

use std::fs;

use rusqlite::params;
use rusqlite_migration::Migrations;

use super::*;
use crate::ledger::sqlite::open::MIGRATIONS;
use crate::ledger::sqlite::soundness::SMALL;

/// As many rows as make more than what is read first.
const ROWS: u32 = 80_000;

fn tag(number: u32) -> TagKey {
    key(&format!("web:1.0.{number}"))
}

/// A ledger of ten thousands of sealed tags, with the schema of that version.
fn fill(place: &Place, version: usize) {
    let mut connection = place.raw();
    Migrations::from_slice(MIGRATIONS).to_version(&mut connection, version).expect("the schema");
    let transaction = connection.transaction().expect("a transaction");
    let content = digest("a");
    for number in 0..ROWS {
        let TagKey { repository, tag } = tag(number);
        let sql = "INSERT INTO tags (registry, repository, tag, digest, state, origin, claimed_at, changed_at) \
                   VALUES ('default', ?1, ?2, ?3, 'sealed', 'pushed', 0, 0)";
        let row = params![repository.as_str(), tag.as_str(), content.as_str()];
        transaction.prepare_cached(sql).expect("a statement").execute(row).expect("a row");
    }
    transaction.commit().expect("the rows");
}

/// Spoils a page in the middle, which holds rows.
fn spoil(place: &Place) {
    let mut bytes = fs::read(place.file()).expect("readable");
    assert!(bytes.len() as u64 > SMALL, "the file is large: {}", bytes.len());
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 64].fill(0xA5);
    fs::write(place.file(), bytes).expect("written");
}

#[tokio::test]
async fn a_large_ledger_is_written_to_once_it_is_known_to_be_whole() {
    let place = Place::new();
    fill(&place, MIGRATIONS.len());
    let ledger = place.ledger();
    assert!(ledger.lookup(&tag(1)).await.expect("a lookup").is_some());
    ledger.ping().await.expect("ready");
    sealed(&ledger, "web:2.0.0", "b", 1).await;
    assert!(ledger.soundness.is_known());
    ledger.ping().await.expect("ready");
}

#[tokio::test]
async fn a_large_ledger_that_is_damaged_claims_nothing_and_then_answers_nothing() {
    let place = Place::new();
    fill(&place, MIGRATIONS.len());
    spoil(&place);
    let ledger = place.ledger();
    let free = key("web:2.0.0");
    let claimed = ledger.claim(&free, &digest("b"), AttemptId::random(), &at(1).into()).await;
    let refused = claimed.expect_err("no claim").to_string();
    assert!(refused.contains("is damaged (") && refused.contains("keep the file, and restore a backup"), "{refused}");
    for error in [
        ledger.lookup(&free).await.expect_err("no lookup"),
        ledger.records(&free.repository).await.expect_err("no listing"),
        ledger.ping().await.expect_err("not ready"),
    ] {
        assert_eq!(error.to_string(), refused);
    }
}

#[tokio::test]
async fn a_large_ledger_can_be_closed_before_all_of_it_was_read() {
    let place = Place::new();
    fill(&place, MIGRATIONS.len());
    for _ in 0..20 {
        drop(place.ledger());
    }
    sealed(&place.ledger(), "web:2.0.0", "b", 1).await;
}

#[test]
fn a_large_ledger_is_read_before_it_is_brought_up_to_date() {
    let place = Place::new();
    fill(&place, MIGRATIONS.len() - 1);
    spoil(&place);
    let before = fs::read(place.file()).expect("readable");
    let refused = SqliteLedger::open(&place.file(), "default").map(drop).expect_err("refused").to_string();
    assert!(refused.contains("is damaged ("), "{refused}");
    assert!(fs::read(place.file()).expect("readable") == before, "it was changed");
}
