//! curl, which speaks every version of HTTP that the proxy does.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::harness::run::{Run, run};

/// curl with a directory of its own.
pub struct Curl(TempDir);

impl Curl {
    pub fn new() -> Self {
        Self(tempfile::Builder::new().prefix("pushonce-it-curl-").tempdir().expect("a temporary directory"))
    }

    pub fn directory(&self) -> &Path {
        self.0.path()
    }

    /// Runs it without a configuration or a proxy of whoever runs the tests.
    pub fn run(&self, arguments: &[&str]) -> Run {
        let mut command = Command::new("curl");
        command.args(["--disable", "--noproxy", "*", "--silent", "--show-error", "--max-time", "100"]).args(arguments);
        command.current_dir(self.directory());
        run(command, "curl", self.directory())
    }

    /// Runs it and returns the version of HTTP and the status, such as `2 200`.
    pub fn version_and_status(&self, arguments: &[&str]) -> String {
        let report = ["--output", "answer", "--write-out", "%{http_version} %{http_code}"];
        self.run(&[&report, arguments].concat()).expect_success().stdout
    }
}
