//! What operators ask and do by either name of a tag that is one.

use std::time::Duration;

use jiff::Timestamp;
use pushonce::clock::AttemptId;
use pushonce::ledger::sqlite::SqliteLedger;
use pushonce::ledger::{Claimed, Ledger, Note, TagKey};
use pushonce::oci::{Digest, RepositoryName, Tag};
use serde_json::Value;

use crate::harness::process::eventually;
use crate::harness::{Answer, Image, Pushonce, Upstream};
use crate::operator::ledger_commands::{leave_open, ledger_of, operate};

use super::{FOLD, Stage, state, store};

#[track_caller]
fn said(proxy: &Pushonce, arguments: &[&str]) -> String {
    operate(proxy, arguments).expect_success().stdout
}

fn asked(proxy: &Pushonce, target: &str) -> Value {
    serde_json::from_slice(&proxy.admin().request("GET", target).send().expect_ok().body).expect("JSON")
}

#[test]
fn questions_by_either_name_have_one_answer() {
    let stage = Stage::with(FOLD);
    let (first, second) = (Image::random(), Image::random());
    stage.proxy.push("web:V1.4.0", &first).expect_created();
    stage.proxy.push("web:v1.4.0", &second).expect_refused();
    for name in ["web:V1.4.0", "web:v1.4.0"] {
        assert_eq!(said(&stage.proxy, &["resolve", name]), format!("web@{}\n", first.digest()));
        let log = said(&stage.proxy, &["log", name]);
        assert!(log.contains(" pushed ") && log.contains(" refused ") && !log.contains("V1.4.0"), "{log}");
        let explained = said(&stage.proxy, &["explain", name]);
        assert!(explained.starts_with("web:v1.4.0 is immutable\n"), "{explained}");
    }
    let explained = said(&stage.proxy, &["explain", "web:V1.4.0"]);
    assert!(explained.contains("\n  `V1.4.0` is `v1.4.0` there: the registry folds the case of tags\n"), "{explained}");

    let resolved = asked(&stage.proxy, "/api/v1/resolve?repository=web&tag=V1.4.0");
    assert_eq!((&resolved["tag"], &resolved["digest"]), (&"v1.4.0".into(), &first.digest().into()), "{resolved}");
    let log = asked(&stage.proxy, "/api/v1/log?repository=web&tag=V1.4.0");
    assert_eq!(log["entries"].as_array().map(Vec::len), Some(2), "{log}");
    for page in ["/tag?repository=web&tag=V1.4.0", "/log?repository=web&tag=V1.4.0", "/policy?reference=web:V1.4.0"] {
        let page = stage.proxy.admin().request("GET", page).send().expect_ok().text();
        assert!(page.contains("v1.4.0"), "{page}");
    }
}

#[test]
fn acts_by_either_name_are_about_one_tag() {
    let stage = Stage::with(FOLD);
    let (first, second) = (Image::random(), Image::random());
    stage.proxy.push("web:v1.4.0", &first).expect_created();
    said(&stage.proxy, &["exception", "grant", "web:V1.4.0", "--allow", "push", "--reason", "a key leaked"]);
    let is_taken = || (stage.proxy.push("web:v1.4.0", &second).status == 201).then_some(());
    eventually(Duration::from_secs(10), "the exception arrives", is_taken);
    assert_eq!(stage.registry.tag_digest("web:v1.4.0"), Some(second.digest()));

    let yanked = said(&stage.proxy, &["yank", "web:V1.4.0", "--reason", "loses data"]);
    assert!(yanked.starts_with("web:v1.4.0 ("), "{yanked}");

    let release = ["release-claim", "web:V1.4.0", "--reason", "the build is gone"];
    operate(&stage.proxy, &release).expect_failure().expect_said("web:v1.4.0");
    leave_open(&stage.proxy, std::iter::once("v1.5.0".to_owned()));
    let released = said(&stage.proxy, &["release-claim", "web:V1.5.0", "--reason", "the build is gone"]);
    assert!(released.starts_with("web:v1.5.0 is free again"), "{released}");
}

#[test]
fn walks_look_at_every_tag_once() {
    let stage = Stage::with(FOLD);
    let image = Image::random();
    for tag in ["web:v1.4.0", "web:latest"] {
        stage.registry.put_tag_behind_the_back(tag, &image);
    }
    let adopted = said(&stage.proxy, &["adopt"]);
    assert!(adopted.ends_with("\n  2 entered\n"), "{adopted}");
    assert_eq!(state(&stage.proxy, "web", "v1.4.0").as_deref(), Some("sealed"));
    stage.proxy.push("web:V1.4.0", &Image::random()).expect_refused();
    said(&stage.proxy, &["audit"]);
}

/// A registry that lists tags as they were pushed, and takes them for one all the same.
#[test]
fn a_list_with_two_names_of_a_tag_has_one() {
    let image = Image::random();
    let (bytes, digest) = (image.manifest.bytes.clone(), image.digest());
    let upstream = Upstream::start(move |request| {
        let json = |text: &str| Answer::Respond { status: 200, headers: Vec::new(), body: text.as_bytes().to_vec() };
        match request.target() {
            target if target.starts_with("/v2/_catalog") => json("{\"repositories\":[\"web\"]}"),
            target if target.contains("/tags/list") => json("{\"tags\":[\"V1.4.0\",\"v1.4.0\",\"V1.5.0\",\"EDGE\"]}"),
            target if target.contains("/manifests/") => {
                let media_type = ("Content-Type", "application/vnd.oci.image.manifest.v1+json".to_owned());
                let headers = vec![media_type, ("Docker-Content-Digest", digest.clone())];
                Answer::Respond { status: 200, headers, body: bytes.clone() }
            }
            _ => Answer::status(200),
        }
    });
    let proxy = Pushonce::in_front_of(&upstream.url()).setting(FOLD).start();
    let json: Value = serde_json::from_str(&said(&proxy, &["adopt", "--dry-run", "--output", "json"])).expect("JSON");
    let releases = json["rules"].as_array().expect("rows").iter().find(|row| row["rule"] == "releases").expect("a row");
    assert_eq!(releases["tags"], serde_json::json!(["v1.4.0", "v1.5.0"]), "{json}");
    let adopted = said(&proxy, &["adopt"]);
    assert!(adopted.starts_with("looked at 3 tags") && adopted.ends_with("\n  3 entered\n"), "{adopted}");
    let audited = said(&proxy, &["audit"]);
    assert!(audited.contains("3 tags"), "{audited}");
}

/// Starts pushonce again with what its registry does written down at last.
fn now_it_folds(proxy: &mut Pushonce) {
    let config = std::fs::read_to_string(proxy.config_file()).expect("the configuration");
    std::fs::write(proxy.config_file(), format!("{config}{FOLD}\n")).expect("the configuration");
    proxy.restart();
}

#[test]
fn what_was_overwritten_before_is_found_and_put_right() {
    let mut stage = Stage::with("");
    let (first, second) = (Image::random(), Image::random());
    for tag in ["web:v1.4.0", "web:EDGE"] {
        stage.proxy.push(tag, &first).expect_created();
    }
    stage.proxy.push("web:V1.4.0", &second).expect_created();
    now_it_folds(&mut stage.proxy);
    for name in ["web:V1.4.0", "web:v1.4.0"] {
        stage.proxy.pull(name).expect_ok().expect_digest(&first.digest());
    }
    stage.proxy.push("web:EDGE", &second).expect_created();
    let audited = operate(&stage.proxy, &["audit", "--repair"]);
    assert_eq!(stage.registry.tag_digest("web:v1.4.0"), Some(first.digest()), "{audited}");
    assert!(audited.stdout.contains("v1.4.0") && !audited.stdout.contains("V1.4.0"), "{audited}");
    // `EDGE` is a name of `edge` by now, and no tag that somebody moved.
    assert!(audited.stdout.contains("looked at 2 tags of 1 repositories"), "{audited}");
    assert!(!audited.stdout.contains(":EDGE") && !audited.stdout.contains(":edge"), "{audited}");
}

#[test]
fn a_claim_by_a_name_that_is_no_more_points_nothing_and_can_be_released() {
    let mut stage = Stage::with("ledger.reconcile_interval = \"200ms\"");
    let image = Image::random();
    stage.proxy.terminate();
    let digest = Digest::parse(&image.digest()).expect("a digest");
    store(&stage.registry, "web", &image);
    let ledger = SqliteLedger::beside(&ledger_of(&stage.proxy), "default").expect("the ledger");
    let key = TagKey { repository: RepositoryName::parse("web").expect("a name"), tag: Tag::parse("1.4.0-RC.1").expect("a tag") };
    let long_ago = Note::from(Timestamp::from_second(1_700_000_000).expect("a time"));
    let claiming = ledger.claim(&key, &digest, AttemptId::random(), &long_ago);
    let claimed = tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(claiming);
    assert!(matches!(claimed, Ok(Claimed::Granted(_))), "{claimed:?}");
    drop(ledger);
    now_it_folds(&mut stage.proxy);
    std::thread::sleep(Duration::from_secs(2));
    assert!(stage.registry.tags("web").is_empty(), "the claim of another name pointed a tag");
    let release = ["release-claim", "web:1.4.0-RC.1", "--reason", "it is 1.4.0-rc.1 now"];
    let released = said(&stage.proxy, &release);
    assert!(released.starts_with("web:1.4.0-RC.1 is free again"), "{released}");
}
