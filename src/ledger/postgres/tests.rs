//! What only the shared engine promises; the rest is in the common suite.

mod doubt;
mod guards;
mod opening;
mod outage;
mod plans;
mod sharing;
mod tls;
mod witness;

use std::time::Instant;

use super::server::Postgres as Server;
use super::*;
use crate::ledger::suite::{at, claim, digest, granted, key, record, sealed};
use crate::ledger::{Origin, State};

async fn open(url: &str) -> PostgresLedger {
    PostgresLedger::open(&settings(url), "default").await.expect("the ledger opens")
}

/// A ledger whose operations have little time.
async fn hasty(url: &str, timeout: Duration) -> PostgresLedger {
    let settings = Settings { timeout, ..settings(url) };
    PostgresLedger::open(&settings, "default").await.expect("the ledger opens")
}

/// Somebody else's connection.
async fn raw(url: &str) -> tokio_postgres::Client {
    let address = Address::parse(url, std::path::Path::new("/")).expect("an address");
    let (client, link) = address.config.connect(tokio_postgres::NoTls).await.expect("a connection");
    tokio::spawn(link);
    client
}

fn expect_unavailable<T: fmt::Debug>(outcome: Result<T, LedgerError>, words: &str) {
    match outcome {
        Err(LedgerError::Unavailable(why)) if why.contains(words) => {}
        other => panic!("not unavailable with {words:?}: {other:?}"),
    }
}

/// Asks again until it is so.
async fn eventually(what: &str, mut ask: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !ask() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
