//! Writes that fail: nothing is acknowledged that is not on the disk.

use std::process::Command;

use super::*;

/// Lets the file grow by so many pages and no more.
async fn leave_room(ledger: &SqliteLedger, pages: i64) {
    let limit = move |books: &Books<'_>| {
        let connection = books.connection;
        let now: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0)).expect("a count");
        let limit = format!("PRAGMA max_page_count = {}", now + pages);
        connection.query_row(&limit, [], |_| Ok(())).expect("a limit");
        Ok(())
    };
    ledger.writer.write(limit).await.expect("limited");
}

/// Claims tags until the disk is full, in batches; returns those acknowledged.
async fn fill(ledger: &SqliteLedger) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for round in 0..10_000 {
        let tags: Vec<String> = (0..50).map(|number| format!("web:{round}.{number}")).collect();
        let digest = digest("a");
        let keys: Vec<TagKey> = tags.iter().map(|tag| key(tag)).collect();
        let note = at(1).into();
        let claims = keys.iter().map(|key| ledger.claim(key, &digest, AttemptId::random(), &note));
        let mut is_full = false;
        for (tag, answer) in tags.into_iter().zip(join_all(claims).await) {
            match answer {
                Ok(_) => acknowledged.push(tag),
                Err(LedgerError::Unavailable(words)) => {
                    // The ledger's own disk is full, or its witness cannot follow any more.
                    let is_witness = words.contains("ledger.db.head of the ledger cannot be written (No space left");
                    assert!(words == "database or disk is full" || is_witness, "{words}");
                    is_full = true;
                }
                Err(other) => panic!("{other}"),
            }
        }
        if is_full {
            return acknowledged;
        }
    }
    panic!("the disk never filled");
}

async fn expect_exactly(ledger: &SqliteLedger, acknowledged: &[String]) {
    let records = ledger.records(&key("web:1").repository).await.expect("rows");
    let mut found: Vec<String> = records.into_iter().map(|(tag, _)| format!("web:{tag}")).collect();
    let mut acknowledged = acknowledged.to_vec();
    found.sort();
    acknowledged.sort();
    assert_eq!(found, acknowledged);
}

#[tokio::test]
async fn a_full_disk_acknowledges_nothing_and_recovers() {
    let place = Place::new();
    let ledger = place.ledger();
    leave_room(&ledger, 20).await;
    let mut acknowledged = fill(&ledger).await;
    assert!(acknowledged.len() >= 50, "there was room for some");
    expect_exactly(&ledger, &acknowledged).await;

    leave_room(&ledger, 1_000).await;
    sealed(&ledger, "web:after", "a", 2).await;
    acknowledged.push("web:after".to_owned());
    expect_exactly(&ledger, &acknowledged).await;
    ledger.ping().await.expect("well again");
    drop(ledger);
    expect_exactly(&place.ledger(), &acknowledged).await;
}

/// A file system of a MiB in the place of a ledger; unmounted when dropped.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(directory: &'a Path) -> Self {
        assert!(rustix::process::geteuid().is_root(), "this test mounts a tmpfs, which needs root: run the tests as root");
        let disk = Self(directory);
        disk.run("mount", &["-t", "tmpfs", "-o", "size=1m", "tmpfs"]);
        disk
    }

    fn grow(&self) {
        self.run("mount", &["-o", "remount,size=64m"]);
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let done = Command::new(program).args(arguments).arg(self.0).status().expect("it runs");
        assert!(done.success(), "{program} {arguments:?}");
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0).status();
    }
}

/// The same with a file system that is really full, log and all.
#[tokio::test]
async fn a_full_file_system_acknowledges_nothing_and_recovers() {
    let place = Place::new();
    let disk = SmallDisk::mount(place.0.path());
    let ledger = place.ledger();
    let mut acknowledged = fill(&ledger).await;
    expect_exactly(&ledger, &acknowledged).await;

    disk.grow();
    sealed(&ledger, "web:after", "a", 2).await;
    acknowledged.push("web:after".to_owned());
    expect_exactly(&ledger, &acknowledged).await;
    drop(ledger);
    expect_exactly(&place.ledger(), &acknowledged).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_commit_answers_the_whole_batch_and_the_writer_goes_on() {
    let place = Place::new();
    let ledger = Arc::new(place.ledger());
    let let_go = hold_the_writer(&ledger).await;
    // A row without its parent, which the database looks for when it commits.
    let poison = ledger.writer.write(|books| {
        let orphan = "PRAGMA defer_foreign_keys = ON; DROP TRIGGER attempts_need_an_open_tag; \
                      INSERT INTO attempts VALUES ('default', 'web', 'none', zeroblob(16), 1)";
        books.connection.execute_batch(orphan).expect("an orphan");
        Ok(())
    });
    let free = key("web:1.0.0");
    let digest = digest("a");
    let note = at(1).into();
    let claiming = || ledger.claim(&free, &digest, AttemptId::random(), &note);
    let mut batch = Box::pin(async { tokio::join!(biased; claiming(), poison, claiming()) });
    assert!(poll_immediate(&mut batch).await.is_none());
    let commits = ledger.commits();
    let_go.send(()).expect("the writer waits");

    let (before, poisoned, after) = batch.await;
    for error in [before.expect_err("undone"), poisoned.expect_err("undone"), after.expect_err("undone")] {
        assert_eq!(error.to_string(), "the ledger is unavailable: FOREIGN KEY constraint failed");
    }
    assert_eq!(ledger.lookup(&free).await.expect("an answer"), None);
    assert_eq!(ledger.commits(), commits + 1, "that of the operation which held the writer");
    sealed(&*ledger, "web:1.0.0", "b", 2).await;
}

/// What SQLite does by itself when it cannot read its file, for example.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_sqlite_gave_up_answers_the_whole_batch() {
    let place = Place::new();
    let ledger = Arc::new(place.ledger());
    let let_go = hold_the_writer(&ledger).await;
    let give_up = ledger.writer.write(|books| {
        books.connection.execute_batch("ROLLBACK").expect("rolled back");
        Err::<(), _>(LedgerError::Unavailable("disk I/O error".to_owned()))
    });
    let (key, digest) = (key("web:1.0.0"), digest("a"));
    let note = at(1).into();
    let claiming = || ledger.claim(&key, &digest, AttemptId::random(), &note);
    let mut batch = Box::pin(async { tokio::join!(biased; claiming(), give_up, claiming()) });
    assert!(poll_immediate(&mut batch).await.is_none());
    let_go.send(()).expect("the writer waits");

    let (before, gave_up, after) = batch.await;
    for error in [before.expect_err("undone"), gave_up.expect_err("failed"), after.expect_err("never run")] {
        assert_eq!(error.to_string(), "the ledger is unavailable: disk I/O error");
    }
    assert_eq!(ledger.lookup(&key).await.expect("an answer"), None);
    sealed(&*ledger, "web:1.0.0", "b", 2).await;
}

#[tokio::test]
async fn a_ping_needs_a_write() {
    let place = Place::new();
    let ledger = place.ledger();
    let pages = |ledger: &SqliteLedger| -> i64 {
        let connection = ledger.lookups.lock().expect("not poisoned");
        connection.query_row("PRAGMA page_count", [], |row| row.get(0)).expect("a count")
    };
    let before = pages(&ledger);
    for _ in 0..50 {
        ledger.ping().await.expect("well");
    }
    assert_eq!(pages(&ledger), before);
    let beats: i64 = place.raw().query_row("SELECT beats FROM heartbeat", [], |row| row.get(0)).expect("the row");
    assert_eq!(beats, 50);

    place.raw().execute_batch("DELETE FROM heartbeat").expect("deleted");
    assert!(matches!(ledger.ping().await, Err(LedgerError::Corrupt(_))));
}
