//! `pushonce check` against a registry, and `pushonce init` before there is anything to check.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::ledger_commands::operate;
use crate::harness::pushonce::POLICY;
use crate::harness::run::run;
use crate::harness::{Image, Pushonce, Registry};

const AGAINST: [&str; 3] = ["check", "--against", "registry"];

/// A registry with these tags, and a proxy before it that has never seen them.
fn with_tags(policy: &str, tags: &[&str]) -> (Registry, Pushonce) {
    let registry = Registry::start();
    let image = Image::random();
    for tag in tags {
        registry.put_tag_behind_the_back(tag, &image);
    }
    let proxy = Pushonce::in_front_of(&registry.url()).policy(policy).start();
    (registry, proxy)
}

/// The rows of the table that begins with `head`, by their words.
fn rows(text: &str, head: &str) -> Vec<Vec<String>> {
    let lines = text.lines().skip_while(|line| !line.starts_with(head)).skip(1).take_while(|line| !line.is_empty());
    lines.map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect()).collect()
}

#[test]
fn the_tags_that_each_rule_decides_over_are_counted() {
    let tags = ["a/web:1.4.0", "a/web:1.4.1", "a/web:1.5.0", "b/api:2.0.0", "b/api:latest", "b/api:odd"];
    let (_registry, proxy) = with_tags(POLICY, &tags);
    let text = operate(&proxy, &AGAINST).expect_success().stdout;
    let rows = rows(&text, "RULE");
    assert_eq!(rows[0], ["releases", "immutable", "4", "a/web:1.4.0 a/web:1.4.1 a/web:1.5.0 …"].map(str::to_owned), "{text}");
    assert_eq!(rows[1], ["builds", "immutable", "0"].map(str::to_owned), "a rule without a tag is shown: {text}");
    assert_eq!(rows[2], ["shortcuts", "mutable", "1", "b/api:latest"].map(str::to_owned), "{text}");
    assert_eq!(rows[3], ["default", "mutable", "1", "b/api:odd"].map(str::to_owned), "{text}");
    assert!(text.contains("asked for 6 tags of 2 repositories"), "{text}");
    let one = operate(&proxy, &[&AGAINST[..], &["--repository", "b/api"]].concat()).expect_success().stdout;
    assert!(one.contains("asked for 3 tags of 1 repositories"), "{one}");
    // Nothing was entered.
    let log = proxy.admin().request("GET", "/api/v1/log").send().expect_ok().text();
    assert!(log.contains("\"entries\":[]"), "{log}");
}

#[test]
fn what_would_change_is_named_with_both_verdicts() {
    let (_registry, proxy) = with_tags("default = \"mutable\"\n", &["web:1.4.0", "web:latest", "web:edge"]);
    let old = proxy.directory().join("old.toml");
    std::fs::rename(proxy.directory().join("policy.toml"), &old).expect("moved");
    let frozen =
        format!("{POLICY}\n[[rule]]\nname = \"edges\"\ntags = [\"edge\"]\nmutability = \"immutable\"\ndelete = \"allow\"\n");
    proxy.set_policy(&frozen);
    let old = old.display().to_string();
    let arguments = [&AGAINST[..], &["--diff", &old]].concat();
    let text = operate(&proxy, &arguments).expect_success().stdout;
    assert!(text.contains(&format!("2 tags would change, compared with {old}:\n")), "{text}");
    let expected = [
        ["web:1.4.0", "mutable, by default", "immutable, by releases"],
        ["web:edge", "mutable, by default", "immutable, may be deleted, by edges"],
    ];
    assert_eq!(rows(&text, "TAG "), expected.map(|row| row.map(str::to_owned).to_vec()), "{text}");

    let json = operate(&proxy, &[&arguments[..], &["--output", "json"]].concat()).expect_success().stdout;
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["changes"][0]["then"], serde_json::json!({"mutability": "immutable", "delete": "deny", "rule": "releases"}));
    assert_eq!(json["rules"][0]["tags"], 1);

    let same = proxy.directory().join("policy.toml").display().to_string();
    let text = operate(&proxy, &[&AGAINST[..], &["--diff", &same]].concat()).expect_success().stdout;
    assert!(text.contains("no tag would change"), "{text}");
}

#[test]
fn a_registry_that_is_away_and_files_that_cannot_be_used_are_said() {
    let (mut registry, proxy) = with_tags(POLICY, &["web:1.4.0"]);
    let run = operate(&proxy, &[&AGAINST[..], &["--diff", "none.toml"]].concat());
    assert_eq!(run.status.code(), Some(2), "{run}");
    run.expect_said("none.toml cannot be read");
    let policy = proxy.directory().join("policy.toml").display().to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_pushonce"));
    command.args(AGAINST).arg(&policy);
    let run = self::run(command, "this package", proxy.directory());
    assert_eq!(run.status.code(), Some(2), "{run}");
    run.expect_said("names no registry: give the server configuration to --against");
    registry.stop();
    let run = operate(&proxy, &AGAINST);
    assert_eq!(run.status.code(), Some(1), "{run}");
    run.expect_said("cannot connect");
}

#[test]
fn globs_that_match_no_repository_are_warned_of() {
    let policy = |glob: &str| {
        format!(
            "[[rule]]\nname = \"teams\"\nrepositories = [\"{glob}\", \"driftwood/**\"]\ntags = [\"*\"]\nmutability = \"mutable\"\n"
        )
    };
    let (_registry, proxy) = with_tags(&policy("driftwod/*"), &["driftwood/web:latest"]);
    let run = operate(&proxy, &["check", "--online"]).expect_success();
    assert!(run.stdout.contains("warning: rule `teams` is about `driftwod/*`, and the registry lists no such repository"), "{run}");
    assert!(!run.stdout.contains("`driftwood/**`"), "{run}");
    let run = operate(&proxy, &["check", "--online", "--deny-warnings"]);
    assert_eq!(run.status.code(), Some(2), "{run}");
    proxy.set_policy(&policy("driftwood/w?b"));
    let run = operate(&proxy, &["check", "--online", "--deny-warnings"]).expect_success();
    assert!(!run.stdout.contains("warning"), "{run}");
}

/// Answers of somebody who types, on a terminal of `script` (Debian package bsdutils).
#[test]
fn init_asks_on_a_terminal_and_what_it_writes_serves() {
    let registry = Registry::start();
    let directory = tempfile::Builder::new().prefix("pushonce-it-init-").tempdir().expect("a temporary directory");
    let line = format!("{} init --directory {}", env!("CARGO_BIN_EXE_pushonce"), directory.path().display());
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &line, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = script.spawn().expect("script, of the package bsdutils");
    let mut terminal = child.stdin.take().expect("its standard input");
    // What was proposed goes first: 21 letters of `http://127.0.0.1:5001`, and so on.
    let url = registry.url();
    write!(terminal, "{url}\r\r\rlatest edge\ryn").expect("typed");
    let output = child.wait_with_output().expect("its end");
    drop(terminal);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}");
    for question in ["Where is the registry?", "Which tags are pushed once?", "Begin in audit mode"] {
        assert!(text.contains(question), "{question}: {text}");
    }
    let policy = std::fs::read_to_string(directory.path().join("policy.toml")).expect("the policy");
    assert!(policy.contains("tags = [\"latest\", \"edge\"]\nmutability = \"forward-only\""), "{policy}");
    assert!(!policy.contains("\nenforcement"), "audit mode was declined: {policy}");
    let server = std::fs::read_to_string(directory.path().join("pushonce.toml")).expect("the configuration");
    assert!(server.contains(&format!("\nurl = \"{url}\"\n")), "{server}");
    let proxy = Pushonce::in_front_of(&url).policy(&policy).start();
    proxy.push("web:1.4.0", &Image::random()).expect_created();
    proxy.push("web:1.4.0", &Image::random()).expect_refused();
}

#[test]
fn init_without_a_terminal_asks_for_nothing() {
    let directory = tempfile::Builder::new().prefix("pushonce-it-init-").tempdir().expect("a temporary directory");
    let init = |options: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pushonce"));
        command.args(["init", "--directory"]).arg(directory.path()).args(options);
        run(command, "this package", directory.path())
    };
    let run = init(&[]);
    assert_eq!(run.status.code(), Some(2), "{run}");
    run.expect_said("--upstream is needed");
    init(&["--upstream", "http://127.0.0.1:5001"]).expect_success().expect_said("pushonce serve --config");
    let run = init(&["--upstream", "http://127.0.0.1:5001"]);
    assert_eq!(run.status.code(), Some(2), "{run}");
    run.expect_said("exists and is not written over");
}
