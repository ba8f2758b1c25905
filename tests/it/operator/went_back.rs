//! A ledger that went back is noticed before anything is written to it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::gate::DELETABLE;
use crate::harness::postgres::Postgres;
use crate::harness::process::eventually;
use crate::harness::pushonce::PushonceBuilder;
use crate::harness::run::{Run, run};
use crate::harness::{Image, Pushonce, Registry};

fn operate(proxy: &Pushonce, arguments: &[&str]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pushonce"));
    command.args(arguments).arg("--config").arg(proxy.config_file()).env("SUDO_USER", "ann");
    run(command, "this package", proxy.directory())
}

/// The same with the ledger that the proxy was given by a variable.
fn operate_on(proxy: &Pushonce, url: &str, arguments: &[&str]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pushonce"));
    command.args(arguments).arg("--config").arg(proxy.config_file()).env("SUDO_USER", "ann").env("PUSHONCE_LEDGER__URL", url);
    run(command, "this package", proxy.directory())
}

fn witnessed(registry: &Registry, witness: &str) -> PushonceBuilder {
    Pushonce::in_front_of(&registry.url()).setting(&format!("ledger.witness = \"{witness}\""))
}

fn ledger_of(proxy: &Pushonce) -> PathBuf {
    proxy.directory().join("ledger.db")
}

/// Stops it and copies its ledger.
fn backup(proxy: &mut Pushonce) -> PathBuf {
    assert!(proxy.terminate().success());
    let copy = proxy.directory().join("copy.db");
    fs::copy(ledger_of(proxy), &copy).expect("a copy");
    proxy.restart();
    copy
}

/// It does not start, says why, and leaves the file as it is.
#[track_caller]
fn expect_refused(proxy: &mut Pushonce, words: &[&str]) {
    let before = fs::read(ledger_of(proxy)).ok();
    let refused = proxy.restart_and_fail();
    assert_eq!(refused.status.code(), Some(1), "{refused}");
    let line = refused.stderr.lines().last().unwrap_or_default().to_owned();
    assert!(line.starts_with("pushonce: the ledger "), "{refused}");
    for words in words.iter().chain(&["pushonce ledger accept --reason"]) {
        assert!(line.contains(words), "no {words:?} in\n{refused}");
    }
    assert_eq!(fs::read(ledger_of(proxy)).ok(), before, "the file was changed");
}

#[test]
fn a_restored_backup_is_refused_until_it_is_accepted() {
    let registry = Registry::start();
    let mut proxy = Pushonce::in_front_of(&registry.url()).policy(DELETABLE).start();
    let (kept, deleted) = (Image::random(), Image::random());
    proxy.push("web:1.4.0", &kept).expect_created();
    proxy.push("web:1.4.1", &deleted).expect_created();
    let copy = backup(&mut proxy);
    proxy.delete(&format!("web@{}", deleted.digest())).expect(202);
    proxy.push("web:1.4.1", &Image::random()).expect_refused();
    proxy.kill9();
    for left in ["ledger.db-wal", "ledger.db-shm"] {
        let _ = fs::remove_file(proxy.directory().join(left));
    }
    fs::copy(&copy, ledger_of(&proxy)).expect("restored");
    expect_refused(
        &mut proxy,
        &["went back: it stands at change ", "its witness ", "ledger.db.head, written 20", " knows change "],
    );
    let other = operate(&proxy, &["release-claim", "web:1.4.1", "--reason", "gone"]).expect_said("went back");
    assert_eq!(other.status.code(), Some(1), "{other}");

    let no_reason = operate(&proxy, &["ledger", "accept", "--reason", " "]);
    assert_eq!(no_reason.status.code(), Some(2), "{no_reason}");
    let accepted = operate(&proxy, &["ledger", "accept", "--reason", "the disk died"]).expect_success();
    assert!(accepted.stdout.contains("counts from now on, accepted by ann (the disk died): older: change "), "{accepted}");
    proxy.restart();
    let acts = operate(&proxy, &["ledger", "acts"]).expect_success();
    assert!(acts.stdout.contains("  ann  accept-ledger older: change ") && acts.stdout.contains("the disk died"), "{acts}");
    proxy.push("web:1.4.0", &Image::random()).expect_refused();
    proxy.restart();
    assert!(proxy.terminate().success());
    let again = operate(&proxy, &["ledger", "accept", "--reason", "twice"]).expect_success();
    assert!(again.stdout.starts_with("nothing was doubtful about the ledger "), "{again}");
}

#[test]
fn a_ledger_that_is_gone_is_refused_and_not_made_again() {
    let registry = Registry::start();
    let mut proxy = Pushonce::start(&registry);
    let image = Image::random();
    proxy.push("web:1.4.0", &image).expect_created();
    assert!(proxy.terminate().success());
    fs::remove_file(ledger_of(&proxy)).expect("removed");
    expect_refused(&mut proxy, &["is missing, empty or from before an upgrade, and its witness "]);
    operate(&proxy, &["ledger", "accept", "--reason", "all anew"]).expect_success();
    proxy.restart();
    assert_eq!(proxy.tag_digest("web:1.4.0"), Some(image.digest()), "adopted from the registry");
    proxy.push("web:1.4.0", &Image::random()).expect_refused();
}

#[test]
fn the_ledger_of_another_proxy_is_refused() {
    let (here, there) = (Registry::start(), Registry::start());
    let (mut proxy, mut other) = (Pushonce::start(&here), Pushonce::start(&there));
    proxy.push("web:1.4.0", &Image::random()).expect_created();
    other.push("web:1.4.0", &Image::random()).expect_created();
    assert!(proxy.terminate().success() && other.terminate().success());
    fs::copy(ledger_of(&other), ledger_of(&proxy)).expect("swapped");
    expect_refused(&mut proxy, &["is another ledger than its witness "]);
}

#[test]
fn a_file_that_is_swapped_under_it_takes_no_push() {
    let registry = Registry::start();
    let mut proxy = Pushonce::start(&registry);
    let image = Image::random();
    proxy.push("web:1.4.0", &image).expect_created();
    let copy = backup(&mut proxy);
    proxy.push("web:1.4.1", &image).expect_created();
    let aside = proxy.directory().join("aside.db");
    fs::rename(ledger_of(&proxy), &aside).expect("moved");
    fs::rename(&copy, ledger_of(&proxy)).expect("restored");
    proxy.push("web:1.4.2", &image).expect_unavailable();
    proxy.admin().request("GET", "/readyz").send().expect(503);
    assert_eq!(registry.tag_digest("web:1.4.2"), None);
    assert!(proxy.log().contains("the ledger was replaced or restored under this process"));
    assert_eq!(proxy.tag_digest("web:1.4.0"), Some(image.digest()), "pulls go on");

    fs::rename(&aside, ledger_of(&proxy)).expect("moved back");
    proxy.push("web:1.4.2", &image).expect_created();
}

#[test]
fn a_kill_between_the_ledger_and_its_witness_is_no_reason_to_refuse() {
    let registry = Registry::start();
    let mut proxy =
        Pushonce::in_front_of(&registry.url()).policy(DELETABLE).environment("FAILPOINTS", "ledger-burnt=return").start();
    let image = Image::random();
    proxy.push("web:1.4.0", &image).expect_created();
    assert!(proxy.try_delete(&format!("web@{}", image.digest())).is_err(), "it is killed");
    eventually(Duration::from_secs(30), "it is killed", || proxy.has_ended().then_some(()));
    proxy.forget_environment();
    proxy.restart();
    assert_eq!(proxy.tag_digest("web:1.4.0"), None);
    proxy.push("web:1.4.0", &Image::random()).expect_refused();
}

/// In front of PostgreSQL: the same, and the witness is beside the configuration.
#[test]
fn a_database_that_went_back_is_refused_until_it_is_accepted() {
    let (registry, server) = (Registry::start(), Postgres::shared());
    let database = server.database();
    let build =
        || Pushonce::in_front_of(&registry.url()).policy(DELETABLE).environment("PUSHONCE_LEDGER__URL", &server.url(&database));
    let mut proxy = build().start();
    let (kept, deleted) = (Image::random(), Image::random());
    proxy.push("web:1.4.0", &kept).expect_created();
    proxy.push("web:1.4.1", &deleted).expect_created();
    proxy.kill9();
    let copy = server.copy(&database);
    proxy.restart();
    proxy.delete(&format!("web@{}", deleted.digest())).expect(202);
    proxy.kill9();
    server.sql("postgres", &format!("DROP DATABASE {database} WITH (FORCE)"));
    server.rename(&copy, &database);

    let refused = proxy.restart_and_fail();
    assert_eq!(refused.status.code(), Some(1), "{refused}");
    assert!(refused.stderr.contains("went back: it stands at change ") && refused.stderr.contains("pushonce.head"), "{refused}");
    let url = server.url(&database);
    let accept = || operate_on(&proxy, &url, &["ledger", "accept", "--reason", "the disk died"]).expect_success();
    let accepted = accept();
    assert!(accepted.stdout.contains("counts from now on, accepted by ann (the disk died): older: change "), "{accepted}");
    assert!(accept().stdout.starts_with("nothing was doubtful about the ledger postgres://"), "said once");
    proxy.restart();
    proxy.push("web:1.4.0", &Image::random()).expect_refused();
    let acts = operate_on(&proxy, &url, &["ledger", "acts"]).expect_success();
    assert!(acts.stdout.contains("  ann  accept-ledger older: change "), "{acts}");
}

#[test]
fn a_kill_between_the_database_and_the_witness_is_no_reason_to_refuse() {
    let (registry, url) = (Registry::start(), Postgres::shared().schema());
    let proxy = Pushonce::in_front_of(&registry.url()).environment("PUSHONCE_LEDGER__URL", &url);
    let mut proxy = proxy.environment("FAILPOINTS", "ledger-appended=return").start();
    let image = Image::random();
    // The head is appended in the background; the push may be faster.
    let _ = proxy.try_push("web:1.4.0", &image);
    eventually(Duration::from_secs(30), "it is killed", || proxy.has_ended().then_some(()));
    proxy.forget("FAILPOINTS");
    proxy.restart();
    proxy.push("web:1.4.0", &image).expect_created();
    proxy.restart();
    proxy.push("web:1.4.0", &Image::random()).expect_refused();
}

#[test]
fn the_witness_may_be_elsewhere() {
    let (registry, place) = (Registry::start(), tempfile::tempdir().expect("a directory"));
    let missing = place.path().join("missing/head").display().to_string();
    let failed = witnessed(&registry, &missing).start_and_fail();
    assert_eq!(failed.status.code(), Some(1), "{failed}");
    failed.expect_said("name another place by `ledger.witness`");

    let witness = place.path().join("head");
    let mut proxy = witnessed(&registry, &witness.display().to_string()).start();
    proxy.push("web:1.4.0", &Image::random()).expect_created();
    assert!(proxy.terminate().success());
    assert!(fs::read_to_string(&witness).expect("the witness").starts_with("pushonce ledger witness 1\nledger "));
    assert!(!Path::new(&format!("{}.head", ledger_of(&proxy).display())).exists());
    fs::write(&witness, "nothing\n").expect("damaged");
    let refused = proxy.restart_and_fail();
    assert!(refused.stderr.contains("is damaged: it does not begin as a witness does. If it cannot be brought back"), "{refused}");
    operate(&proxy, &["ledger", "accept", "--reason", "the disk of the witness died"]).expect_success();
    proxy.restart();
}
