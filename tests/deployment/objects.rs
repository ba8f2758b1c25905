//! The objects of Kubernetes that a deployment is made of.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// Stands in for every secret; as long as a token has to be.
pub const SECRET: &str = "0123456789abcdef0123456789abcdef";

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

/// A list of an object by its JSON pointer.
pub fn list<'a>(object: &'a Value, pointer: &str) -> &'a Vec<Value> {
    object.pointer(pointer).and_then(Value::as_array).unwrap_or_else(|| panic!("no list {pointer} in {object:#}"))
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

/// The program takes the variables on top of the configuration that ships with it, with a
/// secret in each file that one names.
pub fn knows<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) {
    let secret = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(&secret, SECRET).expect("a secret");
    let mut program = Command::new(env!("CARGO_BIN_EXE_pushonce"));
    program.env_clear().arg("check").arg(project("config/pushonce.toml"));
    for (name, value) in variables {
        if name.ends_with("_FILE") {
            program.env(name, secret.path())
        } else {
            program.env(name, value)
        };
    }
    said(program.output().expect("it runs")).expect("it knows the variables");
}

/// The pod of a workload asks the probes where the configuration listens, waits longer than
/// the program does, and may do nothing but serve.
pub fn pod_is_sound(workload: &Value, config: &toml::Table) {
    let pod = &workload["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let drain = config["server"]["drain_timeout"].as_str().and_then(|text| text.strip_suffix('s'));
    let drain: u64 = drain.expect("seconds").parse().expect("a number");
    assert!(pod["terminationGracePeriodSeconds"].as_u64() > Some(drain));
    for (probe, path) in [("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")] {
        let get = &container[probe]["httpGet"];
        assert_eq!(text(get, "/path"), path);
        let ports = list(container, "/ports");
        let port = ports.iter().find(|port| port["name"] == get["port"]).expect("a port of the container");
        assert_eq!(config["admin"]["listen"], toml::Value::from(format!("0.0.0.0:{}", port["containerPort"])));
    }
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    for id in ["runAsUser", "runAsGroup", "fsGroup"] {
        assert_eq!(pod["securityContext"][id], 65532, "{id}");
    }
    assert_eq!(text(pod, "/securityContext/seccompProfile/type"), "RuntimeDefault");
    let rights = &container["securityContext"];
    assert_eq!(rights["allowPrivilegeEscalation"], false);
    assert_eq!(rights["readOnlyRootFilesystem"], true);
    assert_eq!(rights["capabilities"], serde_json::json!({"drop": ["ALL"]}));
}
