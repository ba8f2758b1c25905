//! The files that ship beside the program: what can be checked without building
//! an image.

use std::path::PathBuf;
use std::process::Command;

use yaml_rust2::{Yaml, YamlLoader};

use crate::harness::run::{Run, run};

fn read(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn compose() -> Yaml {
    YamlLoader::load_from_str(&read("deploy/compose.yaml")).expect("YAML").remove(0)
}

fn texts(list: &Yaml) -> Vec<&str> {
    list.as_vec().expect("a list").iter().map(|item| item.as_str().expect("a text")).collect()
}

#[test]
fn only_pushonce_reaches_the_registry_of_the_compose_file() {
    let compose = compose();
    let services = compose["services"].as_hash().expect("services");
    let registry = &compose["services"]["registry"];
    assert!(registry["ports"].is_badvalue(), "the registry publishes a port");
    assert!(registry["network_mode"].is_badvalue(), "the registry leaves its network");
    assert_eq!(texts(&registry["networks"]), ["behind"]);
    assert_eq!(compose["networks"]["behind"]["internal"].as_bool(), Some(true));
    let beside: Vec<_> = services.iter().filter(|(_, service)| texts(&service["networks"]).contains(&"behind")).collect();
    let names: Vec<_> = beside.iter().filter_map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["registry", "pushonce"]);
}

#[test]
fn every_service_runs_with_no_more_rights_than_it_needs() {
    let compose = compose();
    for (name, service) in compose["services"].as_hash().expect("services") {
        assert_eq!(service["read_only"].as_bool(), Some(true), "{name:?}");
        assert_eq!(texts(&service["cap_drop"]), ["ALL"], "{name:?}");
        assert_eq!(texts(&service["security_opt"]), ["no-new-privileges:true"], "{name:?}");
        assert!(service["privileged"].is_badvalue() && service["cap_add"].is_badvalue(), "{name:?}");
    }
    let ports = texts(&compose["services"]["pushonce"]["ports"]);
    assert!(ports.iter().all(|port| port.starts_with("127.0.0.1:")), "published beyond this machine: {ports:?}");
}

#[test]
fn what_the_compose_file_names_exists() {
    let compose = compose();
    let volumes = texts(&compose["services"]["pushonce"]["volumes"]);
    for volume in volumes {
        let source = volume.split(':').next().expect("a source");
        match source.strip_prefix("./") {
            Some(file) => assert!(!read(&format!("deploy/{file}")).is_empty()),
            None => assert!(!compose["volumes"].as_hash().expect("volumes").is_empty(), "{source} is no volume"),
        }
    }
}

#[test]
fn the_image_is_built_locked_and_runs_without_root() {
    let dockerfile = read("Dockerfile");
    let stages: Vec<&str> = dockerfile.split("\nFROM ").collect();
    let [_, builder, last] = stages.as_slice() else { panic!("two stages, not {}", stages.len() - 1) };
    let channel = read("rust-toolchain.toml");
    let minor: Vec<&str> = channel.split('"').nth(1).expect("a channel").split('.').take(2).collect();
    assert!(builder.starts_with(&format!("rust:{}-", minor.join("."))), "another compiler than rust-toolchain.toml");
    assert!(builder.contains("\nARG PROFILE=release\n") && builder.contains("cargo build --locked --profile \"$PROFILE\""));
    assert!(last.starts_with("gcr.io/distroless/") && last.contains("\nUSER 65532:65532\n"));
    assert!(!last.contains("\nRUN "), "the last stage has no shell to run anything");
}

/// Runs `systemd-analyze` on the unit, with the program that was just built in it and its
/// socket beside it.
fn analyze(arguments: &[&str]) -> Run {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("pushonce.socket"), read("deploy/pushonce.socket")).expect("the socket");
    let unit = read("deploy/pushonce.service").replace("/usr/local/bin/pushonce", env!("CARGO_BIN_EXE_pushonce"));
    std::fs::write(directory.path().join("pushonce.service"), unit).expect("the unit");
    let mut command = Command::new("systemd-analyze");
    command.args(arguments).arg(directory.path().join("pushonce.service"));
    if arguments == ["verify"] {
        command.arg(directory.path().join("pushonce.socket"));
    }
    run(command, "systemd", directory.path())
}

#[test]
fn systemd_takes_the_unit_and_finds_little_that_it_may_do() {
    let verified = analyze(&["verify"]).expect_success();
    // It may have words for other units of the machine.
    assert!(!verified.stderr.contains("pushonce.service"), "{verified}");
    assert!(!verified.stderr.contains("pushonce.socket"), "{verified}");
    // Tenths of the exposure, of which 10 is the worst.
    analyze(&["security", "--offline=true", "--no-pager", "--threshold=12"]).expect_success();
}
