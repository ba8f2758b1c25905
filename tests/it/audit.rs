//! `pushonce audit`, and audits in the background, of a registry that somebody wrote to.

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::postgres::Postgres;
use crate::harness::process::eventually;
use crate::harness::run::Run;
use crate::harness::{Image, Pushonce, Registry};
use crate::operator::ledger_commands::operate;

const PATIENCE: Duration = Duration::from_secs(60);

/// Releases may be deleted here, and are burnt then.
const POLICY: &str = "
[[rule]]
name = \"releases\"
tags = [\"semver:x.y.z\"]
mutability = \"immutable\"
delete = \"allow\"
";

#[track_caller]
fn audit(proxy: &Pushonce, arguments: &[&str], code: i32) -> Run {
    let run = operate(proxy, &[&["audit"], arguments].concat());
    assert_eq!(run.status.code(), Some(code), "{run}");
    run
}

/// Each difference in short, such as `drifted web:1.4.0`.
fn differences(run: &Run) -> Vec<String> {
    let answer: Value = serde_json::from_str(&run.stdout).expect("JSON");
    let rows = answer["differences"].as_array().expect("a list");
    let word = |row: &Value, key: &str| row[key].as_str().expect("a word").to_owned();
    rows.iter().map(|row| format!("{} {}:{}", word(row, "difference"), word(row, "repository"), word(row, "tag"))).collect()
}

/// How many events of the log have this outcome.
fn events(proxy: &Pushonce, outcome: &str) -> usize {
    let log = operate(proxy, &["log", "--outcome", outcome, "--output", "json", "--all"]).expect_success().stdout;
    log.lines().count()
}

/// A registry in which everything differs that can, and what 1.0.0 means.
fn astray(proxy: &Pushonce, registry: &Registry) -> Image {
    let first = Image::random();
    proxy.push("web:1.0.0", &first).expect_created();
    for tag in ["web:1.0.1", "web:1.0.2", "web:1.0.3", "web:1.0.9", "web:latest"] {
        proxy.push(tag, &Image::random()).expect_created();
    }
    registry.put_tag_behind_the_back("web:1.0.0", &Image::random());
    registry.lose_tag("web", "1.0.1");
    let gone = registry.tag_digest("web:1.0.2").expect("a digest");
    registry.delete(&format!("web@{gone}")).expect(202);
    let burnt = registry.tag_digest("web:1.0.3").expect("a digest");
    proxy.delete(&format!("web@{burnt}")).expect(202);
    registry.put_tag_behind_the_back("web:1.0.3", &Image::random());
    registry.put_tag_behind_the_back("web:latest", &Image::random());
    registry.put_tag_behind_the_back("other:3.0.0", &Image::random());
    first
}

#[test]
fn a_registry_that_agrees_is_said_to() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    for tag in ["web:1.4.0", "web:1.4", "api:git-0a1b2c3"] {
        proxy.push(tag, &Image::random()).expect_created();
    }
    let said = audit(&proxy, &[], 0).stdout;
    assert!(said.starts_with("the registry is as the ledger says; looked at 3 tags of 2 repositories in "), "{said}");
    let said: Value = serde_json::from_str(&audit(&proxy, &["--output", "json"], 0).stdout).expect("JSON");
    assert_eq!((&said["differences"], &said["tags"], &said["failed"]), (&json!([]), &json!(3), &json!(0)));
    assert_eq!(events(&proxy, "drifted") + events(&proxy, "missing") + events(&proxy, "seen"), 0);
}

#[test]
fn everything_that_differs_is_named_told_once_and_put_right_where_it_can_be() {
    let registry = Registry::start();
    let proxy = Pushonce::in_front_of(&registry.url()).policy(POLICY).start();
    let first = astray(&proxy, &registry);
    let run = audit(&proxy, &["--output", "json"], 3);
    let standing = ["unseen other:3.0.0", "drifted web:1.0.0", "missing web:1.0.1", "content-gone web:1.0.2", "returned web:1.0.3"];
    assert_eq!(differences(&run), [&standing[..], &["moved web:latest"]].concat());
    let answer: Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!(answer["differences"][1]["means"], first.digest());
    assert_eq!(answer["differences"][1]["found"], registry.tag_digest("web:1.0.0").expect("a digest"));
    assert_eq!((events(&proxy, "drifted"), events(&proxy, "missing"), events(&proxy, "seen")), (2, 2, 1));

    // A second audit writes nothing that was written before.
    let run = audit(&proxy, &[], 3);
    assert!(run.stdout.contains("\n5 tags differ; looked at 7 tags of 2 repositories in "), "{run}");
    let shown = include_str!("../../docs/AUDIT.md");
    for words in ["  drifted ", "  pushonce audit --repair\n", "  unseen ", "  pushonce adopt, if these are the right bytes\n"] {
        assert!(run.stdout.contains(words) && shown.contains(words), "{words}: {run}");
    }
    assert_eq!((events(&proxy, "drifted"), events(&proxy, "missing"), events(&proxy, "seen")), (2, 2, 1));

    let run = audit(&proxy, &["--repair", "--output", "json"], 3);
    let expected =
        ["unseen other:3.0.0", "repaired web:1.0.0", "repaired web:1.0.1", "content-gone web:1.0.2", "returned web:1.0.3"];
    assert_eq!(differences(&run), expected);
    assert_eq!(registry.tag_digest("web:1.0.0"), Some(first.digest()));
    assert!(registry.tag_digest("web:1.0.1").is_some());
    let log = operate(&proxy, &["log", "--outcome", "repaired", "--output", "json"]).expect_success().stdout;
    assert_eq!(log.lines().count(), 2, "{log}");
    assert!(log.lines().all(|line| line.contains("\"who\":\"ann\"") && line.contains("\"request\":\"audit\"")), "{log}");
    assert_eq!(differences(&audit(&proxy, &["web", "--output", "json"], 3)), ["content-gone web:1.0.2", "returned web:1.0.3"]);
}

#[test]
fn a_registry_that_is_down_is_no_difference() {
    let mut registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    proxy.push("web:1.4.0", &Image::random()).expect_created();
    registry.stop();
    let run = audit(&proxy, &["web"], 1);
    assert!(run.stderr.contains("web: cannot connect to "), "{run}");
    assert!(run.stdout.starts_with("nothing differs of what could be looked at; "), "{run}");
    assert_eq!(events(&proxy, "missing"), 0);
}

#[test]
fn audits_in_the_background_count_tell_and_repair() {
    let registry = Registry::start();
    let builder = Pushonce::in_front_of(&registry.url()).policy(POLICY);
    let mut proxy = builder.setting("audit.interval = \"1s\"").start();
    let first = astray(&proxy, &registry);
    let metric = |proxy: &Pushonce, kind: &str| proxy.metric("pushonce_audit_differences", &[("difference", kind)]);
    eventually(PATIENCE, "every kind is counted", || {
        let found = ["drifted", "missing", "content-gone", "returned", "unseen"].map(|kind| metric(&proxy, kind));
        (found == [1.0; 5]).then_some(())
    });
    assert_eq!(proxy.metric("pushonce_audit_tags", &[]), 7.0);
    assert!(proxy.metric("pushonce_audit_ended_timestamp_seconds", &[]) > 1.7e9);
    let lines = || proxy.log().matches("an audit found differences, or could not look everywhere").count();
    let before = lines();
    eventually(PATIENCE, "further audits", || (lines() >= before + 2).then_some(()));
    assert_eq!((events(&proxy, "drifted"), events(&proxy, "missing")), (2, 2), "each is told once");

    // What one process has found, the next one knows: no audit begins before its time.
    proxy.set_environment("PUSHONCE_AUDIT__INTERVAL", Some("1h"));
    proxy.restart();
    thread::sleep(Duration::from_secs(2));
    assert_eq!(proxy.metric("pushonce_audit_ended_timestamp_seconds", &[]), 0.0);

    proxy.set_environment("PUSHONCE_AUDIT__INTERVAL", Some("1s"));
    proxy.set_environment("PUSHONCE_AUDIT__REPAIR", Some("true"));
    proxy.restart();
    eventually(PATIENCE, "the pointer is right", || (registry.tag_digest("web:1.0.0") == Some(first.digest())).then_some(()));
    eventually(PATIENCE, "it is as the ledger says", || (metric(&proxy, "drifted") == 0.0).then_some(()));
    assert!(proxy.log().contains("the registry's pointer of an immutable tag was put right"));
    assert!(proxy.terminate().success());
}

#[test]
fn of_two_replicas_one_audits_and_the_other_takes_over() {
    let (registry, database) = (Registry::start(), Postgres::shared());
    let name = database.database();
    let url = database.url(&name);
    let replica = || {
        let proxy = Pushonce::in_front_of(&registry.url()).environment("PUSHONCE_LEDGER__URL", &url);
        proxy.setting("audit.interval = \"1s\"").start()
    };
    let mut replicas = [replica(), replica()];
    replicas[0].push("web:1.4.0", &Image::random()).expect_created();
    registry.put_tag_behind_the_back("web:1.4.0", &Image::random());
    let audits = |proxy: &Pushonce| proxy.metric("pushonce_audit_ended_timestamp_seconds", &[]) > 0.0;
    eventually(PATIENCE, "one audits", || replicas.iter().any(audits).then_some(()));
    for _ in 0..30 {
        let busy: Vec<bool> = replicas.iter().map(audits).collect();
        assert_ne!(busy, [true, true]);
        thread::sleep(Duration::from_millis(100));
    }
    let holder = eventually(PATIENCE, "one audits", || replicas.iter().position(audits));
    let other = 1 - holder;
    replicas[holder].kill9();
    eventually(PATIENCE, "the other one takes over", || audits(&replicas[other]).then_some(()));
    let told = database.sql(&name, "SELECT count(*) FROM events WHERE outcome = 'drifted'");
    assert_eq!(told.trim(), "1", "both found the same");
}
