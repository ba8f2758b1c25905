//! The compose file with PostgreSQL.

use std::process::Command;

use serde_json::Value;

use super::objects::{knows, project, said};

/// The file, its anchors and merge keys resolved.
fn compose() -> Value {
    let mut python = Command::new(project("target/python/bin/python"));
    python.args(["-c", "import json, sys, yaml; json.dump(yaml.safe_load(open(sys.argv[1])), sys.stdout)"]);
    python.arg(project("deploy/compose-postgres.yaml"));
    let json = said(python.output().expect("python; run scripts/install-deps.sh test")).expect("YAML");
    serde_json::from_str(&json).expect("JSON")
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().map(|item| item.as_str().expect("a text")).collect()
}

#[test]
fn compose_with_postgresql_lets_only_pushonce_reach_the_others() {
    let compose = compose();
    for (name, service) in compose["services"].as_object().expect("services") {
        for kind in ["networks", "secrets"] {
            for used in texts(&service[kind]) {
                assert!(compose[kind].get(used).is_some(), "{name}: {used} of {kind} is not defined");
            }
        }
        for volume in texts(&service["volumes"]) {
            let source = volume.split(':').next().expect("a source");
            let there = source.starts_with("./") && project("deploy").join(source).exists();
            assert!(there || compose["volumes"].get(source).is_some(), "{name}: {source}");
        }
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(texts(&service["cap_drop"]), ["ALL"], "{name}");
        assert_eq!(texts(&service["security_opt"]), ["no-new-privileges:true"], "{name}");
        if name.starts_with("pushonce-") {
            assert!(texts(&service["ports"]).iter().all(|port| port.starts_with("127.0.0.1:")), "{name}");
        } else {
            assert!(service.get("ports").is_none(), "{name} publishes a port");
            assert!(texts(&service["networks"]).iter().all(|used| compose["networks"][used]["internal"] == true));
        }
    }
}

#[test]
fn compose_with_postgresql_sets_what_the_program_knows() {
    let compose = compose();
    for name in ["pushonce-a", "pushonce-b"] {
        let variables = compose["services"][name]["environment"].as_object().expect("variables");
        let variables = variables.iter().map(|(key, value)| (key.as_str(), value.as_str().expect("a text")));
        for (key, path) in variables.clone().filter(|(key, _)| key.ends_with("_FILE")) {
            let secret = path.strip_prefix("/run/secrets/").expect("a secret");
            assert!(texts(&compose["services"][name]["secrets"]).contains(&secret), "{key}");
        }
        knows(variables);
    }
}
