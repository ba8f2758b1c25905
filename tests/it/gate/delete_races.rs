//! A delete of a manifest, while others would bind a tag to it: they are told to try
//! again, and no tag comes to mean content that is going.

use std::thread;

use crate::harness::{Fault, Gate, Image};

use super::{Chain, DELETABLE, state, store};

impl Chain {
    /// Deletes the manifest of `image`, does `meanwhile` when nothing but the registry's
    /// own delete is left, and sees the delete succeed.
    fn delete_while(&self, image: &Image, meanwhile: impl FnOnce()) {
        let gate = Gate::default();
        self.faults.once(|request| request.method() == "DELETE", Fault::Hold(gate.clone()));
        thread::scope(|scope| {
            let delete = scope.spawn(|| self.proxy.delete(&format!("web@{}", image.digest())));
            gate.wait_until_reached();
            meanwhile();
            gate.open();
            delete.join().expect("the delete").expect(202);
        });
        self.registry.pull(&format!("web@{}", image.digest())).expect_not_found();
    }
}

#[test]
fn a_tag_is_not_adopted_for_what_is_being_deleted() {
    let running = Chain::under(DELETABLE);
    let going = Image::random();
    store(&running.registry, "web", &going);
    running.delete_while(&going, || {
        running.registry.put_tag_behind_the_back("web:1.4.0", &going);
        running.proxy.pull("web:1.4.0").expect_unavailable();
    });
    assert_eq!(state(&running.proxy, "web", "1.4.0"), None);
    running.proxy.pull("web:1.4.0").expect_not_found();
    running.proxy.push("web:1.4.0", &Image::random()).expect_created();
}

#[test]
fn no_claim_yields_to_what_is_being_deleted() {
    let running = Chain::under(DELETABLE);
    let (going, other) = (Image::random(), Image::random());
    store(&running.registry, "web", &going);
    running.delete_while(&going, || {
        running.registry.put_tag_behind_the_back("web:1.4.0", &going);
        running.proxy.push("web:1.4.0", &other).expect_unavailable();
        assert_eq!(state(&running.proxy, "web", "1.4.0"), None, "the attempt is withdrawn");
    });
    running.proxy.push("web:1.4.0", &other).expect_created();
    assert_eq!(running.registry.tag_digest("web:1.4.0"), Some(other.digest()));
}

#[test]
fn no_claim_is_rolled_forward_to_what_is_being_deleted() {
    let running = Chain::under(DELETABLE);
    let (claimed, other) = (Image::random(), Image::random());
    running.faults.when(|request| request.is("PUT", "/manifests/1.4.0"), Fault::Cut);
    running.proxy.push("web:1.4.0", &claimed).expect_unavailable();
    running.faults.heal();
    assert_eq!(state(&running.proxy, "web", "1.4.0").as_deref(), Some("open"));
    running.delete_while(&claimed, || {
        running.proxy.push("web:1.4.0", &other).expect_unavailable();
        assert_eq!(running.registry.tag_digest("web:1.4.0"), None);
    });
    assert_eq!(state(&running.proxy, "web", "1.4.0").as_deref(), Some("burnt"));
    running.proxy.push("web:1.4.0", &other).expect_refused();
}

#[test]
fn what_is_pointed_again_is_not_acknowledged_once_it_is_burnt() {
    let running = Chain::under(DELETABLE);
    let image = Image::random();
    running.proxy.push("web:1.4.0", &image).expect_created();
    // The pointer is lost, so that the push must point it again; the tag is burnt by
    // another hand while it does.
    running.registry.put_tag_behind_the_back("web:1.4.0", &Image::random());
    let gate = Gate::default();
    running.faults.once(|request| request.is("PUT", "/manifests/1.4.0"), Fault::Hold(gate.clone()));
    thread::scope(|scope| {
        let push = scope.spawn(|| running.proxy.push("web:1.4.0", &image));
        gate.wait_until_reached();
        let burn = "UPDATE tags SET state = 'burnt' WHERE tag = '1.4.0'";
        assert_eq!(super::ledger(&running.proxy).execute(burn, []).expect("burnt"), 1);
        gate.open();
        push.join().expect("the push").expect_unavailable();
    });
    running.proxy.push("web:1.4.0", &image).expect_refused();
}
