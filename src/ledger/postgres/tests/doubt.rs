//! A commit that is not known to be one is never a success, and the connection on
//! which it happened is gone.

use futures_util::future::poll_immediate;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::*;
use crate::ledger::postgres::connection::Connection;

const WAITING: &str = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
const CANCEL: &str = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";

/// A standby is named that is not there. Somebody cancels the wait for it, which the
/// server answers with success and a warning.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_wait_for_a_standby_is_no_success() {
    let server = Server::start(&[]);
    let url = server.url(&server.database());
    let ledger = Arc::new(open(&url).await);
    let mine = granted(&*ledger, "web:1.0.0", "a", 1).await;
    server.set("synchronous_standby_names", "ghost");
    eventually("the setting is there", || server.sql("postgres", "SHOW synchronous_standby_names") == "ghost").await;

    let confirming = tokio::spawn({
        let ledger = Arc::clone(&ledger);
        async move { ledger.confirm(mine, &at(2).into()).await }
    });
    eventually("the commit waits", || server.sql("postgres", WAITING) == "1").await;
    server.sql("postgres", CANCEL);
    expect_unavailable(confirming.await.expect("it ends"), "canceling wait for synchronous replication");

    // The row shows it as sealed, but who asks for it waits for the standby too.
    let again = hasty(&url, Duration::from_secs(1)).await;
    let asked = again.claim(&key("web:1.0.0"), &digest("a"), AttemptId::random(), &at(3).into()).await;
    expect_unavailable(asked, "no answer within 1s");

    server.set("synchronous_standby_names", "");
    match claim(&*ledger, "web:1.0.0", "a", 4).await {
        Claimed::AlreadySealed(_, standing) => assert_eq!(standing, record("a", State::Sealed, Origin::Pushed, 2)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_takes_too_long_is_no_success() {
    let url = Server::shared().schema();
    let ledger = hasty(&url, Duration::from_millis(300)).await;
    let open = granted(&ledger, "web:1.0.0", "a", 1).await;
    let mut raw = raw(&url).await;
    let hold = raw.transaction().await.expect("a transaction");
    hold.batch_execute("SELECT 1 FROM tags FOR UPDATE").await.expect("the row is held");

    expect_unavailable(ledger.confirm(open, &at(2).into()).await, "statement timeout");
    let joined = ledger.claim(&key("web:1.0.0"), &digest("a"), AttemptId::random(), &at(2).into()).await;
    expect_unavailable(joined, "statement timeout");
    hold.rollback().await.expect("let go");
    let again = granted(&ledger, "web:1.0.0", "a", 3).await;
    assert_eq!(ledger.confirm(again, &at(4).into()).await.expect("sealed"), record("a", State::Sealed, Origin::Pushed, 4));
}

/// Whoever stops waiting leaves no transaction behind, and no row that is held.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_that_is_given_up_holds_nothing() {
    let url = Server::shared().schema();
    let ledger = PostgresLedger::open(&Settings { pool_size: 1, ..settings(&url) }, "default").await.expect("the ledger opens");
    let first = granted(&ledger, "web:1.0.0", "a", 1).await;
    let mut raw = raw(&url).await;
    let hold = raw.transaction().await.expect("a transaction");
    hold.batch_execute("SELECT 1 FROM tags FOR UPDATE").await.expect("the row is held");
    {
        let note = at(2).into();
        let mut confirming = Box::pin(ledger.confirm(first, &note));
        let waiting = tokio::time::timeout(Duration::from_millis(300), &mut confirming).await;
        assert!(waiting.is_err(), "the row is held");
        assert!(poll_immediate(&mut confirming).await.is_none());
    }
    hold.rollback().await.expect("let go");
    sealed(&ledger, "web:2.0.0", "a", 3).await;
    assert_eq!(ledger.lookup(&key("web:1.0.0")).await.expect("a row").expect("a row").state, State::Open);
    let again = granted(&ledger, "web:1.0.0", "a", 4).await;
    ledger.confirm(again, &at(5).into()).await.expect("nobody holds the row");
}

/// What a server does with the COMMIT of a failed transaction: ROLLBACK, and no error.
#[tokio::test]
async fn a_commit_of_a_failed_transaction_is_an_error() {
    let settings = settings(&Server::shared().schema());
    let tls = crate::ledger::postgres::tls::connector(&settings.address).expect("TLS");
    let mut connection = Connection::open(&settings, &tls).await.expect("a connection");
    connection.begin().await.expect("begun");
    connection.batch("SELECT 1 / 0").await.expect_err("a failed statement");
    connection.commit().await.expect_err("not committed");
    assert!(!connection.is_sound());
    connection.roll_back().await;
    assert!(connection.is_sound());
}

/// Passes on what is sent, until it is told to swallow the server's next answer and
/// cut the connection.
async fn cutting_proxy(to: u16, swallow: watch::Receiver<bool>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(("127.0.0.1", to)).await.expect("the server");
            let (mut from_client, mut to_client) = client.into_split();
            let (from_server, mut to_server) = server.into_split();
            let upwards = tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
            let swallow = swallow.clone();
            tokio::spawn(async move {
                let mut buffer = vec![0; 16 << 10];
                loop {
                    from_server.readable().await.expect("readable");
                    match from_server.try_read(&mut buffer) {
                        Ok(0) => break,
                        Ok(_) if *swallow.borrow() => break,
                        Ok(read) => to_client.write_all(&buffer[..read]).await.expect("written"),
                        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                        Err(_) => break,
                    }
                }
                upwards.abort();
            });
        }
    });
    port
}

/// The answer to the commit is lost: the push is not acknowledged, though the row
/// is there, and whoever comes next finds it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_is_no_success() {
    let server = Server::shared();
    let url = server.schema();
    let direct = open(&url).await;
    let (tell, swallow) = watch::channel(false);
    let port = cutting_proxy(server.port(), swallow).await;
    let cut = open(&url.replace(&format!(":{}/", server.port()), &format!(":{port}/"))).await;
    let mut raw = raw(&url).await;

    let open_claim = granted(&cut, "web:1.0.0", "a", 1).await;
    let hold = raw.transaction().await.expect("a transaction");
    hold.batch_execute("SELECT 1 FROM tags FOR UPDATE").await.expect("the row is held");
    let cut = Arc::new(cut);
    let confirming = tokio::spawn({
        let cut = Arc::clone(&cut);
        async move { cut.confirm(open_claim, &at(2).into()).await }
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    tell.send(true).expect("the proxy listens");
    hold.commit().await.expect("let go");
    expect_unavailable(confirming.await.expect("it ends"), "");
    tell.send(false).expect("the proxy listens");

    let joined = granted(&*cut, "web:1.0.0", "a", 3).await;
    assert_eq!(cut.confirm(joined, &at(4).into()).await.expect("sealed").state, State::Sealed);
    assert_eq!(direct.lookup(&key("web:1.0.0")).await.expect("a row").expect("a row").digest, digest("a"));
}
