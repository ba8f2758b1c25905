//! containerd: a daemon of the test's own, and `ctr`, which talks to it.

use std::sync::Mutex;
use std::time::Duration;

use serde_json::json;

use super::clients::Client;
use super::home::Home;
use super::image::{Image, Manifest, sha256, tar_of};
use super::process::{Process, eventually};
use super::run::{Run, run};

/// A running daemon. It ends, and its files go, when dropped.
pub struct Containerd {
    process: Process,
    home: Home,
    /// `user:password`.
    credentials: Mutex<Option<String>>,
}

impl Containerd {
    /// Starts a daemon that keeps content and runs nothing. Needs root.
    pub fn start() -> Self {
        assert!(rustix::process::geteuid().is_root(), "containerd needs root: run the tests as root");
        let home = Home::new("ctr");
        let path = |name: &str| home.path(name).display().to_string();
        let config = format!(
            "version = 2\nroot = {:?}\nstate = {:?}\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\", \
             \"io.containerd.internal.v1.opt\"]\n[grpc]\naddress = {:?}\n[ttrpc]\naddress = {:?}\n",
            path("root"),
            path("state"),
            path("sock"),
            path("ttrpc")
        );
        let config = home.write("containerd.toml", config.as_bytes()).display().to_string();
        let process = Process::spawn(home.command("containerd", &["--config", &config]), "containerd", &home.path("log"));
        let mut containerd = Self { process, home, credentials: Mutex::default() };
        eventually(Duration::from_secs(60), "containerd answers", || {
            assert!(containerd.process.ended().is_none(), "containerd ended at once:\n{}", containerd.process.output());
            (containerd.home.path("sock").exists() && containerd.run(&["version"]).status.success()).then_some(())
        });
        containerd
    }

    /// Runs `ctr`.
    pub fn run(&self, arguments: &[&str]) -> Run {
        let socket = self.home.path("sock").display().to_string();
        run(self.home.command("ctr", &[&["--address", &socket], arguments].concat()), "containerd", self.home.root())
    }

    /// Imports an image or an index of ours under a name, byte for byte.
    pub fn import(&self, name: &str, image: &Image) {
        let archive = self.home.write("image.tar", &layout(name, image)).display().to_string();
        self.run(&["images", "import", "--all-platforms", "--no-unpack", &archive]).expect_success();
    }

    /// `--plain-http`, and `--user` after a login.
    fn on_registry<'a>(&self, before: &[&'a str], credentials: &'a Option<String>, after: &[&'a str]) -> Run {
        let user: Vec<&str> = credentials.iter().flat_map(|user| ["--user", user]).collect();
        self.run(&[before, &["--plain-http"], &user, after].concat())
    }
}

impl Client for Containerd {
    fn name(&self) -> &'static str {
        "ctr of containerd"
    }

    fn version(&self) -> String {
        let said = self.run(&["--version"]).expect_success().stdout;
        said.split_whitespace().nth(2).expect("a version").to_owned()
    }

    fn build(&self, image: &str, _content: &str) {
        self.import(image, &Image::random());
    }

    fn push(&self, image: &str, reference: &str) -> Run {
        let credentials = self.credentials.lock().expect("the credentials").clone();
        self.on_registry(&["images", "push"], &credentials, &[reference, image])
    }

    /// Without unpacking, which would need mounts.
    fn pull(&self, reference: &str) -> Run {
        let credentials = self.credentials.lock().expect("the credentials").clone();
        self.on_registry(&["--namespace", "pulled", "content", "fetch", "--all-platforms"], &credentials, &[reference])
    }

    fn pulled_digest(&self, reference: &str) -> String {
        self.pull(reference).expect_success();
        let listed = self.run(&["--namespace", "pulled", "images", "list"]).expect_success();
        let line = listed.stdout.lines().find(|line| line.split_whitespace().next() == Some(reference));
        let digest = line.and_then(|line| line.split_whitespace().nth(2));
        digest.unwrap_or_else(|| panic!("{reference} is not listed\n{listed}")).to_owned()
    }

    fn login(&self, _address: &str, user: &str, password: &str) {
        *self.credentials.lock().expect("the credentials") = Some(format!("{user}:{password}"));
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        self.process.terminate(Duration::from_secs(15));
    }
}

/// An OCI image layout in a tar archive (image-spec, "Image Layout"), with the
/// annotation that gives the image its name in containerd.
fn layout(name: &str, image: &Image) -> Vec<u8> {
    let Manifest { media_type, bytes } = &image.manifest;
    let described = json!({
        "mediaType": media_type, "digest": image.digest(), "size": bytes.len(),
        "annotations": {"io.containerd.image.name": name},
    });
    let index = json!({"schemaVersion": 2, "manifests": [described]}).to_string().into_bytes();
    let mut files =
        vec![("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()), ("index.json".to_owned(), index)];
    collect_blobs(image, &mut files);
    tar_of(&files)
}

fn collect_blobs(image: &Image, files: &mut Vec<(String, Vec<u8>)>) {
    for blob in image.blobs.iter().chain([&image.manifest.bytes]) {
        files.push((format!("blobs/{}", sha256(blob).replace(':', "/")), blob.clone()));
    }
    image.children.iter().for_each(|child| collect_blobs(child, files));
}
