//! What each page says, and that every link leads to a page.

use std::collections::BTreeSet;

use regex::Regex;

use super::Stage;
use crate::harness::{Image, Postgres, Pushonce, Registry};

/// The text of a page without its markup, in one line.
fn text(page: &str) -> String {
    let markup = Regex::new(r"<[^>]*>").expect("an expression");
    let text = markup
        .replace_all(&page.replace("<wbr>", ""), " ")
        .replace("&amp;", "&")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn says(stage: &Stage, path: &str, words: &[&str]) {
    let page = stage.page(path).expect_ok().text();
    let text = text(&page);
    for word in words {
        assert!(text.contains(word), "{path} does not say `{word}`: {text}");
    }
}

#[test]
fn each_page_answers_its_question() {
    let stage = Stage::set();
    let (first, second) = (stage.first.digest(), stage.second.digest());
    let short = |digest: &str| digest[..19].to_owned() + "…";
    says(&stage, "/", &["10 pushes 1 refusal", "is immutable (rule \"releases\"): it means", "ann", "driftwood/api", "1.5.0-rc.1"]);
    says(
        &stage,
        "/repository?repository=driftwood/web",
        &["no commit tag", "git-9f8e7d6", &short(&first), "Other tags", "Between", "1.4.1"],
    );
    let tag = "/tag?repository=driftwood/web&tag=1.4";
    let pin = format!("driftwood/web@{second}");
    says(&stage, tag, &[&pin, "It is mutable by rule shortcuts .", "Timeline", &short(&first), "moved", "by ci"]);
    says(&stage, &format!("{tag}&at=now"), &[&pin, "At 20"]);
    says(&stage, &format!("{tag}&at=2020-01-01"), &["Nothing is known of it."]);
    says(&stage, &format!("/digest?digest={first}"), &["Now it is", "release", "commit", "1.4.0"]);
    says(&stage, "/diff?repository=driftwood/web&from=1h&to=now", &["appeared", "1.5.0-rc.1"]);
    says(&stage, "/diff?repository=driftwood/web&from=now&to=now", &["No tag changed."]);
    says(&stage, "/log", &["refused", "repaired", "drifted", "driftwood/api:2.0.0"]);
    says(&stage, "/log?repository=driftwood/web&tag=&outcome=refused&since=&until=", &["it means sha256:"]);
    says(
        &stage,
        "/policy",
        &[
            "releases all semver:x.y.z semver:x.y.z-* immutable refused 4",
            "immutable",
            "default all other tags",
            "the first that matches decides",
        ],
    );
    says(
        &stage,
        "/policy?reference=driftwood/web:1.4.0",
        &["is immutable , by rule releases : a first push passes", "rule builds does not match the tag: `git-*`"],
    );
    says(&stage, "/audit", &["Audits in the background are off", "drifted", "repaired", "driftwood/api:2.0.0"]);
}

#[test]
fn every_link_and_every_form_leads_to_a_page() {
    let stage = Stage::set();
    let (links, ids) = (Regex::new(r#"(?:href|action)="([^"]*)""#).expect("one"), Regex::new(r#" id="([^"]*)""#).expect("one"));
    let (mut waiting, mut seen) = (vec!["/".to_owned()], BTreeSet::new());
    while let Some(path) = waiting.pop() {
        if !seen.insert(path.clone()) {
            continue;
        }
        let answer = stage.page(&path);
        answer.expect_ok();
        let page = answer.text();
        let all: Vec<String> = ids.captures_iter(&page).map(|found| found[1].to_owned()).collect();
        assert_eq!(all.len(), all.iter().collect::<BTreeSet<_>>().len(), "{path} has an id twice: {all:?}");
        for found in links.captures_iter(&page) {
            let link = found[1].replace("&amp;", "&");
            match link.split_once('#') {
                Some(("", id)) => assert!(all.iter().any(|known| known == id), "{path}: nothing is called {id}"),
                _ if link == "/go" || link == "/tag" || link == "/diff" => {}
                _ => waiting.push(link.split('#').next().unwrap_or_default().to_owned()),
            }
        }
    }
    assert!(seen.len() > 25, "{seen:?}");
}

#[test]
fn the_field_leads_to_what_is_written_into_it() {
    let stage = Stage::set();
    let digest = stage.first.digest();
    for (text, expected) in [
        ("driftwood/web", "/repository?repository=driftwood/web".to_owned()),
        ("driftwood%2Fweb%3A1.4", "/tag?repository=driftwood/web&tag=1.4".to_owned()),
        (&format!("driftwood/web@{digest}"), format!("/digest?digest={digest}")),
    ] {
        let answer = stage.page(&format!("/go?q={text}"));
        answer.expect(303);
        assert_eq!(answer.header("location"), Some(expected.as_str()));
        stage.page(&expected).expect_ok();
    }
    let answer = stage.page("/go?q=sha256%3Aabc");
    assert!(text(&answer.expect(400).text()).contains("write a repository, REPOSITORY:TAG, or a whole digest"));
}

#[test]
fn what_cannot_be_answered_is_said_on_a_page() {
    let stage = Stage::set();
    let unknown = format!("/digest?digest=sha256:{}", "0".repeat(64));
    for (path, status, words) in [
        ("/repository?repository=none", 404, "the log knows no repository none; `pushonce adopt` enters"),
        ("/tag?repository=driftwood/web&tag=9.9.9", 404, "the log knows nothing of driftwood/web:9.9.9"),
        (unknown.as_str(), 200, "No tag ever meant these bytes"),
        ("/digest?digest=sha256:abc", 400, "That cannot be answered"),
        ("/tag?repository=Driftwood&tag=1", 400, "That cannot be answered"),
        ("/tag?repository=driftwood/web&tag=1.4&at=soon", 400, "`soon` is no time: write 2026-11-24"),
        ("/log?outcome=fine", 400, "`fine` is no outcome: pushed, moved"),
        ("/log?limit=9999", 400, "`limit` is 1 to 1000, not 9999"),
        ("/log?colour=red", 400, "unknown field `colour`"),
        ("/?days=8", 400, "`days` is 7, 30 or 90"),
        ("/policy?reference=driftwood", 400, "`driftwood` has no tag"),
        ("/nowhere", 404, "there is no such page"),
    ] {
        let answer = stage.page(path);
        let page = text(&answer.expect(status).text());
        assert!(page.contains(words), "{path} does not say `{words}`: {page}");
        assert!(answer.header("content-type").is_some_and(|kind| kind.starts_with("text/html")), "{path}");
    }
    stage.proxy.admin().request("POST", "/log").send().expect(405);
    let head = stage.proxy.admin().request("HEAD", "/log").send();
    assert!(head.expect_ok().body.is_empty());
}

#[test]
fn a_long_log_has_pages() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let images = [Image::random(), Image::random()];
    for number in 0..60 {
        proxy.push("web:latest", &images[number % 2]).expect_created();
    }
    let next = Regex::new(r#"rel="next" href="([^"]*)""#).expect("an expression");
    for start in ["/log?repository=web&outcome=moved&since=1h", "/tag?repository=web&tag=latest"] {
        let (mut path, mut rows) = (start.to_owned(), 0);
        loop {
            let page = proxy.admin().request("GET", &path).send().expect_ok().text();
            rows += page.matches(">moved</span>").count() - usize::from(start.starts_with("/tag"));
            let Some(found) = next.captures(&page) else { break };
            path = found[1].replace("&amp;", "&");
        }
        assert_eq!(rows, 60, "{start}");
    }
}

#[test]
fn an_empty_ledger_has_pages_that_say_so() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let page = text(&proxy.admin().request("GET", "/").send().expect_ok().text());
    for words in ["No release was pushed yet.", "Nothing was refused yet.", "pushonce adopt", "Nothing happened in these days."] {
        assert!(page.contains(words), "{words}: {page}");
    }
    for path in ["/log", "/policy", "/audit"] {
        proxy.admin().request("GET", path).send().expect_ok();
    }
}

#[test]
fn a_shared_ledger_has_the_same_pages_and_a_hanging_one_says_so() {
    let (registry, database) = (Registry::start(), Postgres::start(&[]));
    let url = database.url(&database.database());
    let proxy = Pushonce::in_front_of(&registry.url()).environment("PUSHONCE_LEDGER__URL", &url).start();
    let image = Image::random();
    for tag in ["web:1.4.0", "web:git-0a1b2c3", "web:latest"] {
        proxy.push(tag, &image).expect_created();
    }
    let digest = format!("/digest?digest={}", image.digest());
    let paths =
        ["/", "/log?repository=web", "/repository?repository=web", "/tag?repository=web&tag=latest&at=now", &digest, "/policy"];
    for path in paths {
        proxy.admin().request("GET", path).send().expect_ok();
    }
    database.pause();
    let answer = proxy.admin().request("GET", "/log").send();
    let page = text(&answer.expect(503).text());
    assert!(page.contains("the ledger gave no answer; try again"), "{page}");
    database.resume();
}
