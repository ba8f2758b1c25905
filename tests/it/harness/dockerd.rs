//! docker itself: a daemon of the test's own and the client that talks to it.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::clients::{Client, version_in};
use super::home::Home;
use super::process::{Process, eventually};
use super::run::{Run, run};

/// Debian's client. Another one may stand before it on the path, newer than the
/// daemon and with manners of its own.
const DEBIAN_CLIENT: &str = "/usr/bin/docker";

/// A running daemon. It and its containerd end, and its mounts and files go,
/// when dropped.
pub struct Dockerd {
    process: Process,
    home: Home,
}

impl Dockerd {
    /// Starts a daemon without networks of its own, so that nothing on the
    /// machine changes. Needs root.
    pub fn start() -> Self {
        assert!(rustix::process::geteuid().is_root(), "dockerd needs root: run the tests as root");
        let home = Home::new("docker");
        let path = |name: &str| home.path(name).display().to_string();
        let socket = format!("unix://{}", path("sock"));
        let (data, exec, pid) = (path("data"), path("exec"), path("pid"));
        let mut command =
            home.command("dockerd", &["--iptables=false", "--ip6tables=false", "--bridge=none", "--storage-driver=vfs"]);
        command.args(["--data-root", &data, "--exec-root", &exec, "-p", &pid, "-H", &socket]);
        let process = Process::spawn(command, "docker.io", &home.path("log"));
        let mut docker = Self { process, home };
        eventually(Duration::from_secs(60), "dockerd answers", || {
            assert!(docker.process.ended().is_none(), "dockerd ended at once:\n{}", docker.process.output());
            (docker.home.path("sock").exists() && docker.run(&["version"]).status.success()).then_some(())
        });
        docker
    }

    /// Runs the docker client.
    pub fn run(&self, arguments: &[&str]) -> Run {
        let program = if Path::new(DEBIAN_CLIENT).exists() { DEBIAN_CLIENT } else { "docker" };
        let mut command = self.home.command(program, arguments);
        command.env("DOCKER_HOST", format!("unix://{}", self.home.path("sock").display()));
        run(command, "docker.io", self.home.root())
    }

    /// `docker push --all-tags`, of `host:port/repository`.
    pub fn push_all_tags(&self, repository: &str) -> Run {
        self.run(&["push", "--all-tags", repository])
    }

    pub fn tag(&self, image: &str, name: &str) {
        self.run(&["tag", image, name]).expect_success();
    }

    pub fn directory(&self) -> &Path {
        self.home.root()
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }
}

impl Client for Dockerd {
    fn name(&self) -> &'static str {
        "docker"
    }

    fn version(&self) -> String {
        version_in(&self.run(&["--version"]))
    }

    fn build(&self, image: &str, content: &str) {
        self.run(&["import", &self.home.archive(content), image]).expect_success();
    }

    fn push(&self, image: &str, reference: &str) -> Run {
        self.tag(image, reference);
        self.run(&["push", reference])
    }

    fn pull(&self, reference: &str) -> Run {
        self.run(&["pull", reference])
    }

    fn pulled_digest(&self, reference: &str) -> String {
        let pulled = self.pull(reference).expect_success();
        let line = pulled.stdout.lines().find_map(|line| line.strip_prefix("Digest: "));
        line.unwrap_or_else(|| panic!("no digest\n{pulled}")).to_owned()
    }

    fn login(&self, address: &str, user: &str, password: &str) {
        self.home.login(address, user, password);
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        // Asked politely: it then ends its containerd and takes its mounts down.
        self.process.terminate(Duration::from_secs(15));
        let directory = self.home.root().display().to_string();
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let points = mounts.lines().filter_map(|line| line.split(' ').nth(1)).filter(|point| point.starts_with(&directory));
        for point in points {
            let _ = Command::new("umount").args(["--lazy", point]).status();
        }
    }
}
