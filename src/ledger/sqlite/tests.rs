//! What only the embedded engine promises; the rest is in the common suite.

mod crash;
mod disk;
mod guards;
mod opening;
mod plans;
mod soundness;
mod witness;

use std::sync::mpsc;
use std::time::Duration;

use futures_util::future::{join_all, poll_immediate};
use tempfile::TempDir;

use super::*;
use crate::ledger::suite::{at, claim, digest, granted, key, lift, record, sealed};
use crate::ledger::{Origin, State};

/// A directory for one ledger, which is gone with the value.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("ledger.db")
    }

    fn ledger(&self) -> SqliteLedger {
        SqliteLedger::open(&self.file(), "default").expect("the ledger opens")
    }

    /// Somebody else's connection, without the settings of the ledger.
    fn raw(&self) -> Connection {
        Connection::open(self.file()).expect("the file opens")
    }
}

/// Stops the writer inside a transaction of its own until it is let go, so that
/// everything sent meanwhile is waiting together.
async fn hold_the_writer(ledger: &Arc<SqliteLedger>) -> mpsc::Sender<()> {
    let (let_go, wait) = mpsc::channel();
    let (holding, held) = tokio::sync::oneshot::channel();
    let ledger = Arc::clone(ledger);
    tokio::spawn(async move {
        let hold = move |_: &Books<'_>| {
            let _ = holding.send(());
            let _ = wait.recv_timeout(Duration::from_secs(30));
            Ok(())
        };
        ledger.writer.write(hold).await
    });
    held.await.expect("the writer holds");
    let_go
}

#[tokio::test]
async fn reopening_keeps_everything() {
    let place = Place::new();
    let ledger = place.ledger();
    sealed(&ledger, "web:1.0.0", "a", 1).await;
    ledger.adopt(&key("web:1.0.1"), &digest("b"), &at(2).into()).await.expect("adopted");
    sealed(&ledger, "web:1.0.2", "c", 3).await;
    assert!(ledger.burn(&key("web:1.0.2"), &digest("c"), &at(4).into()).await.expect("burnt"));
    let unfinished = granted(&ledger, "web:1.0.3", "d", 5).await;
    drop(ledger);

    let ledger = place.ledger();
    let records = ledger.records(&key("web:1").repository).await.expect("rows");
    let records: Vec<Record> = records.into_iter().map(|(_, record)| record).collect();
    let expected = [
        record("a", State::Sealed, Origin::Pushed, 1),
        record("b", State::Sealed, Origin::Adopted, 2),
        record("c", State::Burnt, Origin::Pushed, 4),
        record("d", State::Open, Origin::Pushed, 5),
    ];
    assert_eq!(records, expected);
    assert_eq!(ledger.confirm(unfinished, &at(6).into()).await.expect("sealed").state, State::Sealed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_claims_share_a_commit() {
    let place = Place::new();
    let ledger = Arc::new(place.ledger());
    let let_go = hold_the_writer(&ledger).await;
    let tags: Vec<String> = (0..200).map(|number| format!("web:1.0.{number}")).collect();
    let mut claims = Box::pin(join_all(tags.iter().map(|tag| granted(&*ledger, tag, "a", 1))));
    assert!(poll_immediate(&mut claims).await.is_none(), "the claims wait for the writer");

    let_go.send(()).expect("the writer waits");
    assert_eq!(claims.await.len(), 200);
    assert_eq!(ledger.commits(), 3, "the one that was held, then 128 claims, then 72");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_failure_in_a_batch_undoes_itself_only() {
    let place = Place::new();
    let ledger = Arc::new(place.ledger());
    let lost = granted(&*ledger, "web:lost", "a", 1).await;
    assert!(lift(&*ledger, "web:lost", 2).await);

    let let_go = hold_the_writer(&ledger).await;
    let half = ledger.writer.write(|books| {
        books.burn(&key("web:1.0.0"), &digest("a"), &at(3).into())?;
        Err::<(), _>(LedgerError::Unavailable("stopped half-way".to_owned()))
    });
    let note = at(3).into();
    let mut batch = Box::pin(async {
        tokio::join!(biased; granted(&*ledger, "web:1.0.0", "a", 3), half, ledger.confirm(lost, &note), claim(&*ledger, "web:1.0.0", "b", 3))
    });
    assert!(poll_immediate(&mut batch).await.is_none());
    let commits = ledger.commits();
    let_go.send(()).expect("the writer waits");

    let (_granted, half, lost, taken) = batch.await;
    assert_eq!(half.expect_err("failed").to_string(), "the ledger is unavailable: stopped half-way");
    assert!(matches!(lost, Err(LedgerError::ClaimLost { .. })));
    let open = record("a", State::Open, Origin::Pushed, 3);
    assert_eq!(taken, Claimed::Taken(open.clone()), "a later operation of the batch sees the earlier ones");
    assert_eq!(ledger.lookup(&key("web:1.0.0")).await.expect("an answer"), Some(open), "and not the burn that failed");
    assert_eq!(ledger.commits(), commits + 2, "the held one and the batch");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_do_not_wait_for_a_write() {
    let place = Place::new();
    let ledger = Arc::new(place.ledger());
    let standing = sealed(&*ledger, "web:1.0.0", "a", 1).await;
    let let_go = hold_the_writer(&ledger).await;

    assert_eq!(ledger.lookup(&key("web:1.0.0")).await.expect("an answer"), Some(standing));
    assert_eq!(ledger.records(&key("web:1").repository).await.expect("rows").len(), 1);
    assert_eq!(ledger.count_open().await.expect("a count"), 0);
    let_go.send(()).expect("the writer is still held");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_queued_is_written_before_it_closes() {
    let place = Place::new();
    let ledger = Arc::new(place.ledger());
    let let_go = hold_the_writer(&ledger).await;
    let mut claiming = Box::pin(granted(&*ledger, "web:1.0.0", "a", 1));
    assert!(poll_immediate(&mut claiming).await.is_none());
    drop(claiming);
    let_go.send(()).expect("the writer waits");
    // The task that held the writer has a share of the ledger, for a moment.
    while Arc::strong_count(&ledger) > 1 {
        tokio::task::yield_now().await;
    }
    drop(ledger);

    for gone in ["ledger.db-wal", "ledger.db-shm"] {
        assert!(!place.0.path().join(gone).exists(), "{gone} was folded into the file");
    }
    let standing = place.ledger().lookup(&key("web:1.0.0")).await.expect("an answer");
    assert_eq!(standing, Some(record("a", State::Open, Origin::Pushed, 1)), "nobody waited, and it was claimed");
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_named() {
    let place = Place::new();
    let ledger = place.ledger();
    let insert = "INSERT INTO tags VALUES ('default', 'driftwood/web', '1.4.0', 'sha256:xyz', 'sealed', 'pushed', 1, 1)";
    place.raw().execute_batch(insert).expect("a hand may insert");

    let error = ledger.lookup(&key("driftwood/web:1.4.0")).await.expect_err("unreadable");
    assert!(matches!(error, LedgerError::Corrupt(_)));
    let text = error.to_string();
    assert!(text.contains("driftwood/web:1.4.0 of registry `default`: `sha256:xyz` is not a digest"), "{text}");
    let claimed = ledger.claim(&key("driftwood/web:1.4.0"), &digest("a"), AttemptId::random(), &at(1).into()).await;
    assert!(matches!(claimed, Err(LedgerError::Corrupt(_))), "{claimed:?}");
    assert!(matches!(ledger.records(&key("driftwood/web:1").repository).await, Err(LedgerError::Corrupt(_))));
}
