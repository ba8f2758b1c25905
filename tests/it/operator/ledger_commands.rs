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
use tempfile::TempDir;

use crate::harness::process::eventually;
use crate::harness::run::{Run, run};
use crate::harness::{Fault, Faults, Image, Pushonce, Registry};

/// Runs `pushonce` with the configuration of the proxy.
pub(super) fn operate(proxy: &Pushonce, arguments: &[&str]) -> Run {
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

fn verify(file: &Path) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pushonce"));
    command.args(["ledger", "verify"]).arg(file);
    run(command, "this package", file.parent().expect("a directory"))
}

pub(super) fn ledger_of(proxy: &Pushonce) -> PathBuf {
    proxy.directory().join("ledger.db")
}

/// Does to the ledger what nobody should.
pub(super) fn tamper(file: &Path, sql: &str) {
    Connection::open(file).expect("the file").execute_batch(sql).expect(sql);
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

/// Claims tags as pushes do that are then cut off.
pub(super) fn leave_open(proxy: &Pushonce, tags: impl Iterator<Item = String>) {
    let ledger = SqliteLedger::beside(&ledger_of(proxy), "default").expect("the ledger");
    let (digest, now) = (Digest::of(Algorithm::Sha256, b"gone"), Timestamp::from_second(1_800_000_000).expect("a time"));
    for tag in tags {
        let key = TagKey { repository: RepositoryName::parse("web").expect("a name"), tag: Tag::parse(&tag).expect("a tag") };
        let claimed = block_on(ledger.claim(&key, &digest, AttemptId::random(), now)).expect("an answer");
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

#[test]
fn a_backup_of_a_running_proxy_is_restored() {
    let registry = Registry::start();
    let mut proxy = Pushonce::in_front_of(&registry.url()).start();
    let image = Image::random();
    for number in 0..50 {
        proxy.push(&format!("web:1.0.{number}"), &image).expect_created();
    }
    let copy = proxy.directory().join("copy.db");
    let name = copy.to_str().expect("a path");
    let copied = thread::scope(|scope| {
        let pushing = scope.spawn(|| {
            for number in 0..50 {
                proxy.push(&format!("web:2.0.{number}"), &image).expect_created();
            }
        });
        let copied = operate(&proxy, &["ledger", "backup", name]).expect_success();
        pushing.join().expect("the pusher");
        copied
    });
    let words: Vec<&str> = copied.stdout.split_whitespace().collect();
    let (tags, bytes) = (words[1].parse::<u64>().expect("a number"), words[3].parse::<u64>().expect("a number"));
    assert!((50..=100).contains(&tags), "{copied}");
    assert_eq!(bytes, fs::metadata(&copy).expect("the copy").len());
    assert_eq!(copied.stdout, format!("{name}: {tags} tags, {bytes} bytes\n"));
    assert_eq!(copied.stderr, "", "no bar where there is no terminal");
    let sound = verify(&copy).expect_success();
    assert!(
        sound.stdout.starts_with(&format!("{name} is sound: schema ")) && sound.stdout.contains(&format!(" {tags} tags, ")),
        "{sound}"
    );
    let left: Vec<String> = fs::read_dir(proxy.directory())
        .expect("the directory")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with("copy.db"))
        .collect();
    assert_eq!(left, ["copy.db"]);

    proxy.terminate();
    fs::rename(&copy, ledger_of(&proxy)).expect("restored");
    operate(&proxy, &["ledger", "accept", "--reason", "a backup"]).expect_success();
    proxy.restart();
    proxy.push("web:1.0.7", &Image::random()).expect_refused();
    proxy.push("web:1.0.7", &image).expect_created();
}

#[test]
fn a_backup_never_takes_the_place_of_anything() {
    let registry = Registry::start();
    let proxy = Pushonce::in_front_of(&registry.url()).start();
    let directory = TempDir::new().expect("a directory");
    let at = |name: &str| directory.path().join(name).to_str().expect("a path").to_owned();
    fs::write(at("there.db"), "precious").expect("written");
    std::os::unix::fs::symlink("nowhere", at("link.db")).expect("a link");
    for (to, words) in [
        (at("there.db"), "exists already and was left as it is; name a new file"),
        (at("link.db"), "exists already"),
        (at(""), "is a directory; name a file in it"),
        (at("none/copy.db"), "has no directory to be in: create "),
        (ledger_of(&proxy).to_str().expect("a path").to_owned(), "exists already"),
    ] {
        let refused = operate(&proxy, &["ledger", "backup", &to]).expect_said(words);
        assert_eq!(refused.status.code(), Some(1), "{refused}");
    }
    assert_eq!(fs::read_to_string(at("there.db")).expect("readable"), "precious");
    assert_eq!(fs::read_dir(directory.path()).expect("the directory").count(), 2, "something was left");
    proxy.push("web:1.4.0", &Image::random()).expect_created();
}

/// A file system that is too small for the copy; unmounted when dropped.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount() -> Self {
        assert!(rustix::process::geteuid().is_root(), "a small file system is mounted: run the tests as root");
        let disk = Self(TempDir::new().expect("a directory"));
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(disk.0.path()).status();
        assert!(mounted.expect("mount runs").success());
        disk
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_leaves_no_part_of_a_backup() {
    let registry = Registry::start();
    let proxy = Pushonce::in_front_of(&registry.url()).setting("ledger.reconcile_interval = \"0s\"").start();
    leave_open(&proxy, (0..400).map(|number| format!("1.0.{number}")));
    let disk = SmallDisk::mount();
    let copy = disk.0.path().join("copy.db");
    let failed = operate(&proxy, &["ledger", "backup", copy.to_str().expect("a path")]).expect_said("cannot be written to");
    assert_eq!(failed.status.code(), Some(1), "{failed}");
    failed.expect_said("the space on its disk: database or disk is full");
    assert_eq!(fs::read_dir(disk.0.path()).expect("the directory").count(), 0, "a part was left");
}

#[test]
fn a_backup_that_is_killed_has_no_name() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let (copy, name) = (proxy.directory().join("copy.db"), "copy.db");
    let mut command = Command::new(env!("CARGO_BIN_EXE_pushonce"));
    command.args(["ledger", "backup", name, "--config", "pushonce.toml"]).current_dir(proxy.directory());
    let killed = run(command_with(command, "ledger-copied=return"), "this package", proxy.directory());
    assert_eq!((killed.status.code(), copy.exists()), (None, false), "{killed}");
    let left = fs::read_dir(proxy.directory())
        .expect("the directory")
        .filter_map(|entry| entry.expect("an entry").file_name().into_string().ok());
    let left: Vec<String> = left.filter(|left| left.starts_with(name)).collect();
    assert!(matches!(left.as_slice(), [partial] if partial.ends_with(".partial")), "{left:?}");
    operate(&proxy, &["ledger", "backup", copy.to_str().expect("a path")]).expect_success();
    verify(&copy).expect_success();
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
    let program = proxy.directory().join("pushonce");
    // The build may lie where others cannot go.
    fs::copy(env!("CARGO_BIN_EXE_pushonce"), &program).expect("a copy of the program");
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

#[test]
fn what_is_wrong_with_a_ledger_is_said() {
    let registry = Registry::start();
    let mut proxy = Pushonce::in_front_of(&registry.url()).start();
    for number in 0..60 {
        proxy.push(&format!("web:1.0.{number}"), &Image::random()).expect_created();
    }
    assert!(proxy.terminate().success());
    let file = ledger_of(&proxy);
    let whole = fs::read(&file).expect("the ledger");
    verify(&file).expect_success();
    let insert = "INSERT INTO tags VALUES ('default', 'web', '9.9.9', 'sha256:xyz', 'sealed', 'pushed', 1, 1)";
    let change = "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, '''open'', ', '') WHERE name = 'tags_start_afresh'";
    for (sql, words) in [
        ("DROP TRIGGER tags_stay_burnt", "trigger tags_stay_burnt is missing"),
        (change, "trigger tags_start_afresh was changed: CREATE TRIGGER"),
        ("CREATE TABLE notes (text TEXT)", "table notes is not pushonce's"),
        (insert, "web:9.9.9 of registry `default`: `sha256:xyz` is not a digest"),
        (
            "INSERT INTO attempts SELECT registry, repository, tag, zeroblob(16), 1 FROM tags LIMIT 1",
            "only an open claim has attempts",
        ),
    ] {
        fs::write(&file, &whole).expect("written");
        let done = Connection::open(&file).expect("the file").execute_batch(sql);
        match done {
            Ok(()) => {}
            Err(refused) => {
                assert!(refused.to_string().contains(words), "{refused}");
                continue;
            }
        }
        let found = operate(&proxy, &["ledger", "verify"]).expect_said(words);
        assert_eq!((found.status.code(), found.stdout.as_str()), (Some(1), ""), "{found}");
        found.expect_said("restore a backup");
    }

    let mut damaged = whole.clone();
    let middle = damaged.len() / 2 / 4096 * 4096;
    damaged[middle..middle + 64].fill(0xA5);
    fs::write(&file, &damaged).expect("written");
    let found = verify(&file).expect_said("damaged");
    assert_eq!(found.status.code(), Some(1), "{found}");
    assert_eq!(fs::read(&file).expect("the ledger"), damaged, "it was changed");

    fs::write(&file, "release notes\n".repeat(1000)).expect("written");
    verify(&file).expect_said("is not a ledger, nor any SQLite database");
}
