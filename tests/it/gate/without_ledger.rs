//! The ledger gives no answer: nothing immutable is pushed, and pulls go on.

use std::time::Duration;

use crate::harness::process::eventually;
use crate::harness::{Image, Pushonce, Registry};

use super::{DELETABLE, ledger, state};

/// Takes the table away under the running process, so that every question to the
/// ledger fails, and gives it back.
fn take_away(proxy: &Pushonce) {
    ledger(proxy).execute_batch("PRAGMA legacy_alter_table = ON; ALTER TABLE tags RENAME TO taken_away").expect("taken away");
}

fn give_back(proxy: &Pushonce) {
    ledger(proxy).execute_batch("PRAGMA legacy_alter_table = ON; ALTER TABLE taken_away RENAME TO tags").expect("given back");
}

#[test]
fn a_push_of_an_immutable_tag_is_undecided() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let image = Image::random();
    proxy.push("web:1.4.0", &image).expect_created();
    take_away(&proxy);
    proxy.push("web:1.4.0", &Image::random()).expect_refused();
    for (name, bytes) in [("web:1.4.0", &image), ("web:1.4.1", &image), ("web:1.4.1", &Image::random())] {
        let answer = proxy.push(name, bytes);
        let message = answer.expect_unavailable();
        let id = answer.header("x-request-id").expect("a request id").to_owned();
        assert!(message.contains(&format!("(request {id})")), "{message}");
        let find = || proxy.log_lines().into_iter().find(|line| line["request"] == *id);
        let line = eventually(Duration::from_secs(10), "the line of the request", find);
        assert!(line["cause"].as_str().is_some_and(|cause| cause.contains("ledger")), "{line}");
    }
    assert_eq!(registry.tags("web"), ["1.4.0"]);
    let ready = proxy.admin().request("GET", "/readyz").send();
    assert!(ready.expect(503).text().contains("failed  ledger: "), "{ready}");

    give_back(&proxy);
    proxy.push("web:1.4.0", &image).expect_created();
    proxy.push("web:1.4.1", &image).expect_created();
    proxy.admin().request("GET", "/readyz").send().expect_ok();
}

#[test]
fn a_delete_is_undecided() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let image = Image::random();
    proxy.push("web:1.4.0", &image).expect_created();
    take_away(&proxy);
    proxy.delete("web:1.4.0").expect_unavailable();
    proxy.delete(&format!("web@{}", image.digest())).expect_unavailable();
    assert_eq!(registry.tag_digest("web:1.4.0"), Some(image.digest()));
}

#[test]
fn pulls_by_digest_and_of_moving_tags_go_on() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let image = Image::random();
    proxy.push("web:latest", &image).expect_created();
    take_away(&proxy);
    assert_eq!(proxy.tag_digest(&format!("web@{}", image.digest())), Some(image.digest()));
    assert_eq!(proxy.tag_digest("web:latest"), Some(image.digest()));
    proxy.get_blob("web", &crate::harness::image::sha256(&image.blobs[0])).expect_ok();
}

#[test]
fn a_tag_that_was_pulled_before_is_served_from_memory() {
    for setting in ["serve", "refuse"] {
        let registry = Registry::start();
        let setting = format!("pulls.when_ledger_is_down = \"{setting}\"");
        let proxy = Pushonce::in_front_of(&registry.url()).setting(&setting).start();
        let image = Image::random();
        proxy.push("web:1.4.0", &image).expect_created();
        proxy.pull("web:1.4.0").expect_ok();
        take_away(&proxy);
        registry.put_tag_behind_the_back("web:1.4.0", &Image::random());
        assert_eq!(proxy.tag_digest("web:1.4.0"), Some(image.digest()));
        assert_eq!(proxy.metric("pushonce_unpinned_pulls_total", &[]), 0.0);
    }
}

#[test]
fn a_tag_that_may_have_been_deleted_is_served_from_memory_unless_configured_otherwise() {
    for (setting, status) in [("serve", 200), ("refuse", 503)] {
        let registry = Registry::start();
        let setting = format!("pulls.when_ledger_is_down = \"{setting}\"");
        let proxy = Pushonce::in_front_of(&registry.url()).policy(DELETABLE).setting(&setting).start();
        proxy.push("web:1.4.0", &Image::random()).expect_created();
        proxy.pull("web:1.4.0").expect_ok();
        take_away(&proxy);
        proxy.pull("web:1.4.0").expect(status);
    }
}

#[test]
fn a_tag_that_nobody_pulled_is_served_as_the_registry_has_it_and_counted() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let image = Image::random();
    registry.put_tag_behind_the_back("web:1.4.0", &image);
    take_away(&proxy);
    assert_eq!(proxy.tag_digest("web:1.4.0"), Some(image.digest()));
    assert_eq!(proxy.metric("pushonce_unpinned_pulls_total", &[]), 1.0);
    give_back(&proxy);
    assert_eq!(state(&proxy, "web", "1.4.0"), None, "what was not decided is not recorded either");
}

#[test]
fn a_tag_that_nobody_pulled_is_refused_where_configured_so() {
    let registry = Registry::start();
    let proxy = Pushonce::in_front_of(&registry.url()).setting("pulls.when_ledger_is_down = \"refuse\"").start();
    registry.put_tag_behind_the_back("web:1.4.0", &Image::random());
    take_away(&proxy);
    proxy.pull("web:1.4.0").expect_unavailable();
    assert_eq!(proxy.metric("pushonce_unpinned_pulls_total", &[]), 0.0);
}

#[test]
fn a_ledger_that_cannot_be_written_takes_no_push_and_answers_pulls() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let image = Image::random();
    proxy.push("web:1.4.0", &image).expect_created();
    let other = ledger(&proxy);
    other.execute_batch("BEGIN IMMEDIATE").expect("the write lock");
    proxy.push("web:1.4.1", &Image::random()).expect_unavailable();
    proxy.push("web:1.4.0", &Image::random()).expect_refused();
    registry.put_tag_behind_the_back("web:1.4.0", &Image::random());
    assert_eq!(proxy.tag_digest("web:1.4.0"), Some(image.digest()));
    assert!(!registry.tags("web").contains(&"1.4.1".to_owned()));
    other.execute_batch("ROLLBACK").expect("let go");
    proxy.push("web:1.4.1", &Image::random()).expect_created();
}

#[test]
fn a_full_disk_acknowledges_nothing_and_is_over_when_there_is_room() {
    let registry = Registry::start();
    let proxy = Pushonce::in_front_of(&registry.url()).limitable().start();
    let image = Image::random();
    // The ledger's log grows faster than that of the process, which still has room.
    for patch in 0..10 {
        proxy.push(&format!("web:1.4.{patch}"), &image).expect_created();
    }
    let size = |name: &str| std::fs::metadata(proxy.directory().join(name)).expect("a file").len();
    let full = size("ledger.db-wal");
    assert!(size("log") + 16_384 < full, "the log is too large: {} of {full}", size("log"));

    proxy.limit_files(Some(full));
    for name in ["web:1.5.0", "web:git-9f3c2a1"] {
        let answer = proxy.push(name, &image);
        answer.expect_unavailable();
        let id = answer.header("x-request-id").expect("a request id").to_owned();
        let find = || proxy.log_lines().into_iter().find(|line| line["request"] == *id);
        let line = eventually(Duration::from_secs(10), "the line of the request", find);
        assert!(line["cause"].as_str().is_some_and(|cause| cause.contains("ledger is unavailable")), "{line}");
    }
    proxy.admin().request("GET", "/readyz").send().expect(503);
    proxy.push("web:1.4.0", &image).expect_created();
    proxy.push("web:1.4.0", &Image::random()).expect_refused();
    assert_eq!(proxy.tag_digest("web:1.4.9"), Some(image.digest()));
    assert_eq!(registry.tags("web").len(), 10);

    proxy.limit_files(None);
    proxy.push("web:1.5.0", &image).expect_created();
    proxy.admin().request("GET", "/readyz").send().expect_ok();
}
