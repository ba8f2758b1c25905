//! Who puts a pointer right: the proxy's own account, with the right to push.

use super::Stage;
use crate::harness::Image;
use crate::operator::ledger_commands::operate;

/// A tag that was moved behind the proxy's back, and what an audit that repairs makes of it.
fn repair(actions: &[&str], code: i32, words: &str) {
    let stage = Stage::with_account(actions);
    let proxy = stage.proxy_with_account();
    let image = Image::random();
    stage.client(&proxy, &["pull", "push"]).push("web:1.4.0", &image).expect_created();
    let registry = &stage.granting.registry;
    registry.put_tag_behind_the_back("web:1.4.0", &Image::random());
    let run = operate(&proxy, &["audit", "web", "--repair"]);
    assert_eq!(run.status.code(), Some(code), "{run}");
    assert!(run.stdout.contains(words), "{words} is missing: {run}");
    let is_right = registry.tag_digest("web:1.4.0") == Some(image.digest());
    assert_eq!(is_right, code == 0);
}

#[test]
fn an_account_that_may_pull_alone_says_what_it_lacks() {
    repair(&["pull"], 3, "drifted     sha256:");
    repair(&["pull"], 3, "not repaired: ");
}

#[test]
fn an_account_that_may_push_puts_it_right() {
    repair(&["pull", "push"], 0, "the registry is as the ledger says");
}
