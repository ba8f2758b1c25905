//! Several replicas on one database, at every isolation that it may have.

use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::*;
use crate::ledger::suite::{Store, races};

/// A schema whose sessions have another isolation than READ COMMITTED.
struct Strict(String);

impl Strict {
    fn at(level: &str) -> Self {
        Self(Server::shared().schema() + &format!("%20-c%20default_transaction_isolation%3D{level}"))
    }
}

impl Store for Strict {
    fn new() -> Self {
        Self::at("serializable")
    }

    async fn open(&self, registry: &str) -> Box<dyn Ledger> {
        Box::new(PostgresLedger::open(&settings(&self.0), registry).await.expect("the ledger opens"))
    }
}

/// The server ends transactions for the sake of others (40001), and they are tried
/// again: nobody hears of it, and no tag has two winners.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn races_end_well_where_transactions_are_serializable() {
    races::one_digest_wins_each_tag(&Strict::at("serializable")).await;
    races::the_last_to_withdraw_frees_the_tag(&Strict::at("serializable")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn races_end_well_where_reads_are_repeatable() {
    races::one_digest_wins_each_tag(&Strict::at("repeatable%5C%20read")).await;
    races::the_last_to_withdraw_frees_the_tag(&Strict::at("repeatable%5C%20read")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_replicas_that_race_for_a_tag_one_wins() {
    let url = Server::shared().schema();
    let replicas = [Arc::new(open(&url).await), Arc::new(open(&url).await)];
    for number in 0..50 {
        let tag = format!("web:1.0.{number}");
        let start = Arc::new(Barrier::new(2));
        let mut pushes = JoinSet::new();
        for (replica, content) in replicas.iter().zip(["a", "b"]) {
            let (replica, start, tag) = (Arc::clone(replica), Arc::clone(&start), tag.clone());
            pushes.spawn(async move {
                start.wait().await;
                matches!(claim(&*replica, &tag, content, 1).await, Claimed::Granted(_))
            });
        }
        let granted = pushes.join_all().await.into_iter().filter(|granted| *granted).count();
        assert_eq!(granted, 1, "{tag}");
        let [one, other] = &replicas;
        let seen = one.lookup(&key(&tag)).await.expect("an answer");
        assert_eq!(seen, other.lookup(&key(&tag)).await.expect("an answer"));
    }
}

/// A confirmation reads the attempts of its tag when nobody can change them any
/// more: one that waited for a lift and a fresh claim must not believe what it saw
/// before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_confirmation_that_waited_sees_what_happened_meanwhile() {
    let url = Server::shared().schema();
    let ledger = Arc::new(open(&url).await);
    let early = granted(&*ledger, "web:1.0.0", "a", 1).await;
    let mut raw = raw(&url).await;
    let hold = raw.transaction().await.expect("a transaction");
    hold.batch_execute("UPDATE tags SET state = 'lifted'; DELETE FROM attempts").await.expect("lifted");
    hold.batch_execute("UPDATE tags SET state = 'open'").await.expect("claimed again");
    let again = "INSERT INTO attempts SELECT registry, repository, tag, '00000000-0000-4000-8000-000000000000', 2 FROM tags";
    hold.batch_execute(again).await.expect("another attempt");

    let confirming = tokio::spawn({
        let ledger = Arc::clone(&ledger);
        async move { ledger.confirm(early, &at(3).into()).await }
    });
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%FOR UPDATE%'";
    eventually("the confirmation waits", || Server::shared().sql("postgres", waiting) != "0").await;
    hold.commit().await.expect("committed");
    let outcome = confirming.await.expect("it ends");
    assert!(matches!(outcome, Err(LedgerError::ClaimLost { .. })), "{outcome:?}");
    assert_eq!(ledger.lookup(&key("web:1.0.0")).await.expect("a row").expect("a row").state, State::Open);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_start_at_once_make_one_schema() {
    let url = Server::shared().schema();
    let mut starting = JoinSet::new();
    for _ in 0..8 {
        let url = url.clone();
        starting.spawn(async move { open(&url).await });
    }
    let ledgers = starting.join_all().await;
    sealed(&ledgers[0], "web:1.0.0", "a", 1).await;
    for ledger in &ledgers {
        let standing = ledger.lookup(&key("web:1.0.0")).await.expect("an answer");
        assert_eq!(standing, Some(record("a", State::Sealed, Origin::Pushed, 1)));
    }
    let versions = raw(&url).await.query("SELECT version FROM pushonce_migrations", &[]).await.expect("versions");
    assert_eq!(versions.iter().map(|row| row.get::<_, i64>(0)).collect::<Vec<_>>(), [1, 2, 3, 4]);
}
