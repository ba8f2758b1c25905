//! What operators decide about single tags, with the real program: exceptions, yanks, and
//! the platforms of an image that come before it.

mod assembled;
mod over_http;
mod report;

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::harness::postgres::Postgres;
use crate::harness::process::eventually;
use crate::harness::registry::{PASSWORD, USER};
use crate::harness::run::{Run, run};
use crate::harness::{Image, Pushonce, Registry};
use crate::operator::ledger_commands::operate;

/// How long another replica may go on as before, and a little more.
const SOON: Duration = Duration::from_secs(10);

const FOLLOWED: &str = r#"
[[rule]]
name = "releases"
tags = ["semver:x.y.z"]
mutability = "immutable"

[[rule]]
name = "shortcuts"
tags = ["latest", "semver:x.y"]
mutability = "forward-only"
"#;

fn done(proxy: &Pushonce, arguments: &[&str]) -> String {
    operate(proxy, arguments).expect_success().stdout
}

fn grant(proxy: &Pushonce, reference: &str, allow: &str) -> String {
    done(proxy, &["exception", "grant", reference, "--allow", allow, "--for", "5m", "--reason", "a key leaked"])
}

/// Pushes until what was decided has arrived.
fn push_soon(proxy: &Pushonce, name: &str, image: &Image) {
    eventually(SOON, "the exception arrives", || (proxy.push(name, image).status == 201).then_some(()));
}

fn resolved(proxy: &Pushonce, reference: &str) -> Value {
    serde_json::from_str(&done(proxy, &["resolve", reference, "--output", "json"])).expect("JSON")
}

#[test]
fn an_exception_lets_other_bytes_in_once() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let (leaked, repaired, third) = (Image::random(), Image::random(), Image::random());
    proxy.push("web:1.4.0", &leaked).expect_created();
    proxy.push("web:1.4.0", &repaired).expect_refused();
    let granted = grant(&proxy, "web:1.4.0", "push");
    assert!(
        granted.contains("web:1.4.0 may be pushed with other bytes once until ") && granted.ends_with("says ann (a key leaked)\n")
    );
    assert!(done(&proxy, &["exception", "list"]).contains("web:1.4.0"));
    push_soon(&proxy, "web:1.4.0", &repaired);
    assert_eq!(registry.tag_digest("web:1.4.0"), Some(repaired.digest()));
    proxy.pull("web:1.4.0").expect_ok().expect_digest(&repaired.digest());

    // It is as immutable as before, for whoever comes with anything else.
    for other in [&leaked, &third] {
        proxy.push("web:1.4.0", other).expect_refused();
    }
    proxy.push("web:1.4.0", &repaired).expect_created();
    assert!(done(&proxy, &["exception", "list"]).starts_with("no exception is open\n"));
    let log = done(&proxy, &["log", "web:1.4.0", "--output", "json"]);
    for words in [leaked.digest(), repaired.digest(), "of ann: a key leaked".to_owned(), "grant-exception".to_owned()] {
        assert!(log.contains(&words), "{words} is missing: {log}");
    }
    assert_eq!(proxy.metric("pushonce_drift_total", &[]), 0.0, "nobody moved it behind the back");
}

#[test]
fn an_exception_ends_with_its_time_or_is_withdrawn() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let (first, second) = (Image::random(), Image::random());
    proxy.push("web:1.4.0", &first).expect_created();
    let granted = grant(&proxy, "web:1.4.0", "push");
    let id = granted.split([' ', ':']).nth(1).expect("an ID").to_owned();
    let again = operate(&proxy, &["exception", "grant", "web:1.4.0", "--allow", "push", "--reason", "again"]);
    again.expect_failure().expect_said(&format!("withdraw it with `pushonce exception withdraw {id}`"));
    done(&proxy, &["exception", "withdraw", &id, "--reason", "not needed"]);
    operate(&proxy, &["exception", "withdraw", &id, "--reason", "twice"]).expect_failure().expect_said("no exception");
    done(&proxy, &["exception", "grant", "web:1.4.0", "--allow", "push", "--for", "1s", "--reason", "too short"]);
    std::thread::sleep(Duration::from_secs(3));
    proxy.push("web:1.4.0", &second).expect_refused();
    for (time, words) in [("2d", "--for 2d"), ("25h", "at most 24 hours"), ("0s", "at least a second"), ("soon", "--for soon")] {
        let run = operate(&proxy, &["exception", "grant", "web:1.4.0", "--allow", "push", "--for", time, "--reason", "x"]);
        assert_eq!(run.status.code(), Some(2), "{run}");
        run.expect_said(words);
    }
}

#[test]
fn an_exception_lets_a_release_be_deleted_and_then_it_is_burnt() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let image = Image::random();
    proxy.push("web:1.4.0", &image).expect_created();
    let delete = || proxy.delete(&format!("web@{}", image.digest()));
    delete().expect_delete_refused();
    grant(&proxy, "web:1.4.0", "delete");
    eventually(SOON, "the exception arrives", || (delete().status == 202).then_some(()));
    proxy.pull("web:1.4.0").expect_not_found();
    let message = proxy.push("web:1.4.0", &Image::random()).expect_refused();
    assert!(message.contains("was deleted on"), "{message}");
    assert!(done(&proxy, &["exception", "list"]).starts_with("no exception is open\n"));
    let run = operate(&proxy, &["exception", "grant", "web:1.4.0", "--allow", "push", "--reason", "x"]);
    run.expect_failure().expect_said("was deleted and is never used again, not even by an exception");
}

#[test]
fn an_exception_lets_a_forward_only_tag_go_back_once() {
    let registry = Registry::start();
    let proxy = Pushonce::in_front_of(&registry.url()).policy(FOLLOWED).start();
    let (old, new) = (Image::random(), Image::random());
    for (tag, image) in [("1.4.1", &old), ("1.4.2", &new), ("1.4", &new)] {
        proxy.push(&format!("web:{tag}"), image).expect_created();
    }
    proxy.push("web:1.4", &old).expect_refused();
    grant(&proxy, "web:1.4", "push");
    push_soon(&proxy, "web:1.4", &old);
    assert_eq!(registry.tag_digest("web:1.4"), Some(old.digest()));
    // It goes on from there, and back no more.
    proxy.push("web:1.4", &new).expect_created();
    proxy.push("web:1.4", &old).expect_refused();
}

#[test]
fn a_yanked_release_warns_and_no_tag_follows_it() {
    let registry = Registry::start();
    let proxy = Pushonce::in_front_of(&registry.url()).policy(FOLLOWED).start();
    let (good, bad) = (Image::random(), Image::random());
    for (tag, image) in [("1.4.2", &good), ("1.4", &good), ("1.4.3", &bad), ("1.4", &bad), ("edge", &good)] {
        proxy.push(&format!("web:{tag}"), image).expect_created();
    }
    proxy.push("web:1.4", &good).expect_refused();
    let said = done(&proxy, &["yank", "web:1.4.3", "--reason", "loses data"]);
    assert!(said.ends_with("was yanked by ann (loses data); its pulls go on with a warning\n"), "{said}");
    eventually(SOON, "the yank arrives", || proxy.pull("web:1.4.3").header("warning").is_some().then_some(()));
    for tag in ["1.4.3", "1.4"] {
        let pulled = proxy.pull(&format!("web:{tag}"));
        let warning = pulled.expect_ok().header("warning").expect("a warning");
        assert!(warning.contains("web:1.4.3 was yanked on ") && warning.contains(": loses data"), "{warning}");
    }
    assert_eq!(proxy.pull("web:1.4.2").expect_ok().header("warning"), None);
    let message = proxy.push("web:edge", &bad).expect_refused();
    assert!(message.contains("these bytes are 1.4.3, which was yanked on") && message.contains("loses data"), "{message}");
    // Another name of the same bytes is no way around.
    proxy.push("web:v1.4.3", &bad).expect_created();
    proxy.push("web:edge", &bad).expect_refused();
    // What means it already is not pushed anywhere; and the tag may go back to the release before.
    proxy.push("web:1.4", &bad).expect_created();
    proxy.push("web:1.4", &good).expect_created();
    proxy.push("web:1.4", &bad).expect_refused();
    let found = resolved(&proxy, "web:1.4.3");
    assert_eq!((&found["yanked"]["reason"], &found["digest"]), (&"loses data".into(), &bad.digest().into()));
    let run = operate(&proxy, &["resolve", "web:1.4.3"]).expect_success();
    assert!(run.stdout.ends_with(&format!("{}\n", bad.digest())) && run.stderr.contains("was yanked on"), "{run}");

    done(&proxy, &["yank", "web:1.4.3", "--undo", "--reason", "it was the disk"]);
    eventually(SOON, "it is taken back", || (proxy.push("web:1.4", &bad).status == 201).then_some(()));
    operate(&proxy, &["yank", "web:1.4.3", "--undo", "--reason", "twice"]).expect_failure().expect_said("is not yanked");
    operate(&proxy, &["yank", "web:latest", "--reason", "x"])
        .expect_failure()
        .expect_said("releases are yanked, not tags that move");
}

#[test]
fn a_yanked_release_can_be_hidden() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let image = Image::random();
    proxy.push("web:1.4.3", &image).expect_created();
    done(&proxy, &["yank", "web:1.4.3", "--pulls", "refuse", "--reason", "loses data"]);
    eventually(SOON, "the yank arrives", || (proxy.pull("web:1.4.3").status == 404).then_some(()));
    proxy.head("web:1.4.3").expect(404);
    proxy.pull(&format!("web@{}", image.digest())).expect_ok();
    proxy.push("web:1.4.3", &Image::random()).expect_refused();
}

#[test]
fn every_replica_serves_the_new_bytes_within_seconds() {
    let registry = Registry::start();
    let url = Postgres::shared().schema();
    let replicas = [(); 2].map(|()| Pushonce::in_front_of(&registry.url()).environment("PUSHONCE_LEDGER__URL", &url).start());
    let (leaked, repaired) = (Image::random(), Image::random());
    replicas[0].push("web:1.4.0", &leaked).expect_created();
    for replica in &replicas {
        replica.pull("web:1.4.0").expect_ok().expect_digest(&leaked.digest());
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_pushonce"));
    command.args(["exception", "grant", "web:1.4.0", "--allow", "push", "--reason", "a key leaked", "--config"]);
    command.arg(replicas[0].config_file()).env("PUSHONCE_LEDGER__URL", &url);
    let granted: Run = run(command, "this package", replicas[0].directory());
    granted.expect_success();
    push_soon(&replicas[1], "web:1.4.0", &repaired);
    for replica in &replicas {
        let serves = || (replica.head("web:1.4.0").header("docker-content-digest") == Some(&repaired.digest())).then_some(());
        eventually(SOON, "the new bytes", serves);
        replica.push("web:1.4.0", &leaked).expect_refused();
        replica.push("web:1.4.0", &repaired).expect_created();
    }
}

#[test]
fn whoever_may_not_push_uses_no_exception_up() {
    let registry = Registry::with().basic_auth().start();
    let proxy = Pushonce::in_front_of(&registry.url()).policy(FOLLOWED).start();
    let developer = proxy.signed_in(USER, PASSWORD);
    let (old, new) = (Image::random(), Image::random());
    for (tag, image) in [("1.4.1", &old), ("1.4.2", &new), ("1.4", &new)] {
        developer.push(&format!("web:{tag}"), image).expect_created();
    }
    for reference in ["web:1.4", "web:1.4.2"] {
        grant(&proxy, reference, "push");
    }
    std::thread::sleep(Duration::from_secs(3));
    for outsider in [proxy.signed_in("stranger", PASSWORD), proxy.signed_in(USER, "wrong")] {
        for reference in ["web:1.4", "web:1.4.2"] {
            outsider.put_manifest(reference, &old.manifest).expect(401);
        }
    }
    let open = done(&proxy, &["exception", "list"]);
    assert!(open.contains("web:1.4 ") && open.contains("web:1.4.2 "), "{open}");
    developer.push("web:1.4", &old).expect_created();
    developer.push("web:1.4.2", &old).expect_created();
    assert!(done(&proxy, &["exception", "list"]).starts_with("no exception is open\n"));
}
