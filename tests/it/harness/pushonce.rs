//! The program under test, as a process of its own in front of a registry.

use std::net::TcpListener;
use std::ops::Deref;
use std::os::fd::AsRawFd;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::time::Duration;

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::Value;
use tempfile::TempDir;

use super::api::Api;
use super::http::Endpoint;
use super::ports::free_port;
use super::process::{Process, eventually};
use super::run::{Run, run};
use super::series;

/// The policy of the background text: releases and builds never move, shortcuts do.
pub const POLICY: &str = r#"
default = "mutable"

[[rule]]
name = "releases"
tags = ["semver:x.y.z", "semver:x.y.z-*"]
mutability = "immutable"

[[rule]]
name = "builds"
tags = ["git-*"]
mutability = "immutable"

[[rule]]
name = "shortcuts"
tags = ["latest", "semver:x.y", "semver:x"]
mutability = "mutable"
"#;

/// How long the program may take to start or to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running proxy. It is killed and its files are removed when dropped.
pub struct Pushonce {
    api: Api,
    admin: Api,
    process: Process,
    setup: Setup,
}

/// What a proxy is started with, kept for a restart.
struct Setup {
    directory: TempDir,
    environment: Vec<(String, String)>,
    ulimit: Option<&'static str>,
    is_limited: bool,
    /// A socket that it is handed, by its descriptor.
    socket: Option<Arc<TcpListener>>,
    /// The path on the second listener that answers 200 once it has started.
    probe: &'static str,
}

pub struct PushonceBuilder {
    upstream: String,
    policy: String,
    settings: String,
    host: &'static str,
    environment: Vec<(String, String)>,
    ulimit: Option<&'static str>,
    is_limited: bool,
    socket: Option<Arc<TcpListener>>,
    probe: &'static str,
}

impl Pushonce {
    /// A proxy with [`POLICY`] in front of `registry`.
    pub fn start(registry: &Api) -> Self {
        Self::in_front_of(&registry.url()).start()
    }

    /// A proxy in front of whatever answers at `url`.
    pub fn in_front_of(url: &str) -> PushonceBuilder {
        let (upstream, policy) = (url.to_owned(), POLICY.to_owned());
        let (settings, environment) = (String::new(), Vec::new());
        PushonceBuilder {
            upstream,
            policy,
            settings,
            host: "127.0.0.1",
            environment,
            ulimit: None,
            is_limited: false,
            socket: None,
            probe: "/readyz",
        }
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The second listener.
    pub fn admin(&self) -> &Api {
        &self.admin
    }

    /// SIGKILL, in the middle of whatever it does.
    pub fn kill9(&mut self) {
        self.process.kill9();
    }

    /// SIGTERM, and the exit status once it has ended.
    pub fn terminate(&mut self) -> ExitStatus {
        self.process.terminate(PATIENCE)
    }

    /// Starts it again with the same files and ports, after a kill if it still runs.
    pub fn restart(&mut self) {
        self.process.kill9();
        let launched = launch(&self.setup, port_of(&self.api), port_of(&self.admin));
        self.process = launched.unwrap_or_else(|process| panic!("pushonce did not start again:\n{}", process.output()));
    }

    /// Starts it again although it should refuse to, and returns what it said.
    pub fn restart_and_fail(&mut self) -> Run {
        self.process.kill9();
        run(command(&self.setup), "this package", self.setup.directory.path()).expect_failure()
    }

    /// The same, and whether it lives now: what it needs at its start may be missing.
    pub fn try_restart(&mut self) -> bool {
        self.process.kill9();
        match launch(&self.setup, port_of(&self.api), port_of(&self.admin)) {
            Ok(process) | Err(process) => self.process = process,
        }
        !self.has_ended()
    }

    /// Sets a variable from the next restart on, or takes it away.
    pub fn set_environment(&mut self, name: &str, value: Option<&str>) {
        self.setup.environment.retain(|(other, _)| other != name);
        self.setup.environment.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    }

    /// Whether SIGKILL has ended it.
    pub fn was_killed(&mut self) -> bool {
        self.process.ended().is_some_and(|status| status.signal() == Some(9))
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.process.ended().is_some()
    }

    /// Starts it without the variables of its builder from the next restart on.
    pub fn forget_environment(&mut self) {
        self.setup.environment.clear();
    }

    /// Starts it without this variable from the next restart on.
    pub fn forget(&mut self, variable: &str) {
        self.setup.environment.retain(|(name, _)| name != variable);
    }

    /// Lets no file of the process grow beyond `bytes`, or lifts that again: what
    /// a full disk does to it.
    pub fn limit_files(&self, bytes: Option<u64>) {
        let pid = Pid::from_raw(self.process.pid().cast_signed());
        prlimit(pid, Resource::Fsize, Rlimit { current: bytes, maximum: None }).expect("a limit for an own child");
    }

    pub fn set_policy(&self, policy: &str) {
        std::fs::write(self.directory().join("policy.toml"), policy).expect("the policy file");
    }

    /// The directory of its files: `pushonce.toml`, `policy.toml`, `ledger.db`, `log`.
    pub fn directory(&self) -> &Path {
        self.setup.directory.path()
    }

    pub fn config_file(&self) -> PathBuf {
        self.directory().join("pushonce.toml")
    }

    pub fn log(&self) -> String {
        self.process.output()
    }

    /// The log lines that are JSON.
    pub fn log_lines(&self) -> Vec<Value> {
        self.log().lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The sum of the series of a metric that carry all these labels; 0 if there is none.
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let text = self.admin.request("GET", "/metrics").send().expect_ok().text();
        series::sum(&text, name, labels)
    }

    /// What everybody on the machine can read of how it was started.
    pub fn command_line(&self) -> String {
        let bytes = std::fs::read(format!("/proc/{}/cmdline", self.process.pid())).expect("the command line of a running process");
        String::from_utf8_lossy(&bytes).replace('\0', " ")
    }

    /// Resident memory now, in MiB.
    pub fn rss_mib(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// The most memory that was ever resident, in MiB.
    pub fn peak_rss_mib(&self) -> u64 {
        self.memory("VmHWM:")
    }

    fn memory(&self, field: &str) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.process.pid())).expect("the state of a running process");
        let line = status.lines().find(|line| line.starts_with(field)).expect("a memory field");
        let kib: u64 = line.split_whitespace().nth(1).expect("a number").parse().expect("a number");
        kib / 1024
    }
}

impl Deref for Pushonce {
    type Target = Api;

    fn deref(&self) -> &Api {
        &self.api
    }
}

impl PushonceBuilder {
    pub fn policy(mut self, policy: &str) -> Self {
        self.policy = policy.to_owned();
        self
    }

    /// Lines of TOML with dotted keys, such as `upstream.response_timeout = "1s"`.
    pub fn setting(mut self, line: &str) -> Self {
        self.settings.push_str(line);
        self.settings.push('\n');
        self
    }

    /// An environment variable such as `PUSHONCE_UPSTREAM__URL`.
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Lets clients reach it at another address than `127.0.0.1`, such as `[::1]`.
    pub fn host(mut self, host: &'static str) -> Self {
        self.host = host;
        self
    }

    /// Starts it below a limit of the shell, such as `-Sn 256` for open descriptors.
    pub fn ulimit(mut self, limit: &'static str) -> Self {
        self.ulimit = Some(limit);
        self
    }

    /// Starts it so that [`Pushonce::limit_files`] makes writes fail instead of
    /// ending the process.
    pub fn limitable(mut self) -> Self {
        self.is_limited = true;
        self
    }

    /// Hands it a socket that is bound already, as systemd does.
    pub fn socket(mut self, socket: TcpListener) -> Self {
        self.socket = Some(Arc::new(socket));
        self
    }

    /// Counts it as started once it lives, though it may not be ready: for an
    /// upstream that does not answer.
    pub fn unready(mut self) -> Self {
        self.probe = "/livez";
        self
    }

    fn setup(&self) -> Setup {
        let directory = tempfile::Builder::new().prefix("pushonce-it-proxy-").tempdir().expect("a temporary directory");
        Setup {
            directory,
            environment: self.environment.clone(),
            ulimit: self.ulimit,
            is_limited: self.is_limited,
            socket: self.socket.clone(),
            probe: self.probe,
        }
    }

    pub fn start(self) -> Pushonce {
        let setup = self.setup();
        for _ in 0..10 {
            let handed = self.socket.as_ref().map(|socket| socket.local_addr().expect("its address").port());
            let (port, admin) = (handed.unwrap_or_else(free_port), free_port());
            self.write_files(setup.directory.path(), port, admin);
            match launch(&setup, port, admin) {
                Ok(process) => return Pushonce { api: api(self.host, port), admin: api("127.0.0.1", admin), process, setup },
                // Somebody else was faster on a port.
                Err(process) if process.output().contains("ddress already in use") => {}
                // The machine is so busy that the ledger was not reached in time.
                Err(process) if process.output().contains("no connection within") => {}
                Err(process) => panic!("pushonce did not start:\n{}", process.output()),
            }
        }
        panic!("no free port in ten tries");
    }

    /// Runs it although it should refuse to start, and returns what it said.
    pub fn start_and_fail(self) -> Run {
        let setup = self.setup();
        self.write_files(setup.directory.path(), free_port(), free_port());
        run(command(&setup), "this package", setup.directory.path()).expect_failure()
    }

    /// The base is dotted keys only, so that a setting may add to any table.
    fn write_files(&self, directory: &Path, port: u16, admin: u16) {
        let config = format!(
            "listen = \"{}:{port}\"\nadmin.listen = \"127.0.0.1:{admin}\"\nupstream.url = \"{}\"\n\
             ledger.url = \"sqlite:ledger.db\"\npolicy.file = \"policy.toml\"\nlog.format = \"json\"\n{}",
            self.host, self.upstream, self.settings
        );
        std::fs::write(directory.join("pushonce.toml"), config).expect("the configuration file");
        std::fs::write(directory.join("policy.toml"), &self.policy).expect("the policy file");
    }
}

fn api(host: &str, port: u16) -> Api {
    Api::new(Endpoint::plain(&format!("{host}:{port}")), "")
}

fn port_of(api: &Api) -> u16 {
    api.address().rsplit_once(':').and_then(|(_, port)| port.parse().ok()).expect("host:port")
}

fn command(setup: &Setup) -> Command {
    let program = env!("CARGO_BIN_EXE_pushonce");
    let mut command = Command::new(match (setup.is_limited, setup.ulimit, &setup.socket) {
        (true, ..) => "env",
        (_, Some(_), _) => "sh",
        (.., Some(_)) => "bash",
        _ => program,
    });
    // What ignores a signal, or has a limit, leaves both to what it becomes.
    if setup.is_limited {
        command.args(["--ignore-signal=XFSZ", program]);
    } else if let Some(limit) = setup.ulimit {
        command.args(["-c", &format!("ulimit {limit} && exec \"$@\""), "sh", program]);
    }
    if let Some(socket) = &setup.socket {
        let script = format!("exec 3<&{} && LISTEN_FDS=1 LISTEN_PID=$$ exec \"$@\"", socket.as_raw_fd());
        command.args(["-c", &script, "bash", program]);
    }
    command.arg("serve").arg("--config").arg(setup.directory.path().join("pushonce.toml"));
    command.envs(setup.environment.iter().map(|(name, value)| (name, value)));
    // Where a file name is taken as relative to the working directory by mistake,
    // it must not land in the source tree.
    command.current_dir(setup.directory.path());
    command
}

/// Starts the program and waits until it is ready; gives it back if it ended instead.
fn launch(setup: &Setup, port: u16, admin: u16) -> Result<Process, Process> {
    // A descriptor is the child's too only while it is not closed for children.
    let for_children = |flags| setup.socket.iter().for_each(|socket| fcntl_setfd(socket, flags).expect("a flag of a descriptor"));
    for_children(FdFlags::empty());
    let mut process = Process::spawn(command(setup), "this package", &setup.directory.path().join("log"));
    for_children(FdFlags::CLOEXEC);
    let admin_api = api("127.0.0.1", admin);
    let running = eventually(PATIENCE, "pushonce is ready", || {
        if process.ended().is_some() {
            return Some(false);
        }
        let listens = process.listens_on(port) && process.listens_on(admin);
        let is_ready = || admin_api.request("GET", setup.probe).try_send().is_ok_and(|answer| answer.status == 200);
        (listens && is_ready()).then_some(true)
    });
    if running { Ok(process) } else { Err(process) }
}
