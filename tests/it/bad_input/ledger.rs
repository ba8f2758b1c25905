//! Ledgers that cannot be written, and files that are no ledger.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::TAG;
use crate::harness::run::{Run, copy_of_the_program, run};
use crate::harness::{Image, Pushonce, Registry};

/// A directory for a ledger, apart from the other files of the proxy.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::Builder::new().prefix("pushonce-it-ledger-").tempdir().expect("a temporary directory"))
    }

    fn directory(&self) -> &Path {
        self.0.path()
    }

    fn file(&self) -> PathBuf {
        self.directory().join("pushonce.db")
    }

    fn proxy(&self, upstream: &str) -> crate::harness::pushonce::PushonceBuilder {
        Pushonce::in_front_of(upstream).environment("PUSHONCE_LEDGER__URL", &format!("sqlite:{}", self.file().display()))
    }

    /// The proxy does not start on this, and says so; the file stays as it is.
    #[track_caller]
    fn expect_no_start(&self, message: &str) {
        let before = fs::read(self.file()).ok();
        let run = self.proxy("http://127.0.0.1:1").start_and_fail();
        expect_refused_to_start(&run, message);
        assert_eq!(fs::read(self.file()).ok(), before, "the file was changed");
    }
}

#[track_caller]
fn expect_refused_to_start(run: &Run, message: &str) {
    assert_eq!(run.status.code(), Some(1), "{run}");
    assert!(run.stderr.lines().any(|line| line.starts_with("pushonce: ") && line.contains(message)), "no {message:?} in\n{run}");
}

/// A file system of its own, gone when dropped.
struct SmallDisk(Place);

impl SmallDisk {
    fn mount() -> Self {
        assert!(rustix::process::geteuid().is_root(), "a small file system is mounted: run the tests as root");
        let disk = Self(Place::new());
        disk.run("mount", &["-t", "tmpfs", "-o", "size=16m", "tmpfs"]);
        disk
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let done = Command::new(program).args(arguments).arg(self.0.directory()).status().expect("it runs");
        assert!(done.success(), "{program} {arguments:?}");
    }

    /// Leaves not a byte free.
    fn fill(&self) {
        let mut file = File::create(self.0.directory().join("filler")).expect("a file");
        while file.write_all(&[0; 1024]).is_ok() {}
    }

    fn free(&self) {
        fs::remove_file(self.0.directory().join("filler")).expect("the file is there");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0.directory()).status();
    }
}

#[test]
fn a_full_disk_acknowledges_no_push_and_loses_none() {
    let registry = Registry::start();
    let disk = SmallDisk::mount();
    let proxy = disk.0.proxy(&registry.url()).start();
    let first = Image::random();
    proxy.push(TAG, &first).expect_created();

    disk.fill();
    let pushed: Vec<(String, Image, u16)> = (0..100)
        .map(|number| {
            let (name, image) = (format!("driftwood/web:2.0.{number}"), Image::random());
            let answer = proxy.push(&name, &image);
            if answer.status != 201 {
                answer.expect_unavailable();
            }
            (name, image, answer.status)
        })
        .collect();
    assert_eq!(pushed.last().map(|(_, _, status)| *status), Some(503), "the disk was never full");
    assert_eq!(proxy.pull(TAG).expect_ok().body, first.manifest.bytes, "what is known is still served");
    proxy.push(TAG, &Image::random()).expect_refused();
    proxy.admin().request("GET", "/readyz").send().expect(503);

    disk.free();
    for (name, image, status) in &pushed {
        if *status == 201 {
            proxy.push(name, &Image::random()).expect_refused();
        }
        proxy.push(name, image).expect_created();
        assert_eq!(registry.tag_digest(name), Some(image.digest()));
        proxy.push(name, &Image::random()).expect_refused();
    }
    proxy.admin().request("GET", "/readyz").send().expect_ok();
    drop(proxy);
}

#[test]
fn a_file_that_is_no_database_is_not_started_on() {
    let place = Place::new();
    fs::write(place.file(), "release notes\n".repeat(1000)).expect("a file");
    place.expect_no_start("is not a ledger, nor any SQLite database; correct the path, or restore the file from a backup");
}

#[test]
fn a_ledger_of_a_newer_version_is_not_started_on() {
    let (place, registry) = (Place::new(), Registry::start());
    let mut proxy = place.proxy(&registry.url()).start();
    let image = Image::random();
    proxy.push(TAG, &image).expect_created();
    assert!(proxy.terminate().success());

    // The user version stands there (SQLite's file format, section 1.3).
    let version = |number: u32| {
        let file = File::options().write(true).open(place.file()).expect("the ledger");
        file.write_all_at(&number.to_be_bytes(), 60).expect("a version");
    };
    let before = fs::read(place.file()).expect("the ledger")[60..64].to_vec();
    version(99);
    place.expect_no_start("has schema 99 of a newer version");
    version(u32::from_be_bytes(before.try_into().expect("four bytes")));
    proxy.restart();
    proxy.push(TAG, &Image::random()).expect_refused();
    assert_eq!(proxy.tag_digest(TAG), Some(image.digest()));
}

#[test]
fn a_ledger_that_another_process_has_is_not_started_on() {
    let (place, registry) = (Place::new(), Registry::start());
    let proxy = place.proxy(&registry.url()).start();
    let image = Image::random();
    proxy.push(TAG, &image).expect_created();
    let refused = place.proxy(&registry.url()).start_and_fail();
    expect_refused_to_start(&refused, "stop that first, for a ledger serves one process at a time");
    expect_refused_to_start(&refused, &format!("is in use by process {}", proxy.pid()));
    proxy.push(TAG, &Image::random()).expect_refused();
    proxy.push("driftwood/web:1.4.1", &image).expect_created();
}

#[test]
fn a_ledger_without_a_directory_is_not_started_on() {
    let place = Place::new();
    let file = place.directory().join("missing/pushonce.db");
    let variable = format!("sqlite:{}", file.display());
    let run = Pushonce::in_front_of("http://127.0.0.1:1").environment("PUSHONCE_LEDGER__URL", &variable).start_and_fail();
    expect_refused_to_start(&run, &format!("has no directory to be in: create {}", place.directory().join("missing").display()));
}

/// Runs the program as `nobody`, who may read everything of this test.
fn start_as_nobody(place: &Place) -> Run {
    assert!(rustix::process::geteuid().is_root(), "another user is taken on: run the tests as root");
    let program = copy_of_the_program(place.directory());
    let config = place.directory().join("pushonce.toml");
    fs::write(place.directory().join("policy.toml"), "default = \"mutable\"\n").expect("a policy");
    let text = "listen = \"127.0.0.1:0\"\nadmin.listen = \"127.0.0.1:0\"\nupstream.url = \"http://127.0.0.1:1\"\n";
    fs::write(&config, text).expect("a configuration");
    let scratch = Place::new();
    let mut command = Command::new(program);
    const NOBODY: u32 = 65534;
    command.arg("serve").arg("--config").arg(&config).current_dir(place.directory()).uid(NOBODY).gid(NOBODY);
    run(command, "this package", scratch.directory())
}

#[test]
fn a_directory_that_may_not_be_written_is_not_started_on() {
    let place = Place::new();
    fs::set_permissions(place.directory(), fs::Permissions::from_mode(0o555)).expect("permissions");
    let run = start_as_nobody(&place);
    expect_refused_to_start(&run, "let this process write to the directory of");
    assert!(!place.file().exists(), "a ledger was made");
}

#[test]
fn a_file_that_may_not_be_written_is_not_started_on() {
    let place = Place::new();
    fs::write(place.file(), "").expect("a file");
    fs::set_permissions(place.file(), fs::Permissions::from_mode(0o444)).expect("permissions");
    fs::set_permissions(place.directory(), fs::Permissions::from_mode(0o777)).expect("permissions");
    let run = start_as_nobody(&place);
    expect_refused_to_start(&run, "is read-only; let this process write to it and to its directory");
}
