//! What was acknowledged survives the death of the process.
//!
//! This shows that no answer runs ahead of its commit. That a commit survives
//! the loss of power as well rests on `synchronous = FULL` and the disk.

use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use super::*;

/// Tells the test that it is the child, and where its ledger is.
const CHILD: &str = "PUSHONCE_TEST_CRASHING_LEDGER";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_killed_process() {
    if let Some(file) = env::var_os(CHILD) {
        push_for_ever(&open_in_child(Path::new(&file))).await;
    }
    let place = Place::new();
    let mut pushed = 0;
    for life in 0..4 {
        let mut child = start_child(&place.file());
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut acknowledged = Vec::new();
        for line in output.lines() {
            let line = line.expect("a line");
            if let Some((_, tag)) = line.split_once("acknowledged ") {
                acknowledged.push(tag.to_owned());
            }
            // The pipe holds more: those were acknowledged too, and are read.
            if acknowledged.len() == 50 * (life + 1) {
                child.kill().expect("killed");
            }
        }
        child.wait().expect("ended");
        assert!(acknowledged.len() >= 50 * (life + 1), "the child died early, after {}", acknowledged.len());

        let ledger = place.ledger();
        for tag in &acknowledged {
            let standing = ledger.lookup(&key(tag)).await.expect("an answer");
            let standing = standing.unwrap_or_else(|| panic!("{tag} was acknowledged and is gone"));
            assert_eq!((standing.digest, standing.state), (digest(tag), State::Sealed), "{tag}");
        }
        let kept = ledger.records(&key("web:1").repository).await.expect("rows");
        assert!(kept.len() >= pushed + acknowledged.len(), "an earlier life's tags are gone");
        pushed += acknowledged.len();
    }
}

/// Whatever the process was about when it was killed, the witness is no reason to
/// refuse its ledger.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_honest_crash_is_never_refused() {
    if let Some(file) = env::var_os(CHILD) {
        burn_for_ever(&open_in_child(Path::new(&file))).await;
    }
    let place = Place::new();
    for life in 0..24 {
        let mut child = start(&place.file(), "an_honest_crash_is_never_refused");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut burnt = Vec::new();
        for line in output.lines() {
            if let Some((_, tag)) = line.expect("a line").split_once("burnt ") {
                burnt.push(tag.to_owned());
            }
            if burnt.len() == 1 + life % 7 {
                child.kill().expect("killed");
            }
        }
        child.wait().expect("ended");
        assert!(burnt.len() > life % 7, "the child died early, after {}", burnt.len());
        let ledger = place.ledger();
        for tag in &burnt {
            let standing = ledger.lookup(&key(tag)).await.expect("an answer").expect("a row");
            assert_eq!(standing.state, State::Burnt, "{tag}");
        }
    }
}

/// Two pushers and one who burns what it pushed, at once.
async fn burn_for_ever(ledger: &SqliteLedger) {
    let life = AttemptId::random();
    let pushers = (0..3).map(|pusher| async move {
        for number in 0..u64::MAX {
            let tag = format!("web:{life}.{pusher}.{number}");
            sealed(ledger, &tag, &tag, 1).await;
            if pusher == 0 {
                assert!(ledger.burn(&key(&tag), &digest(&tag), &at(2).into()).await.expect("burnt"));
                println!("burnt {tag}");
            }
        }
    });
    join_all(pushers).await;
}

/// A program that another test starts at this moment holds every lock of this process
/// until it has become itself.
fn open_in_child(file: &Path) -> SqliteLedger {
    loop {
        match SqliteLedger::open(file, "default") {
            Err(OpenError::InUse { .. }) => std::thread::yield_now(),
            opened => break opened.expect("the ledger opens"),
        }
    }
}

fn start_child(file: &Path) -> Child {
    start(file, "what_was_acknowledged_survives_a_killed_process")
}

fn start(file: &Path, test: &str) -> Child {
    let this_test = format!("ledger::sqlite::tests::crash::{test}");
    let mut command = Command::new(env::current_exe().expect("the test's own program"));
    command.args([&*this_test, "--exact", "--nocapture"]).env(CHILD, file).stdout(Stdio::piped());
    command.spawn().expect("the child starts")
}

/// Four pushers; each says what was acknowledged as soon as it was.
async fn push_for_ever(ledger: &SqliteLedger) {
    let life = AttemptId::random();
    let pushers = (0..4).map(|pusher| async move {
        for number in 0..u64::MAX {
            let tag = format!("web:{life}.{pusher}.{number}");
            sealed(ledger, &tag, &tag, 1).await;
            println!("acknowledged {tag}");
        }
    });
    join_all(pushers).await;
}
