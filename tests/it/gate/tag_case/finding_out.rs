//! `pushonce check --online`: what does the registry do with the case of tags?

use std::sync::Arc;

use crate::harness::registry::{PASSWORD, USER};
use crate::harness::run::Run;
use crate::harness::{Answer, Faults, Image, Pushonce, Registry, TokenServer, Upstream};
use crate::operator::ledger_commands::operate;

use super::{FOLD, Stage};

fn check(proxy: &Pushonce, arguments: &[&str]) -> Run {
    operate(proxy, &[&["check", "--online"], arguments].concat())
}

/// What it said on standard output where the exit code is 0.
#[track_caller]
fn told(run: Run) -> String {
    assert_eq!(run.stderr, "", "{run}");
    run.expect_success().stdout
}

#[track_caller]
fn mistaken(run: &Run, words: &[&str]) {
    assert_eq!(run.status.code(), Some(2), "{run}");
    for words in words {
        assert!(run.stderr.contains(words), "expected {words:?}\n{run}");
    }
}

/// Of the requests since then.
#[track_caller]
fn expect_reads_alone(front: &Faults, before: usize) {
    let asked: Vec<String> = front.requests()[before..].iter().map(|request| request.method().to_owned()).collect();
    assert!(asked.len() >= 4 && asked.iter().all(|method| ["GET", "HEAD"].contains(&method.as_str())), "{asked:?}");
}

#[test]
fn a_registry_that_folds_is_found() {
    let stage = Stage::with("");
    stage.proxy.push("driftwood/web:1.4.0", &Image::random()).expect_created();
    stage.proxy.push("driftwood/web:latest", &Image::random()).expect_created();
    let before = stage.front.requests().len();
    let run = check(&stage.proxy, &[]);
    expect_reads_alone(&stage.front, before);
    let fact = "error: the registry folds the case of tags, but `upstream.tag_case` is `keep`: \
                it answers `driftwood/web:LATEST` with what `driftwood/web:latest` means";
    mistaken(&run, &[fact, "write `tag_case = \"fold\"` under `[upstream]`", "gets around a rule for `driftwood/web:latest`"]);
    // What docs/CONFIGURATION.md shows is what is said.
    let shown = run.stderr.replace(&format!("{}/", stage.proxy.directory().display()), "");
    let document = std::fs::read_to_string("docs/CONFIGURATION.md").expect("the document");
    assert!(document.contains(&format!("```text\n{shown}```")), "{shown}");

    let proxy = Pushonce::in_front_of(&stage.front.url()).setting(FOLD).start();
    let said = told(check(&proxy, &[]));
    assert!(said.contains("no mistakes\n") && said.contains(": the registry folds the case of tags, as `upstream.tag_case` says"));
}

#[test]
fn a_registry_that_keeps_is_found() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    for tag in ["web:V1", "web:v1", "web:edge"] {
        proxy.push(tag, &Image::random()).expect_created();
    }
    let said = told(check(&proxy, &[]));
    assert!(said.contains(": the registry keeps the case of tags, as `upstream.tag_case` says: it has `web:"), "{said}");
    let front = Faults::in_front_of(registry.address());
    let proxy = Pushonce::in_front_of(&front.url()).setting(FOLD).start();
    let before = front.requests().len();
    let run = check(&proxy, &[]);
    mistaken(
        &run,
        &["the registry keeps the case of tags, but `upstream.tag_case` is `fold`", "cannot be reached through pushonce"],
    );
    expect_reads_alone(&front, before);
}

#[test]
fn no_more_than_a_few_tags_are_asked_for() {
    let registry = Registry::start();
    let image = Image::random();
    for repository in 0..24 {
        for tag in ["a", "b", "c"] {
            registry.push(&format!("app{repository:02}:{tag}"), &image).expect_created();
        }
    }
    let front = Faults::in_front_of(registry.address());
    let proxy = Pushonce::in_front_of(&front.url()).start();
    let before = front.requests().len();
    told(check(&proxy, &[]));
    let asked = front.requests();
    let count = |part: &str| asked[before..].iter().filter(|request| request.target().contains(part)).count();
    assert_eq!((count("/v2/_catalog"), count("/tags/list"), count("/manifests/")), (1, 3, 12));
}

#[test]
fn what_cannot_be_told_is_said_with_the_way_to_it() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let cannot = "whether the registry folds the case of tags could not be told: ";
    let said = told(check(&proxy, &[]));
    assert!(said.contains(&format!("{cannot}the registry lists no repository; push one, such as `latest`")), "{said}");
    proxy.push("web:1.4.0", &Image::random()).expect_created();
    let said = told(check(&proxy, &[]));
    assert!(said.contains(&format!("{cannot}the repository that was looked at has no tag with a letter in it")), "{said}");
    proxy.push("web:latest", &Image::random()).expect_created();
    assert!(told(check(&proxy, &[])).contains("the registry keeps the case of tags"));

    let upstream = Upstream::start(|request| match request.target() {
        target if target.starts_with("/v2/_catalog") => Answer::status(404),
        _ => Answer::status(200),
    });
    let said = told(check(&Pushonce::in_front_of(&upstream.url()).start(), &[]));
    assert!(said.contains("gives no list of its repositories: it answered 404; name one with --repository\n"), "{said}");
}

#[test]
fn a_private_registry_is_asked_with_the_account() {
    let registry = Registry::with().basic_auth().start();
    registry.as_user().push("web:latest", &Image::random()).expect_created();
    let front = Faults::folding_in_front_of(registry.address());
    let proxy = Pushonce::in_front_of(&front.url()).start();
    let said = told(check(&proxy, &[]));
    assert!(said.contains("it answered 401; set `upstream.username`, or name one with --repository"), "{said}");
    let said = told(check(&proxy, &["--repository", "web"]));
    assert!(said.contains("the registry lets nobody list its tags: it answered 401; set `upstream.username`"), "{said}");
    let account = format!("upstream.username = \"{USER}\"\nupstream.password = \"{PASSWORD}\"");
    let proxy = Pushonce::in_front_of(&front.url()).setting(&account).start();
    mistaken(&check(&proxy, &[]), &["the registry folds the case of tags"]);
    mistaken(&check(&proxy, &["--repository", "web"]), &["the registry folds the case of tags"]);
}

#[test]
fn a_registry_with_a_token_service_is_asked_with_the_account() {
    let tokens = Arc::new(TokenServer::start());
    tokens.user("gate", "gate-password", &["*", "pull", "push"]);
    let registry = Registry::with().token_auth(&tokens).start();
    let account = "upstream.username = \"gate\"\nupstream.password = \"gate-password\"";
    let proxy = Pushonce::in_front_of(&registry.url()).setting(account).start();
    assert!(told(check(&proxy, &[])).contains("the registry lists no repository"));
}

#[test]
fn a_registry_that_gives_no_answer_is_a_failure_with_its_cause() {
    let mut registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    registry.stop();
    let run = check(&proxy, &[]);
    assert_eq!(run.status.code(), Some(1), "{run}");
    assert!(run.stdout.contains("no mistakes\n"), "{run}");
    assert!(run.stderr.contains("what it does with the case of tags could not be asked: cannot connect to "), "{run}");

    let upstream = Upstream::start(|request| match request.target() {
        target if target.starts_with("/v2/_catalog") => Answer::status(503),
        target if target.contains("/tags/list") => Answer::status(502),
        _ => Answer::status(200),
    });
    let proxy = Pushonce::in_front_of(&upstream.url()).start();
    for (arguments, cause) in [
        (&[][..], "the registry gives no list of its repositories: it answered 503"),
        (&["--repository", "web"], "the registry answered GET of web tags/list with 502"),
    ] {
        let run = check(&proxy, arguments);
        assert_eq!(run.status.code(), Some(1), "{run}");
        assert!(run.stderr.contains(cause), "{run}");
    }
}

#[test]
fn what_check_finds_without_the_registry_comes_first() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let policy = proxy.directory().join("policy.toml");
    let check_file = |file: &std::path::Path| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_pushonce"));
        command.args(["check", "--online"]).arg(file);
        crate::harness::run::run(command, "this package", proxy.directory())
    };
    mistaken(&check_file(&policy), &["is a policy, which names no registry"]);
    mistaken(&check(&proxy, &["--repository", "Web"]), &["Web"]);
    mistaken(&operate(&proxy, &["check", "--repository", "web"]), &["--online"]);
    proxy.set_policy("[[rule]]\nname = \"candidates\"\ntags = [\"RC-*\"]\nmutability = \"immutable\"\n");
    told(check(&proxy, &[]));
    let config = std::fs::read_to_string(proxy.config_file()).expect("the configuration");
    std::fs::write(proxy.config_file(), format!("{config}{FOLD}\n")).expect("the configuration");
    mistaken(&check(&proxy, &[]), &["`rule.tags` has a pattern that no tag of this registry matches", "write `rc-*`"]);
}
