//! A PostgreSQL server of a test's own, with disks that are really flushed.
//!
//! A watcher holds the server: it waits for the end of its input, which is a pipe
//! from the test, and then stops the server and removes its files. So nothing is
//! left of a test that was killed either. The library's own tests have this file
//! too, so it uses nothing else of the harness.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

/// How long the server may take to start or to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for the end of its input, then stops the server and removes its directory.
/// A signal to the whole group, such as Ctrl-C, must not end it before.
const WATCH: &str = r#"trap '' HUP INT TERM; cat >/dev/null; pid="$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null)"
[ -z "$pid" ] || kill -QUIT "$pid" 2>/dev/null
for _ in 1 2 3 4 5 6 7 8 9 10; do [ -e "$1/data/postmaster.pid" ] || break; sleep 0.2; done
rm -rf "$1""#;

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// One that the tests of a process share; each takes a database of its own.
static SHARED: LazyLock<Postgres> = LazyLock::new(|| Postgres::start(&[]));

/// A running server, or one that was stopped and may be started again.
pub struct Postgres {
    directory: PathBuf,
    port: u16,
    settings: Vec<String>,
    watcher: Child,
    server: Mutex<Option<Child>>,
}

impl Postgres {
    pub fn shared() -> &'static Self {
        &SHARED
    }

    /// An empty server with these settings, such as `max_connections=10`.
    pub fn start(settings: &[&str]) -> Self {
        let directory = new_directory();
        let data = directory.join("data");
        // A language of its own, to see that nothing depends on it.
        let arguments = [
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--locale-provider=icu",
            "--icu-locale=en-US",
            "--no-sync",
        ];
        run(command("initdb").arg(format!("--pgdata={}", data.display())).args(arguments));
        Self::over(directory, settings)
    }

    /// A standby that follows `primary` under this name. Synchronous if the primary
    /// names it in `synchronous_standby_names`.
    pub fn standby(primary: &Self, name: &str, settings: &[&str]) -> Self {
        let directory = new_directory();
        let from = format!("host=127.0.0.1 port={} user=postgres application_name={name}", primary.port);
        let data = directory.join("data");
        let arguments = ["--checkpoint=fast", "--wal-method=stream", "--write-recovery-conf", "--no-sync"];
        run(command("pg_basebackup").arg(format!("--pgdata={}", data.display())).args(["--dbname", &from]).args(arguments));
        Self::over(directory, settings)
    }

    fn over(directory: PathBuf, settings: &[&str]) -> Self {
        let watcher = Command::new("sh").args(["-c", WATCH, "sh"]).arg(&directory).stdin(Stdio::piped()).spawn();
        let watcher = watcher.expect("a watcher");
        let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        let mut postgres = Self { directory, port: 0, settings, watcher, server: Mutex::new(None) };
        for _ in 0..5 {
            postgres.port = free_port();
            if postgres.launch() {
                return postgres;
            }
        }
        panic!("PostgreSQL does not start:\n{}", postgres.log());
    }

    /// Starts the server again on its port, after [`Self::kill9`] or [`Self::stop`].
    pub fn start_again(&self) {
        assert!(self.launch(), "PostgreSQL does not start again:\n{}", self.log());
    }

    fn launch(&self) -> bool {
        let log = fs::File::options().create(true).append(true).open(self.directory.join("log")).expect("a log");
        let mut server = command("postgres");
        server.arg("-D").arg(self.directory.join("data")).args(["-c", "listen_addresses=127.0.0.1"]);
        server.args(["-c", &format!("port={}", self.port), "-c", "unix_socket_directories="]);
        server.args(["-c", "max_connections=200", "-c", "shared_buffers=32MB", "-c", "fsync=on"]);
        for setting in &self.settings {
            server.args(["-c", setting]);
        }
        server.stdin(Stdio::null()).stderr(log.try_clone().expect("a handle")).stdout(log);
        let mut child = server.spawn().expect("PostgreSQL starts");
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if child.try_wait().expect("the state of a child").is_some() {
                return false;
            }
            if fs::read_to_string(self.pid_file()).is_ok_and(|text| text.lines().nth(7).is_some_and(|line| line.trim() == "ready"))
                && self.owns_its_port()
            {
                *self.lock() = Some(child);
                return true;
            }
            thread::sleep(Duration::from_millis(10));
        }
        let _ = child.kill();
        let _ = child.wait();
        false
    }

    /// The file names its port, so that a file of before is told from a new one.
    fn owns_its_port(&self) -> bool {
        let pid = self.pid();
        pid.is_some_and(|pid| test_kill_process(pid).is_ok()) && std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok()
    }

    fn pid_file(&self) -> PathBuf {
        self.directory.join("data/postmaster.pid")
    }

    fn pid(&self) -> Option<Pid> {
        let text = fs::read_to_string(self.pid_file()).ok()?;
        text.lines().next()?.trim().parse().ok().and_then(Pid::from_raw)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Child>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// SIGKILL to the server; its own processes follow when they see that it is gone.
    pub fn kill9(&self) {
        self.end(Signal::KILL);
        let _ = fs::remove_file(self.pid_file());
    }

    /// A fast shutdown: transactions are rolled back, connections closed.
    pub fn stop(&self) {
        self.end(Signal::INT);
    }

    fn end(&self, signal: Signal) {
        let Some(mut child) = self.lock().take() else { return };
        let workers = children(child.id());
        if let Some(pid) = Pid::from_raw(i32::try_from(child.id()).expect("a process id")) {
            kill_process(pid, signal).expect("a signal to an own child");
        }
        child.wait().expect("the server ends");
        let deadline = Instant::now() + PATIENCE;
        while workers.iter().any(|pid| test_kill_process(*pid).is_ok()) {
            assert!(Instant::now() < deadline, "the processes of a server that ended do not end");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Stops the server where it is; what is sent to it waits.
    pub fn pause(&self) {
        self.signal_all(Signal::STOP);
    }

    pub fn resume(&self) {
        self.signal_all(Signal::CONT);
    }

    fn signal_all(&self, signal: Signal) {
        let Some(main) = self.pid() else { return };
        for pid in std::iter::once(main).chain(children(main.as_raw_nonzero().get().unsigned_abs())) {
            let _ = kill_process(pid, signal);
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// A new database with a name of its own.
    pub fn database(&self) -> String {
        let name = format!("test_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        name
    }

    /// A copy of a database, and its name.
    pub fn copy(&self, database: &str) -> String {
        let name = format!("{database}_copy");
        self.alone(database, &format!("CREATE DATABASE {name} TEMPLATE {database}"));
        name
    }

    pub fn rename(&self, database: &str, name: &str) {
        self.alone(database, &format!("ALTER DATABASE {database} RENAME TO {name}"));
    }

    /// Runs a statement for which nobody may be connected to the database.
    fn alone(&self, database: &str, statement: &str) {
        let number = self.sql("postgres", &format!("SELECT oid FROM pg_database WHERE datname = '{database}'"));
        let disconnect = format!("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{database}'");
        let mut failed = String::new();
        // Who was on the way in when it was closed is there after the first look.
        for _ in 0..50 {
            self.sql("postgres", &format!("ALTER DATABASE {database} ALLOW_CONNECTIONS false"));
            self.sql("postgres", &disconnect);
            let done = self.try_sql("postgres", statement);
            let name = self.sql("postgres", &format!("SELECT datname FROM pg_database WHERE oid = {number}"));
            self.sql("postgres", &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true"));
            match done {
                Ok(_) => return,
                Err(error) => failed = error,
            }
        }
        panic!("{statement}: {failed}");
    }

    /// The URL of a database, as the user that owns it.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }

    /// The URL of a new schema, which is made faster than a database.
    pub fn schema(&self) -> String {
        let name = format!("test_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE SCHEMA {name}"));
        self.url("postgres") + &format!("&options=-c%20search_path%3D{name}")
    }

    /// Runs statements, each on its own, and returns the rows of the last: lines of
    /// columns with `|` between.
    #[track_caller]
    pub fn sql(&self, database: &str, statements: &str) -> String {
        self.try_sql(database, statements).unwrap_or_else(|error| panic!("{statements}: {error}"))
    }

    pub fn try_sql(&self, database: &str, statements: &str) -> Result<String, String> {
        let mut psql = Command::new(program("psql"));
        psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"]);
        psql.args(["--host=127.0.0.1", "--username=postgres", &format!("--port={}", self.port), "--dbname", database]);
        let done = psql.args(["--command", statements]).output().expect("psql runs");
        if done.status.success() {
            Ok(String::from_utf8_lossy(&done.stdout).trim_end().to_owned())
        } else {
            Err(String::from_utf8_lossy(&done.stderr).into_owned())
        }
    }

    /// Changes a setting of the running server.
    pub fn set(&self, setting: &str, value: &str) {
        self.sql("postgres", &format!("ALTER SYSTEM SET {setting} = '{value}'"));
        self.sql("postgres", "SELECT pg_reload_conf()");
    }

    /// The file of the server's data directory with this name, such as `pg_hba.conf`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.join("data").join(name)
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("---- last lines of PostgreSQL ----\n{}\n----", lines[lines.len().saturating_sub(40)..].join("\n"));
        }
        self.end(Signal::QUIT);
        drop(self.watcher.stdin.take());
        let _ = self.watcher.wait();
    }
}

/// The processes that a process has started.
fn children(of: u32) -> Vec<Pid> {
    let listed = fs::read_to_string(format!("/proc/{of}/task/{of}/children")).unwrap_or_default();
    listed.split_whitespace().filter_map(|pid| pid.parse().ok().and_then(Pid::from_raw)).collect()
}

/// Debian keeps the programs of the server out of the path.
fn program(name: &str) -> PathBuf {
    let mut versions: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin").join(name))
        .collect();
    versions.retain(|path| path.exists());
    versions.sort();
    versions.pop().unwrap_or_else(|| panic!("program not found: {name}: install it with: apt-get install postgresql"))
}

/// A program of the server, as another user where this one is root, whom it refuses.
fn command(name: &str) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new(program(name));
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]).arg(program(name));
    command
}

fn run(command: &mut Command) {
    let done = command.current_dir("/").output().expect("it runs");
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// A directory that the server's user may write to.
fn new_directory() -> PathBuf {
    let directory = tempfile::Builder::new().prefix("pushonce-it-pg-").tempdir().expect("a temporary directory").keep();
    if rustix::process::geteuid().is_root() {
        let (user, group) = postgres_user();
        chown(&directory, Some(user), Some(group)).expect("a directory of another user");
    }
    directory
}

fn postgres_user() -> (u32, u32) {
    let users = fs::read_to_string(Path::new("/etc/passwd")).expect("the users");
    let line = users.lines().find(|line| line.starts_with("postgres:"));
    let line = line.expect("the user `postgres`: install it with: apt-get install postgresql");
    let mut fields = line.split(':').skip(2).map(|field| field.parse().expect("a number"));
    (fields.next().expect("a user id"), fields.next().expect("a group id"))
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr()).expect("a port").port()
}
