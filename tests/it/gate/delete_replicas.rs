//! A delete of a manifest, and another replica that binds a tag to it at that moment:
//! what was acknowledged has its content again when the delete is over.

use std::sync::Arc;
use std::thread;

use pushonce::clock::SystemClock;
use pushonce::ledger::memory::MemoryLedger;

use crate::harness::pushonce::POLICY;
use crate::harness::{Fault, Faults, Gate, Image, Pushonce, Registry, Shared};

use super::{state, store};

/// A registry, and two replicas that share a ledger: what `deleting` sends can be held.
struct Pair {
    registry: Registry,
    faults: Faults,
    deleting: Shared,
    pushing: Shared,
}

impl Pair {
    fn start() -> Self {
        let registry = Registry::start();
        let faults = Faults::in_front_of(registry.address());
        let ledger = MemoryLedger::new();
        let shared = |upstream| Shared { ledger: ledger.clone(), clock: Arc::new(SystemClock), upstream };
        Self { deleting: shared(faults.url()), pushing: shared(registry.url()), registry, faults }
    }

    /// Deletes the manifest of `image` while the other replica pushes it as a release,
    /// when the delete has looked for the last time and the request of this method is
    /// next. Returns the status of the delete.
    fn delete_and_push(&self, image: &Image, held: &'static str) -> u16 {
        let (deleting, pushing) = (self.deleting.replica(POLICY, ""), self.pushing.replica(POLICY, ""));
        store(&self.registry, "web", image);
        let (gate, digest) = (Gate::default(), image.digest());
        let path = format!("/manifests/{digest}");
        self.faults.once(move |request| request.is(held, &path), Fault::Hold(gate.clone()));
        let status = thread::scope(|scope| {
            let delete = scope.spawn(|| deleting.delete(&format!("web@{digest}")).status);
            gate.wait_until_reached();
            pushing.push("web:1.4.0", image).expect_created();
            gate.open();
            delete.join().expect("the delete")
        });
        for replica in [&deleting, &pushing] {
            assert_eq!(replica.tag_digest("web:1.4.0"), Some(image.digest()), "what was acknowledged");
        }
        status
    }
}

#[test]
fn what_another_replica_came_to_need_is_put_back() {
    let (pair, image) = (Pair::start(), Image::random());
    assert_eq!(pair.delete_and_push(&image, "DELETE"), 202);
    assert_eq!(pair.registry.tag_digest("web:1.4.0"), Some(image.digest()), "its pointer too");
}

#[test]
fn it_is_put_back_though_the_answer_to_the_delete_was_lost() {
    let (pair, image) = (Pair::start(), Image::random());
    pair.faults.once(|request| request.method() == "DELETE", Fault::LoseAnswer);
    let status = pair.delete_and_push(&image, "GET");
    assert!(status >= 500, "nobody knows whether it was deleted: {status}");
}

#[test]
fn what_was_there_before_an_open_claim_is_not_deleted() {
    let registry = Registry::start();
    let faults = Faults::in_front_of(registry.address());
    let proxy = Pushonce::in_front_of(&faults.url()).setting("ledger.reconcile_interval = \"0s\"").start();
    let (before, claimed) = (Image::random(), Image::random());
    faults.when(|request| request.is("PUT", "/manifests/1.4.0"), Fault::Cut);
    proxy.push("web:1.4.0", &claimed).expect_unavailable();
    faults.heal();
    registry.put_tag_behind_the_back("web:1.4.0", &before);
    assert_eq!(state(&proxy, "web", "1.4.0").as_deref(), Some("open"));
    proxy.delete(&format!("web@{}", before.digest())).expect_delete_refused();
    assert_eq!(proxy.tag_digest("web:1.4.0"), Some(before.digest()));
    assert_eq!(registry.tag_digest("web:1.4.0"), Some(before.digest()));
}
