//! `pushonce doctor`: what is in place, what is not, and what to do.

use std::process::Command;

use serde_json::Value;

use super::ledger_commands::operate;
use crate::harness::certificates::write_certificates;
use crate::harness::client_authority::ClientAuthority;
use crate::harness::registry::{PASSWORD, USER};
use crate::harness::run::{Run, run};
use crate::harness::{Answer, Image, Pushonce, Registry, Upstream};

/// Runs it before the first start, with these lines of configuration.
fn before_a_start(upstream: &str, lines: &[&str]) -> (Run, tempfile::TempDir) {
    let directory = tempfile::Builder::new().prefix("pushonce-it-doctor-").tempdir().expect("a temporary directory");
    let at = |name: &str| directory.path().join(name);
    std::fs::write(at("pushonce.toml"), format!("upstream.url = \"{upstream}\"\n{}\n", lines.join("\n"))).expect("written");
    std::fs::write(at("policy.toml"), "").expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_pushonce"));
    command.arg("doctor").arg("--config").arg(at("pushonce.toml"));
    let run = run(command, "this package", directory.path());
    (run, directory)
}

/// The line of standard output about this, and the remedy below it.
#[track_caller]
fn about(run: &Run, health: &str, what: &str) -> String {
    let begin = format!("{health:7}  {what}");
    let mut lines = run.stdout.lines().skip_while(|line| !line.starts_with(&begin));
    let line = lines.next().unwrap_or_else(|| panic!("expected a line {begin:?}\n{run}"));
    let remedy = lines.next().filter(|line| line.starts_with("      "));
    format!("{line}\n{}", remedy.unwrap_or_default())
}

#[test]
fn all_is_well_beside_a_running_proxy() {
    let registry = Registry::with().basic_auth().start();
    let account = [format!("upstream.username = \"{USER}\""), format!("upstream.password = \"{PASSWORD}\"")];
    let proxy = Pushonce::in_front_of(&registry.url()).setting(&account[0]).setting(&account[1]).start();
    proxy.signed_in(USER, PASSWORD).push("web:1.4.0", &Image::random()).expect_created();
    let run = operate(&proxy, &["doctor"]).expect_success();
    for what in ["policy", "registry", "clock", "own user", "ledger", "disk"] {
        about(&run, "ok", what);
    }
    assert!(about(&run, "ok", "own user").contains("sees 1 repositories"), "{run}");
    let json = operate(&proxy, &["doctor", "--output", "json"]).expect_success().stdout;
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((&json[0]["health"], &json[0]["what"]), (&"ok".into(), &"policy".into()));
}

#[test]
fn a_registry_that_is_away_or_is_none_fails_with_a_remedy() {
    let (run, _directory) = before_a_start("http://127.0.0.1:1", &[]);
    assert_eq!(run.status.code(), Some(1), "{run}");
    let told = about(&run, "failed", "registry");
    assert!(
        told.contains("http://127.0.0.1:1: the registry gave no answer") && told.contains("start it, mend `upstream.url`"),
        "{run}"
    );
    about(&run, "ok", "ledger");

    let website = Upstream::start(|_| Answer::status(404));
    let (run, _directory) = before_a_start(&website.url(), &[]);
    assert!(about(&run, "failed", "registry").contains("look whether `upstream.url` is a registry"), "{run}");
}

#[test]
fn a_wrong_password_and_a_clock_far_away_are_found() {
    let registry = Registry::with().basic_auth().start();
    let account = [format!("upstream.username = \"{USER}\""), "upstream.password = \"wrong\"".to_owned()];
    let (run, _directory) = before_a_start(&registry.url(), &[&account[0], &account[1]]);
    assert_eq!(run.status.code(), Some(1), "{run}");
    assert!(about(&run, "failed", "own user").contains("mend `upstream.username` and its password"), "{run}");
    assert!(!run.stdout.contains("wrong"), "the password is shown\n{run}");

    let date = || vec![("Date", "Sun, 06 Nov 1994 08:49:37 GMT".to_owned())];
    let past = Upstream::start(move |_| Answer::Respond { status: 200, headers: date(), body: Vec::new() });
    let (run, _directory) = before_a_start(&past.url(), &[]);
    assert!(about(&run, "warning", "clock").contains("the registry's 1994-11-06T08:49:37Z"), "{run}");
    assert_eq!(run.status.code(), Some(0), "{run}");
}

#[test]
fn a_ledger_that_cannot_be_used_fails() {
    let registry = Registry::start();
    let (run, _directory) = before_a_start(&registry.url(), &["ledger.url = \"sqlite:none/ledger.db\""]);
    assert!(about(&run, "failed", "ledger").contains("install -d"), "{run}");
    let (run, directory) = before_a_start(&registry.url(), &["ledger.url = \"sqlite:policy.toml\""]);
    about(&run, "failed", "ledger");
    drop(directory);
    let (run, _directory) = before_a_start(&registry.url(), &["ledger.url = \"postgres://a@127.0.0.1:1/a\""]);
    about(&run, "failed", "ledger");
    assert_eq!(run.status.code(), Some(1), "{run}");
}

#[test]
fn certificates_are_read_and_their_dates_said() {
    let registry = Registry::start();
    let files = tempfile::Builder::new().prefix("pushonce-it-certificates-").tempdir().expect("a temporary directory");
    write_certificates(files.path());
    let authority = ClientAuthority::new();
    authority.write(&files.path().join("clients.pem"));
    authority.write_revoked(&files.path().join("old.pem"), &[], 2021);
    let line = |key: &str, file: &str| format!("{key} = \"{}\"", files.path().join(file).display());
    let tls = [line("server.tls_certificate", "server.pem"), line("server.tls_key", "server.key")];
    let clients = [line("server.tls_client_ca", "clients.pem"), line("server.tls_client_crl", "old.pem")];
    let (run, _directory) = before_a_start(&registry.url(), &[&tls[0], &tls[1], &clients[0], &clients[1]]);
    assert_eq!(run.status.code(), Some(1), "{run}");
    assert!(about(&run, "ok", "certificate").contains("server.tls_certificate"), "{run}");
    let ended = about(&run, "failed", "certificate");
    assert!(ended.contains("server.tls_client_crl") && ended.contains("has ended on 2021-12-31"), "{run}");

    let other = line("server.tls_key", "clients.pem");
    let (run, _directory) = before_a_start(&registry.url(), &[&tls[0], &other]);
    assert!(about(&run, "failed", "certificate").contains("cannot read the private key of server.tls_key"), "{run}");
}

#[test]
fn mistakes_of_the_configuration_come_first() {
    let (run, _directory) = before_a_start("ftp://a", &[]);
    assert_eq!(run.status.code(), Some(2), "{run}");
    run.expect_said("upstream.url");
}
