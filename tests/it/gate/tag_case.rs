//! Registries that fold the case of tags, as Gitea does: there `V1.4.0` is `v1.4.0`.

use std::process::Command;

use crate::harness::folding::folding;
use crate::harness::run::{Run, run};
use crate::harness::{Client, Image, Pushonce, Registry, Skopeo, Upstream};
use crate::operator::ledger_commands::operate;

const RELEASES: &str = "[[rule]]\nname = \"releases\"\ntags = [\"semver:x.y.z\"]\nmutability = \"immutable\"\n";
const FOLD: &str = "upstream.tag_case = \"fold\"";

fn proxy(upstream: &Upstream, setting: &str) -> Pushonce {
    Pushonce::in_front_of(&upstream.url()).policy(RELEASES).setting(setting).start()
}

fn check(proxy: &Pushonce) -> Run {
    operate(proxy, &["check", "--online"])
}

#[test]
fn unless_it_is_told_the_rule_is_got_around() {
    let registry = Registry::start();
    let upstream = folding(&registry);
    let proxy = proxy(&upstream, "");
    let (first, second) = (Image::random(), Image::random());
    proxy.push("web:v1.4.0", &first).expect_created();
    proxy.push("web:V1.4.0", &second).expect_created();
    assert_eq!(registry.tag_digest("web:v1.4.0"), Some(second.digest()), "this is why it has to be told");
    let run = check(&proxy);
    assert_eq!(run.status.code(), Some(2), "{run}");
    run.expect_said("folds the case of tags, as web:v1.4.0 shows: a push of `V1.4.0` gets around a rule for `v1.4.0`")
        .expect_said("write `tag_case = \"fold\"` under `[upstream]`");
}

#[test]
fn a_tag_is_one_in_both_cases() {
    let registry = Registry::start();
    let upstream = folding(&registry);
    let proxy = proxy(&upstream, FOLD);
    let (first, second) = (Image::random(), Image::random());
    proxy.push("web:V1.4.0", &first).expect_created();
    for tag in ["v1.4.0", "V1.4.0"] {
        let message = proxy.push(&format!("web:{tag}"), &second).expect_refused();
        assert!(message.starts_with("tag web:v1.4.0 is immutable"), "{message}");
        proxy.pull(&format!("web:{tag}")).expect_ok().expect_digest(&first.digest());
        proxy.head(&format!("web:{tag}")).expect_ok();
        proxy.delete(&format!("web:{tag}")).expect_delete_refused();
        proxy.push(&format!("web:{tag}"), &first).expect_created();
    }
    assert_eq!(registry.tags("web"), ["v1.4.0"]);
    // Somebody else moves it; it is pinned all the same.
    registry.put_tag_behind_the_back("web:v1.4.0", &second);
    proxy.pull("web:V1.4.0").expect_ok().expect_digest(&first.digest());

    let target = format!("/v2/web/manifests/{}?tag=V1.5.0&tag=v1.5.0&tag=EDGE", second.digest());
    let draft = proxy.request("PUT", &target).header("Content-Type", &second.manifest.media_type);
    let pushed = draft.body(&second.manifest.bytes).send();
    assert_eq!(pushed.expect_created().headers.all("oci-tag").collect::<Vec<_>>(), ["v1.5.0", "edge"]);
    assert_eq!(registry.tags("web"), ["edge", "v1.4.0", "v1.5.0"]);
    let resolved = operate(&proxy, &["resolve", "web:V1.5.0"]).expect_success().stdout;
    assert_eq!(resolved, format!("web@{}\n", second.digest()));
    operate(&proxy, &["explain", "web:V1.5.0"]).expect_success().expect_said("web:v1.5.0 is immutable");
    operate(&proxy, &["log", "web:EDGE"]).expect_success().expect_said("edge");
    let page = proxy.admin().request("GET", "/api/v1/resolve?repository=web&tag=V1.5.0").send();
    assert!(page.expect_ok().text().contains(&second.digest()));
    check(&proxy).expect_success().expect_said("folds the case of tags, as web:");
}

#[test]
fn a_client_pushes_in_upper_case() {
    let registry = Registry::start();
    let upstream = folding(&registry);
    let (proxy, skopeo) = (proxy(&upstream, FOLD), Skopeo::new());
    for content in ["first", "second"] {
        skopeo.build(content, content);
    }
    let name = |tag: &str| format!("{}/web:{tag}", proxy.address());
    skopeo.push("first", &name("V1.4.0")).expect_success();
    skopeo.push("first", &name("v1.4.0")).expect_success();
    skopeo.push("second", &name("v1.4.0")).expect_failure().expect_said("tag web:v1.4.0 is immutable");
    assert_eq!(skopeo.pulled_digest(&name("V1.4.0")), skopeo.pulled_digest(&name("v1.4.0")));
}

#[test]
fn a_registry_that_keeps_the_case_is_found_out() {
    let registry = Registry::start();
    let plain = Pushonce::in_front_of(&registry.url()).policy(RELEASES).start();
    check(&plain).expect_success().expect_said("could not be told: there is no tag with a letter in it");
    plain.push("web:1.4.0", &Image::random()).expect_created();
    plain.push("web:Latest", &Image::random()).expect_created();
    check(&plain).expect_success().expect_said(": keeps the case of tags\n");
    let told = Pushonce::in_front_of(&registry.url()).policy(RELEASES).setting(FOLD).start();
    let run = check(&told);
    assert_eq!(run.status.code(), Some(2), "{run}");
    run.expect_said("a push of `V1.4.0` would set `v1.4.0`");
}

#[test]
fn what_cannot_be_asked_is_said() {
    let proxy = Pushonce::in_front_of("http://127.0.0.1:1").policy(RELEASES).unready().start();
    let asked = check(&proxy);
    assert_eq!(asked.status.code(), Some(1), "{asked}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_pushonce"));
    command.args(["check", "--online"]).arg(proxy.directory().join("policy.toml"));
    let run = run(command, "this package", proxy.directory());
    assert_eq!(run.status.code(), Some(2), "{run}");
    run.expect_said("is a policy, which names no registry");
}
