//! What a roll-out in audit mode says before it bites.

use serde_json::{Value, json};

use crate::harness::{Image, Pushonce, Registry};

use super::{FOLLOWED, done};

#[test]
fn the_report_says_whom_enforcing_would_refuse() {
    let registry = Registry::start();
    let policy = format!("enforcement = \"audit\"\n{FOLLOWED}");
    let proxy = Pushonce::in_front_of(&registry.url()).policy(&policy).start();
    let said = done(&proxy, &["report", "--since", "30d"]);
    assert!(
        said.starts_with("nothing would have been refused between ") && said.ends_with("2 rules are in audit mode now\n"),
        "{said}"
    );

    let (old, new) = (Image::random(), Image::random());
    for (tag, image) in [("1.4.0", &old), ("1.4.1", &new), ("1.4", &new)] {
        proxy.push(&format!("web:{tag}"), image).expect_created();
    }
    let put = |tag: &str, image: &Image, client: &str| {
        let draft = proxy.request("PUT", &format!("/v2/web/manifests/{tag}")).header("User-Agent", client);
        let answer = draft.header("Content-Type", &image.manifest.media_type).body(&image.manifest.bytes).send();
        assert!(answer.expect_created().header("warning").is_some(), "{tag}: {answer}");
    };
    let another = Image::random();
    registry.push(&format!("web@{}", another.digest()), &another).expect_created();
    put("1.4", &old, "skopeo/1.9");
    put("1.4.0", &new, "docker/20.10.24 go/go1.19");
    put("1.4.0", &another, "docker/20.10.24 go/go1.19");
    put("1.4.1", &another, "skopeo/1.9");

    let report: Value = serde_json::from_str(&done(&proxy, &["report", "--output", "json"])).expect("JSON");
    let offenders = report["offenders"].as_array().expect("offenders");
    let line = |one: &Value| json!([one["rule"], one["repository"], one["client"], one["events"], one["tags"]]);
    let lines: Vec<Value> = offenders.iter().map(line).collect();
    let expected = [
        json!(["releases", "web", "docker/20.10.24", 2, ["1.4.0"]]),
        json!(["releases", "web", "skopeo/1.9", 1, ["1.4.1"]]),
        json!(["shortcuts", "web", "skopeo/1.9", 1, ["1.4"]]),
    ];
    assert_eq!(lines, expected);
    let said = done(&proxy, &["report"]);
    assert!(said.starts_with("EVENTS  RULE") && said.contains("4 pushes and deletes would have been refused between "), "{said}");
    let answer = proxy.admin().request("GET", "/api/v1/report?since=1h").send();
    let over_http: Value = serde_json::from_slice(&answer.expect_ok().body).expect("JSON");
    assert_eq!(over_http["offenders"], report["offenders"]);
}
