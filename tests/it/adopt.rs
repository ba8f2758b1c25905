//! `pushonce adopt` on a registry that has tags already.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::Duration;

use rusqlite::Connection;

use crate::harness::pushonce::POLICY;
use crate::harness::registry::{PASSWORD, USER};
use crate::harness::run::{Run, run};
use crate::harness::{Answer, Image, Pushonce, Registry, TokenServer, Upstream};
use crate::operator::ledger_commands::{ledger_of, operate};

/// Two repositories that were there before: three tags that the policy holds, two that move.
fn grown() -> (Registry, [Image; 2]) {
    let registry = Registry::start();
    let images = [Image::random(), Image::random()];
    for tag in ["driftwood/web:1.4.0", "driftwood/web:git-0a1b2c3", "driftwood/web:latest"] {
        registry.put_tag_behind_the_back(tag, &images[0]);
    }
    for tag in ["driftwood/api:2.0.0", "driftwood/api:edge"] {
        registry.put_tag_behind_the_back(tag, &images[1]);
    }
    (registry, images)
}

fn count(proxy: &Pushonce, table: &str) -> i64 {
    let ledger = Connection::open(ledger_of(proxy)).expect("the ledger");
    ledger.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).expect("a number")
}

#[track_caller]
fn adopt(proxy: &Pushonce, arguments: &[&str]) -> String {
    operate(proxy, &[&["adopt"], arguments].concat()).expect_success().stdout
}

#[track_caller]
fn fails(run: &Run, code: i32, words: &str) {
    assert_eq!(run.status.code(), Some(code), "{run}");
    assert!(run.stderr.contains(words), "{words} is missing: {run}");
}

#[test]
fn a_dry_run_says_what_would_be_frozen_and_writes_nothing() {
    let (registry, _) = grown();
    let proxy = Pushonce::start(&registry);
    let said = adopt(&proxy, &["--dry-run"]);
    let shown = include_str!("../../docs/AUDIT.md");
    assert!(shown.contains(&format!("$ pushonce adopt --dry-run\n{said}```")), "docs/AUDIT.md does not show this: {said}");
    let json: serde_json::Value = serde_json::from_str(&adopt(&proxy, &["--dry-run", "--output", "json"])).expect("JSON");
    assert_eq!(json["tags"], 5);
    assert_eq!(json["rules"][1]["tags"][0], "2.0.0");
    assert_eq!((count(&proxy, "tags"), count(&proxy, "events")), (0, 0));
}

/// Before the proxy has ever run: the order in which an operator begins.
#[test]
fn a_registry_is_adopted_before_the_first_start() {
    let (registry, images) = grown();
    let directory = tempfile::tempdir().expect("a directory");
    let config =
        format!("upstream.url = \"{}\"\nledger.url = \"sqlite:ledger.db\"\npolicy.file = \"policy.toml\"\n", registry.url());
    fs::write(directory.path().join("pushonce.toml"), config).expect("written");
    fs::write(directory.path().join("policy.toml"), POLICY).expect("written");
    let pushonce = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pushonce"));
        command.args(arguments).args(["--config", "pushonce.toml"]).current_dir(directory.path());
        run(command, "this package", directory.path())
    };
    pushonce(&["adopt", "--dry-run"]).expect_success();
    assert!(!directory.path().join("ledger.db").exists(), "a dry run makes no ledger");
    fails(&pushonce(&["audit"]), 1, "there is no ledger");
    let said = pushonce(&["adopt"]).expect_success().stdout;
    assert!(said.ends_with("\n  5 entered\n"), "{said}");
    let pin = format!("driftwood/web@{}\n", images[0].digest());
    assert_eq!(pushonce(&["resolve", "driftwood/web:1.4.0"]).expect_success().stdout, pin);
}

#[test]
fn what_is_entered_is_held_and_in_the_log() {
    let (registry, images) = grown();
    let proxy = Pushonce::start(&registry);
    let said = adopt(&proxy, &[]);
    assert!(said.starts_with("looked at 5 tags of 2 repositories in ") && said.contains(" a second\n"), "{said}");
    assert!(said.ends_with("\n  5 entered\n"), "{said}");

    let answer = proxy.push("driftwood/web:1.4.0", &images[1]);
    answer.expect_refused();
    let pin = format!("driftwood/api@{}\n", images[1].digest());
    assert_eq!(operate(&proxy, &["resolve", "driftwood/api:edge"]).expect_success().stdout, pin);
    let log = operate(&proxy, &["log", "--outcome", "adopted", "--output", "json"]).expect_success().stdout;
    assert_eq!(log.lines().count(), 5, "{log}");
    assert!(log.lines().all(|line| line.contains("\"who\":\"ann\"") && line.contains("\"request\":\"adopt\"")), "{log}");

    // What is known costs the registry nothing but the lists.
    let asked = || fs::read_to_string(registry.log_file()).expect("its log").matches("/manifests/").count();
    let before = asked();
    assert!(adopt(&proxy, &[]).ends_with("\n  5 known before\n"));
    assert_eq!(asked(), before);
    let json: serde_json::Value = serde_json::from_str(&adopt(&proxy, &["--output", "json"])).expect("JSON");
    assert_eq!((&json["known"], &json["entered"], &json["failed"]), (&5.into(), &0.into(), &0.into()));
}

#[test]
fn one_that_was_killed_goes_on_where_it_was() {
    let registry = Registry::start();
    let image = Image::random();
    for number in 0..30 {
        registry.put_tag_behind_the_back(&format!("web:1.0.{number}"), &image);
    }
    let proxy = Pushonce::start(&registry);
    let mut command = Command::new(env!("CARGO_BIN_EXE_pushonce"));
    command.args(["adopt", "--concurrency", "1", "--config"]).arg(proxy.config_file());
    let mut killed = command.env("FAILPOINTS", "gate-adopting=sleep(100)").spawn().expect("pushonce");
    while count(&proxy, "tags") < 3 {
        thread::sleep(Duration::from_millis(20));
    }
    killed.kill().expect("killed");
    killed.wait().expect("ended");
    let standing = count(&proxy, "tags");
    assert!((3..30).contains(&standing), "{standing}");
    let said = adopt(&proxy, &[]);
    assert!(said.contains(&format!("  {} entered\n  {standing} known before\n", 30 - standing)), "{said}");
    assert_eq!((count(&proxy, "tags"), count(&proxy, "events")), (30, 30));
}

#[test]
fn repositories_can_be_named() {
    let (registry, _) = grown();
    let proxy = Pushonce::start(&registry);
    let list = proxy.directory().join("list");
    fs::write(&list, "# those of the team\ndriftwood/api\n").expect("written");
    let list = list.display().to_string();
    assert!(adopt(&proxy, &["--repositories-file", &list]).ends_with("\n  2 entered\n"));
    assert!(adopt(&proxy, &["driftwood/web", "driftwood/web"]).ends_with("\n  3 entered\n"));

    let run = operate(&proxy, &["adopt", "driftwood/web", "driftwood/none"]);
    fails(&run, 1, "1 could not be looked at; run it again when that is mended");
    fails(&run, 1, "driftwood/none: the registry knows no such repository, or hides it");
    assert!(run.stdout.ends_with("\n  3 known before\n"), "{run}");
    fails(&operate(&proxy, &["adopt", "Driftwood"]), 2, "`Driftwood` is no repository");
    fails(&operate(&proxy, &["adopt", "--repositories-file", "/nowhere"]), 2, "/nowhere: it cannot be read");
    fails(&operate(&proxy, &["adopt", "--concurrency", "0"]), 2, "0 is not in 1..=100");
}

#[test]
fn a_private_registry_asks_for_the_account() {
    let registry = Registry::with().basic_auth().start();
    registry.as_user().push("web:1.4.0", &Image::random()).expect_created();
    let proxy = Pushonce::start(&registry);
    fails(&operate(&proxy, &["adopt"]), 1, "it answered 401 to /v2/_catalog; name the repositories");
    fails(
        &operate(&proxy, &["adopt", "web"]),
        1,
        "web: the registry lets nobody list its tags: it answered 401; set `upstream.username`",
    );
    let account = format!("upstream.username = \"{USER}\"\nupstream.password = \"{PASSWORD}\"");
    let proxy = Pushonce::in_front_of(&registry.url()).setting(&account).start();
    assert!(adopt(&proxy, &[]).ends_with("\n  1 entered\n"));
}

#[test]
fn a_token_is_asked_for_the_catalog() {
    let tokens = std::sync::Arc::new(TokenServer::start());
    tokens.user("gate", "gate-password", &["*", "pull", "push"]);
    let registry = Registry::with().token_auth(&tokens).start();
    let account = "upstream.username = \"gate\"\nupstream.password = \"gate-password\"";
    let proxy = Pushonce::in_front_of(&registry.url()).setting(account).start();
    let said = adopt(&proxy, &[]);
    assert!(said.starts_with("looked at 0 tags of 0 repositories"), "{said}");
}

#[test]
fn every_page_is_followed() {
    let manifest = Image::random().manifest;
    let digest = manifest.digest();
    let upstream = Upstream::start(move |request| {
        let target = request.target();
        let json = |body: String, next: Option<String>| {
            let link = next.map(|next| ("Link", format!("<{next}>; rel=\"next\"")));
            Answer::Respond { status: 200, headers: link.into_iter().collect(), body: body.into_bytes() }
        };
        let page = || target.rsplit_once("last=").map_or(0, |(_, page)| page.parse::<u32>().expect("a page"));
        if target.starts_with("/v2/_catalog") {
            let next = (page() < 4).then(|| format!("/v2/_catalog?n=1&last={}", page() + 1));
            // A name that no repository can have is left out.
            return json(format!("{{\"repositories\":[\"app/{}\",\"../Odd\"]}}", page()), next);
        }
        if let Some(rest) = target.strip_prefix("/v2/app/").filter(|rest| rest.contains("/tags/list")) {
            let repository = &rest[..1];
            let next = (page() < 2).then(|| format!("/v2/app/{repository}/tags/list?n=1&last={}", page() + 1));
            return json(format!("{{\"tags\":[\"1.0.{}\",\"-odd\"]}}", page()), next);
        }
        if target.contains("/manifests/") {
            let headers = vec![
                ("Content-Type", "application/vnd.oci.image.manifest.v1+json".to_owned()),
                ("Docker-Content-Digest", digest.clone()),
            ];
            return Answer::Respond { status: 200, headers, body: manifest.bytes.clone() };
        }
        Answer::status(200)
    });
    let proxy = Pushonce::in_front_of(&upstream.url()).start();
    let said = adopt(&proxy, &[]);
    assert!(said.starts_with("looked at 15 tags of 5 repositories") && said.ends_with("\n  15 entered\n"), "{said}");
}

#[test]
fn a_registry_that_lists_nothing_of_use_is_an_error_in_words() {
    let answering = |answer: fn() -> Answer| {
        let upstream = Upstream::start(move |request| match request.target() {
            target if target.starts_with("/v2/_catalog") => answer(),
            _ => Answer::status(200),
        });
        let proxy = Pushonce::in_front_of(&upstream.url()).start();
        operate(&proxy, &["adopt"])
    };
    fails(&answering(|| Answer::status(404)), 1, "the registry gives no list of its repositories: it answered 404");
    fails(&answering(|| Answer::Respond { status: 200, headers: Vec::new(), body: b"[1]".to_vec() }), 1, "no list of repositories");
    let endless = answering(|| Answer::Respond {
        status: 200,
        headers: vec![("Link", "</v2/_catalog?last=a>; rel=\"next\"".to_owned())],
        body: b"{\"repositories\":[\"a\"]}".to_vec(),
    });
    fails(&endless, 1, "the list of repositories has more than 10000 pages");
    let mut registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    registry.stop();
    fails(&operate(&proxy, &["adopt"]), 1, "cannot connect to ");
}
