//! An image of a GiB in twenty layers, pushed by one docker and pulled by another.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use super::{Row, Run::Alone};
use crate::load::{Figures, Metric};
use crate::peer::{Peer, Subject};
use crate::process::eventually;
use crate::program::Program;
use crate::world::{MIB, World, registry};

const WHO: &[Subject] = &[Subject::Direct, Subject::Nginx, Subject::Pushonce];

pub const ROWS: &[Row] = &[Row { name: "docker push and pull, 1 GiB in 20 layers", subjects: WHO, run: Alone(push_and_pull) }];

const LAYERS: u64 = 20;
const IMAGE: &str = "large";

/// The daemons of this run; [`stop`] ends them.
static DAEMONS: OnceLock<Mutex<Option<[Dockerd; 2]>>> = OnceLock::new();

/// Ends the daemons, if they were started.
pub fn stop() {
    if let Some(daemons) = DAEMONS.get() {
        drop(daemons.lock().expect("the daemons").take());
    }
}

fn push_and_pull(world: &World, subject: Subject) -> Figures {
    let daemons = DAEMONS.get_or_init(|| Mutex::new(Some(started(world.place.path())))).lock().expect("the daemons");
    let [pushes, pulls] = daemons.as_ref().expect("the daemons run");
    let registry = registry(world.place.path());
    let peer = Peer::start(subject, registry.address, None, world.place.path());
    let name = format!("{}/{IMAGE}:1.4.0", peer.target.address);
    pushes.run(&["tag", IMAGE, &name]);
    let push = pushes.time(&["push", "--quiet", &name]);
    pushes.run(&["rmi", &name]);
    let pull = pulls.time(&["pull", "--quiet", &name]);
    pulls.run(&["rmi", &name]);
    vec![(Metric::Push, push), (Metric::Pull, pull)]
}

fn started(place: &Path) -> [Dockerd; 2] {
    let daemons = ["pushes", "pulls"].map(|name| Dockerd::start(&place.join(name)));
    let context = place.join("image");
    std::fs::create_dir_all(&context).expect("a directory");
    let mut file = "FROM scratch\n".to_owned();
    let mut bytes = vec![0; usize::try_from(1024 * MIB / LAYERS).expect("a size")];
    for layer in 0..LAYERS {
        aws_lc_rs::rand::fill(&mut bytes).expect("random bytes");
        std::fs::write(context.join(layer.to_string()), &bytes).expect("a layer");
        file += &format!("COPY {layer} /{layer}\n");
    }
    std::fs::write(context.join("Dockerfile"), file).expect("a Dockerfile");
    daemons[0].run(&["build", "--quiet", "--tag", IMAGE, &context.display().to_string()]);
    daemons
}

/// A daemon without networks of its own.
struct Dockerd {
    process: Program,
    directory: PathBuf,
}

impl Dockerd {
    fn start(directory: &Path) -> Self {
        assert!(rustix::process::geteuid().is_root(), "dockerd needs root");
        std::fs::create_dir_all(directory).expect("a directory");
        let path = |name: &str| directory.join(name).display().to_string();
        let mut command = Command::new("/usr/sbin/dockerd");
        command.args(["--iptables=false", "--ip6tables=false", "--bridge=none", "--storage-driver=overlay2"]);
        command.args(["--data-root", &path("data"), "--exec-root", &path("exec"), "-p", &path("pid")]);
        command.args(["-H", &format!("unix://{}", path("sock"))]);
        let process = Program::start(command, "docker.io", &directory.join("log"));
        let mut docker = Self { process, directory: directory.to_owned() };
        eventually(Duration::from_secs(60), "dockerd answers", || {
            assert!(docker.process.ended().is_none(), "dockerd ended at once:\n{}", docker.process.output());
            docker.client(&["version"]).stdout(Stdio::null()).stderr(Stdio::null()).status().ok()?.success().then_some(())
        });
        docker
    }

    fn client(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("/usr/bin/docker");
        command.args(arguments).env("DOCKER_HOST", format!("unix://{}", self.directory.join("sock").display()));
        // The builder that needs nothing beside the daemon.
        command.env("DOCKER_BUILDKIT", "0").env("DOCKER_CONFIG", &self.directory);
        command
    }

    fn run(&self, arguments: &[&str]) {
        let ran = self.client(arguments).output().expect("docker");
        assert!(ran.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
    }

    fn time(&self, arguments: &[&str]) -> f64 {
        let begun = Instant::now();
        self.run(arguments);
        begun.elapsed().as_secs_f64()
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        // Asked politely: it then ends its containerd and takes its mounts down.
        self.process.terminate(Duration::from_secs(15));
        let directory = self.directory.display().to_string();
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let points = mounts.lines().filter_map(|line| line.split(' ').nth(1)).filter(|point| point.starts_with(&directory));
        for point in points {
            let _ = Command::new("umount").args(["--lazy", point]).status();
        }
    }
}
