//! A ledger that went back, was swapped or cut off is refused until an operator
//! says that it counts; one that honestly crashed never is.

use std::fs;

use super::*;
use crate::ledger::witness::{self, Doubt, Heads};

impl Place {
    fn witness(&self) -> PathBuf {
        self.0.path().join("ledger.db.head")
    }

    /// Why the ledger is refused; its file and its witness stay as they are.
    #[track_caller]
    fn refused(&self) -> String {
        let before = [self.file(), self.witness()].map(|file| fs::read(file).ok());
        let error = SqliteLedger::open(&self.file(), "default").map(drop).expect_err("refused");
        assert!(matches!(error, OpenError::Doubtful(_)), "{error}");
        assert_eq!([self.file(), self.witness()].map(|file| fs::read(file).ok()), before, "something was changed");
        error.to_string()
    }

    #[track_caller]
    fn accept(&self) -> Vec<Doubt> {
        SqliteLedger::accept(&self.file(), "default", None, "ann", "the disk is gone", at(9)).expect("accepted")
    }

    /// What the witness and the file know.
    fn heads(&self) -> (Heads, Heads) {
        let known = witness::read(&self.witness()).expect("readable").expect("there").heads;
        (known, chain::read(&self.raw()).expect("readable").expect("heads"))
    }
}

/// A ledger with `tags` sealed, closed again.
async fn with(place: &Place, tags: &[&str]) {
    let ledger = place.ledger();
    for tag in tags {
        sealed(&ledger, tag, tag, 1).await;
    }
}

fn copy(from: &Path, to: &Path) {
    fs::copy(from, to).expect("a copy");
}

#[tokio::test]
async fn an_older_copy_is_refused_until_it_is_accepted() {
    let (place, backup) = (Place::new(), Place::new());
    with(&place, &["web:1.0.0"]).await;
    copy(&place.file(), &backup.file());
    let ledger = place.ledger();
    assert!(ledger.burn(&key("web:1.0.0"), &digest("web:1.0.0"), &at(2).into()).await.expect("burnt"));
    drop(ledger);
    copy(&backup.file(), &place.file());

    let message = place.refused();
    let words = [
        "went back: it stands at change 2 (last change 2027-01-15",
        "knows change 3; an older copy was restored",
        "pushonce ledger accept",
    ];
    for words in words {
        assert!(message.contains(words), "{words}: {message}");
    }
    assert!(message.contains(&place.witness().display().to_string()), "{message}");

    assert!(matches!(*place.accept(), [Doubt::Older { .. }]));
    let ledger = place.ledger();
    assert_eq!(ledger.lookup(&key("web:1.0.0")).await.expect("an answer").expect("a row").state, State::Sealed);
    let acts = ledger.acts().await.expect("acts");
    let [Act { at: moment, who, what, reason }] = &*acts else { panic!("{acts:?}") };
    assert_eq!((*moment, &**who, &**reason), (at(9), "ann", "the disk is gone"));
    assert!(what.starts_with("accept-ledger older: change 2 of ") && what.contains("; the witness knew change 3 of "), "{what}");
    sealed(&ledger, "web:2.0.0", "a", 10).await;
    drop(ledger);
    drop(place.ledger());
    assert!(place.accept().is_empty(), "nothing is doubtful any more");
}

#[tokio::test]
async fn a_copy_that_went_its_own_way_is_refused() {
    let (place, elsewhere) = (Place::new(), Place::new());
    with(&place, &["web:1.0.0"]).await;
    copy(&place.file(), &elsewhere.file());
    with(&place, &["web:2.0.0"]).await;
    with(&elsewhere, &["web:3.0.0", "web:4.0.0"]).await;
    copy(&elsewhere.file(), &place.file());
    let message = place.refused();
    assert!(message.contains("has another history than its witness"), "{message}");
    assert!(message.contains("knows: at change 4 it was something else; it stands at change 6"), "{message}");
    assert!(matches!(*place.accept(), [Doubt::OtherHistory { .. }]));
    drop(place.ledger());
}

#[tokio::test]
async fn another_ledger_is_refused() {
    let (place, other) = (Place::new(), Place::new());
    with(&place, &["web:1.0.0"]).await;
    with(&other, &["web:1.0.0", "web:2.0.0"]).await;
    copy(&other.file(), &place.file());
    let message = place.refused();
    assert!(message.contains("is another ledger than its witness") && message.contains("at change 4"), "{message}");
    assert!(matches!(*place.accept(), [Doubt::Another { .. }]));
    drop(place.ledger());
}

#[tokio::test]
async fn a_ledger_that_is_gone_or_empty_is_refused_and_not_made_again() {
    let place = Place::new();
    with(&place, &["web:1.0.0"]).await;
    fs::remove_file(place.file()).expect("removed");
    let message = place.refused();
    assert!(
        message.contains("is missing, empty or from before an upgrade") && message.contains("knows change 2 of it"),
        "{message}"
    );
    assert!(!place.file().exists());
    fs::write(place.file(), "").expect("an empty file");
    assert_eq!(place.refused(), message);

    assert!(matches!(*place.accept(), [Doubt::Gone { .. }]));
    let ledger = place.ledger();
    let acts = ledger.acts().await.expect("acts");
    assert!(acts[0].what.starts_with("accept-ledger missing or empty; the witness knew change 2 of "), "{acts:?}");
}

#[tokio::test]
async fn a_missing_log_is_noticed() {
    let place = Place::new();
    let ledger = place.ledger();
    sealed(&ledger, "web:1.0.0", "a", 1).await;
    assert!(ledger.burn(&key("web:1.0.0"), &digest("a"), &at(2).into()).await.expect("burnt"));
    let crashed = Place::new();
    copy(&place.file(), &crashed.file());
    copy(&place.witness(), &crashed.witness());
    let message = SqliteLedger::open(&crashed.file(), "default").map(drop).expect_err("refused").to_string();
    assert!(message.contains("knows change 3"), "{message}");
    copy(&place.0.path().join("ledger.db-wal"), &crashed.0.path().join("ledger.db-wal"));
    drop(crashed.ledger());
}

#[tokio::test]
async fn a_damaged_witness_is_refused_and_a_lost_one_is_not_noticed() {
    let place = Place::new();
    with(&place, &["web:1.0.0"]).await;
    fs::write(place.witness(), "pushonce ledger witness 1\n").expect("written");
    let message = place.refused();
    assert!(message.contains("is damaged: its line `ledger` is missing or wrong. If it cannot be brought back"), "{message}");
    assert!(matches!(*place.accept(), [Doubt::Unreadable(_)]));
    drop(place.ledger());

    fs::remove_file(place.witness()).expect("removed");
    drop(place.ledger());
    let (known, standing) = place.heads();
    assert_eq!(known, standing, "it was written anew");
}

#[tokio::test]
async fn a_witness_that_lags_is_no_reason_to_refuse() {
    let place = Place::new();
    with(&place, &["web:1.0.0"]).await;
    let (early, _) = place.heads();
    let text = fs::read(place.witness()).expect("readable");
    for changes in [1, 999, 5, 2_500] {
        let mut raw = place.raw();
        let transaction = raw.transaction().expect("begun");
        let mut heads = chain::read(&transaction).expect("readable").expect("heads");
        for _ in 0..changes {
            heads = heads.advanced();
            chain::append(&transaction, &heads).expect("appended");
        }
        transaction.commit().expect("committed");
        fs::write(place.witness(), &text).expect("an old witness");
        drop(place.ledger());
        let (known, standing) = place.heads();
        assert_eq!((known, known.newest.number >= early.newest.number + changes), (standing, true));
    }
    let kept: i64 = place.raw().query_row("SELECT count(*) FROM heads", [], |row| row.get(0)).expect("a count");
    assert_eq!(kept, 1_000 + 3, "the newest thousand, and the milestones 0, 1000 and 2000");
}

#[tokio::test]
async fn what_only_the_ledger_can_tell_is_witnessed_before_it_is_answered() {
    let place = Place::new();
    let ledger = place.ledger();
    for number in 0..5 {
        let (burnt, released) = (format!("web:1.0.{number}"), format!("web:2.0.{number}"));
        sealed(&ledger, &burnt, "a", 1).await;
        assert!(ledger.burn(&key(&burnt), &digest("a"), &at(2).into()).await.expect("burnt"));
        let (known, standing) = place.heads();
        assert_eq!(known, standing);
        let _open = granted(&ledger, &released, "a", 3).await;
        ledger.release(&key(&released), "ann", "gone", at(4)).await.expect("an answer").expect("released");
        let (known, standing) = place.heads();
        assert_eq!(known, standing);
    }
}

#[tokio::test]
async fn what_cannot_be_witnessed_is_not_written_until_it_can() {
    let (place, elsewhere) = (Place::new(), Place::new());
    let witness = elsewhere.0.path().join("disk/witness");
    let refused = SqliteLedger::open_witnessed(&place.file(), "default", Some(&witness)).map(drop).expect_err("no directory");
    assert!(refused.to_string().contains("name another place by `ledger.witness`"), "{refused}");
    let disk = witness.parent().expect("a directory");
    fs::create_dir(disk).expect("a directory");
    let ledger = SqliteLedger::open_witnessed(&place.file(), "default", Some(&witness)).expect("the ledger opens");
    sealed(&ledger, "web:1.0.0", "a", 1).await;

    fs::remove_dir_all(disk).expect("the disk is gone");
    let burnt = ledger.burn(&key("web:1.0.0"), &digest("a"), &at(2).into()).await.expect_err("not witnessed").to_string();
    assert!(burnt.contains("cannot be written"), "{burnt}");
    let claimed = ledger.claim(&key("web:2.0.0"), &digest("a"), AttemptId::random(), &at(3).into()).await;
    assert!(matches!(claimed, Err(LedgerError::Unavailable(_))), "{claimed:?}");
    assert!(ledger.ping().await.is_err(), "it is not ready");
    assert_eq!(ledger.lookup(&key("web:2.0.0")).await.expect("reads go on"), None);

    fs::create_dir(disk).expect("the disk is back");
    sealed(&ledger, "web:2.0.0", "b", 4).await;
    assert!(ledger.burn(&key("web:1.0.0"), &digest("a"), &at(5).into()).await.expect("burnt"), "said again");
    ledger.ping().await.expect("ready");
    assert!(!place.witness().exists());
    drop(ledger);
    SqliteLedger::open_witnessed(&place.file(), "default", Some(&witness)).map(drop).expect("the ledger opens");
}

#[tokio::test]
async fn a_file_that_is_replaced_while_it_is_open_takes_no_write() {
    let (place, other) = (Place::new(), Place::new());
    let ledger = place.ledger();
    sealed(&ledger, "web:1.0.0", "a", 1).await;
    with(&other, &["web:9.0.0"]).await;
    fs::rename(place.file(), place.0.path().join("aside.db")).expect("moved");
    let claim = async || ledger.claim(&key("web:2.0.0"), &digest("a"), AttemptId::random(), &at(2).into()).await;
    let gone = claim().await.expect_err("moved away").to_string();
    assert!(gone.contains("was replaced, moved or restored while this process has it open"), "{gone}");
    copy(&other.file(), &place.file());
    assert_eq!(claim().await.expect_err("another file").to_string(), gone);
    fs::rename(place.0.path().join("aside.db"), place.file()).expect("moved back");
    assert!(matches!(claim().await, Ok(Claimed::Granted(_))), "it is the right one again");

    let (_, standing) = place.heads();
    let rewrite =
        format!("DROP TRIGGER heads_never_change; UPDATE heads SET mark = zeroblob(32) WHERE number = {}", standing.newest.number);
    place.raw().execute_batch(&rewrite).expect("another history");
    assert_eq!(claim().await.expect_err("not as it was left").to_string(), gone);
    assert!(ledger.ping().await.is_err(), "it is not ready");
}

#[tokio::test]
async fn the_command_of_an_operator_is_no_reason_to_refuse() {
    let place = Place::new();
    let ledger = place.ledger();
    for number in 0..3 {
        let open = format!("web:1.0.{number}");
        let _open = granted(&ledger, &open, "a", 1).await;
        let beside = SqliteLedger::beside(&place.file(), "default").expect("the ledger opens");
        beside.release(&key(&open), "ann", "gone", at(2)).await.expect("an answer").expect("released");
        let (known, standing) = place.heads();
        assert_eq!(known, standing, "the command itself wrote the witness");
        sealed(&ledger, &open, "b", 3).await;
        beside.ping().await.expect("and it goes on too");
    }
    drop(ledger);
    drop(place.ledger());
}

#[tokio::test]
async fn a_command_of_an_operator_does_not_write_to_an_older_copy() {
    let (place, backup) = (Place::new(), Place::new());
    with(&place, &["web:1.0.0"]).await;
    copy(&place.file(), &backup.file());
    with(&place, &["web:2.0.0"]).await;
    copy(&backup.file(), &place.file());
    let message = SqliteLedger::beside(&place.file(), "default").map(drop).expect_err("refused").to_string();
    assert!(message.contains("went back"), "{message}");
}

#[tokio::test]
async fn the_ledger_of_another_registry_is_refused() {
    let place = Place::new();
    with(&place, &["web:1.0.0"]).await;
    let open = |name: &str| SqliteLedger::open(&place.file(), name).map(drop);
    let message = open("staging").expect_err("refused").to_string();
    assert!(message.contains("is that of registry `default`, and `upstream.name` is `staging`; correct the name"), "{message}");
    let doubts = SqliteLedger::accept(&place.file(), "staging", None, "ann", "one file for both", at(2)).expect("accepted");
    assert!(matches!(*doubts, [Doubt::OtherRegistry { .. }]));
    open("staging").expect("known now");
    open("default").expect("known as before");
}

#[tokio::test]
async fn a_ledger_from_before_there_were_heads_is_taken_but_not_in_place_of_a_newer_one() {
    let place = Place::new();
    let old = |place: &Place| {
        let raw = place.raw();
        raw.execute_batch(include_str!("../../migrations/sqlite/001-tags.sql")).expect("a schema");
        raw.execute_batch(include_str!("../../migrations/sqlite/002-acts.sql")).expect("a schema");
        raw.execute_batch(
            "PRAGMA user_version = 2; INSERT INTO tags VALUES ('default', 'web', '1', 'x', 'sealed', 'pushed', 1, 1)",
        )
        .expect("a row");
    };
    old(&place);
    let other = SqliteLedger::open(&place.file(), "staging").map(drop).expect_err("refused").to_string();
    assert!(other.contains("is that of registry `default`"), "{other}");
    drop(place.ledger());
    let (known, standing) = place.heads();
    assert_eq!(known, standing);

    fs::remove_file(place.file()).expect("removed");
    old(&place);
    assert!(place.refused().contains("from before an upgrade"));
    assert!(matches!(*place.accept(), [Doubt::Gone { .. }]));
    drop(place.ledger());
}

#[tokio::test]
async fn the_witness_is_none_of_the_files_of_the_ledger() {
    let place = Place::new();
    std::os::unix::fs::symlink(place.0.path(), place.0.path().join("link")).expect("a link");
    for name in ["ledger.db", "ledger.db-wal", "ledger.db.lock", "link/ledger.db"] {
        let witness = place.0.path().join(name);
        let refused = SqliteLedger::open_witnessed(&place.file(), "default", Some(&witness)).map(drop).expect_err("refused");
        assert!(refused.to_string().contains("belongs to the ledger itself"), "{refused}");
        let refused = SqliteLedger::accept(&place.file(), "default", Some(&witness), "ann", "why", at(1)).expect_err("refused");
        assert!(refused.to_string().contains("belongs to the ledger itself"), "{refused}");
    }
    assert!(!place.file().exists());
}

/// A full disk may fail a commit of which nobody knows whether it stands.
#[test]
fn a_failed_commit_is_known_whether_it_stands_or_not() {
    let place = Place::new();
    drop(place.ledger());
    let raw = place.raw();
    let heads = chain::read(&raw).expect("readable").expect("heads");
    let mut chain = Chain::new(&place.file(), heads).expect("the file");
    chain.append(&raw).expect("it stands");
    chain.verify(&raw).expect("and is known");
    raw.execute_batch("BEGIN").expect("begun");
    chain.append(&raw).expect("appended");
    raw.execute_batch("ROLLBACK").expect("undone");
    chain.verify(&raw).expect("and is not missed");
    chain.append(&raw).expect("appended");
    assert_eq!(chain.committed().map(|heads| heads.newest.number), Some(2));
    chain.verify(&raw).expect("known");
}
