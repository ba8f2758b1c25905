//! A proxy that is killed in the middle of a move leaves no gap.

use std::time::Duration;

use crate::harness::process::eventually;
use crate::harness::{Image, Pushonce, Registry};

use super::said;

/// The outcomes of a tag, the newest first.
fn outcomes(proxy: &Pushonce, tag: &str) -> Vec<String> {
    let lines = said(proxy, &["log", tag, "--output", "json"]);
    lines
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON")["outcome"].as_str().expect("a word").to_owned())
        .collect()
}

#[test]
fn a_move_that_a_crash_cut_off_is_settled_by_what_the_registry_shows() {
    for (failpoint, outcome) in [("gate-begun", "unknown"), ("gate-moved", "moved")] {
        let registry = Registry::start();
        let mut proxy = Pushonce::in_front_of(&registry.url()).setting("ledger.reconcile_interval = \"100ms\"").start();
        let (first, second) = (Image::random(), Image::random());
        proxy.push("web:latest", &first).expect_created();
        proxy.set_environment("FAILPOINTS", Some(&format!("{failpoint}=return")));
        proxy.restart();
        assert!(proxy.try_push("web:latest", &second).is_err(), "killed at {failpoint}");
        proxy.forget_environment();
        proxy.restart();
        let settled = || Some(outcomes(&proxy, "web:latest")).filter(|outcomes| outcomes.len() == 2);
        let found = eventually(Duration::from_secs(30), "the move is settled", settled);
        assert_eq!(found, [outcome, "moved"], "killed at {failpoint}");
        let meant = said(&proxy, &["resolve", "web:latest"]);
        assert_eq!(Some(meant.trim_end().strip_prefix("web@").expect("a pin").to_owned()), registry.tag_digest("web:latest"));
    }
}

#[test]
fn a_push_that_a_crash_cut_off_is_told_in_the_words_of_who_pushed() {
    let registry = Registry::start();
    let mut proxy = Pushonce::in_front_of(&registry.url())
        .setting("ledger.reconcile_interval = \"100ms\"")
        .environment("FAILPOINTS", "gate-claimed=return")
        .start();
    let image = Image::random();
    proxy.push("web:latest", &image).expect_created();
    let target = "/v2/web/manifests/1.4.0";
    let draft = proxy.request("PUT", target).header("User-Agent", "docker/29.1").header("Content-Type", &image.manifest.media_type);
    assert!(draft.body(&image.manifest.bytes).try_send().is_err(), "killed");
    proxy.forget_environment();
    proxy.restart();
    let sealed = || Some(said(&proxy, &["log", "web:1.4.0", "--output", "json"])).filter(|text| !text.is_empty());
    let line = eventually(Duration::from_secs(30), "the push is finished", sealed);
    let event: serde_json::Value = serde_json::from_str(line.trim_end()).expect("JSON");
    assert_eq!((event["outcome"].as_str(), event["client"].as_str()), (Some("pushed"), Some("docker/29.1")));
    assert!(event["detail"].as_str().is_some_and(|words| words.starts_with("begun ")), "{event}");
}
