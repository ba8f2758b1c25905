//! The witness's file, and what it says of a ledger.

use std::fs;
use std::time::Duration;

use super::*;

fn fresh() -> Heads {
    let first = Head { number: 0, mark: Mark([7; 32]) };
    Heads { ledger: first.mark, newest: first, milestone: first }
}

fn after(mut heads: Heads, changes: u64) -> Heads {
    for _ in 0..changes {
        heads = heads.advanced();
    }
    heads
}

/// A ledger that has no mark at any number but its newest and its milestones.
fn standing(heads: Heads, at_newest: Option<Mark>, at_milestone: Option<Mark>) -> Standing {
    Standing { heads, at_newest, at_milestone }
}

#[test]
fn a_witness_knows_its_ledger_from_every_other() {
    let known = after(fresh(), 1_010);
    let later = after(known, 5_000);
    let milestone = Some(known.milestone.mark);
    assert_eq!(compare(&known, &standing(known, Some(known.newest.mark), milestone)), None);
    assert_eq!(compare(&known, &standing(later, Some(known.newest.mark), milestone)), None);
    assert_eq!(compare(&known, &standing(later, None, milestone)), None, "only the milestone is kept");

    let fork = after(after(fresh(), 900), 9_000);
    assert_eq!(compare(&known, &standing(fork, Some(fork.newest.mark), milestone)), Some(Difference::OtherHistory));
    assert_eq!(compare(&known, &standing(fork, None, Some(fork.newest.mark))), Some(Difference::OtherHistory));
    assert_eq!(compare(&known, &standing(fork, None, None)), Some(Difference::OtherHistory));
    let older = after(fresh(), 1_009);
    assert_eq!(compare(&known, &standing(older, None, milestone)), Some(Difference::Older));
    let another = Heads { ledger: Mark([8; 32]), ..known };
    assert_eq!(compare(&known, &standing(another, Some(known.newest.mark), milestone)), Some(Difference::Another));
}

#[test]
fn heads_are_numbered_and_never_the_same_twice() {
    let (one, two) = (fresh().advanced(), fresh().advanced());
    assert_eq!((one.newest.number, one.milestone, one.ledger), (1, fresh().milestone, fresh().ledger));
    assert_ne!(one.newest.mark, two.newest.mark, "two ledgers that go on from one state differ");
    let thousandth = after(fresh(), 1_000);
    assert_eq!(thousandth.milestone, thousandth.newest);
    assert_eq!(thousandth.dispensable(), None, "the first one is a milestone");
    assert_eq!(after(thousandth, 1).dispensable(), Some(1));
}

#[test]
fn what_is_written_is_read() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("ledger.db.head");
    assert_eq!(read(&file).expect("nothing there"), None);
    for heads in [fresh(), after(fresh(), 2_345)] {
        file::write(&file, &heads, false).expect("written");
        assert_eq!(read(&file).expect("readable").expect("there").heads, heads);
    }
    assert_eq!(fs::read_dir(directory.path()).expect("a listing").count(), 1, "nothing is left beside it");
}

#[test]
fn of_two_processes_the_one_that_knows_more_is_kept() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("ledger.db.head");
    let (older, newer) = (after(fresh(), 3), after(fresh(), 4));
    let another = Heads { ledger: Mark([8; 32]), ..older };
    let kept = |heads: &Heads, anew: bool| {
        file::write(&file, heads, anew).expect("written");
        read(&file).expect("readable").expect("there").heads
    };
    assert_eq!(kept(&newer, false), newer);
    assert_eq!(kept(&older, false), newer);
    assert_eq!(kept(&older, true), older, "an operator said so");
    assert_eq!(kept(&another, false), another);
}

#[test]
fn damage_is_noticed_wherever_it_is() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("ledger.db.head");
    file::write(&path, &after(fresh(), 2_345), false).expect("written");
    let whole = fs::read_to_string(&path).expect("readable");
    let damaged = |text: &str| {
        fs::write(&path, text).expect("written");
        read(&path).map(drop).expect_err(text).to_string()
    };
    for cut in 0..whole.len() {
        let message = damaged(&whole[..cut]);
        assert!(message.contains("ledger.db.head of the ledger is damaged: it"), "{message}");
    }
    for wrong in [whole.replace("head 2345", "head x"), whole.replace("milestone 2000", "milestone 1000"), format!("{whole}more\n")]
    {
        damaged(&wrong);
    }
    fs::write(&path, [0xFF; 9_000]).expect("written");
    assert!(matches!(read(&path), Err(WitnessError::Damaged { .. })));
    fs::remove_file(&path).expect("removed");
    fs::create_dir(&path).expect("a directory in its place");
    assert!(matches!(read(&path), Err(WitnessError::Unreadable { .. })));
}

#[test]
fn the_keeper_writes_at_once_in_the_background_and_at_the_end() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("ledger.db.head");
    let number = || read(&path).expect("readable").expect("there").heads.newest.number;
    let keeper = Keeper::start(&path, fresh()).expect("started");
    assert_eq!(number(), 0);
    let mut heads = after(fresh(), 1);
    keeper.note(heads);
    keeper.write_now().expect("written");
    assert_eq!(number(), 1);

    heads = after(heads, 1);
    keeper.note(heads);
    while number() < 2 {
        std::thread::sleep(Duration::from_millis(5));
    }
    heads = after(heads, 1);
    keeper.note(heads);
    drop(keeper);
    assert_eq!(number(), 3);
}

#[test]
fn a_keeper_that_failed_says_so_until_it_succeeds() {
    let directory = tempfile::tempdir().expect("a directory");
    let place = directory.path().join("place");
    let path = place.join("ledger.db.head");
    let refused = Keeper::start(&path, fresh()).map(drop).expect_err("no directory").to_string();
    assert!(refused.contains("cannot be written") && refused.contains("`ledger.witness`"), "{refused}");

    fs::create_dir(&place).expect("a directory");
    let keeper = Keeper::start(&path, fresh()).expect("started");
    fs::remove_dir_all(&place).expect("removed");
    let heads = after(fresh(), 1);
    keeper.note(heads);
    assert!(keeper.write_now().is_err() && keeper.is_failing());
    fs::create_dir(&place).expect("there again");
    keeper.write_now().expect("written");
    assert!(!keeper.is_failing());
    assert_eq!(read(&path).expect("readable").expect("there").heads, heads);
}
