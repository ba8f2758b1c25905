//! The two engines, each with a ledger of so many tags.

use std::any::Any;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::SinkExt as _;
use pushonce::ledger::Ledger;
use pushonce::ledger::postgres::{Address, PostgresLedger, Settings};
use pushonce::ledger::sqlite::SqliteLedger;
use tokio::runtime::Runtime;

use super::server::Postgres;

use super::fill::{self, digest, repository, tag};

/// A ledger, and what must live as long.
pub struct Engine {
    pub name: &'static str,
    pub ledger: Arc<dyn Ledger>,
    /// What the rows and their indexes take on the disk.
    pub bytes: u64,
    _place: Box<dyn Any>,
}

type Start = fn(&Runtime, u64) -> Engine;

pub const ALL: [Start; 2] = [sqlite, postgres];

fn sqlite(_runtime: &Runtime, tags: u64) -> Engine {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("ledger.db");
    drop(SqliteLedger::open(&file, "default").expect("a new ledger"));
    fill::sqlite(&file, tags);
    let bytes = file.metadata().expect("the ledger's file").len();
    let ledger = SqliteLedger::open(&file, "default").expect("a filled ledger");
    Engine { name: "SQLite", ledger: Arc::new(ledger), bytes, _place: Box::new(directory) }
}

fn postgres(runtime: &Runtime, tags: u64) -> Engine {
    let server = Postgres::start(&[]);
    let database = server.database();
    let url = server.url(&database);
    let address = Address::parse(&url, Path::new("/")).expect("an address");
    let settings = Settings { address, password: None, pool_size: 32, timeout: Duration::from_secs(60) };
    let ledger = runtime.block_on(PostgresLedger::open(&settings, "default")).expect("a new ledger");
    runtime.block_on(fill_postgres(&url, tags));
    server.sql(&database, "VACUUM ANALYZE tags");
    let bytes = server.sql(&database, "SELECT pg_total_relation_size('tags')").parse().expect("a size");
    Engine { name: "PostgreSQL", ledger: Arc::new(ledger), bytes, _place: Box::new(server) }
}

async fn fill_postgres(url: &str, tags: u64) {
    let (client, link) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.expect("a connection");
    tokio::spawn(link);
    let sink = client.copy_in("COPY tags FROM STDIN").await.expect("COPY");
    let mut sink = Box::pin(sink);
    let mut lines = String::new();
    for number in 0..tags {
        let (repository, tag, digest) = (repository(number), tag(number), digest(number));
        lines += &format!("default\t{repository}\t{tag}\t{}\tsealed\tpushed\t0\t0\n", digest.as_str());
        if lines.len() > 1 << 20 {
            sink.send(Bytes::from(std::mem::take(&mut lines))).await.expect("rows");
        }
    }
    sink.send(Bytes::from(lines)).await.expect("rows");
    sink.as_mut().finish().await.expect("the rows");
}
