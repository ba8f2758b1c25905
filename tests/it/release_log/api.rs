//! The log over HTTP, as docs/openapi.json describes it.

use serde_json::{Value, json};

use crate::harness::postgres::Postgres;
use crate::harness::{Image, Pushonce, Registry};

use super::Story;

fn document() -> Value {
    let text = include_str!("../../../docs/openapi.json");
    serde_json::from_str(text).expect("docs/openapi.json")
}

/// Asks, and compares the answer with what the document says of this path and status.
#[track_caller]
fn ask(proxy: &Pushonce, path: &str, query: &str, status: u16) -> Value {
    let answer = proxy.admin().request("GET", &format!("{path}?{query}")).send();
    let body: Value = serde_json::from_slice(&answer.expect(status).body).expect("JSON");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let document = document();
    let described = &document["paths"][path]["get"]["responses"][status.to_string()]["content"]["application/json"]["schema"];
    assert!(described.is_object(), "{path} with {status} is not described");
    let mut schema = described.clone();
    schema["components"] = document["components"].clone();
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let wrong: Vec<String> = validator.iter_errors(&body).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(wrong.is_empty(), "{path}?{query}: {wrong:#?}\n{body:#}");
    // Every parameter that is used stands in the document.
    let known: Vec<&str> = document["paths"][path]["get"]["parameters"]
        .as_array()
        .expect("parameters")
        .iter()
        .filter_map(|parameter| parameter["name"].as_str())
        .collect();
    for name in query.split('&').filter_map(|pair| Some(pair.split_once('=')?.0)) {
        assert!(known.contains(&name) || status == 400, "{path} has no parameter {name} in the document");
    }
    body
}

#[test]
fn every_question_is_answered_as_the_document_says() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let Story { first, second, between } = Story::tell(&proxy);
    let (repository, between) = ("repository=driftwood/web", between.replace('+', "%2B"));
    let now = ask(&proxy, "/api/v1/resolve", &format!("{repository}&tag=1.4"), 200);
    assert_eq!((&now["digest"], now["outcome"].as_str()), (&json!(second.digest()), Some("moved")));
    let then = ask(&proxy, "/api/v1/resolve", &format!("{repository}&tag=1.4&at={between}"), 200);
    assert_eq!(then["pin"], format!("driftwood/web@{}", first.digest()));
    let unknown = ask(&proxy, "/api/v1/resolve", &format!("{repository}&tag=3.0.0"), 404);
    assert!(unknown["error"].as_str().is_some_and(|words| words.contains("`pushonce adopt` enters")), "{unknown}");
    let early = ask(&proxy, "/api/v1/resolve", &format!("{repository}&tag=1.4&at=2020-01-01"), 404);
    assert!(early["error"].as_str().is_some_and(|words| words.contains("at 2020-01-01T00:00:00Z or before")), "{early}");

    let report = ask(&proxy, "/api/v1/report", "since=1h", 200);
    assert_eq!((report["offenders"].as_array().map(Vec::len), &report["more"]), (Some(0), &json!(false)));
    let standing = ask(&proxy, "/api/v1/decisions", "", 200);
    assert_eq!(standing, json!({"exceptions": [], "yanks": []}));

    let page = ask(&proxy, "/api/v1/log", &format!("{repository}&limit=3"), 200);
    assert_eq!(page["entries"].as_array().map(Vec::len), Some(3));
    let next = page["next"].as_str().expect("more").to_owned();
    let rest = ask(&proxy, "/api/v1/log", &format!("{repository}&after={next}&limit=1000"), 200);
    assert!(rest["entries"].as_array().map(Vec::len) >= Some(7) && rest.get("next").is_none(), "{rest:#}");
    let moved = ask(&proxy, "/api/v1/log", &format!("{repository}&tag=latest&outcome=moved&since=1h&until=now"), 200);
    assert_eq!(moved["entries"].as_array().map(Vec::len), Some(2));

    let meant = ask(&proxy, "/api/v1/whatis", &format!("digest={}", first.digest()), 200);
    assert_eq!(meant["tags"].as_array().map(Vec::len), Some(5));
    let never = ask(&proxy, "/api/v1/whatis", &format!("digest={}", Image::random().digest()), 200);
    assert_eq!(never["tags"], json!([]));
    let releases = ask(&proxy, "/api/v1/releases", repository, 200);
    assert_eq!(releases["releases"][0]["tag"], "1.4.1");
    assert_eq!(releases["releases"][0]["commits"], json!(["git-9f8e7d6"]));
    let changes = ask(&proxy, "/api/v1/diff", &format!("{repository}&from={between}&to=now"), 200);
    assert_eq!(changes.as_array().map(Vec::len), Some(5));

    let edge = Image::random();
    proxy.push("driftwood/web:edge", &edge).expect_created();
    let before = ask(&proxy, "/api/v1/resolve", &format!("{repository}&tag=edge"), 200)["since"].clone();
    proxy.request("DELETE", &format!("/v2/driftwood/web/manifests/{}", edge.digest())).send().expect(202);
    let deleted = ask(&proxy, "/api/v1/resolve", &format!("{repository}&tag=edge"), 404);
    assert!(deleted["error"].as_str().is_some_and(|words| words.contains("driftwood/web:edge was deleted at 20")), "{deleted}");
    let releases = ask(&proxy, "/api/v1/releases", repository, 200);
    assert_eq!(releases["moving"].as_array().map(Vec::len), Some(3), "{releases:#}");
    let before = before.as_str().expect("a time");
    let changes = ask(&proxy, "/api/v1/diff", &format!("{repository}&from={before}&to=now"), 200);
    assert_eq!((changes.as_array().map(Vec::len), changes[0]["change"].as_str()), (Some(1), Some("went")));
}

#[test]
fn without_its_ledger_every_question_says_so() {
    let server = Postgres::start(&[]);
    let url = server.url(&server.database());
    let registry = Registry::start();
    let proxy = Pushonce::in_front_of(&registry.url()).environment("PUSHONCE_LEDGER__URL", &url);
    let proxy = proxy.environment("PUSHONCE_LEDGER__TIMEOUT", "2s").start();
    server.kill9();
    for (path, query) in [
        ("/api/v1/resolve", "repository=web&tag=1.4".to_owned()),
        ("/api/v1/log", "limit=1".to_owned()),
        ("/api/v1/whatis", format!("digest={}", Image::random().digest())),
        ("/api/v1/releases", "repository=web".to_owned()),
        ("/api/v1/diff", "repository=web&from=1h&to=now".to_owned()),
    ] {
        let answer = ask(&proxy, path, &query, 503);
        assert_eq!(answer["error"], "the ledger gave no answer; try again, and see the log of pushonce");
    }
}

#[test]
fn mistakes_are_named() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    for (path, query, words) in [
        ("/api/v1/resolve", "repository=web", "tag"),
        ("/api/v1/resolve", "repository=WEB&tag=1.4", "is not a path component"),
        ("/api/v1/resolve", "repository=web&tag=1.4&at=soon", "`soon` is no time"),
        ("/api/v1/resolve", "repository=web&tag=1.4&when=now", "when"),
        ("/api/v1/resolve", "repository=web&tag=1.4&at=2026-11-24T15:00:00+01:00", "the + of an offset is written %2B"),
        ("/api/v1/log", "tag=1.4", "`tag` needs its `repository`"),
        ("/api/v1/log", "limit=0", "`limit` is 1 to 1000"),
        ("/api/v1/log", "limit=many", "limit"),
        ("/api/v1/log", "outcome=lost", "`lost` is no outcome: pushed, moved"),
        ("/api/v1/log", "after=x", "give the `next` of the page before"),
        ("/api/v1/whatis", "digest=sha256:12", "sha256"),
        ("/api/v1/releases", "repository=", "a repository name has 1 to 255 characters"),
        ("/api/v1/diff", "repository=web&from=1h", "to"),
    ] {
        let answer = ask(&proxy, path, query, 400);
        let said = answer["error"].as_str().expect("words");
        assert!(said.contains(words), "{path}?{query}: {said}");
    }
}

#[test]
fn a_ledger_that_hangs_is_not_waited_for() {
    let server = Postgres::start(&[]);
    let url = server.url(&server.database());
    let registry = Registry::start();
    let proxy = Pushonce::in_front_of(&registry.url()).environment("PUSHONCE_LEDGER__URL", &url);
    let proxy = proxy.environment("PUSHONCE_LEDGER__TIMEOUT", "120s").start();
    server.pause();
    let answer = ask(&proxy, "/api/v1/log", "limit=1", 503);
    server.resume();
    assert_eq!(answer["error"], "the ledger gave no answer; try again, and see the log of pushonce");
    assert!(proxy.log().contains("no answer within 9 seconds"), "{}", proxy.log());
}

/// A parameter that the server does not know is an error that names it, so none of those
/// that the document has may be called unknown; and no answer is left without words.
#[test]
fn every_parameter_of_the_document_is_known() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let document = document();
    for (path, described) in document["paths"].as_object().expect("paths") {
        let Some(parameters) = described["get"]["parameters"].as_array() else { continue };
        for parameter in parameters {
            let name = parameter["name"].as_str().expect("a name");
            let answer = proxy.admin().request("GET", &format!("{path}?{name}=")).send();
            assert!(!answer.text().contains("unknown field"), "{path}?{name}: {answer}");
            let is_required = parameter["required"].as_bool() == Some(true);
            let without = proxy.admin().request("GET", &format!("{path}?strange=")).send();
            assert!(without.expect(400).text().contains(&format!("`{name}`")), "{path} does not know {name}: {without}");
            assert!(!is_required || proxy.admin().request("GET", path).send().status == 400, "{path} needs no {name}");
        }
    }
    for (method, path, status) in [
        ("GET", "/api/v1/nothing", 404),
        ("GET", "/api/v1", 404),
        ("GET", "/api/v1/decisions?strange=", 400),
        ("POST", "/api/v1/log", 405),
    ] {
        let answer = proxy.admin().request(method, path).send();
        let body: Value = serde_json::from_slice(&answer.expect(status).body).unwrap_or_else(|cause| panic!("{cause}: {answer}"));
        assert!(body["error"].is_string(), "{body}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer}");
    }
}

#[test]
fn the_document_has_every_path_and_no_other() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let document = document();
    for (path, described) in document["paths"].as_object().expect("paths") {
        let status = proxy.admin().request("GET", path).send().status;
        assert_ne!(status, 404, "{path}");
        // What is changed by POST needs a token that this one does not have.
        let to_post = if described["post"].is_object() { 403 } else { 405 };
        assert_eq!(proxy.admin().request("POST", path).send().status, to_post, "{path}");
    }
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
}
