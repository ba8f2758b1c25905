//! Random request targets: what the proxy says a request is about is what the real
//! registry takes it to be about.
//!
//! The registry logs which repository, reference, digest or upload it understood
//! (docker-registry's `vars.…` fields), the proxy logs one decision per request. A
//! `User-Agent` of its own, which the proxy passes on, ties the two together.

mod reading;
mod target;

use std::cell::Cell;

use proptest::test_runner::{Config, TestCaseError, TestRunner};

use self::reading::{Decision, Understood, tail_of};
use self::target::{Case, MANIFEST, cases};
use crate::harness::raw::raw;
use crate::harness::{Pushonce, Registry};

/// A proxy before a registry, and a registry that is asked the same directly.
struct Stage {
    /// What the proxy sends here.
    behind: Registry,
    proxy: Pushonce,
    direct: Registry,
}

/// What became of one request.
struct Outcome {
    decision: Option<Decision>,
    /// What the registry behind the proxy understood of what the proxy sent.
    forwarded: Vec<Understood>,
    /// What the other registry understood of the request itself.
    direct: Vec<Understood>,
}

impl Stage {
    fn start() -> Self {
        let registry = || Registry::with().says_what_it_understood().start();
        let behind = registry();
        let proxy = Pushonce::in_front_of(&behind.url()).setting("log.filter = \"pushonce=debug\"").start();
        Self { behind, proxy, direct: registry() }
    }

    fn send(&self, case: &Case, agent: &str) -> Outcome {
        let mut logs =
            [self.proxy.directory().join("log"), self.behind.log_file(), self.direct.log_file()].map(|log| tail_of(&log));
        let answer = raw(self.proxy.address(), &case.bytes(self.proxy.address(), agent));
        raw(self.direct.address(), &case.bytes(self.direct.address(), agent));
        let id = answer.lines().find_map(|line| line.strip_prefix("x-request-id: ").map(str::to_owned));
        let [proxy, behind, direct] = &mut logs;
        Outcome {
            decision: id.map(|id| Decision::wait_for(proxy, &id)),
            forwarded: Understood::all(behind, agent),
            direct: Understood::all(direct, agent),
        }
    }
}

/// Fails where the proxy and the registry disagree on what the request is about.
fn agree(case: &Case, outcome: &Outcome) -> Result<(), TestCaseError> {
    let wrong = |what: &str, understood: Option<&Understood>| {
        let text = format!("{what}\n{case}\nthe proxy: {:?}\nthe registry: {understood:?}", outcome.decision);
        Err(TestCaseError::fail(text))
    };
    let forwarded: Vec<_> = outcome.forwarded.iter().filter(|understood| !asks_for_the_right_to_delete(case, understood)).collect();
    let writes = forwarded.iter().copied().find(|understood| understood.is_write());
    let Some(decision) = &outcome.decision else {
        // Not even a request: nothing of it may go on.
        return if forwarded.is_empty() { Ok(()) } else { wrong("a request without a decision went on", writes) };
    };
    if !decision.lets_pass() && writes.is_some_and(|write| write.tag().is_some() || write.method == "DELETE") {
        return wrong("a refused request was carried out", writes);
    }
    for understood in forwarded {
        if !decision.covers(understood) {
            return wrong("what went on is about something else", Some(understood));
        }
    }
    // The request itself, as a registry without the proxy reads it.
    match outcome.direct.iter().find(|understood| decision.lets_pass() && !decision.covers(understood)) {
        Some(understood) => wrong("the request itself is about something else", Some(understood)),
        None => Ok(()),
    }
}

/// Whether the gate asked, with the digest of nothing, if this client may delete at
/// all: such a request names no manifest that a registry could hold.
fn asks_for_the_right_to_delete(case: &Case, understood: &Understood) -> bool {
    let nothing = understood.reference.as_deref().filter(|reference| reference.starts_with("sha256:"));
    let asks = understood.method == "DELETE" && case.method == "DELETE";
    asks && nothing.is_some_and(|digest| !case.target.to_lowercase().contains(digest.trim_start_matches("sha256:")))
}

/// The number of targets is that of the environment variable `PROPTEST_CASES`.
#[test]
fn whatever_the_proxy_forwards_is_understood_by_the_registry_as_the_proxy_says() {
    let stage = Stage::start();
    let (sent, forwarded, named) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    let result = runner.run(&cases(), |case| {
        sent.set(sent.get() + 1);
        let outcome = stage.send(&case, &format!("case-{}-end", sent.get()));
        if outcome.decision.as_ref().is_some_and(Decision::lets_pass) && !outcome.forwarded.is_empty() {
            forwarded.set(forwarded.get() + 1);
            named.set(named.get() + usize::from(outcome.forwarded.iter().any(|understood| understood.tag().is_some())));
        }
        agree(&case, &outcome)
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
    let (sent, forwarded, named) = (sent.get(), forwarded.get(), named.get());
    println!("{sent} requests, {forwarded} forwarded, {named} of them about a tag");
    assert!(forwarded * 10 > sent && forwarded < sent, "{forwarded} of {sent} were forwarded: a test of one kind only");
    assert!(named * 20 > sent, "only {named} of {sent} came to be about a tag");
}

#[test]
fn the_two_logs_say_what_a_request_was_about() {
    let stage = Stage::start();
    let push = Case { method: "PUT".to_owned(), target: "/v2/manifests/manifests/1.4.0".to_owned() };
    let outcome = stage.send(&push, "agent-of-this-test");
    let decision = outcome.decision.as_ref().expect("a decision");
    assert!(decision.lets_pass());
    assert!(
        outcome.forwarded.iter().any(|understood| understood.is_write() && understood.tag() == Some("1.4.0")),
        "the push arrived"
    );
    assert!(outcome.direct.iter().any(|understood| understood.repository.as_deref() == Some("manifests")));
    agree(&push, &outcome).expect("an honest push");
    let mismatched = |target: &str| {
        let other = stage.send(&Case { target: target.to_owned(), ..push.clone() }, "the-agent-of-another-request");
        let mixed =
            Outcome { decision: other.decision, forwarded: stage.send(&push, "a-third-agent").forwarded, direct: Vec::new() };
        agree(&push, &mixed).is_err()
    };
    assert!(mismatched("/v2/manifests/manifests/1.4.1") && mismatched("/v2/blobs/manifests/1.4.0"), "a difference goes unnoticed");

    let encoded = Case { method: "PUT".to_owned(), target: "/v2/manifests/manifests/1%2E4%2E0".to_owned() };
    let outcome = stage.send(&encoded, "another-agent-of-this-test");
    assert!(outcome.direct.iter().any(|understood| understood.tag() == Some("1.4.0")), "the registry decodes a path");
    assert!(outcome.forwarded.is_empty(), "the proxy does not");
    assert!(stage.behind.pull("manifests:1.4.0").expect_ok().body == MANIFEST.as_bytes());
    agree(&encoded, &outcome).expect("a refusal");
}
