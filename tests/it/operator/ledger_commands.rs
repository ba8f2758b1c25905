//! The commands that look at the ledger and change it by hand, beside a proxy that runs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use pushonce::clock::AttemptId;
use pushonce::ledger::sqlite::SqliteLedger;
use pushonce::ledger::{Claimed, Ledger, TagKey};
use pushonce::oci::{Algorithm, Digest, RepositoryName, Tag};
use rusqlite::Connection;

use crate::harness::process::eventually;
use crate::harness::run::{Run, copy_of_the_program, run};
use crate::harness::{Fault, Faults, Image, Pushonce, Registry};

/// Runs `pushonce` with the configuration of the proxy.
pub(crate) fn operate(proxy: &Pushonce, arguments: &[&str]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pushonce"));
    command.args(arguments).arg("--config").arg(proxy.config_file()).env("SUDO_USER", "ann");
    run(command, "this package", proxy.directory())
}

pub(super) fn release(proxy: &Pushonce, reference: &str) -> Run {
    operate(proxy, &["release-claim", reference, "--reason", "the build is gone"])
}

pub(super) fn command_with(mut command: Command, failpoints: &str) -> Command {
    command.env("FAILPOINTS", failpoints);
    command
}

pub(crate) fn ledger_of(proxy: &Pushonce) -> PathBuf {
    proxy.directory().join("ledger.db")
}

/// Does to the ledger what nobody should.
pub(crate) fn tamper(file: &Path, sql: &str) {
    Connection::open(file).expect("the file").execute_batch(sql).expect(sql);
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

/// Claims tags as pushes do that are then cut off.
pub(crate) fn leave_open(proxy: &Pushonce, tags: impl Iterator<Item = String>) {
    let ledger = SqliteLedger::beside(&ledger_of(proxy), "default").expect("the ledger");
    let (digest, now) = (Digest::of(Algorithm::Sha256, b"gone"), Timestamp::from_second(1_800_000_000).expect("a time"));
    for tag in tags {
        let key = TagKey { repository: RepositoryName::parse("web").expect("a name"), tag: Tag::parse(&tag).expect("a tag") };
        let claimed = block_on(ledger.claim(&key, &digest, AttemptId::random(), &now.into())).expect("an answer");
        assert!(matches!(claimed, Claimed::Granted(_)), "{claimed:?}");
    }
}

#[test]
fn a_stuck_claim_is_released_while_the_proxy_runs() {
    let registry = Registry::start();
    let faults = Faults::in_front_of(registry.address());
    let proxy = Pushonce::in_front_of(&faults.url()).setting("ledger.reconcile_interval = \"100ms\"").start();
    let (lost, next) = (Image::random(), Image::random());
    faults.when(|request| request.is("PUT", "/manifests/1.4.0"), Fault::Cut);
    proxy.push("web:1.4.0", &lost).expect_unavailable();
    registry.delete(&format!("web@{}", lost.digest())).expect(202);
    faults.heal();
    let stuck = || (proxy.metric("pushonce_stuck_claims", &[]) == 1.0).then_some(());
    eventually(Duration::from_secs(30), "the claim counts as stuck", stuck);
    proxy.push("web:1.4.0", &next).expect_unavailable();

    let released = release(&proxy, "web:1.4.0").expect_success();
    let line = format!("web:1.4.0 is free again: the claim for {} was released by ann (the build is gone)\n", lost.digest());
    assert_eq!((released.stdout.as_str(), released.stderr.as_str()), (line.as_str(), ""));
    proxy.push("web:1.4.0", &next).expect_created();
    proxy.push("web:1.4.0", &lost).expect_refused();

    let acts = operate(&proxy, &["ledger", "acts"]).expect_success();
    let lines: Vec<&str> = acts.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{acts}");
    assert!(lines[0].starts_with("WHEN ") && lines[0].ends_with("REASON"), "{acts}");
    assert!(lines[1].ends_with(&format!("Z  ann  release-claim web:1.4.0 {}  the build is gone", lost.digest())), "{acts}");
}

#[test]
fn what_is_not_open_is_not_released() {
    let registry = Registry::start();
    let proxy = Pushonce::in_front_of(&registry.url()).start();
    let none = operate(&proxy, &["ledger", "acts"]).expect_success();
    assert_eq!(none.stdout, "nothing was changed by hand in the ledger of registry `default`\n");
    let image = Image::random();
    proxy.push("web:1.4.0", &image).expect_created();
    proxy.push("web:1.4.1", &image).expect_created();
    tamper(&ledger_of(&proxy), "UPDATE tags SET state = 'burnt' WHERE tag = '1.4.1'");
    for (reference, words) in [
        ("web:1.4.0", format!("web:1.4.0 means {} since ", image.digest())),
        ("web:1.4.1", "web:1.4.1 was deleted at ".to_owned()),
        ("web:1.4.2", "nothing is claimed for web:1.4.2 in the ledger of registry `default`".to_owned()),
    ] {
        let refused = release(&proxy, reference);
        assert_eq!(refused.status.code(), Some(1), "{refused}");
        assert!(refused.stderr.starts_with(&format!("pushonce: {words}")) && refused.stdout.is_empty(), "{refused}");
        assert_eq!(refused.stderr.lines().count(), 1, "{refused}");
    }
    for arguments in [
        &["release-claim", "web:1.4.0", "--reason", " "][..],
        &["release-claim", "web", "--reason", "a"],
        &["release-claim", "web:1.4.0"],
        &["release-claim", "web:1.4.0", "--reason", "a\nb"],
    ] {
        assert_eq!(operate(&proxy, arguments).status.code(), Some(2), "{arguments:?}");
    }
    assert_eq!(proxy.tag_digest("web:1.4.0"), Some(image.digest()));
    assert!(operate(&proxy, &["ledger", "acts"]).stdout.starts_with("nothing was changed"));
}

/// Neither the pushes nor the releases are held up by each other, nor lost.
#[test]
fn releases_and_pushes_share_the_file() {
    let registry = Registry::start();
    let proxy = Pushonce::in_front_of(&registry.url()).setting("ledger.reconcile_interval = \"0s\"").start();
    leave_open(&proxy, (0..12).map(|number| format!("1.0.{number}")));
    thread::scope(|scope| {
        for pusher in 0..4 {
            let proxy = &proxy;
            scope.spawn(move || {
                for number in 0..25 {
                    proxy.push(&format!("web:2.{pusher}.{number}"), &Image::random()).expect_created();
                }
            });
        }
        for number in 0..12 {
            release(&proxy, &format!("web:1.0.{number}")).expect_success();
        }
    });
    assert_eq!(proxy.metric("pushonce_open_claims", &[]), 0.0);
    assert_eq!(operate(&proxy, &["ledger", "acts"]).stdout.lines().count(), 13);
    let sound = operate(&proxy, &["ledger", "verify"]).expect_success();
    assert!(sound.stdout.contains("100 tags, 0 attempts, 12 acts"), "{sound}");
    assert!(sound.stdout.ends_with("  registry `default`: 0 open, 100 sealed, 0 burnt, 0 lifted\n"), "{sound}");
}

#[test]
fn a_claim_is_released_while_nothing_runs() {
    let registry = Registry::start();
    let mut proxy = Pushonce::in_front_of(&registry.url()).environment("FAILPOINTS", "gate-claimed=return").start();
    assert!(proxy.try_push("web:1.4.0", &Image::random()).is_err(), "it is killed");
    eventually(Duration::from_secs(30), "it is killed", || proxy.has_ended().then_some(()));
    release(&proxy, "web:1.4.0").expect_success();
    proxy.forget_environment();
    proxy.restart();
    proxy.push("web:1.4.0", &Image::random()).expect_created();
    assert!(operate(&proxy, &["ledger", "acts"]).stdout.contains("release-claim web:1.4.0"));
}

#[test]
fn no_command_makes_a_ledger_or_changes_an_older_one() {
    let registry = Registry::start();
    let mut proxy = Pushonce::in_front_of(&registry.url()).start();
    assert!(proxy.terminate().success());
    let file = ledger_of(&proxy);
    let before = fs::read(&file).expect("the ledger");
    let commands: [&[&str]; 4] = [
        &["release-claim", "web:1.4.0", "--reason", "gone"],
        &["ledger", "acts"],
        &["ledger", "verify"],
        &["ledger", "backup", "/tmp/pushonce-it-no-such-backup.db"],
    ];
    fs::remove_file(&file).expect("removed");
    for arguments in commands {
        let failed = operate(&proxy, arguments).expect_said("there is no ledger");
        assert_eq!(failed.status.code(), Some(1), "{failed}");
        assert!(!file.exists(), "{failed}");
    }
    // The user version stands there (SQLite's file format, section 1.3).
    let mut older = before;
    older[60..64].copy_from_slice(&1_u32.to_be_bytes());
    fs::write(&file, &older).expect("written");
    for arguments in &commands[..2] {
        let failed = operate(&proxy, arguments).expect_said("has schema 1 of an older version");
        assert_eq!(failed.status.code(), Some(1), "{failed}");
    }
    assert_eq!(fs::read(&file).expect("the ledger"), older);
}

/// Somebody who may not read the ledger is told so.
#[test]
fn a_ledger_that_may_not_be_read_or_written_is_said() {
    assert!(rustix::process::geteuid().is_root(), "another user is taken on: run the tests as root");
    const NOBODY: u32 = 65534;
    let registry = Registry::start();
    let mut proxy = Pushonce::start(&registry);
    proxy.push("web:1.4.0", &Image::random()).expect_created();
    assert!(proxy.terminate().success());
    let program = copy_of_the_program(proxy.directory());
    fs::set_permissions(proxy.directory(), fs::Permissions::from_mode(0o755)).expect("permissions");
    let as_nobody = |arguments: &[&str]| {
        let mut command = Command::new(&program);
        command.args(arguments).args(["--config", "pushonce.toml"]).current_dir(proxy.directory()).uid(NOBODY).gid(NOBODY);
        run(command, "this package", proxy.directory())
    };
    let before = fs::read(ledger_of(&proxy)).expect("the ledger");
    let release = ["release-claim", "web:1.4.0", "--reason", "gone"];
    let refused = as_nobody(&release).expect_said("let this process write to it and to its directory");
    assert_eq!(refused.status.code(), Some(1), "{refused}");
    fs::set_permissions(ledger_of(&proxy), fs::Permissions::from_mode(0o600)).expect("permissions");
    for arguments in [&release[..], &["ledger", "acts"], &["ledger", "verify"], &["ledger", "backup", "copy.db"]] {
        let refused = as_nobody(arguments).expect_said("check its permissions");
        assert_eq!(refused.status.code(), Some(1), "{refused}");
    }
    assert_eq!(fs::read(ledger_of(&proxy)).expect("the ledger"), before);
}
