//! Rules that are only tried: everything passes, with a warning.

use crate::harness::{Image, Pushonce, Registry};

use super::state;

const AUDITED: &str =
    "[[rule]]\nname = \"releases\"\ntags = [\"semver:x.y.z\"]\nmutability = \"immutable\"\nenforcement = \"audit\"\n";
const ENFORCED: &str = "[[rule]]\nname = \"releases\"\ntags = [\"semver:x.y.z\"]\nmutability = \"immutable\"\n";

fn audited(registry: &Registry) -> Pushonce {
    Pushonce::in_front_of(&registry.url()).policy(AUDITED).start()
}

#[test]
fn a_push_that_would_be_refused_passes_with_a_warning() {
    let registry = Registry::start();
    let proxy = audited(&registry);
    let (first, second) = (Image::random(), Image::random());
    for image in [&first, &first] {
        let pushed = proxy.push("web:1.4.0", image);
        assert_eq!(pushed.expect_created().header("warning"), None, "nothing would be refused\n{pushed}");
    }
    assert_eq!(proxy.metric("pushonce_refusals_total", &[]), 0.0);

    let pushed = proxy.push("web:1.4.0", &second);
    let warning = pushed.expect_created().header("warning").unwrap_or_else(|| panic!("no Warning\n{pushed}"));
    let expected = format!(
        "299 - \"tag web:1.4.0 would be refused: rule \\\"releases\\\" (audit) makes it immutable, and it means {}...\"",
        &first.digest()[..19]
    );
    assert_eq!(warning, expected);
    assert_eq!(registry.tag_digest("web:1.4.0"), Some(second.digest()));
    assert_eq!(proxy.metric("pushonce_refusals_total", &[("rule", "releases"), ("enforcement", "audit")]), 1.0);
    assert_eq!(proxy.metric("pushonce_requests_total", &[("kind", "push"), ("verdict", "would_refuse")]), 1.0);
}

#[test]
fn a_push_of_several_tags_warns_of_each() {
    let registry = Registry::start();
    let proxy = audited(&registry);
    for name in ["web:1.4.0", "web:1.4.1"] {
        proxy.push(name, &Image::random()).expect_created();
    }
    let image = Image::random();
    proxy.push(&format!("web@{}", image.digest()), &image).expect_created();
    let target = format!("/v2/web/manifests/{}?tag=1.4.0&tag=1.4.1&tag=1.4.2", image.digest());
    let pushed =
        proxy.request("PUT", &target).header("Content-Type", &image.manifest.media_type).body(&image.manifest.bytes).send();
    assert_eq!(pushed.expect_created().headers.all("warning").count(), 2, "{pushed}");
}

#[test]
fn warnings_of_many_tags_stay_within_the_limit_of_the_specification() {
    let registry = Registry::start();
    let proxy = audited(&registry);
    let repository = "driftwood/platform/services/web";
    let (first, second) = (Image::random(), Image::random());
    let tags: Vec<String> = (0..32).map(|number| format!("tag=1.0.{number}")).collect();
    let push = |image: &Image| {
        proxy.push(&format!("{repository}@{}", image.digest()), image).expect_created();
        let target = format!("/v2/{repository}/manifests/{}?{}", image.digest(), tags.join("&"));
        proxy.request("PUT", &target).header("Content-Type", &image.manifest.media_type).body(&image.manifest.bytes).send()
    };
    push(&first).expect_created();
    let pushed = push(&second);
    let warnings: Vec<&str> = pushed.expect_created().headers.all("warning").collect();
    let bytes: usize = warnings.iter().map(|warning| warning.len()).sum();
    assert!(warnings.len() > 20 && bytes <= 4096, "{} warnings of {bytes} bytes", warnings.len());
}

#[test]
fn an_audited_tag_is_not_pinned() {
    let registry = Registry::start();
    let proxy = audited(&registry);
    proxy.push("web:1.4.0", &Image::random()).expect_created();
    proxy.pull("web:1.4.0").expect_ok();
    let moved = Image::random();
    registry.put_tag_behind_the_back("web:1.4.0", &moved);
    assert_eq!(proxy.tag_digest("web:1.4.0"), Some(moved.digest()));
    assert_eq!(state(&proxy, "web", "1.4.0"), None);
}

#[test]
fn an_audited_tag_may_be_deleted_by_its_digest() {
    let registry = Registry::start();
    let proxy = audited(&registry);
    let image = Image::random();
    proxy.push("web:1.4.0", &image).expect_created();
    proxy.delete(&format!("web@{}", image.digest())).expect(202);
    registry.pull("web:1.4.0").expect_not_found();
    proxy.push("web:1.4.0", &Image::random()).expect_created();
}

#[test]
fn a_delete_of_an_audited_tag_is_warned_of() {
    use crate::harness::{Answer, Upstream};
    let upstream = Upstream::start(|request| Answer::status(if request.method() == "DELETE" { 202 } else { 200 }));
    let proxy = Pushonce::in_front_of(&upstream.url()).policy(AUDITED).start();
    let deleted = proxy.delete("web:1.4.0");
    let expected = "299 - \"tag web:1.4.0 would not be deleted: rule \\\"releases\\\" (audit) makes it immutable\"";
    assert_eq!(deleted.expect(202).header("warning"), Some(expected));
    assert_eq!(proxy.delete("web:latest").expect(202).header("warning"), None);
}

#[test]
fn what_is_there_when_enforcing_begins_is_adopted() {
    let registry = Registry::start();
    let mut proxy = audited(&registry);
    let (first, second) = (Image::random(), Image::random());
    proxy.push("web:1.4.0", &first).expect_created();
    proxy.push("web:1.4.0", &second).expect_created();
    proxy.set_policy(ENFORCED);
    proxy.restart();
    proxy.push("web:1.4.0", &first).expect_refused();
    proxy.push("web:1.4.0", &second).expect_created();
    assert_eq!(proxy.tag_digest("web:1.4.0"), Some(second.digest()));
}
