//! Tags that follow releases: forward, never back.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use pushonce::clock::SystemClock;
use pushonce::ledger::memory::MemoryLedger;

use crate::harness::exchange::Exchange;
use crate::harness::process::eventually;
use crate::harness::replica::Shared;
use crate::harness::{Fault, Image, Pushonce, Registry};

use super::{Chain, store};

/// The policy of the worked example in docs/POLICY.md, with `unreleased` as it is given.
fn policy(more: &str) -> String {
    format!(
        "[[rule]]\nname = \"releases\"\ntags = [\"semver:x.y.z\", \"semver:x.y.z-*\"]\nmutability = \"immutable\"\n\n\
         [[rule]]\nname = \"shortcuts\"\ntags = [\"latest\", \"semver:x.y\", \"semver:x\"]\nmutability = \"forward-only\"\n{more}"
    )
}

fn stage(more: &str) -> (Registry, Pushonce) {
    let registry = Registry::start();
    let proxy = Pushonce::in_front_of(&registry.url()).policy(&policy(more)).start();
    (registry, proxy)
}

/// Pushes a release, and then the tags that follow it.
fn release(proxy: &Pushonce, tag: &str, moving: &[&str]) -> Image {
    let image = Image::random();
    for tag in [tag].iter().chain(moving) {
        proxy.push(&format!("web:{tag}"), &image).expect_created();
    }
    image
}

fn push_tags(proxy: &Pushonce, image: &Image, query: &str) -> Exchange {
    let target = format!("/v2/web/manifests/{}{query}", image.digest());
    proxy.request("PUT", &target).header("Content-Type", &image.manifest.media_type).body(&image.manifest.bytes).send()
}

#[test]
fn a_hotfix_of_an_older_line_moves_its_own_shortcuts_alone() {
    let (registry, proxy) = stage("");
    release(&proxy, "1.3.8", &["1.3", "1", "latest"]);
    let newest = release(&proxy, "1.4.2", &["1.4", "1", "latest"]);
    let hotfix = release(&proxy, "1.3.9", &["1.3"]);
    for tag in ["1", "latest"] {
        let message = proxy.push(&format!("web:{tag}"), &hotfix).expect_refused();
        let expected = "it follows 1.4.2, and these bytes are 1.3.9, which is older; push a release newer than 1.4.2";
        assert_eq!(message, format!("tag web:{tag} is forward-only (rule \"shortcuts\"): {expected}"));
        assert_eq!(registry.tag_digest(&format!("web:{tag}")), Some(newest.digest()));
    }
    let message = proxy.push("web:1.4", &hotfix).expect_refused();
    assert!(
        message.ends_with(
            "it follows the releases 1.4.x (1.4.2 now), and these bytes are 1.3.9; push them to the tag of their own line"
        )
    );
    assert_eq!(registry.tag_digest("web:1.3"), Some(hotfix.digest()));
    // What it means already passes, and so does the next release.
    proxy.push("web:latest", &newest).expect_created();
    let next = release(&proxy, "1.5.0", &["1.5", "1", "latest"]);
    assert_eq!(registry.tag_digest("web:latest"), Some(next.digest()));
    assert_eq!(proxy.metric("pushonce_refusals_total", &[("rule", "shortcuts"), ("enforcement", "enforce")]), 3.0);
}

#[test]
fn bytes_that_are_no_release_yet_come_before_their_release() {
    let (registry, proxy) = stage("");
    release(&proxy, "1.4.2", &["1.4", "latest"]);
    // As `docker push --all-tags` does: in the order of the alphabet.
    let next = Image::random();
    for tag in ["1", "1.4", "1.4.3", "latest"] {
        let pushed = proxy.push(&format!("web:{tag}"), &next);
        assert_eq!(pushed.expect_created().header("warning"), None);
    }
    assert_eq!(registry.tag_digest("web:1.4"), Some(next.digest()));
    let overview = || proxy.admin().request("GET", "/").send().expect_ok().text();
    assert!(!overview().contains("went astray"), "all are releases by now");
    // Unreleased bytes do not make it forget what it has followed.
    proxy.push("web:1.4", &Image::random()).expect_created();
    let older = release(&proxy, "1.4.1", &[]);
    let message = proxy.push("web:1.4", &older).expect_refused();
    assert!(message.contains("it follows 1.4.3, and these bytes are 1.4.1"), "{message}");
    assert!(overview().contains("no release; it followed 1.4.3"));
    // A hotfix that is pushed to `1` before anybody can know what it is.
    let hotfix = release(&proxy, "1", &["1.3.9"]);
    assert_eq!(registry.tag_digest("web:1"), Some(hotfix.digest()));
    assert!(overview().contains("1.3.9, which is older than 1.4.3"));
}

#[test]
fn unreleased_bytes_are_warned_about_or_refused_as_the_rule_says() {
    let (_registry, proxy) = stage("unreleased = \"warn\"\n");
    let pushed = proxy.push("web:1.4", &Image::random());
    let warning = pushed.expect_created().header("warning").unwrap_or_default();
    assert!(warning.contains("these bytes are no known release; push their release tag as well"), "{warning}");

    let (registry, proxy) = stage("unreleased = \"refuse\"\nhelp_url = \"https://wiki.example.com/tags\"\n");
    let image = Image::random();
    let message = proxy.push("web:1.4", &image).expect_refused();
    let expected = "these bytes are no known release; push their release tag first (https://wiki.example.com/tags)";
    assert_eq!(message, format!("tag web:1.4 is forward-only (rule \"shortcuts\"): {expected}"));
    assert_eq!(registry.tag_digest("web:1.4"), None);
    proxy.push("web:1.4.0", &image).expect_created();
    proxy.push("web:1.4", &image).expect_created();
}

#[test]
fn a_stable_channel_takes_no_pre_release() {
    let (_registry, proxy) = stage("channel = \"stable\"\n");
    let candidate = release(&proxy, "1.5.0-rc.1", &[]);
    let message = proxy.push("web:latest", &candidate).expect_refused();
    assert!(message.contains("it follows stable releases, and these bytes are the pre-release 1.5.0-rc.1"), "{message}");
    // The same bytes, released.
    proxy.push("web:1.5.0", &candidate).expect_created();
    proxy.push("web:latest", &candidate).expect_created();
}

#[test]
fn a_tag_that_was_there_before_is_followed_from_where_it_is() {
    let (old, new) = (Image::random(), Image::random());
    let registry = Registry::start();
    for (name, image) in [("web:1.4.1", &old), ("web:1.4.2", &new), ("web:1.4", &new)] {
        registry.put_tag_behind_the_back(name, image);
    }
    let proxy = Pushonce::in_front_of(&registry.url()).policy(&policy("")).start();
    // The ledger learns of the releases: by pulls here, by `pushonce adopt` for all.
    for name in ["web:1.4.1", "web:1.4.2"] {
        proxy.pull(name).expect_ok();
    }
    let message = proxy.push("web:1.4", &old).expect_refused();
    assert!(message.contains("it follows 1.4.2, and these bytes are 1.4.1"), "{message}");
}

#[test]
fn a_tag_that_moved_freely_before_has_followed_what_its_history_says() {
    let registry = Registry::start();
    let mut proxy = Pushonce::in_front_of(&registry.url()).policy(&policy("").replace("forward-only", "mutable")).start();
    release(&proxy, "1.4.2", &["1.4"]);
    let older = release(&proxy, "1.4.1", &[]);
    proxy.push("web:1.4", &Image::random()).expect_created();
    proxy.set_policy(&policy(""));
    proxy.restart();
    let message = proxy.push("web:1.4", &older).expect_refused();
    assert!(message.contains("it follows 1.4.2, and these bytes are 1.4.1"), "{message}");
}

#[test]
fn a_push_of_several_tags_has_one_verdict() {
    let (registry, proxy) = stage("unreleased = \"refuse\"\n");
    let newest = release(&proxy, "1.4.2", &["1.4", "1", "latest"]);
    let hotfix = Image::random();
    store(&registry, "web", &hotfix);
    // The release of the same push counts.
    let refused = push_tags(&proxy, &hotfix, "?tag=1.3&tag=1.3.9&tag=latest&tag=edge");
    let message = refused.expect_refused();
    assert!(message.starts_with("tag web:latest is forward-only") && message.contains("these bytes are 1.3.9"), "{message}");
    assert_eq!(registry.tags("web"), ["1", "1.4", "1.4.2", "latest"], "nothing was set");
    assert_eq!(registry.tag_digest("web:latest"), Some(newest.digest()));

    // Each of them has its event, with the rule that decides over it.
    let events = || {
        let log = proxy.admin().request("GET", "/api/v1/log?repository=web&outcome=refused").send();
        let log: serde_json::Value = serde_json::from_slice(&log.expect_ok().body).expect("JSON");
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let entries = log["entries"].as_array().expect("entries").iter();
        let mut all: Vec<[String; 2]> = entries.map(|entry| [text(&entry["tag"]), text(&entry["rule"])]).collect();
        all.sort();
        (all.len() == 4).then_some(all)
    };
    let expected = [["1.3", "shortcuts"], ["1.3.9", "releases"], ["edge", "default"], ["latest", "shortcuts"]];
    assert_eq!(eventually(Duration::from_secs(10), "four events", events), expected.map(|pair| pair.map(str::to_owned)));

    push_tags(&proxy, &hotfix, "?tag=1.3&tag=1.3.9&tag=edge").expect_created();
    for tag in ["1.3", "1.3.9", "edge"] {
        assert_eq!(registry.tag_digest(&format!("web:{tag}")), Some(hotfix.digest()), "{tag}");
    }
    // A tag that is free goes with one that is refused, and the next push is not held up.
    proxy.push("web:1.3", &hotfix).expect_created();
}

#[test]
fn a_push_that_failed_holds_up_no_other_where_the_registry_answered() {
    let Chain { proxy, faults, .. } = &Chain::under(&policy(""));
    release(proxy, "1.4.2", &["1.4"]);
    let next = release(proxy, "1.4.3", &[]);
    for fault in [Fault::Status(500), Fault::Status(403)] {
        faults.once(|request| request.is("PUT", "/manifests/1.4"), fault);
        assert!([403, 503].contains(&proxy.push("web:1.4", &next).status));
    }
    proxy.push("web:1.4", &next).expect_created();
    // Without an answer nobody knows when it lands: the next push waits, and is told so.
    faults.once(|request| request.is("PUT", "/manifests/1.4"), Fault::LoseAnswer);
    proxy.push("web:1.4", &next).expect_unavailable();
    proxy.push("web:1.4", &next).expect_unavailable();
    assert!(proxy.log().contains("another push of web:1.4 is under way, or was cut off and is not settled yet"));
}

#[test]
fn a_tag_that_follows_releases_is_not_deleted() {
    let (registry, proxy) = stage("");
    let image = Image::random();
    proxy.push("web:1.4", &image).expect_created();
    let message = proxy.delete("web:1.4").expect_delete_refused();
    assert_eq!(message, "tag web:1.4 is forward-only (rule \"shortcuts\") and cannot be deleted");
    let message = proxy.delete(&format!("web@{}", image.digest())).expect_delete_refused();
    assert!(message.contains("is what tag web:1.4 means, which is forward-only"), "{message}");
    assert_eq!(registry.tag_digest("web:1.4"), Some(image.digest()));
    proxy.delete("web:9.9").expect_not_found();

    let (registry, proxy) = stage("delete = \"allow\"\n");
    release(&proxy, "1.4.2", &["1.4"]);
    let older = release(&proxy, "1.4.1", &[]);
    proxy.push("web:1.4", &older).expect_refused();
    // This registry deletes by digest alone.
    let unreleased = Image::random();
    proxy.push("web:1.4", &unreleased).expect_created();
    proxy.delete(&format!("web@{}", unreleased.digest())).expect(202);
    assert_eq!(registry.tag_digest("web:1.4"), None);
    // What comes after a delete is a first push.
    proxy.push("web:1.4", &older).expect_created();
}

#[test]
fn an_audited_rule_lets_it_go_back_with_a_warning() {
    let (registry, proxy) = stage("enforcement = \"audit\"\n");
    release(&proxy, "1.4.2", &["latest"]);
    let older = release(&proxy, "1.4.1", &[]);
    let pushed = proxy.push("web:latest", &older);
    let warning = pushed.expect_created().header("warning").unwrap_or_default();
    let expected = "tag web:latest would be refused: rule \\\"shortcuts\\\" (audit) makes it forward-only, and it follows 1.4.2";
    assert!(warning.contains(expected), "{warning}");
    assert_eq!(registry.tag_digest("web:latest"), Some(older.digest()));
    assert_eq!(proxy.metric("pushonce_refusals_total", &[("rule", "shortcuts"), ("enforcement", "audit")]), 1.0);
}

#[test]
fn pushes_at_once_through_two_replicas_end_at_the_newest_release() {
    let registry = Registry::start();
    let shared = Shared { ledger: MemoryLedger::new(), clock: Arc::new(SystemClock), upstream: registry.url() };
    let replicas = [(); 2].map(|()| shared.replica(&policy(""), ""));
    let releases: Vec<(String, Image)> = (0..8).map(|number| (format!("1.4.{number}"), Image::random())).collect();
    for (tag, image) in &releases {
        replicas[0].push(&format!("web:{tag}"), image).expect_created();
    }
    for _ in 0..3 {
        thread::scope(|scope| {
            for (number, (_, image)) in releases.iter().enumerate() {
                let replica = &replicas[number % 2];
                scope.spawn(move || replica.push("web:latest", image));
            }
        });
        assert_eq!(registry.tag_digest("web:latest"), Some(releases[7].1.digest()));
    }
}
