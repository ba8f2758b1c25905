//! Every question, asked by its command, of a log that real pushes have written.

use crate::harness::process::eventually;
use crate::harness::{Image, Pushonce, Registry};
use std::time::Duration;

use super::{Story, refused, said};

#[test]
fn a_tag_is_resolved_now_and_as_it_was() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let Story { first, second, between } = Story::tell(&proxy);
    let pin = |image: &Image| format!("driftwood/web@{}\n", image.digest());
    assert_eq!(said(&proxy, &["resolve", "driftwood/web:1.4"]), pin(&second));
    assert_eq!(said(&proxy, &["resolve", "driftwood/web:1.4", "--at", &between]), pin(&first));
    assert_eq!(said(&proxy, &["resolve", "driftwood/web:1.4.0"]), pin(&first));
    let json: serde_json::Value =
        serde_json::from_str(&said(&proxy, &["resolve", "driftwood/web:latest", "--output", "json"])).expect("JSON");
    assert_eq!(json["digest"], second.digest());
    assert_eq!(json["pin"], pin(&second).trim_end());
    refused(&proxy, &["resolve", "driftwood/web:1.4", "--at", "2020-01-01"], 1, "knows nothing of driftwood/web:1.4 at 2020-01-01");
    refused(&proxy, &["resolve", "driftwood/web:2.0.0"], 1, "`pushonce adopt` enters what the registry has");
    refused(&proxy, &["resolve", "driftwood/web"], 2, "write REPOSITORY:TAG without a registry host");
    refused(&proxy, &["resolve", "driftwood/web:1.4", "--at", "soon"], 2, "`soon` is no time: write 2026-11-24");
}

#[test]
fn the_history_of_a_tag_is_told_in_three_forms() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let Story { first, second, .. } = Story::tell(&proxy);
    let history = said(&proxy, &["log", "driftwood/web:1.4"]);
    let lines: Vec<&str> = history.lines().collect();
    assert_eq!(lines.len(), 3, "{history}");
    assert!(lines[0].starts_with("WHEN") && lines[1].contains("moved") && lines[1].contains(&second.digest()[..19]), "{history}");
    assert!(lines[1].contains(&first.digest()[..19]), "what it meant before: {history}");

    // The refusal is written down behind its answer.
    let refusals = || {
        let text = said(&proxy, &["log", "driftwood/web", "--outcome", "refused", "--output", "json"]);
        (!text.is_empty()).then_some(text)
    };
    let refusal = eventually(Duration::from_secs(20), "the refusal is in the log", refusals);
    let event: serde_json::Value = serde_json::from_str(refusal.trim_end()).expect("a line of JSON");
    assert_eq!((event["tag"].as_str(), event["rule"].as_str()), (Some("1.4.0"), Some("releases")));
    assert_eq!(event["digest"], second.digest());
    assert_eq!(event["previous"], first.digest());

    let csv = said(&proxy, &["log", "--output", "csv", "--all"]);
    let mut lines = csv.lines();
    assert_eq!(
        lines.next(),
        Some("number,at,registry,repository,tag,action,outcome,digest,previous,media_type,size,who,client,rule,request,detail")
    );
    assert_eq!(lines.count(), 11);
    let page = said(&proxy, &["log", "--limit", "4"]);
    let next = page.lines().last().and_then(|line| line.strip_prefix("there is more: --after ")).expect("more").to_owned();
    let rest = said(&proxy, &["log", "--after", &next]);
    assert_eq!(page.lines().count() - 3 + rest.lines().count() - 1, 11, "{page}\n{rest}");
    refused(&proxy, &["log", "--after", "yesterday"], 2, "give the `next` of the page before");
    refused(&proxy, &["log", "--outcome", "lost"], 2, "it is one of pushed, moved");
    refused(&proxy, &["log", "UPPER"], 2, "is not a path component of a repository name");
}

#[test]
fn a_digest_and_a_repository_are_explained() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let Story { first, between, .. } = Story::tell(&proxy);
    let last = Image::random();
    proxy.push("driftwood/web:1.10.0", &last).expect_created();

    let meant = said(&proxy, &["whatis", &first.digest()]);
    let tags: Vec<&str> = meant.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(
        tags,
        ["driftwood/web:1.4.0", "driftwood/web:git-0a1b2c3", "driftwood/web:latest", "driftwood/web:1.4", "driftwood/web:1"],
        "{meant}"
    );
    assert_eq!(meant.lines().filter(|line| line.contains("now")).count(), 2, "{meant}");
    refused(&proxy, &["whatis", &crate::harness::image::sha256(b"never")], 1, "no tag ever meant sha256:");
    refused(&proxy, &["whatis", "sha256:12"], 2, "sha256");

    let releases = said(&proxy, &["releases", "driftwood/web"]);
    let lines: Vec<&str> = releases.lines().collect();
    assert!(lines[1].starts_with("1.10.0 ") && lines[1].contains("no commit tag"), "{releases}");
    assert!(lines[2].starts_with("1.4.1 ") && lines[2].contains("git-9f8e7d6") && lines[2].ends_with("1 1.4 latest"), "{releases}");
    assert!(lines[3].starts_with("1.4.0 ") && lines[3].contains("git-0a1b2c3"), "{releases}");
    refused(&proxy, &["releases", "driftwood/none"], 1, "knows no release of driftwood/none");

    let changes = said(&proxy, &["diff", "driftwood/web", "--between", &between, "now"]);
    let told: Vec<String> =
        changes.lines().skip(1).map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")).collect();
    let expected = ["1 moved", "1.10.0 appeared", "1.4 moved", "1.4.1 appeared", "git-9f8e7d6 appeared", "latest moved"];
    assert_eq!(told, expected, "{changes}");
    assert!(
        said(&proxy, &["diff", "driftwood/web", "--between", &between, &between]).starts_with("no tag of driftwood/web changed")
    );
}
