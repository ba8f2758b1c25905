//! The registry clients of PyPI: oras (its Python SDK), dxf and helm's own code.
//! `scripts/install-deps.sh test` installs them.

use std::path::PathBuf;
use std::process::Command;

use super::api::split;
use super::clients::Client;
use super::home::Home;
use super::image::sha256;
use super::run::{Run, run};

fn in_project(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A command of the virtual environment.
fn command(home: &Home, program: &str, arguments: &[&str]) -> Command {
    let program = in_project("target/python/bin").join(program);
    assert!(program.exists(), "program not found: {} — install it with: scripts/install-deps.sh test", program.display());
    home.command(&program.display().to_string(), arguments)
}

/// Runs one of the scripts in tests/clients.
fn script(home: &Home, name: &str, arguments: &[&str]) -> Run {
    let script = in_project("tests/clients").join(name).display().to_string();
    run(command(home, "python", &[&[script.as_str()], arguments].concat()), "python3", home.root())
}

fn last_line(run: Run) -> String {
    let run = run.expect_success();
    run.stdout.lines().last().unwrap_or_else(|| panic!("nothing was printed\n{run}")).trim().to_owned()
}

/// The Python SDK of oras, which pushes files.
pub struct Oras(Home);

impl Oras {
    pub fn new() -> Self {
        Self(Home::new("oras"))
    }

    /// Pushes a file with the options that tests/clients/oras_sdk.py knows.
    pub fn push_with(&self, image: &str, reference: &str, options: &[&str]) -> Run {
        script(&self.0, "oras_sdk.py", &[&["push", reference, image], options].concat())
    }

    /// Deletes a tag by its digest.
    pub fn delete(&self, reference: &str) -> Run {
        script(&self.0, "oras_sdk.py", &["delete", reference])
    }
}

impl Client for Oras {
    fn name(&self) -> &'static str {
        "oras (Python SDK)"
    }

    fn version(&self) -> String {
        last_line(script(&self.0, "oras_sdk.py", &["version"]))
    }

    fn build(&self, image: &str, content: &str) {
        self.0.write(image, content.as_bytes());
    }

    fn push(&self, image: &str, reference: &str) -> Run {
        self.push_with(image, reference, &[])
    }

    fn pull(&self, reference: &str) -> Run {
        script(&self.0, "oras_sdk.py", &["pull", reference, "pulled"])
    }

    fn pulled_digest(&self, reference: &str) -> String {
        last_line(self.pull(reference))
    }

    fn login(&self, address: &str, user: &str, password: &str) {
        self.0.login(address, user, password);
        // Where the SDK looks, whatever DOCKER_CONFIG says.
        std::fs::create_dir_all(self.0.path(".docker")).expect("a directory for the credentials");
        std::fs::copy(self.0.path("config.json"), self.0.path(".docker/config.json")).expect("the file of credentials");
    }
}

/// dxf of python-dxf, which names blobs by tags that it calls aliases.
pub struct Dxf(Home);

impl Dxf {
    pub fn new() -> Self {
        Self(Home::new("dxf"))
    }

    /// Runs a subcommand on the repository of `reference`, `host:port/repository:tag`.
    pub fn run(&self, subcommand: &str, reference: &str, arguments: &[&str]) -> Run {
        let (name, _) = split(reference);
        let (host, repository) = name.split_once('/').expect("host:port/repository");
        let mut command = command(&self.0, "dxf", &[&[subcommand, repository], arguments].concat());
        command.env("DXF_HOST", host).env("DXF_INSECURE", "1");
        run(command, "python3", self.0.root())
    }
}

impl Client for Dxf {
    fn name(&self) -> &'static str {
        "dxf"
    }

    fn version(&self) -> String {
        const READ: &str = "import importlib.metadata as m; print(m.version('python-dxf'))";
        last_line(run(command(&self.0, "python", &["-c", READ]), "python3", self.0.root()))
    }

    fn build(&self, image: &str, content: &str) {
        self.0.write(image, content.as_bytes());
    }

    fn push(&self, image: &str, reference: &str) -> Run {
        let (_, tag) = split(reference);
        self.run("push-blob", reference, &[image, &format!("@{tag}")])
    }

    fn pull(&self, reference: &str) -> Run {
        let (_, tag) = split(reference);
        self.run("get-manifest", reference, &[tag])
    }

    fn pulled_digest(&self, reference: &str) -> String {
        sha256(self.pull(reference).expect_success().stdout.as_bytes())
    }

    fn login(&self, _address: &str, _user: &str, _password: &str) {
        panic!("dxf sends no password without TLS, and here is none");
    }
}

/// helm's own code, which pushes charts: the chart's name is the last part of the
/// repository, its version is the tag.
pub struct Helm(Home);

impl Helm {
    pub fn new() -> Self {
        Self(Home::new("helm"))
    }
}

impl Client for Helm {
    fn name(&self) -> &'static str {
        "helm (SDK)"
    }

    fn version(&self) -> String {
        last_line(script(&self.0, "helm_sdk.py", &["version"]))
    }

    /// What the chart holds; its name and version are known at the push.
    fn build(&self, image: &str, content: &str) {
        self.0.write(&format!("{image}.yaml"), format!("content: {content}\n").as_bytes());
    }

    fn push(&self, image: &str, reference: &str) -> Run {
        let (repository, version) = split(reference);
        let (remote, name) = repository.rsplit_once('/').expect("a repository of two parts");
        let chart = self.0.path(&format!("charts-{image}/{name}"));
        let archive = self.0.path(&format!("{image}/{name}-{version}.tgz"));
        // An archive has dates in it, so only the first push packs.
        if !archive.exists() {
            std::fs::create_dir_all(&chart).expect("a directory for the chart");
            let about = format!("apiVersion: v2\nname: {name}\nversion: {version}\n");
            std::fs::write(chart.join("Chart.yaml"), about).expect("a file of the chart");
            std::fs::copy(self.0.path(&format!("{image}.yaml")), chart.join("values.yaml")).expect("the values of the chart");
            script(&self.0, "helm_sdk.py", &["package", &chart.display().to_string(), image]).expect_success();
        }
        script(&self.0, "helm_sdk.py", &["push", &archive.display().to_string(), &format!("oci://{remote}")])
    }

    fn pull(&self, reference: &str) -> Run {
        let (repository, version) = split(reference);
        std::fs::create_dir_all(self.0.path("pulled")).expect("a directory for the chart");
        script(&self.0, "helm_sdk.py", &["pull", repository, version, "pulled"])
    }

    fn pulled_digest(&self, reference: &str) -> String {
        last_line(self.pull(reference))
    }

    fn login(&self, address: &str, user: &str, password: &str) {
        script(&self.0, "helm_sdk.py", &["login", address, user, password]).expect_success();
    }
}
