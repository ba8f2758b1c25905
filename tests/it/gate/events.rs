//! What the release log says of each request: one event for each tag, with who and why.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use futures_util::FutureExt;
use pushonce::clock::SystemClock;
use pushonce::ledger::event::{Action, Event, Outcome};
use pushonce::ledger::log::Filter;
use pushonce::ledger::memory::MemoryLedger;
use pushonce::ledger::{Ledger, Log};

use crate::harness::process::eventually;
use crate::harness::pushonce::POLICY;
use crate::harness::replica::Replica;
use crate::harness::{Fault, Faults, Gate, Image, Registry, Shared};

use super::DELETABLE;

const PATIENCE: Duration = Duration::from_secs(30);

/// What is in the log, the oldest first, once it holds so many events.
fn events(ledger: &MemoryLedger, count: usize) -> Vec<Event> {
    eventually(PATIENCE, &format!("{count} events"), || {
        let entries = ledger.entries(&Filter::default(), 1_000).now_or_never()?.expect("an answer");
        (entries.len() >= count).then(|| entries.into_iter().rev().map(|entry| entry.event).collect())
    })
}

/// `outcome tag digest previous`, the digests cut short.
fn line(event: &Event) -> String {
    let tag = event.tag.as_ref().map_or("-", |tag| tag.as_str());
    let short =
        |digest: &Option<pushonce::oci::Digest>| digest.as_ref().map_or("-".to_owned(), |digest| digest.short().to_string());
    format!("{} {tag} {} {}", event.outcome, short(&event.digest), short(&event.previous))
}

fn lines(ledger: &MemoryLedger, count: usize) -> Vec<String> {
    events(ledger, count).iter().map(line).collect()
}

fn short(image: &Image) -> String {
    pushonce::oci::Digest::parse(&image.digest()).expect("a digest").short().to_string()
}

/// A registry, a replica in front of it, and their ledger.
struct Stage {
    registry: Registry,
    faults: Faults,
    ledger: MemoryLedger,
}

impl Stage {
    fn set() -> Self {
        let registry = Registry::start();
        let faults = Faults::in_front_of(registry.address());
        Self { registry, faults, ledger: MemoryLedger::new() }
    }

    fn replica(&self, policy: &str) -> Replica {
        let (ledger, clock, upstream) = (self.ledger.clone(), Arc::new(SystemClock), self.faults.url());
        Shared { ledger, clock, upstream }.replica(policy, "")
    }

    fn open_changes(&self) -> usize {
        self.ledger.open_changes(None, 100).now_or_never().expect("at once").expect("an answer").len()
    }
}

#[test]
fn pushes_moves_repeats_and_refusals() {
    let stage = Stage::set();
    let proxy = stage.replica(POLICY);
    let (first, second) = (Image::random(), Image::random());
    proxy.push("web:1.4.0", &first).expect_created();
    proxy.push("web:latest", &first).expect_created();
    proxy.push("web:1.4.0", &first).expect_created();
    proxy.push("web:1.4.0", &second).expect_refused();
    proxy.push("web:latest", &second).expect_created();
    proxy.push("web:latest", &second).expect_created();
    let (one, two) = (short(&first), short(&second));
    let mut said = lines(&stage.ledger, 6);
    said.sort();
    let mut expected = [
        format!("pushed 1.4.0 {one} -"),
        format!("moved latest {one} -"),
        format!("repeated 1.4.0 {one} -"),
        format!("refused 1.4.0 {two} {one}"),
        format!("moved latest {two} {one}"),
        format!("repeated latest {two} {two}"),
    ];
    expected.sort();
    assert_eq!(said, expected);
    assert_eq!(stage.open_changes(), 0);
}

#[test]
fn an_event_says_who_with_what_by_which_rule_and_request() {
    let registry = Registry::with().basic_auth().start();
    let ledger = MemoryLedger::new();
    let shared = Shared { ledger: ledger.clone(), clock: Arc::new(SystemClock), upstream: registry.url() };
    let proxy = shared.replica(POLICY, "");
    let developer = proxy.signed_in("developer", "developer-password");
    let image = Image::random();
    let pushed = developer.push("web:1.4.0", &image);
    let agent = format!("<script>docker/29.1\"'{}", "x".repeat(400));
    let draft = developer.request("PUT", "/v2/web/manifests/latest").header("User-Agent", &agent);
    let moved = draft.header("Content-Type", &image.manifest.media_type).body(&image.manifest.bytes).send();
    moved.expect_created();
    let refused = developer.push("web:1.4.0", &Image::random());
    refused.expect_refused();
    proxy.signed_in("developer", "wrong").push("web:latest", &image).expect(401);
    let said = events(&ledger, 3);
    for (outcome, answer) in [(Outcome::Pushed, &pushed), (Outcome::Moved, &moved), (Outcome::Refused, &refused)] {
        let event = said.iter().find(|event| event.outcome == outcome).unwrap_or_else(|| panic!("no {outcome}: {said:#?}"));
        assert_eq!(event.registry, "default");
        assert_eq!(event.repository.as_ref().map(|name| name.as_str()), Some("web"));
        assert_eq!(event.action, Action::Push);
        assert_eq!(event.who.as_deref(), Some("developer"));
        assert_eq!(event.request.as_deref(), answer.header("x-request-id"));
        assert_eq!(event.media_type.as_deref(), Some(image.manifest.media_type.as_str()));
        assert!(event.size.is_some_and(|size| size > 0), "{event:?}");
        let rule = if outcome == Outcome::Moved { "shortcuts" } else { "releases" };
        assert_eq!(event.rule.as_deref(), Some(rule), "{event:?}");
        let client = (outcome == Outcome::Moved).then(|| &agent[..256]);
        assert_eq!(event.client.as_deref(), client, "as it came, and cut short");
        assert_eq!(event.detail.is_some(), outcome == Outcome::Refused, "the words of the refusal");
    }
    assert_eq!(events(&ledger, 3).len(), 3, "whom the registry turns away leaves no event");
}

#[test]
fn a_push_of_several_tags_is_one_event_for_each() {
    let stage = Stage::set();
    let proxy = stage.replica(POLICY);
    let image = Image::random();
    proxy.push(&format!("web@{}", image.digest()), &image).expect_created();
    let target = format!("/v2/web/manifests/{}?tag=1.4.0&tag=1.4&tag=latest", image.digest());
    let pushed =
        proxy.request("PUT", &target).header("Content-Type", &image.manifest.media_type).body(&image.manifest.bytes).send();
    pushed.expect_created();
    let digest = short(&image);
    let expected = [format!("pushed 1.4.0 {digest} -"), format!("moved 1.4 {digest} -"), format!("moved latest {digest} -")];
    assert_eq!(lines(&stage.ledger, 3), expected);
}

#[test]
fn deletes_by_tag_and_with_the_manifest() {
    let stage = Stage::set();
    let proxy = stage.replica(DELETABLE);
    let (first, second) = (Image::random(), Image::random());
    for name in ["web:1.4.0", "web:latest", "web:1.4"] {
        proxy.push(name, &first).expect_created();
    }
    proxy.push("web:1.4", &second).expect_created();
    let before = lines(&stage.ledger, 4);
    assert_eq!(before.len(), 4, "{before:?}");
    proxy.delete(&format!("web@{}", first.digest())).expect(202);
    let (one, two) = (short(&first), short(&second));
    let mut said = lines(&stage.ledger, 6).split_off(4);
    said.sort();
    assert_eq!(said, [format!("deleted 1.4.0 - {one}"), format!("deleted latest - {one}")], "1.4 means other bytes");
    proxy.delete("web:1.4");
    let said = lines(&stage.ledger, 6);
    // docker-registry 2.8.2 deletes by digest only, and says so.
    assert!(said.len() == 6 || said[6] == format!("deleted 1.4 - {two}"), "{said:?}");
    assert_eq!(stage.open_changes(), 0);
}

#[test]
fn a_refused_delete_names_what_it_would_have_taken() {
    let stage = Stage::set();
    let proxy = stage.replica(POLICY);
    let image = Image::random();
    proxy.push("web:1.4.0", &image).expect_created();
    proxy.delete("web:1.4.0").expect_delete_refused();
    proxy.delete(&format!("web@{}", image.digest())).expect_delete_refused();
    let said = events(&stage.ledger, 3);
    let refused: Vec<&Event> = said.iter().filter(|event| event.outcome == Outcome::Refused).collect();
    assert_eq!(refused.len(), 2);
    for event in &refused {
        assert_eq!((event.action, event.previous.as_ref().map(ToString::to_string)), (Action::Delete, Some(image.digest())));
    }
    assert_eq!(refused.iter().filter(|event| event.tag.is_some()).count(), 1);
}

#[test]
fn a_rule_that_is_only_tried_leaves_a_warning() {
    let stage = Stage::set();
    let audited = "[[rule]]\nname = \"releases\"\ntags = [\"semver:x.y.z\"]\nmutability = \"immutable\"\nenforcement = \"audit\"\n";
    let proxy = stage.replica(audited);
    let (first, second) = (Image::random(), Image::random());
    proxy.push("web:1.4.0", &first).expect_created();
    proxy.push("web:1.4.0", &second).expect_created();
    let (one, two) = (short(&first), short(&second));
    assert_eq!(lines(&stage.ledger, 2), [format!("moved 1.4.0 {one} -"), format!("warned 1.4.0 {two} {one}")]);
}

#[test]
fn what_the_registry_held_is_adopted_and_its_drift_is_seen_once() {
    let stage = Stage::set();
    let proxy = stage.replica(POLICY);
    let (before, after) = (Image::random(), Image::random());
    stage.registry.put_tag_behind_the_back("web:1.4.0", &before);
    proxy.pull("web:1.4.0").expect_ok();
    let adopted = events(&stage.ledger, 1).remove(0);
    assert_eq!((adopted.action, adopted.outcome), (Action::Adopt, Outcome::Adopted));
    assert!(adopted.size.is_some_and(|size| size > 0));
    stage.registry.put_tag_behind_the_back("web:1.4.0", &after);
    drop(proxy);
    // A replica of its own has compared nothing yet.
    let proxy = stage.replica(POLICY);
    for _ in 0..3 {
        proxy.pull("web:1.4.0").expect_ok().expect_digest(&before.digest());
    }
    assert_eq!(lines(&stage.ledger, 2)[1], format!("drifted 1.4.0 {} {}", short(&after), short(&before)));
    proxy.push("web:1.4.0", &before).expect_created();
    let said = lines(&stage.ledger, 3);
    assert!(said.contains(&format!("repeated 1.4.0 {} {}", short(&before), short(&before))) || said.len() >= 3, "{said:?}");
}

#[test]
fn what_the_registry_refuses_is_no_event_and_leaves_nothing_open() {
    let stage = Stage::set();
    let proxy = stage.replica(POLICY);
    stage.faults.once(|request| request.is("PUT", "/manifests/latest"), Fault::Status(403));
    proxy.push("web:latest", &Image::random()).expect(403);
    assert_eq!(stage.open_changes(), 0);
    assert_eq!(lines(&stage.ledger, 0), Vec::<String>::new());
}

#[test]
fn an_answer_that_was_lost_leaves_the_move_open_until_somebody_looks() {
    for (fault, outcome) in [(Fault::LoseAnswer, Outcome::Moved), (Fault::Cut, Outcome::Unknown)] {
        let stage = Stage::set();
        let proxy = stage.replica(POLICY);
        let image = Image::random();
        proxy.push("web:1.4", &image).expect_created();
        let next = Image::random();
        stage.faults.once(|request| request.is("PUT", "/manifests/1.4"), fault);
        let status = proxy.push("web:1.4", &next).status;
        assert!(status >= 500, "{status}");
        assert_eq!(stage.open_changes(), 1, "it is written down");
        let (ledger, clock) = (stage.ledger.clone(), Arc::new(SystemClock));
        let settings = "ledger.reconcile_interval = \"1ms\"";
        let other = Shared { ledger, clock, upstream: stage.registry.url() }.replica(POLICY, settings);
        thread::sleep(Duration::from_millis(20));
        other.reconcile();
        let said = events(&stage.ledger, 2);
        assert_eq!(said.len(), 2, "{said:#?}");
        assert_eq!((said[1].outcome, said[1].digest.as_ref().map(ToString::to_string)), (outcome, Some(next.digest())));
        assert!(said[1].detail.as_deref().is_some_and(|words| words.starts_with("begun ")), "{:?}", said[1]);
        assert_eq!(stage.open_changes(), 0);
        let key = said[1].key().expect("a tag");
        let meaning = stage.ledger.meaning(&key, None).now_or_never().expect("at once").expect("an answer");
        let meant = meaning.and_then(|entry| entry.event.digest).map(|digest| digest.to_string());
        assert_eq!(meant, stage.registry.tag_digest("web:1.4"), "the log says what is so");
    }
}

#[test]
fn of_two_moves_at_once_the_log_says_the_one_that_stands() {
    let stage = Stage::set();
    let (slow, fast) = (stage.replica(POLICY), stage.replica(POLICY));
    let (first, second) = (Image::random(), Image::random());
    let (gate, digest) = (Gate::default(), first.digest());
    for image in [&first, &second] {
        fast.push(&format!("web@{}", image.digest()), image).expect_created();
    }
    stage.faults.once(move |request| request.is("PUT", "/manifests/latest"), Fault::Hold(gate.clone()));
    let held = {
        let gate = &gate;
        thread::scope(|scope| {
            let pushing = scope.spawn(|| slow.push("web:latest", &first).status);
            gate.wait_until_reached();
            fast.push("web:latest", &second).expect_created();
            gate.open();
            pushing.join().expect("the push")
        })
    };
    assert_eq!(held, 201);
    assert_eq!(stage.registry.tag_digest("web:latest"), Some(digest.clone()), "the held one came last");
    let said = events(&stage.ledger, 2);
    let key = said[0].key().expect("a tag");
    let meaning = stage.ledger.meaning(&key, None).now_or_never().expect("at once").expect("an answer");
    assert_eq!(meaning.and_then(|entry| entry.event.digest).map(|digest| digest.to_string()), Some(digest));
    assert_eq!(stage.open_changes(), 0);
}
