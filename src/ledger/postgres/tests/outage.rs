//! The server goes away, comes back, or takes no writes any more.

use super::*;

/// What was acknowledged survives SIGKILL of the server. Its own disks are flushed
/// (`fsync = on`); the loss of power is for the disks to survive.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_killed_server() {
    let server = Server::start(&[]);
    let ledger = Arc::new(hasty(&server.url(&server.database()), Duration::from_secs(2)).await);
    let mut acknowledged = Vec::new();
    for life in 0..3 {
        let pushers: Vec<_> = (0..4).map(|pusher| tokio::spawn(push_until_it_fails(Arc::clone(&ledger), life, pusher))).collect();
        tokio::time::sleep(Duration::from_millis(400)).await;
        server.kill9();
        for pusher in pushers {
            acknowledged.extend(pusher.await.expect("no pusher panicked"));
        }
        expect_unavailable(ledger.ping().await, "");
        server.start_again();
        ledger.ping().await.expect("it is back, and the ledger with it");
        for tag in &acknowledged {
            let standing = ledger.lookup(&key(tag)).await.expect("an answer");
            let standing = standing.unwrap_or_else(|| panic!("{tag} was acknowledged and is gone"));
            assert_eq!((standing.digest, standing.state), (digest(tag), State::Sealed), "{tag}");
        }
    }
    assert!(acknowledged.len() > 30, "only {} were acknowledged", acknowledged.len());
}

async fn push_until_it_fails(ledger: Arc<PostgresLedger>, life: usize, pusher: usize) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for number in 0.. {
        let tag = format!("web:{life}.{pusher}.{number}");
        let claimed = match ledger.claim(&key(&tag), &digest(&tag), AttemptId::random(), &at(1).into()).await {
            Ok(Claimed::Granted(claim)) => ledger.confirm(claim, &at(2).into()).await,
            Ok(other) => panic!("{tag}: {other:?}"),
            Err(error) => Err(error),
        };
        match claimed {
            Ok(_) => acknowledged.push(tag),
            Err(LedgerError::Unavailable(_)) => break,
            Err(other) => panic!("{tag}: {other}"),
        }
    }
    acknowledged
}

/// A stop and a start are noticed before anything is sent, so nobody hears of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_between_two_operations_is_not_seen() {
    let server = Server::start(&[]);
    let ledger = open(&server.url(&server.database())).await;
    for number in 0..3 {
        sealed(&ledger, &format!("web:1.0.{number}"), "a", 1).await;
        server.stop();
        server.start_again();
    }
    ledger.ping().await.expect("a fresh connection");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_is_no_answer() {
    let server = Server::start(&[]);
    let ledger = hasty(&server.url(&server.database()), Duration::from_secs(1)).await;
    let claim = granted(&ledger, "web:1.0.0", "a", 1).await;
    server.pause();
    expect_unavailable(ledger.confirm(claim, &at(2).into()).await, "no answer within 1s");
    server.resume();
    eventually("the server is back", || server.try_sql("postgres", "SELECT 1").is_ok()).await;
    let again = granted(&ledger, "web:1.0.0", "a", 3).await;
    ledger.confirm(again, &at(4).into()).await.expect("sealed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_takes_no_writes_is_left() {
    let server = Server::start(&[]);
    let url = server.url(&server.database());
    let ledger = open(&url).await;
    let claim = granted(&ledger, "web:1.0.0", "a", 1).await;
    server.set("default_transaction_read_only", "on");
    eventually("it is set", || server.sql("postgres", "SHOW default_transaction_read_only") == "on").await;
    expect_unavailable(ledger.confirm(claim, &at(2).into()).await, "read-only transaction");
    let refused = PostgresLedger::open(&settings(&url), "default").await.expect_err("refused").to_string();
    assert!(refused.contains("takes no writes") && refused.contains("name the primary in ledger.url"), "{refused}");
    expect_unavailable(ledger.ping().await, "does not allow writes");

    server.set("default_transaction_read_only", "off");
    eventually("it is reset", || server.sql("postgres", "SHOW default_transaction_read_only") == "off").await;
    ledger.ping().await.expect("writes again");
}

/// Of several hosts the one that takes writes is used, wherever it stands.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_hosts_the_primary_is_used() {
    let primary = Server::start(&[]);
    let standby = Server::standby(&primary, "spare", &[]);
    let database = primary.database();
    let nobody = Server::start(&[]);
    nobody.stop();
    let hosts = format!("127.0.0.1:{},127.0.0.1:{},127.0.0.1:{}", nobody.port(), standby.port(), primary.port());
    let ledger = open(&format!("postgres://postgres@{hosts}/{database}?sslmode=disable")).await;
    sealed(&ledger, "web:1.0.0", "a", 1).await;
    let found = primary.sql(&database, "SELECT state FROM tags");
    assert_eq!(found, "sealed");

    let only = format!("postgres://postgres@127.0.0.1:{}/{database}?sslmode=disable", standby.port());
    eventually("the standby has the database", || standby.try_sql(&database, "SELECT 1 FROM tags").is_ok()).await;
    let refused = PostgresLedger::open(&settings(&only), "default").await.expect_err("refused").to_string();
    assert!(refused.contains("takes no writes"), "{refused}");
}
