//! The real clients that need no daemon, each with a home of its own.

use super::home::Home;
use super::image::{Image, sha256};
use super::run::{Run, run};

/// What every client can do. Image names are `host:port/repository:tag`.
pub trait Client {
    fn name(&self) -> &'static str;

    /// The version that the client says it has.
    fn version(&self) -> String;

    /// Makes a local image called `image` that holds one file with `content`.
    fn build(&self, image: &str, content: &str);

    /// Pushes a local image to `reference`.
    fn push(&self, image: &str, reference: &str) -> Run;

    fn pull(&self, reference: &str) -> Run;

    /// Pulls and returns the digest that the client says it got.
    fn pulled_digest(&self, reference: &str) -> String;

    /// Signs in to `host:port`.
    fn login(&self, address: &str, user: &str, password: &str);
}

/// skopeo, which copies images as they are and keeps none.
pub struct Skopeo(Home);

impl Skopeo {
    pub fn new() -> Self {
        Self(Home::new("skopeo"))
    }

    pub fn run(&self, arguments: &[&str]) -> Run {
        run(self.0.command("skopeo", arguments), "skopeo", self.0.root())
    }

    /// Pushes an image of ours, byte for byte.
    pub fn push_image(&self, image: &Image, reference: &str) -> Run {
        image.write_dir(&self.0.path("image"));
        self.push("image", reference)
    }

    /// `skopeo delete`, which looks the digest up and deletes that.
    pub fn delete(&self, reference: &str) -> Run {
        self.run(&["delete", "--tls-verify=false", &format!("docker://{reference}")])
    }
}

impl Client for Skopeo {
    fn name(&self) -> &'static str {
        "skopeo"
    }

    fn version(&self) -> String {
        version_in(&self.run(&["--version"]))
    }

    fn build(&self, image: &str, _content: &str) {
        Image::random().write_dir(&self.0.path(image));
    }

    fn push(&self, image: &str, reference: &str) -> Run {
        let source = format!("dir:{}", self.0.path(image).display());
        self.run(&[
            "--insecure-policy",
            "copy",
            "--preserve-digests",
            "--dest-tls-verify=false",
            &source,
            &format!("docker://{reference}"),
        ])
    }

    fn pull(&self, reference: &str) -> Run {
        let target = format!("dir:{}", self.0.path("pulled").display());
        self.run(&["--insecure-policy", "copy", "--src-tls-verify=false", &format!("docker://{reference}"), &target])
    }

    fn pulled_digest(&self, reference: &str) -> String {
        self.pull(reference).expect_success();
        sha256(&std::fs::read(self.0.path("pulled/manifest.json")).expect("the pulled manifest"))
    }

    fn login(&self, address: &str, user: &str, password: &str) {
        self.0.login(address, user, password);
    }
}

/// podman with a storage of its own.
pub struct Podman(Home);

impl Podman {
    pub fn new() -> Self {
        Self(Home::new("podman"))
    }

    pub fn run(&self, arguments: &[&str]) -> Run {
        self.run_in(&OWN, arguments)
    }

    fn run_in(&self, storage: &[&str], arguments: &[&str]) -> Run {
        run(self.0.command("podman", &[storage, arguments].concat()), "podman", self.0.root())
    }
}

impl Client for Podman {
    fn name(&self) -> &'static str {
        "podman"
    }

    fn version(&self) -> String {
        version_in(&self.run(&["--version"]))
    }

    fn build(&self, image: &str, content: &str) {
        self.run(&["import", &self.0.archive(content), image]).expect_success();
    }

    fn push(&self, image: &str, reference: &str) -> Run {
        self.run(&["push", "--tls-verify=false", image, reference])
    }

    fn pull(&self, reference: &str) -> Run {
        self.run_in(&PULLED, &["pull", "--tls-verify=false", reference])
    }

    fn pulled_digest(&self, reference: &str) -> String {
        self.pull(reference).expect_success();
        let inspected = self.run_in(&PULLED, &["image", "inspect", "--format", "{{.Digest}}", reference]).expect_success();
        inspected.stdout.trim().to_owned()
    }

    fn login(&self, address: &str, user: &str, password: &str) {
        self.0.login(address, user, password);
    }
}

/// buildah with a storage of its own.
pub struct Buildah(Home);

impl Buildah {
    pub fn new() -> Self {
        Self(Home::new("buildah"))
    }

    pub fn run(&self, arguments: &[&str]) -> Run {
        self.run_in(&OWN, arguments)
    }

    fn run_in(&self, storage: &[&str], arguments: &[&str]) -> Run {
        run(self.0.command("buildah", &[storage, arguments].concat()), "buildah", self.0.root())
    }
}

impl Client for Buildah {
    fn name(&self) -> &'static str {
        "buildah"
    }

    fn version(&self) -> String {
        version_in(&self.run(&["--version"]))
    }

    fn build(&self, image: &str, content: &str) {
        let file = self.0.write("content", content.as_bytes()).display().to_string();
        let container = self.run(&["from", "scratch"]).expect_success().stdout.trim().to_owned();
        self.run(&["copy", &container, &file, "/content"]).expect_success();
        self.run(&["commit", "--rm", &container, image]).expect_success();
    }

    fn push(&self, image: &str, reference: &str) -> Run {
        self.run(&["push", "--tls-verify=false", image, &format!("docker://{reference}")])
    }

    fn pull(&self, reference: &str) -> Run {
        self.run_in(&PULLED, &["pull", "--tls-verify=false", &format!("docker://{reference}")])
    }

    fn pulled_digest(&self, reference: &str) -> String {
        self.pull(reference).expect_success();
        let inspected =
            self.run_in(&PULLED, &["inspect", "--type", "image", "--format", "{{.FromImageDigest}}", reference]).expect_success();
        inspected.stdout.trim().to_owned()
    }

    fn login(&self, address: &str, user: &str, password: &str) {
        self.0.login(address, user, password);
    }
}

/// The version in `podman version 4.3.1` and its like.
pub fn version_in(said: &Run) -> String {
    let mut words = said.stdout.split_whitespace().skip_while(|word| *word != "version");
    let version = words.nth(1).unwrap_or_else(|| panic!("no version\n{said}"));
    version.trim_end_matches(',').to_owned()
}

/// vfs, because overlay mounts need rights that a container may not have. The
/// paths are relative to the home, which is the working directory.
const OWN: [&str; 6] = ["--root", "own", "--runroot", "own-run", "--storage-driver", "vfs"];

/// Pulls go elsewhere: of an image that is there already, built by itself, podman
/// names the digest from before it was compressed for the push.
const PULLED: [&str; 6] = ["--root", "pulled", "--runroot", "pulled-run", "--storage-driver", "vfs"];
