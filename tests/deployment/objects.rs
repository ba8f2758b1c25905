//! The objects of Kubernetes that a deployment is made of.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A file or directory of the project.
pub fn project(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Runs `tests/clients/kubernetes.py` and returns what it printed, or what it has against it.
pub fn kubernetes(arguments: &[&str], input: &str) -> Result<String, String> {
    let mut command = Command::new(project("target/python/bin/python"));
    command.arg(project("tests/clients/kubernetes.py")).args(arguments).current_dir(project(""));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("python; run scripts/install-deps.sh test");
    child.stdin.take().expect("its input").write_all(input.as_bytes()).expect("it reads");
    said(child.wait_with_output().expect("it ends"))
}

/// What a program printed, or what it complained of.
pub fn said(output: Output) -> Result<String, String> {
    let text = |bytes| String::from_utf8(bytes).expect("text");
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

/// The objects of one deployment, each of which Kubernetes takes.
pub struct Objects(Vec<Value>);

impl Objects {
    /// Of a JSON array of them.
    pub fn parse(json: &str) -> Self {
        Self(serde_json::from_str(json).expect("an array"))
    }

    /// The kinds, one for each object, sorted.
    pub fn kinds(&self) -> Vec<&str> {
        let mut kinds: Vec<&str> = self.0.iter().map(|object| text(object, "/kind")).collect();
        kinds.sort_unstable();
        kinds
    }

    /// The only object of a kind.
    pub fn the(&self, kind: &str) -> &Value {
        let mut found = self.0.iter().filter(|object| text(object, "/kind") == kind);
        let object = found.next().unwrap_or_else(|| panic!("no {kind} in {:?}", self.kinds()));
        assert!(found.next().is_none(), "more than one {kind}");
        object
    }
}

/// A string of an object by its JSON pointer (RFC 6901).
pub fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no string {pointer} in {object:#}"))
}

/// Runs `pushonce check` on the files of a ConfigMap, and returns what it says.
pub fn check(config_map: &Value) -> Result<String, String> {
    let directory = tempfile::tempdir().expect("a directory");
    for (name, content) in config_map["data"].as_object().expect("the files") {
        std::fs::write(directory.path().join(name), content.as_str().expect("text")).expect("a file");
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_pushonce"));
    said(command.args(["check", "pushonce.toml"]).current_dir(directory.path()).env_clear().output().expect("it runs"))
}
