//! The checkpoint that is kept in a file while the proxy runs.

use std::fs;
use std::time::Duration;

use crate::harness::process::eventually;
use crate::harness::{Image, Pushonce, Registry};
use crate::operator::ledger_commands::{ledger_of, tamper};

use super::{refused, said};

const PATIENCE: Duration = Duration::from_secs(30);
const REWRITTEN: &str = "the release log is not the one that its checkpoint file is of; the file stays as it is";

fn push(proxy: &Pushonce, numbers: std::ops::Range<u32>) {
    for number in numbers {
        proxy.push(&format!("web:1.0.{number}"), &Image::random()).expect_created();
    }
}

#[test]
fn the_newest_checkpoint_stands_in_its_file_and_only_a_kept_one_is_replaced() {
    let registry = Registry::start();
    let mut proxy = Pushonce::start(&registry);
    let key = proxy.directory().join("log-key").display().to_string();
    said(&proxy, &["log", "new-key", &key]);
    let settings = fs::read_to_string(proxy.config_file()).expect("the configuration");
    let settings = format!("release_log = {{ signing_key_file = \"log-key\", checkpoint_file = \"log.checkpoint\" }}\n{settings}");
    fs::write(proxy.config_file(), settings).expect("written");
    let file = proxy.directory().join("log.checkpoint");
    proxy.restart();
    let begins = |size: u32| {
        let text = fs::read_to_string(&file).unwrap_or_default();
        text.starts_with(&format!("pushonce/default\n{size}\n")).then_some(text)
    };
    eventually(PATIENCE, "the first one", || begins(0));
    push(&proxy, 0..3);
    proxy.terminate();
    let kept = begins(3).expect("the one of the end");
    assert!(kept.contains("\n\n\u{2014} pushonce/default "), "{kept}");
    let whole = said(&proxy, &["log", "verify"]);
    assert!(whole.starts_with("3 events are whole, and agree with 1 checkpoint"), "{whole}");
    proxy.restart();
    push(&proxy, 3..5);
    assert!(proxy.terminate().success());
    let kept = begins(5).expect("the one of the end");

    // Somebody changes a leaf, and the log goes on.
    tamper(
        &ledger_of(&proxy),
        "DROP TRIGGER tree_never_changes; UPDATE tree SET hash = zeroblob(32) WHERE level = 0 AND number = 1",
    );
    proxy.restart();
    eventually(PATIENCE, "it is said", || proxy.log_lines().iter().any(|line| line["message"] == REWRITTEN).then_some(()));
    assert_eq!(proxy.metric("pushonce_log_inconsistent", &[]), 1.0);
    push(&proxy, 5..6);
    assert!(proxy.terminate().success());
    assert_eq!(fs::read_to_string(&file).expect("the file"), kept);
    refused(&proxy, &["log", "verify"], 1, "event 2, of web:1.0.1");

    // A checkpoint of another log, or none, is not written over either.
    for (text, words) in [
        (kept.replace("pushonce/default", "other/log"), "it is of the log other/log"),
        ("hello\n".to_owned(), "it is no checkpoint"),
    ] {
        fs::write(&file, &text).expect("written");
        proxy.restart();
        eventually(PATIENCE, "it is said", || proxy.log().contains(words).then_some(()));
        proxy.terminate();
        assert_eq!(fs::read_to_string(&file).expect("the file"), text);
    }
    fs::remove_file(&file).expect("removed");
    proxy.restart();
    eventually(PATIENCE, "a new one", || begins(6));
    assert_eq!(proxy.metric("pushonce_log_inconsistent", &[]), 0.0);
}

#[test]
fn a_key_that_cannot_be_used_ends_it_with_a_reason() {
    let settings = "release_log = { signing_key_file = \"policy.toml\", checkpoint_file = \"log.checkpoint\" }";
    let run = Pushonce::in_front_of("http://127.0.0.1:1").setting(settings).start_and_fail();
    assert_eq!(run.status.code(), Some(1), "{run}");
    run.expect_said("policy.toml: it is no private key");
}
