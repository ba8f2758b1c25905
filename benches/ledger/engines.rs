//! The two engines, each with a ledger of so many tags.

use std::any::Any;
use std::sync::Arc;

use pushonce::ledger::Ledger;
use pushonce::ledger::sqlite::SqliteLedger;
use rusqlite::{Connection, params};
use tokio::runtime::Runtime;

use super::fill::{digest, repository, tag};

/// A ledger, and what must live as long.
pub struct Engine {
    pub name: &'static str,
    pub ledger: Arc<dyn Ledger>,
    /// What the rows and their indexes take on the disk.
    pub bytes: u64,
    _place: Box<dyn Any>,
}

type Start = fn(&Runtime, u64) -> Engine;

pub const ALL: [Start; 1] = [sqlite];

fn sqlite(_runtime: &Runtime, tags: u64) -> Engine {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("ledger.db");
    drop(SqliteLedger::open(&file, "default").expect("a new ledger"));
    fill_sqlite(&file, tags);
    let bytes = file.metadata().expect("the ledger's file").len();
    let ledger = SqliteLedger::open(&file, "default").expect("a filled ledger");
    Engine { name: "SQLite", ledger: Arc::new(ledger), bytes, _place: Box::new(directory) }
}

fn fill_sqlite(file: &std::path::Path, tags: u64) {
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
