//! The release log of the real program: what shipped as 1.4 on that day, to the digest.

mod api;
mod access;
mod cost;
mod crash;
mod notary;
mod proof;
mod proof_postgres;
mod story;

use pushonce::clock::{Clock, SystemClock};

use crate::harness::run::Run;
use crate::harness::{Image, Pushonce};
use crate::operator::ledger_commands::operate;

/// Three builds as the background text says: a commit, a release, and the tags that follow.
struct Story {
    first: Image,
    second: Image,
    /// A moment between the two, as `--at` takes it.
    between: String,
}

impl Story {
    fn tell(proxy: &Pushonce) -> Self {
        let (first, second) = (Image::random(), Image::random());
        for tag in ["git-0a1b2c3", "1.4.0", "1.4", "1", "latest"] {
            proxy.push(&format!("driftwood/web:{tag}"), &first).expect_created();
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
        let between = SystemClock.now().to_string();
        std::thread::sleep(std::time::Duration::from_millis(20));
        for tag in ["git-9f8e7d6", "1.4.1", "1.4", "1", "latest"] {
            proxy.push(&format!("driftwood/web:{tag}"), &second).expect_created();
        }
        proxy.push("driftwood/web:1.4.0", &second).expect_refused();
        Self { first, second, between }
    }
}

/// What a command prints on success.
fn said(proxy: &Pushonce, arguments: &[&str]) -> String {
    operate(proxy, arguments).expect_success().stdout.clone()
}

/// A command that fails with this code and says these words.
#[track_caller]
pub(crate) fn refused(proxy: &Pushonce, arguments: &[&str], code: i32, words: &str) -> Run {
    let run = operate(proxy, arguments);
    assert_eq!(run.status.code(), Some(code), "{run}");
    assert!(run.stderr.contains(words), "{words} is missing: {run}");
    run
}
