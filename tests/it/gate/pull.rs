//! Pulls by tag: those bytes or an error, never other bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::harness::process::eventually;
use crate::harness::{Answer, Image, Pushonce, Registry, Upstream};

use super::state;

const PATIENCE: Duration = Duration::from_secs(20);
const COMPARE_ALWAYS: &str = "pulls.drift_check_interval = \"1ms\"";

#[test]
fn a_tag_that_was_moved_behind_the_back_still_means_the_same_bytes() {
    let registry = Registry::start();
    let proxy = Pushonce::in_front_of(&registry.url()).setting(COMPARE_ALWAYS).start();
    let (right, wrong) = (Image::random(), Image::random());
    proxy.push("web:1.4.0", &right).expect_created();
    assert_eq!(proxy.metric("pushonce_drift_total", &[]), 0.0);
    registry.put_tag_behind_the_back("web:1.4.0", &wrong);

    let pulled = proxy.pull("web:1.4.0");
    assert_eq!(pulled.expect_ok().expect_digest(&right.digest()).body, right.manifest.bytes);
    assert_eq!(pulled.header("content-type"), Some(right.manifest.media_type.as_str()));
    proxy.head("web:1.4.0").expect_ok().expect_digest(&right.digest());
    let risen = || (proxy.metric("pushonce_drift_total", &[]) >= 1.0).then_some(());
    eventually(PATIENCE, "the drift is counted", risen);

    let later = proxy.pull("web:1.4.0");
    assert_eq!(later.expect_ok().body, right.manifest.bytes);
    let expected =
        format!("299 - \"the registry points web:1.4.0 elsewhere than at {}..., which pushonce serves\"", &right.digest()[..19]);
    assert_eq!(later.header("warning"), Some(expected.as_str()), "{later}");
    let line = proxy.log_lines().into_iter().find(|line| line["sealed"] == *right.digest());
    let line = line.unwrap_or_else(|| panic!("no line about the drift:\n{}", proxy.log()));
    assert_eq!((line["tag"].as_str(), line["pointer"].as_str()), (Some("web:1.4.0"), Some(wrong.digest().as_str())));
}

#[test]
fn a_drift_that_was_repaired_is_warned_of_no_more() {
    let registry = Registry::start();
    let proxy = Pushonce::in_front_of(&registry.url()).setting(COMPARE_ALWAYS).start();
    let (right, wrong) = (Image::random(), Image::random());
    proxy.push("web:1.4.0", &right).expect_created();
    let warns = || proxy.pull("web:1.4.0").expect_ok().header("warning").is_some();
    registry.put_tag_behind_the_back("web:1.4.0", &wrong);
    eventually(PATIENCE, "a warning", || warns().then_some(()));
    registry.put_tag_behind_the_back("web:1.4.0", &right);
    eventually(PATIENCE, "no warning", || (!warns()).then_some(()));
}

#[test]
fn a_tag_that_was_removed_behind_the_back_is_still_pulled() {
    // docker-registry cannot remove a tag alone, so the pointer goes from its files.
    let registry = Registry::start();
    let proxy = Pushonce::in_front_of(&registry.url()).setting(COMPARE_ALWAYS).start();
    let image = Image::random();
    proxy.push("web:1.4.0", &image).expect_created();
    let data = registry.ca_file().with_file_name("data");
    std::fs::remove_dir_all(data.join("docker/registry/v2/repositories/web/_manifests/tags/1.4.0")).expect("the pointer");
    registry.pull("web:1.4.0").expect_not_found();
    assert_eq!(proxy.tag_digest("web:1.4.0"), Some(image.digest()));
    let risen = || (proxy.metric("pushonce_drift_total", &[]) >= 1.0).then_some(());
    eventually(PATIENCE, "the drift is counted", risen);
}

#[test]
fn a_tag_whose_content_is_gone_is_not_replaced_by_other_content() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let image = Image::random();
    proxy.push("web:1.4.0", &image).expect_created();
    registry.delete(&format!("web@{}", image.digest())).expect(202);
    registry.put_tag_behind_the_back("web:1.4.0", &Image::random());
    proxy.pull("web:1.4.0").expect_not_found();
    proxy.head("web:1.4.0").expect_not_found();
}

#[test]
fn content_that_is_not_what_its_digest_names_is_not_served() {
    let (right, wrong) = (Image::random(), Image::random());
    let digest = right.digest();
    let is_harmed = Arc::new(AtomicBool::new(false));
    let harmed = Arc::clone(&is_harmed);
    let upstream = Upstream::start(move |_| {
        let image = if harmed.load(Ordering::Relaxed) { &wrong } else { &right };
        let headers = vec![("Docker-Content-Digest", digest.clone())];
        Answer::Respond { status: 200, headers, body: image.manifest.bytes.clone() }
    });
    let proxy = Pushonce::in_front_of(&upstream.url()).setting("pulls.drift_check_interval = \"0s\"").start();
    proxy.pull("web:1.4.0").expect_ok();
    is_harmed.store(true, Ordering::Relaxed);
    proxy.pull("web:1.4.0").expect_unavailable();
    assert_eq!(proxy.metric("pushonce_drift_total", &[]), 1.0);
}

#[test]
fn an_index_is_pulled_whole_with_every_accept_line() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let (child, other) = (Image::random(), Image::random());
    for (name, index) in [("web:1.4.0", Image::index(&[&child, &other])), ("web:1.4.1", Image::docker_list(&[&Image::docker()]))] {
        proxy.push(name, &index).expect_created();
        let pulled = proxy.pull(name);
        assert_eq!(pulled.expect_ok().body, index.manifest.bytes);
        assert_eq!(pulled.header("content-type"), Some(index.manifest.media_type.as_str()));
    }
    assert_eq!(proxy.tag_digest(&format!("web@{}", child.digest())), Some(child.digest()));
}

#[test]
fn a_client_that_has_the_bytes_already_is_told_so() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let image = Image::random();
    proxy.push("web:1.4.0", &image).expect_created();
    let etag = format!("\"{}\"", image.digest());
    let asked = proxy.request("GET", "/v2/web/manifests/1.4.0").accept_manifests().header("If-None-Match", &etag).send();
    assert!(asked.expect(304).body.is_empty());
}

#[test]
fn a_pull_of_a_tag_that_nobody_pushed_claims_nothing() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    proxy.pull("web:1.4.0").expect_not_found().expect_code("MANIFEST_UNKNOWN");
    proxy.head("web:1.4.0").expect_not_found();
    assert_eq!(state(&proxy, "web", "1.4.0"), None);
    proxy.push("web:1.4.0", &Image::random()).expect_created();
}

#[test]
fn a_moving_tag_is_pulled_as_the_registry_points_it() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    proxy.push("web:latest", &Image::random()).expect_created();
    let moved = Image::random();
    registry.put_tag_behind_the_back("web:latest", &moved);
    assert_eq!(proxy.tag_digest("web:latest"), Some(moved.digest()));
    assert_eq!(state(&proxy, "web", "latest"), None);
}
