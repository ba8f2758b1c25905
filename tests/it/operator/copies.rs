//! Copies of the ledger, made beside a proxy that runs, and whether a file is sound.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use rusqlite::Connection;
use tempfile::TempDir;

use super::ledger_commands::{command_with, leave_open, ledger_of, operate};
use crate::harness::run::{Run, run};
use crate::harness::{Image, Pushonce, Registry};

fn verify(file: &Path) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pushonce"));
    command.args(["ledger", "verify"]).arg(file);
    run(command, "this package", file.parent().expect("a directory"))
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
        ("CREATE TABLE scribbles (text TEXT)", "table scribbles is not pushonce's"),
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
