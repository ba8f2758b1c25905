//! Programs started by a test: none outlives it, and a failing test shows what
//! each of them wrote.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A running program whose output, both streams, goes to a file.
pub struct Process {
    name: String,
    child: Child,
    output: PathBuf,
}

impl Process {
    /// Starts `command`; `package` is the Debian package that brings the program.
    pub fn spawn(mut command: Command, package: &str, output: &Path) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let file = File::options().create(true).append(true).open(output).expect("a file for the program's output");
        let second = file.try_clone().expect("a second handle of the output file");
        command.stdin(Stdio::null()).stdout(file).stderr(second);
        let child = command.spawn().unwrap_or_else(|error| cannot_start(&name, package, &error));
        Self { name, child, output: output.to_owned() }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The exit status, once the program has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the state of a child process")
    }

    /// Everything the program has written so far.
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.output).unwrap_or_default()).into_owned()
    }

    /// SIGKILL: the program cannot clean up anything.
    pub fn kill9(&mut self) {
        // An error says that it has ended already.
        let _ = self.child.kill();
        self.child.wait().expect("a killed child ends");
    }

    /// SIGTERM, then SIGKILL once `limit` is over.
    pub fn terminate(&mut self, limit: Duration) -> ExitStatus {
        self.signal(Signal::TERM);
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            if let Some(status) = self.ended() {
                return status;
            }
            thread::sleep(Duration::from_millis(10));
        }
        self.kill9();
        self.ended().expect("a killed child has a status")
    }

    pub fn signal(&mut self, signal: Signal) {
        // Asked first, because the number of a process that was waited for may
        // belong to another one by now.
        if self.ended().is_none() {
            kill_process(Pid::from_child(&self.child), signal).expect("a signal to an own child");
        }
    }

    /// Whether this very process listens on `port`: another one may have taken a
    /// port that was free a moment ago, and would answer in its place.
    pub fn listens_on(&self, port: u16) -> bool {
        let read = |table: &str| std::fs::read_to_string(format!("/proc/{}/net/{table}", self.pid())).unwrap_or_default();
        let sockets = read("tcp") + &read("tcp6");
        let suffix = format!(":{port:04X}");
        const LISTEN: &str = "0A";
        let inode = sockets.lines().skip(1).find_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            (fields.get(1)?.ends_with(&suffix) && *fields.get(3)? == LISTEN).then(|| (*fields.get(9).unwrap_or(&"")).to_owned())
        });
        let Some(inode) = inode else { return false };
        let own = std::fs::read_dir(format!("/proc/{}/fd", self.pid())).into_iter().flatten().flatten();
        own.filter_map(|entry| std::fs::read_link(entry.path()).ok())
            .any(|link| link.as_os_str() == format!("socket:[{inode}]").as_str())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended().is_none() {
            self.kill9();
        }
        if thread::panicking() {
            let output = self.output();
            let lines: Vec<&str> = output.lines().collect();
            let tail = lines[lines.len().saturating_sub(60)..].join("\n");
            eprintln!("---- last lines of {} ----\n{tail}\n----", self.name);
        }
    }
}

/// A missing program fails the test and says what to install: a test that is
/// skipped in silence proves nothing.
pub fn cannot_start(program: &str, package: &str, error: &std::io::Error) -> ! {
    match error.kind() {
        ErrorKind::NotFound => panic!("program not found: {program} — install it with: apt-get install {package}"),
        _ => panic!("{program} does not start: {error}"),
    }
}

/// Asks again until there is an answer; after `limit` the test fails with `what`.
#[track_caller]
pub fn eventually<T>(limit: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "not within {limit:?}: {what}");
        thread::sleep(Duration::from_millis(15));
    }
}
