//! A private home for a client: nothing is read from or left in the home of
//! whoever runs the tests.

use std::path::{Path, PathBuf};
use std::process::Command;

use data_encoding::BASE64;
use serde_json::json;
use tempfile::TempDir;

use super::image::tar;

/// A private home, removed when dropped.
pub struct Home(TempDir);

impl Home {
    pub fn new(name: &str) -> Self {
        // Short: the path of a unix socket may have 108 characters.
        let directory = tempfile::Builder::new().prefix(&format!("pushonce-it-{name}-")).tempdir().expect("a temporary directory");
        std::fs::create_dir(directory.path().join("tmp")).expect("a directory for temporary files");
        let home = Self(directory);
        // podman and buildah refuse to start where the file that they are pointed at is missing.
        std::fs::write(home.auth_file(), "{}").expect("an empty file of credentials");
        home
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn root(&self) -> &Path {
        self.0.path()
    }

    /// A command with the environment that keeps a client inside this home.
    pub fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.root());
        command.env("HOME", self.root()).env("XDG_RUNTIME_DIR", self.root()).env("TMPDIR", self.path("tmp"));
        command.env("DOCKER_CONFIG", self.root()).env("REGISTRY_AUTH_FILE", self.auth_file());
        command
    }

    fn auth_file(&self) -> PathBuf {
        self.path("config.json")
    }

    /// Writes the file that docker and the containers tools both read.
    pub fn login(&self, address: &str, user: &str, password: &str) {
        let auth = BASE64.encode(format!("{user}:{password}").as_bytes());
        std::fs::write(self.auth_file(), json!({"auths": {address: {"auth": auth}}}).to_string()).expect("the file of credentials");
    }

    /// A file with `content` for an image to hold.
    pub fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).expect("a file");
        path
    }

    /// A tar archive to import as an image.
    pub fn archive(&self, content: &str) -> String {
        self.write("image.tar", &tar("content", content.as_bytes())).display().to_string()
    }
}
