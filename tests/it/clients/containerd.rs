//! containerd, which looks at a tag before it pushes it.

use super::{Stage, tell_a_release};
use crate::harness::{Client, Containerd, Image};

#[test]
fn containerd_pushes_a_release_once() {
    tell_a_release(&Containerd::start(), "ctr images push");
}

#[test]
fn containerd_pushes_an_index_of_several_architectures_once() {
    let (stage, containerd) = (Stage::set(), Containerd::start());
    let [first, second] = [(); 2].map(|()| Image::index(&[&Image::random(), &Image::random()]));
    containerd.import("first", &first);
    containerd.import("second", &second);
    for _ in 0..2 {
        for tag in ["1.4", "1.4.0"] {
            containerd.push("first", &stage.name(tag)).expect_success();
        }
    }
    assert_eq!(stage.digest("1.4.0"), first.digest());
    stage.expect_refused("ctr images push (index)", "push", || containerd.push("second", &stage.name("1.4.0")));
    containerd.push("second", &stage.name("1.4")).expect_success();
    assert_eq!(containerd.pulled_digest(&stage.name("1.4.0")), first.digest());
    assert_eq!(containerd.pulled_digest(&stage.name("1.4")), second.digest());
}
