//! A program that is run to its end, with what it said.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::process::cannot_start;
use super::random;

/// Clients retry with pauses of a few seconds; one that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(120);

#[derive(Clone)]
pub struct Run {
    pub command: String,
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    #[track_caller]
    pub fn expect_success(self) -> Self {
        assert!(self.status.success(), "expected success\n{self}");
        self
    }

    #[track_caller]
    pub fn expect_failure(self) -> Self {
        assert!(!self.status.success(), "expected a failure\n{self}");
        self
    }

    /// Checks that either stream holds `text`.
    #[track_caller]
    pub fn expect_said(self, text: &str) -> Self {
        assert!(self.stdout.contains(text) || self.stderr.contains(text), "expected to read {text:?}\n{self}");
        self
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "$ {}\n{}\n{}({})", self.command, self.stdout, self.stderr, self.status)
    }
}

/// The program in `directory`, for users who cannot go where the build lies. Copied by
/// `cp`: were the file open for writing here, a test that starts something at this
/// moment would keep it so, and the system runs no such file (ETXTBSY).
pub fn copy_of_the_program(directory: &Path) -> PathBuf {
    let program = directory.join("pushonce");
    let status = Command::new("cp").arg(env!("CARGO_BIN_EXE_pushonce")).arg(&program).status();
    assert!(status.expect("cp").success(), "the program is copied");
    program
}

/// Runs `command`; `package` is the Debian package that brings the program, and
/// `scratch` a directory for its output. The output goes to files, since a
/// child of the program that lives on would hold a pipe open.
pub fn run(mut command: Command, package: &str, scratch: &Path) -> Run {
    let number = random::number();
    let files = ["out", "err"].map(|stream| scratch.join(format!("run-{number:016x}.{stream}")));
    let [stdout, stderr] = files.clone().map(|path| std::fs::File::create(path).expect("a file for the output"));
    command.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let line = words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command.spawn().unwrap_or_else(|error| cannot_start(&program, package, &error));
    let deadline = Instant::now() + LIMIT;
    let status = loop {
        if let Some(status) = child.try_wait().expect("the state of a child process") {
            break status;
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            let [stdout, stderr] = files.map(|path| read(&path));
            panic!("not done within {LIMIT:?}: {line}\n{stdout}\n{stderr}");
        }
        thread::sleep(Duration::from_millis(10));
    };
    let [stdout, stderr] = files.map(|path| read(&path));
    Run { command: line, status, stdout, stderr }
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}
