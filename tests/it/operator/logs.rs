//! The log: one line for each decision, and never a credential.

use std::time::Duration;

use data_encoding::{BASE64, BASE64URL_NOPAD};
use serde_json::Value;

use crate::harness::exchange::Exchange;
use crate::harness::process::eventually;
use crate::harness::registry::{PASSWORD, USER};
use crate::harness::{Answer, Image, Pushonce, Registry, Upstream};

/// The one line about an answer.
#[track_caller]
fn line_of(proxy: &Pushonce, answer: &Exchange) -> Value {
    let id = answer.header("x-request-id").unwrap_or_else(|| panic!("no request id\n{answer}")).to_owned();
    let lines = || {
        let lines: Vec<Value> = proxy.log_lines().into_iter().filter(|line| line["request"] == *id).collect();
        (!lines.is_empty()).then_some(lines)
    };
    let mut lines = eventually(Duration::from_secs(10), "a line about the request", lines);
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines.remove(0)
}

#[test]
fn a_decision_is_one_line_with_every_field() {
    let registry = Registry::with().basic_auth().start();
    let proxy = Pushonce::in_front_of(&registry.url()).setting("log.filter = \"pushonce=debug\"").start();
    let user = proxy.signed_in(USER, PASSWORD);
    let (first, second) = (Image::random(), Image::random());

    let pushed = line_of(&proxy, &user.push("driftwood/web:1.4.0", &first));
    let refused = line_of(&proxy, &user.push("driftwood/web:1.4.0", &second));
    for (line, verdict, status, digest) in [(&pushed, "pushed", 201, first.digest()), (&refused, "refused", 409, second.digest())] {
        let expected = [
            ("level", "INFO"),
            ("message", &format!("push {verdict}")),
            ("kind", "push"),
            ("repository", "driftwood/web"),
            ("reference", "1.4.0"),
            ("digest", &digest),
            ("rule", "releases"),
            ("verdict", verdict),
            ("who", USER),
        ];
        for (field, value) in expected {
            assert_eq!(line[field], *value, "{field} of {line}");
        }
        assert_eq!(line["status"], status, "{line}");
        assert!(line["duration_ms"].is_u64() && line["timestamp"].is_string(), "{line}");
    }
    assert_eq!(refused["means"], *first.digest(), "{refused}");
    assert!(refused["cause"].as_str().is_some_and(|cause| cause.starts_with("tag driftwood/web:1.4.0 is immutable")), "{refused}");
    assert!(pushed.get("cause").is_none(), "{pushed}");

    let pulled = line_of(&proxy, &user.pull("driftwood/web:1.4.0"));
    assert_eq!((&pulled["kind"], &pulled["verdict"]), (&Value::from("pull"), &Value::from("pinned")), "{pulled}");
    assert_eq!((&pulled["digest"], &pulled["who"]), (&Value::from(first.digest()), &Value::from(USER)), "{pulled}");
    let deleted = line_of(&proxy, &user.delete("driftwood/web:1.4.0"));
    assert_eq!((&deleted["kind"], &deleted["verdict"]), (&Value::from("delete"), &Value::from("refused")), "{deleted}");
}

#[test]
fn a_user_is_named_only_once_the_registry_has_accepted_the_password() {
    let registry = Registry::with().basic_auth().start();
    let proxy = Pushonce::start(&registry);
    proxy.signed_in(USER, PASSWORD).push("web:1.4.0", &Image::random()).expect_created();
    let impostor = proxy.signed_in(USER, "wrong");
    let image = Image::random();
    for answer in [
        impostor.put_manifest("web:1.4.0", &image.manifest),
        impostor.put_manifest("web:2.0.0", &image.manifest),
        impostor.pull("web:1.4.0"),
    ] {
        let line = line_of(&proxy, answer.expect(401));
        assert!(line.get("who").is_none(), "{line}");
        assert_eq!(line["status"], 401, "{line}");
    }
}

#[test]
fn the_subject_of_a_token_is_named() {
    let upstream = Upstream::start(|request| match request.method() {
        "PUT" => Answer::status(201),
        "HEAD" if request.target().ends_with("/1.4.0") => Answer::status(404),
        _ => Answer::status(200),
    });
    let proxy = Pushonce::in_front_of(&upstream.url()).start();
    let token = format!("Bearer x.{}.y", BASE64URL_NOPAD.encode(br#"{"sub":"ci"}"#));
    let image = Image::random();
    let push = proxy.request("PUT", "/v2/web/manifests/1.4.0").header("Authorization", &token);
    let pushed = push.header("Content-Type", &image.manifest.media_type).body(&image.manifest.bytes).send();
    assert_eq!(line_of(&proxy, pushed.expect_created())["who"], "ci");
}

#[test]
fn nothing_secret_is_ever_written() {
    for format in ["json", "text"] {
        let registry = Registry::with().basic_auth().start();
        let filter = "PUSHONCE_LOG__FILTER";
        let proxy =
            Pushonce::in_front_of(&registry.url()).environment("PUSHONCE_LOG__FORMAT", format).environment(filter, "trace").start();
        let user = proxy.signed_in(USER, PASSWORD);
        user.push("web:1.4.0", &Image::random()).expect_created();
        user.push("web:1.4.0", &Image::random()).expect_refused();
        user.pull("web:1.4.0").expect_ok();
        user.delete("web:1.4.0").expect_delete_refused();
        proxy.signed_in(USER, "canary-password").push("web:1.4.0", &Image::random()).expect(401);
        proxy.request("GET", "/v2/web/manifests/1.4.0").header("Authorization", "Bearer canary-token").send().expect(401);
        proxy.request("GET", "/v2/web/manifests/1.4.0").header("Cookie", "session=canary-cookie").send().expect(401);
        proxy.request("GET", "/nowhere?token=canary-query").send().expect_not_found();
        let begun = user.request("POST", "/v2/web/blobs/uploads/").send();
        let location = user.location(begun.expect(202));
        let (_, upload_state) = location.split_once("_state=").expect("the state of an upload");
        user.request("GET", &location).send().expect(204);

        let log = proxy.log();
        assert!(log.contains("push refused") && log.contains("upload passed"), "the log is not complete:\n{log}");
        let basic = [format!("{USER}:{PASSWORD}"), format!("{USER}:canary-password")].map(|pair| BASE64.encode(pair.as_bytes()));
        let secrets = [PASSWORD, "canary", &basic[0], &basic[1], &upload_state[..20]];
        for secret in secrets {
            let found = log.lines().find(|line| line.contains(secret));
            assert_eq!(found, None, "{secret} is in the log");
        }
    }
}

#[test]
fn text_lines_carry_the_same_fields_without_colours() {
    let registry = Registry::start();
    let proxy = Pushonce::in_front_of(&registry.url()).environment("PUSHONCE_LOG__FORMAT", "text").start();
    let pushed = proxy.push("web:1.4.0", &Image::random());
    let id = pushed.expect_created().header("x-request-id").expect("a request id").to_owned();
    let find = || proxy.log().lines().find(|line| line.contains(&id)).map(str::to_owned);
    let line = eventually(Duration::from_secs(10), "a line about the request", find);
    for field in
        [" INFO ", "push pushed", "kind=\"push\"", "repository=\"web\"", "reference=\"1.4.0\"", "rule=\"releases\"", "status=201"]
    {
        assert!(line.contains(field), "{field} is not in {line}");
    }
    assert!(!proxy.log().contains('\u{1b}'), "{line}");
}

#[test]
fn what_only_passes_is_written_at_debug() {
    let registry = Registry::start();
    let proxy = Pushonce::in_front_of(&registry.url()).setting("log.filter = \"pushonce=debug\"").start();
    let asked = proxy.request("GET", "/v2/").send();
    let line = line_of(&proxy, asked.expect_ok());
    assert_eq!((&line["kind"], &line["verdict"], &line["level"]), (&"base".into(), &"passed".into(), &"DEBUG".into()), "{line}");
}

#[test]
fn request_ids_differ_and_the_clients_own_is_not_taken() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let ids: Vec<String> = (0..3)
        .map(|_| {
            let answer = proxy.request("GET", "/v2/").header("X-Request-Id", "forged").send();
            answer.header("x-request-id").expect("a request id").to_owned()
        })
        .collect();
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && !ids.contains(&"forged".to_owned()), "{ids:?}");
}
