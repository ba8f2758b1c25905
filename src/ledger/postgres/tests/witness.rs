//! A database that went back is refused until an operator says that it counts.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::ledger::witness::{self, Doubt, Heads};

/// A replica's own place, with its witness.
struct Replica(TempDir);

impl Replica {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn witness(&self) -> PathBuf {
        self.0.path().join("pushonce.head")
    }

    async fn try_open(&self, url: &str) -> Result<PostgresLedger, OpenError> {
        PostgresLedger::open_witnessed(&settings(url), "default", &self.witness()).await
    }

    async fn open(&self, url: &str) -> PostgresLedger {
        self.try_open(url).await.expect("the ledger opens")
    }

    /// Why it is refused; the witness stays as it is.
    async fn refused(&self, url: &str) -> String {
        let before = fs::read(self.witness()).ok();
        let error = self.try_open(url).await.map(drop).expect_err("refused");
        assert!(matches!(error, OpenError::Doubtful(_)), "{error}");
        assert!(fs::read(self.witness()).ok() == before, "the witness was written");
        error.to_string()
    }

    async fn accept(&self, url: &str) -> Vec<Doubt> {
        let accepted = PostgresLedger::accept(&settings(url), "default", &self.witness(), ("ann", "the disk is gone"), at(9)).await;
        accepted.expect("accepted")
    }

    fn known(&self) -> Heads {
        witness::read(&self.witness()).expect("readable").expect("there").heads
    }
}

fn newest(server: &Server, database: &str) -> u64 {
    server.sql(database, "SELECT max(number) FROM heads").parse().expect("a number")
}

/// Closes the ledger, and waits until it has written its witness for the last time.
async fn close(ledger: PostgresLedger) {
    let epochs = Arc::clone(&ledger.witnessed.as_ref().expect("a witness").epochs);
    drop(ledger);
    while Arc::strong_count(&epochs) > 1 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn burnt(ledger: &PostgresLedger, tag: &str) {
    sealed(ledger, tag, "a", 1).await;
    assert!(ledger.burn(&key(tag), &digest("a"), &at(2).into()).await.expect("burnt"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_copy_is_refused_until_it_is_accepted() {
    let (server, replica) = (Server::shared(), Replica::new());
    let database = server.database();
    let ledger = replica.open(&server.url(&database)).await;
    sealed(&ledger, "web:1.0.0", "a", 1).await;
    burnt(&ledger, "web:0.9.0").await;
    close(ledger).await;
    let older = server.copy(&database);
    let ledger = replica.open(&server.url(&database)).await;
    assert!(ledger.burn(&key("web:1.0.0"), &digest("a"), &at(2).into()).await.expect("burnt"));
    assert!(replica.known().newest.number > newest(server, &older), "witnessed before it was answered");
    close(ledger).await;

    let message = replica.refused(&server.url(&older)).await;
    assert!(message.contains("went back: it stands at change ") && message.contains("pushonce ledger accept"), "{message}");
    assert!(matches!(*replica.accept(&server.url(&older)).await, [Doubt::Older { .. }]));
    let ledger = replica.open(&server.url(&older)).await;
    let acts = ledger.acts().await.expect("acts");
    assert!(acts[0].what.starts_with("accept-ledger older: change ") && acts[0].who == "ann", "{acts:?}");
    burnt(&ledger, "web:2.0.0").await;
    burnt(&ledger, "web:3.0.0").await;
    close(ledger).await;
    assert!(replica.accept(&server.url(&older)).await.is_empty(), "nothing is doubtful any more");
    let message = replica.refused(&server.url(&database)).await;
    assert!(message.contains("has another history than its witness") || message.contains("went back"), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_database_and_another_ledger_are_refused() {
    let (server, replica) = (Server::shared(), Replica::new());
    burnt(&replica.open(&server.schema()).await, "web:1.0.0").await;
    let empty = server.schema();
    let message = replica.refused(&empty).await;
    assert!(message.contains("is missing, empty or from before an upgrade"), "{message}");
    PostgresLedger::open(&settings(&empty), "default").await.expect("a ledger is made");
    let message = replica.refused(&empty).await;
    assert!(message.contains("is another ledger than its witness"), "{message}");
    assert!(matches!(*replica.accept(&empty).await, [Doubt::Another { .. }]));
    close(replica.open(&empty).await).await;
    let other = PostgresLedger::open_witnessed(&settings(&empty), "staging", &replica.witness()).await.map(drop);
    let message = other.expect_err("refused").to_string();
    assert!(message.contains("is that of registry `default`, and `upstream.name` is `staging`"), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_witness_that_is_damaged_or_cannot_be_written_is_said() {
    let (server, replica) = (Server::shared(), Replica::new());
    let url = server.schema();
    burnt(&replica.open(&url).await, "web:1.0.0").await;
    fs::write(replica.witness(), "nothing").expect("written");
    assert!(replica.refused(&url).await.contains("is damaged"));
    assert!(matches!(*replica.accept(&url).await, [Doubt::Unreadable(_)]));
    let ledger = replica.open(&url).await;

    sealed(&ledger, "web:2.0.0", "a", 3).await;
    let (here, gone) = (replica.0.path().to_owned(), replica.0.path().with_extension("aside"));
    fs::rename(&here, &gone).expect("the disk is gone");
    expect_unavailable(ledger.burn(&key("web:2.0.0"), &digest("a"), &at(4).into()).await, "cannot be written");
    expect_unavailable(
        ledger.claim(&key("web:3.0.0"), &digest("a"), AttemptId::random(), &at(4).into()).await,
        "cannot be written",
    );
    expect_unavailable(ledger.ping().await, "cannot be written");
    fs::rename(&gone, &here).expect("the disk is back");
    assert!(ledger.burn(&key("web:2.0.0"), &digest("a"), &at(5).into()).await.expect("burnt"));
    ledger.ping().await.expect("ready");

    let missing = replica.0.path().join("missing/head");
    let error = PostgresLedger::open_witnessed(&settings(&url), "default", &missing).await.map(drop).expect_err("refused");
    assert!(error.to_string().contains("name another place by `ledger.witness`"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_swapped_under_it_takes_no_write() {
    let (server, replica) = (Server::shared(), Replica::new());
    let database = server.database();
    let ledger = replica.open(&server.url(&database)).await;
    burnt(&ledger, "web:1.0.0").await;
    let older = server.copy(&database);
    while ledger.lookup(&key("web:1.0.0")).await.is_err() {}
    burnt(&ledger, "web:2.0.0").await;

    let aside = format!("{database}_aside");
    server.rename(&database, &aside);
    server.rename(&older, &database);
    let refused = async |words: &str| {
        for _ in 0..3 {
            let outcome = ledger.claim(&key("web:3.0.0"), &digest("a"), AttemptId::random(), &at(3).into()).await;
            if matches!(&outcome, Err(LedgerError::Unavailable(why)) if why.contains(words)) {
                return;
            }
            assert!(outcome.is_err(), "{outcome:?}");
        }
        panic!("it never said {words:?}");
    };
    refused("went back").await;
    refused("went back").await;
    assert!(ledger.ping().await.is_err(), "it is not ready");
    assert_eq!(server.sql(&database, "SELECT count(*) FROM tags WHERE tag = '3.0.0'"), "0");

    server.rename(&database, &older);
    server.rename(&aside, &database);
    while ledger.lookup(&key("web:2.0.0")).await.is_err() {}
    let _granted = granted(&ledger, "web:3.0.0", "a", 4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_go_back_on_a_living_connection_are_noticed() {
    let (server, replica) = (Server::shared(), Replica::new());
    let database = server.database();
    let ledger = replica.open(&server.url(&database)).await;
    for tag in ["web:1.0.0", "web:2.0.0", "web:3.0.0"] {
        burnt(&ledger, tag).await;
    }
    server.sql(&database, "ALTER TABLE heads DISABLE TRIGGER ALL; DELETE FROM heads WHERE number > 1");
    expect_unavailable(ledger.ping().await, "went back");
    expect_unavailable(ledger.claim(&key("web:4.0.0"), &digest("a"), AttemptId::random(), &at(3).into()).await, "went back");
}

/// A standby that follows asynchronously may lack what was acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_that_loses_commits_is_refused() {
    let (primary, replica) = (Server::start(&[]), Replica::new());
    let database = primary.database();
    let standby = Server::standby(&primary, "late", &[]);
    let url = format!("postgres://postgres@127.0.0.1:{},127.0.0.1:{}/{database}?sslmode=disable", primary.port(), standby.port());
    let ledger = replica.open(&url).await;
    burnt(&ledger, "web:1.0.0").await;
    let has_it = || standby.try_sql(&database, "SELECT count(*) FROM tags WHERE state = 'burnt'").is_ok_and(|count| count == "1");
    while !has_it() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    standby.stop();
    burnt(&ledger, "web:2.0.0").await;
    primary.kill9();
    standby.start_again();
    standby.sql("postgres", "SELECT pg_promote()");
    assert_eq!(standby.sql(&database, "SELECT count(*) FROM tags WHERE tag = '2.0.0'"), "0", "it is lost");

    // The connections of before are found broken, one by one.
    let mut words = String::new();
    for _ in 0..50 {
        match ledger.claim(&key("web:2.0.0"), &digest("b"), AttemptId::random(), &at(3).into()).await {
            Err(LedgerError::Unavailable(why)) if why.contains("went back") => {
                words = why;
                break;
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            Ok(outcome) => panic!("{outcome:?}"),
        }
    }
    assert!(words.contains("went back"), "it was never said");
    close(ledger).await;
    assert!(replica.refused(&url).await.contains("went back"));
    assert_eq!(replica.accept(&url).await.len(), 1);
    let ledger = replica.open(&url).await;
    let _granted = granted(&ledger, "web:2.0.0", "b", 4).await;
}

/// Every head of every replica is kept, whoever appends at the same time.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn replicas_append_beside_each_other_and_none_doubts() {
    let server = Server::shared();
    let url = server.schema();
    let replicas: Vec<Replica> = (0..4).map(|_| Replica::new()).collect();
    let mut ledgers = Vec::new();
    for replica in &replicas {
        ledgers.push(replica.open(&url).await);
    }
    let pushing = ledgers.iter().enumerate().map(|(number, ledger)| async move {
        for tag in 0..20 {
            burnt(ledger, &format!("web:{number}.0.{tag}")).await;
        }
    });
    futures_util::future::join_all(pushing).await;
    for ledger in &ledgers {
        ledger.ping().await.expect("well");
    }
    drop(ledgers);
    for replica in &replicas {
        let ledger = replica.open(&url).await;
        assert!(replica.known().newest.number >= 80);
        ledger.ping().await.expect("well");
    }
}

/// Also without a stop: the witness may be behind, and is never ahead.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_witness_that_lags_is_no_reason_to_refuse() {
    let (server, replica) = (Server::shared(), Replica::new());
    let url = server.schema();
    let ledger = replica.open(&url).await;
    burnt(&ledger, "web:1.0.0").await;
    let text = fs::read(replica.witness()).expect("readable");
    close(ledger).await;
    let connection = raw(&url).await;
    // As many as an hour brings, and what would have been forgotten on the way.
    let more = "INSERT INTO heads (number, mark) SELECT n, decode(repeat(md5(n::text), 2), 'hex') \
                FROM generate_series((SELECT max(number) + 1 FROM heads), 3600) AS n; DELETE FROM heads WHERE number < 2600 AND number % 1000 <> 0";
    connection.batch_execute(more).await.expect("heads");
    fs::write(replica.witness(), text).expect("an old witness");
    let ledger = replica.open(&url).await;
    assert_eq!(replica.known().newest.number, 3_600);
    burnt(&ledger, "web:2.0.0").await;
}
