//! The proxy's own account: it looks where a client may push or delete, but not read.

use std::time::Duration;

use super::{GATE, HIDDEN, Stage};
use crate::harness::process::eventually;
use crate::harness::{Answer, Image, Pushonce, TokenServer, Upstream};

/// Releases may be deleted.
const DELETABLE: &str =
    "[[rule]]\nname = \"releases\"\ntags = [\"semver:x.y.z\"]\nmutability = \"immutable\"\ndelete = \"allow\"\n";

#[test]
fn a_push_only_client_pushes_once_and_is_not_told_what_the_tag_means() {
    let stage = Stage::set();
    let proxy = stage.proxy_with_account();
    let client = stage.client(&proxy, &["push"]);
    let image = Image::random();
    client.push("web:1.4.0", &image).expect_created();
    client.push("web:1.4.0", &image).expect_created();
    let refused = client.push("web:1.4.0", &Image::random());
    assert_eq!(refused.expect_refused(), HIDDEN);
    client.pull("web:1.4.0").expect(401);
    assert_eq!(stage.granting.registry.tag_digest("web:1.4.0"), Some(image.digest()));
}

#[test]
fn a_push_only_client_does_not_take_a_tag_that_was_there_before_the_proxy() {
    let stage = Stage::set();
    let proxy = stage.proxy_with_account();
    let image = Image::random();
    stage.granting.registry.put_tag_behind_the_back("web:1.4.0", &image);
    let refused = stage.client(&proxy, &["push"]).push("web:1.4.0", &Image::random());
    assert_eq!(refused.expect_refused(), HIDDEN);
    assert_eq!(stage.granting.registry.tag_digest("web:1.4.0"), Some(image.digest()));
}

#[test]
fn a_delete_only_client_deletes_what_its_rule_lets_go() {
    let stage = Stage::set();
    let (name, password) = GATE;
    let proxy = Pushonce::in_front_of(&stage.granting.url())
        .policy(DELETABLE)
        .setting(&format!("upstream.username = \"{name}\"\nupstream.password = \"{password}\""))
        .start();
    let (full, client) = (stage.client(&proxy, &["pull", "push"]), stage.client(&proxy, &["delete"]));
    let images = [Image::random(), Image::random(), Image::random()];
    full.push("web:1.4.0", &images[0]).expect_created();
    full.push("web:1.4.1", &images[1]).expect_created();
    stage.granting.registry.put_tag_behind_the_back("web:1.4.2", &images[2]);

    client.delete(&format!("web@{}", images[0].digest())).expect(202);
    client.delete(&format!("web@{}", images[2].digest())).expect(202);
    for (tag, deleted) in [("1.4.0", true), ("1.4.1", false), ("1.4.2", true)] {
        let name = format!("web:{tag}");
        full.pull(&name).expect(if deleted { 404 } else { 200 });
        let message = full.push(&name, &Image::random()).expect_refused();
        assert_eq!(message.contains("it was deleted on"), deleted, "{message}");
    }
}

#[test]
fn without_an_account_the_registry_s_no_is_the_answer_and_nothing_is_stuck() {
    let stage = Stage::set();
    let proxy = stage.proxy();
    let full = stage.client(&proxy, &["pull", "push", "delete"]);
    let image = Image::random();
    let denied = stage.client(&proxy, &["push"]).push("web:1.4.0", &Image::random());
    assert!(denied.header("www-authenticate").is_some_and(|value| value.contains("repository:web:pull")), "{denied}");
    denied.expect(401);
    stage.client(&proxy, &["delete"]).delete("web:1.4.0").expect(401);
    full.push("web:1.4.0", &image).expect_created();
    stage.client(&proxy, &["push"]).push("web:1.4.0", &Image::random()).expect(401);
    stage.client(&proxy, &["push"]).push("web:1.4.0", &image).expect(401);
    stage.client(&proxy, &["delete"]).delete("web:1.4.0").expect(401);
    full.push("web:1.4.0", &image).expect_created();
    full.pull("web:1.4.0").expect_ok().expect_digest(&image.digest());
}

#[test]
fn a_token_is_kept_for_its_repository_until_it_expires() {
    let stage = Stage::set();
    let proxy = stage.proxy_with_account();
    let client = stage.client(&proxy, &["push"]);
    let push = |number: usize| client.push(&format!("web:1.4.{number}"), &Image::random()).expect_created().status;
    assert_eq!([0, 1, 2].map(push), [201; 3]);
    assert_eq!(stage.tokens.asked_by(GATE.0), 1);
    let other = proxy.with_token(&stage.tokens.issue("client", "other", &["push"]));
    other.push("other:1.4.0", &Image::random()).expect_created();
    assert_eq!(stage.tokens.asked_by(GATE.0), 2, "a token of one repository is not used for another");
}

#[test]
fn an_expired_token_is_fetched_anew() {
    let stage = Stage::set();
    // A few seconds less than the service says, so that none expires on its way.
    stage.tokens.lifetime(7);
    let proxy = stage.proxy_with_account();
    let client = stage.client(&proxy, &["push"]);
    let image = Image::random();
    client.push("web:1.4.0", &image).expect_created();
    assert_eq!(stage.tokens.asked_by(GATE.0), 1);
    eventually(Duration::from_secs(60), "the token is fetched anew", || {
        client.put_manifest("web:1.4.0", &image.manifest).expect_created();
        (stage.tokens.asked_by(GATE.0) == 2).then_some(())
    });
}

#[test]
fn the_password_may_stand_in_a_file_or_in_the_environment() {
    let stage = Stage::set();
    let (name, password) = GATE;
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("password");
    std::fs::write(&file, format!("{password}\n")).expect("a file with the password");
    let file = file.display().to_string();
    for (number, variables) in [
        [("PUSHONCE_UPSTREAM__USERNAME", name), ("PUSHONCE_UPSTREAM__PASSWORD", password)],
        [("PUSHONCE_UPSTREAM__USERNAME", name), ("PUSHONCE_UPSTREAM__PASSWORD_FILE", &file)],
    ]
    .iter()
    .enumerate()
    {
        let builder = Pushonce::in_front_of(&stage.granting.url());
        let proxy = variables.iter().fold(builder, |builder, (name, value)| builder.environment(name, value)).start();
        stage.client(&proxy, &["push"]).push(&format!("web:1.4.{number}"), &Image::random()).expect_created();
    }
    let proxy = Pushonce::in_front_of(&stage.granting.url())
        .setting(&format!("upstream.username = \"{name}\"\nupstream.password_file = \"{file}\""))
        .start();
    stage.client(&proxy, &["push"]).push("web:1.4.9", &Image::random()).expect_created();
}

#[test]
fn a_wrong_password_of_its_own_stops_only_who_needs_the_account() {
    let stage = Stage::set();
    let proxy =
        Pushonce::in_front_of(&stage.granting.url()).setting("upstream.username = \"gate\"\nupstream.password = \"wrong\"").start();
    stage.client(&proxy, &["push"]).push("web:1.4.0", &Image::random()).expect_unavailable();
    assert!(proxy.log().contains("the token service gave no token: it answered 401"), "{}", proxy.log());

    let full = stage.client(&proxy, &["pull", "push"]);
    let image = Image::random();
    full.push("web:1.4.0", &image).expect_created();
    full.pull("web:1.4.0").expect_ok().expect_digest(&image.digest());
    full.push("web:1.4.0", &Image::random()).expect_refused();
}

#[test]
fn a_password_that_the_registry_itself_refuses_is_named_in_the_log() {
    let upstream = Upstream::start(|request| match request.method() {
        "PUT" => Answer::status(201),
        _ => {
            let headers = vec![("WWW-Authenticate", "Basic realm=\"registry\"".to_owned())];
            Answer::Respond { status: 401, headers, body: Vec::new() }
        }
    });
    let proxy =
        Pushonce::in_front_of(&upstream.url()).setting("upstream.username = \"gate\"\nupstream.password = \"wrong\"").start();
    proxy.put_manifest("web:1.4.0", &Image::random().manifest).expect_unavailable();
    assert!(proxy.log().contains("the registry does not let `upstream.username` look: it answered 401"), "{}", proxy.log());
}

#[test]
fn the_token_service_is_asked_for_no_more_than_to_read_one_repository() {
    let stage = Stage::set();
    let proxy = stage.proxy_with_account();
    stage.client(&proxy, &["push"]).push("web:1.4.0", &Image::random()).expect_created();
    let requests = TokenServer::requests(&stage.tokens);
    let targets: Vec<&str> = requests.iter().map(|request| request.target()).collect();
    assert_eq!(targets, ["/token?scope=repository%3Aweb%3Apull&service=registry.test"]);
}
