//! A claim that nobody comes back to is finished in the background.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use pushonce::clock::{AttemptId, ManualClock};
use pushonce::ledger::memory::MemoryLedger;
use pushonce::ledger::{Claimed, Ledger, State, TagKey};
use pushonce::oci::{Digest, RepositoryName, Tag};

use crate::harness::process::eventually;
use crate::harness::pushonce::POLICY;
use crate::harness::{Fault, Faults, Gate, Image, Pushonce, Registry, Shared};

use super::{Chain, state, store};

const PATIENCE: Duration = Duration::from_secs(30);
const OFTEN: &str = "ledger.reconcile_interval = \"100ms\"";

fn chain() -> Chain {
    let registry = Registry::start();
    let faults = Faults::in_front_of(registry.address());
    let proxy = Pushonce::in_front_of(&faults.url()).setting(OFTEN).start();
    Chain { proxy, faults, registry }
}

#[track_caller]
fn wait_until_sealed(proxy: &Pushonce, tag: &str) {
    let sealed = || state(proxy, "web", tag).filter(|state| state == "sealed");
    eventually(PATIENCE, "the claim is finished", sealed);
}

/// The lines of the log with this message.
fn said(proxy: &Pushonce, message: &str) -> Vec<serde_json::Value> {
    proxy.log_lines().into_iter().filter(|line| line["message"] == message).collect()
}

/// Waits until the reconciler has looked at everything `times` more.
fn wait_for_walks(proxy: &Pushonce, times: usize) {
    let walks = || proxy.metric("pushonce_ledger_seconds_count", &[("operation", "open_claims")]);
    let before = walks();
    eventually(PATIENCE, "the open claims are walked over", || (walks() > before + times as f64).then_some(()));
}

#[test]
fn a_claim_of_a_killed_proxy_is_finished() {
    for failpoint in ["gate-claimed", "gate-looked", "gate-pointed"] {
        let registry = Registry::start();
        let mut proxy =
            Pushonce::in_front_of(&registry.url()).setting(OFTEN).environment("FAILPOINTS", &format!("{failpoint}=return")).start();
        let image = Image::random();
        assert!(proxy.try_push("web:1.4.0", &image).is_err(), "killed at {failpoint}");
        assert_eq!(state(&proxy, "web", "1.4.0").as_deref(), Some("open"));
        proxy.restart();
        wait_until_sealed(&proxy, "1.4.0");
        assert_eq!(registry.tag_digest("web:1.4.0"), Some(image.digest()));
        assert_eq!(proxy.metric("pushonce_open_claims", &[]), 0.0);
        let line = eventually(PATIENCE, "its line", || said(&proxy, "an open claim was finished in the background").pop());
        assert_eq!((line["tag"].as_str(), line["means"].as_str()), (Some("web:1.4.0"), Some(image.digest().as_str())));
    }
}

#[test]
fn a_reconciler_that_is_killed_leaves_the_claim_to_the_next() {
    for failpoint in ["gate-reconciling", "gate-joined", "gate-rolled"] {
        let registry = Registry::start();
        let image = Image::random();
        let mut proxy = Pushonce::in_front_of(&registry.url())
            .setting("ledger.reconcile_interval = \"2s\"")
            .environment("FAILPOINTS", &format!("gate-claimed=return;{failpoint}=return"))
            .start();
        assert!(proxy.try_push("web:1.4.0", &image).is_err());
        proxy.restart();
        eventually(PATIENCE, "the reconciler is killed", || proxy.has_ended().then_some(()));
        assert_eq!(state(&proxy, "web", "1.4.0").as_deref(), Some("open"), "killed at {failpoint}");
        proxy.forget_environment();
        proxy.restart();
        wait_until_sealed(&proxy, "1.4.0");
        assert_eq!(registry.tag_digest("web:1.4.0"), Some(image.digest()));
    }
}

#[test]
fn a_claim_is_finished_once_the_registry_is_well_again() {
    let chain = chain();
    let image = Image::random();
    chain.faults.when(|request| request.is("PUT", "/manifests/1.4.0"), Fault::Cut);
    chain.proxy.push("web:1.4.0", &image).expect_unavailable();
    wait_for_walks(&chain.proxy, 5);
    let tried_again = "an open claim could not be finished and is tried again";
    assert_eq!(said(&chain.proxy, tried_again).len(), 1, "said once");
    assert_eq!(chain.proxy.metric("pushonce_stuck_claims", &[]), 0.0);
    assert_eq!(state(&chain.proxy, "web", "1.4.0").as_deref(), Some("open"));
    chain.faults.heal();
    wait_until_sealed(&chain.proxy, "1.4.0");
    assert_eq!(chain.registry.tag_digest("web:1.4.0"), Some(image.digest()));
    chain.proxy.push("web:1.4.0", &Image::random()).expect_refused();
}

#[test]
fn a_tag_that_was_there_before_is_adopted() {
    let chain = chain();
    let (claimed, before) = (Image::random(), Image::random());
    chain.faults.when(|request| request.is("PUT", "/manifests/1.4.0"), Fault::Cut);
    chain.proxy.push("web:1.4.0", &claimed).expect_unavailable();
    chain.registry.put_tag_behind_the_back("web:1.4.0", &before);
    wait_until_sealed(&chain.proxy, "1.4.0");
    assert_eq!(chain.registry.tag_digest("web:1.4.0"), Some(before.digest()));
    assert_eq!(chain.proxy.tag_digest("web:1.4.0"), Some(before.digest()));
}

#[test]
fn a_claim_whose_content_is_gone_is_said_once_and_left_open() {
    let chain = chain();
    let image = Image::random();
    chain.faults.when(|request| request.is("PUT", "/manifests/1.4.0"), Fault::Cut);
    chain.proxy.push("web:1.4.0", &image).expect_unavailable();
    chain.registry.delete(&format!("web@{}", image.digest())).expect(202);
    let stuck = || (chain.proxy.metric("pushonce_stuck_claims", &[]) == 1.0).then_some(());
    eventually(PATIENCE, "the claim counts as stuck", stuck);
    // Not before: a walk that had the content already would point the tag.
    chain.faults.heal();
    wait_for_walks(&chain.proxy, 5);
    assert_eq!(state(&chain.proxy, "web", "1.4.0").as_deref(), Some("open"));
    let lines = said(&chain.proxy, "an open claim is stuck");
    assert_eq!(lines.len(), 1, "said once");
    let remedy = "push the same bytes again, or free the tag with `pushonce release-claim web:1.4.0 --reason \"…\"`";
    assert_eq!(lines[0]["remedy"], remedy);
    assert!(lines[0]["cause"].as_str().is_some_and(|cause| cause.contains("does not hold any more")), "{}", lines[0]);

    chain.proxy.push("web:1.4.0", &image).expect_created();
    let freed = || (chain.proxy.metric("pushonce_stuck_claims", &[]) == 0.0).then_some(());
    eventually(PATIENCE, "nothing is stuck", freed);
}

#[test]
fn a_tag_that_the_policy_lets_move_now_is_left_to_its_next_push() {
    let mut chain = chain();
    let image = Image::random();
    chain.faults.when(|request| request.is("PUT", "/manifests/1.4.0"), Fault::Cut);
    chain.proxy.push("web:1.4.0", &image).expect_unavailable();
    chain.proxy.set_policy("default = \"mutable\"\n");
    chain.proxy.restart();
    chain.faults.heal();
    wait_for_walks(&chain.proxy, 5);
    assert_eq!(state(&chain.proxy, "web", "1.4.0").as_deref(), Some("open"));
    assert_eq!(chain.registry.tag_digest("web:1.4.0"), None);
}

#[test]
fn it_holds_up_no_push_and_shutdown_waits_for_it() {
    let mut chain = chain();
    let image = Image::random();
    chain.faults.once(|request| request.is("PUT", "/manifests/1.4.0"), Fault::Cut);
    let gate = Gate::default();
    chain.faults.once(|request| request.is("PUT", "/manifests/1.4.0"), Fault::Hold(gate.clone()));
    chain.proxy.push("web:1.4.0", &image).expect_unavailable();
    gate.wait_until_reached();
    chain.proxy.push("web:1.4.1", &Image::random()).expect_created();
    chain.proxy.pull("web:1.4.1").expect_ok();
    let opening = thread::spawn(move || {
        thread::sleep(Duration::from_millis(500));
        gate.open();
    });
    assert!(chain.proxy.terminate().success());
    opening.join().expect("the opener");
    assert_eq!(state(&chain.proxy, "web", "1.4.0").as_deref(), Some("sealed"));
    assert!(chain.proxy.log().contains("shut down; everything was finished"), "{}", chain.proxy.log());
}

#[test]
fn never_is_a_choice() {
    let registry = Registry::start();
    let proxy = Pushonce::in_front_of(&registry.url()).setting("ledger.reconcile_interval = \"0s\"").start();
    thread::sleep(Duration::from_millis(300));
    assert_eq!(proxy.metric("pushonce_ledger_seconds_count", &[("operation", "open_claims")]), 0.0);
}

/// Replicas over one ledger, in which 1.4.0 is claimed for `image` and no more.
struct Stage {
    registry: Registry,
    faults: Faults,
    shared: Shared,
    clock: Arc<ManualClock>,
    key: TagKey,
    image: Image,
}

impl Stage {
    /// The claim is stamped that many seconds after the clock's time.
    fn claimed(seconds: i64) -> Self {
        let registry = Registry::start();
        let faults = Faults::in_front_of(registry.address());
        let image = Image::random();
        store(&registry, "web", &image);
        let clock = Arc::new(ManualClock::at(Timestamp::from_second(1_800_000_000).expect("a time")));
        let ledger = MemoryLedger::new();
        let key = TagKey { repository: RepositoryName::parse("web").expect("a name"), tag: Tag::parse("1.4.0").expect("a tag") };
        let digest = Digest::parse(&image.digest()).expect("a digest");
        let stamp = Timestamp::from_second(1_800_000_000 + seconds).expect("a time");
        let claimed = block_on(ledger.claim(&key, &digest, AttemptId::random(), &stamp.into())).expect("an answer");
        assert!(matches!(claimed, Claimed::Granted(_)), "{claimed:?}");
        let shared = Shared { ledger, clock: clock.clone(), upstream: faults.url() };
        Self { registry, faults, shared, clock, key, image }
    }

    fn state(&self) -> Option<State> {
        block_on(self.shared.ledger.lookup(&self.key)).expect("an answer").map(|record| record.state)
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

#[test]
fn several_replicas_may_do_it_at_once() {
    let stage = Stage::claimed(-3600);
    let replicas = [(); 3].map(|()| stage.shared.replica(POLICY, ""));
    thread::scope(|scope| replicas.iter().for_each(|replica| drop(scope.spawn(|| replica.reconcile()))));
    assert_eq!(stage.state(), Some(State::Sealed));
    assert_eq!(stage.registry.tag_digest("web:1.4.0"), Some(stage.image.digest()));
    assert!(stage.faults.count("PUT", "/manifests/1.4.0") >= 1);
    for replica in &replicas {
        assert_eq!(replica.metric("pushonce_stuck_claims", &[]), 0.0);
        replica.push("web:1.4.0", &Image::random()).expect_refused();
    }
}

#[test]
fn a_young_claim_is_left_to_its_own_push() {
    let stage = Stage::claimed(0);
    let replica = stage.shared.replica(POLICY, "");
    stage.clock.advance(59_000);
    replica.reconcile();
    assert_eq!(stage.state(), Some(State::Open));
    stage.clock.advance(1_000);
    replica.reconcile();
    assert_eq!(stage.state(), Some(State::Sealed));
}

#[test]
fn a_clock_that_goes_ahead_keeps_no_claim_open() {
    let stage = Stage::claimed(3600);
    stage.shared.replica(POLICY, "").reconcile();
    assert_eq!(stage.state(), Some(State::Sealed));
}
