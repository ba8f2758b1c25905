//! The real clients through the proxy: each pushes a release once, moves its
//! shortcuts, and prints the refusal as a developer reads it.

mod buildah;
mod containerd;
mod docker;
mod document;
mod habits;
mod helm;
mod moving_tags;
mod multi_arch;
mod oci_client;
mod pinned_pulls;
mod podman;
mod python;
mod referrers;
mod sign_in;
mod skopeo;
mod uploads;

use std::collections::BTreeMap;

use self::document::Row;
use crate::harness::run::Run;
use crate::harness::{Client, Pushonce, Registry};

const REPOSITORY: &str = "driftwood/web";
/// The four tags of a release.
const TAGS: [&str; 4] = ["1.4", "1.4.0", "git-9f3c2a1", "latest"];
const MOVING: [&str; 2] = ["1.4", "latest"];
const REFUSAL: &str = "tag driftwood/web:1.4.0 is immutable (rule \"releases\"): it means sha256:";

/// A registry with the proxy before it.
struct Stage {
    registry: Registry,
    proxy: Pushonce,
}

impl Stage {
    fn set() -> Self {
        let registry = Registry::start();
        let proxy = Pushonce::start(&registry);
        Self { registry, proxy }
    }

    /// `host:port/driftwood/web:tag`, through the proxy.
    fn name(&self, tag: &str) -> String {
        format!("{}/{REPOSITORY}:{tag}", self.proxy.address())
    }

    /// What the registry's own pointer of a tag says.
    #[track_caller]
    fn digest(&self, tag: &str) -> String {
        self.registry.tag_digest(&format!("{REPOSITORY}:{tag}")).unwrap_or_else(|| panic!("the registry has no tag {tag}"))
    }

    /// What the registry's own pointers of all tags say.
    fn digests(&self) -> BTreeMap<String, String> {
        self.registry.tags(REPOSITORY).into_iter().map(|tag| (tag.clone(), self.digest(&tag))).collect()
    }

    /// A push of other bytes under 1.4.0, or a delete of it: it fails, changes no
    /// immutable tag, and prints what the document says.
    #[track_caller]
    fn expect_refused(&self, command: &str, kind: &str, attempt: impl FnOnce() -> Run) -> Run {
        let refused = || self.proxy.metric("pushonce_requests_total", &[("kind", kind), ("verdict", "refused")]);
        let (meant, refused_before) = (self.digest("1.4.0"), refused());
        let run = attempt().expect_failure();
        let attempts = refused() - refused_before;
        assert!(attempts >= 1.0, "the proxy refused nothing\n{run}");
        assert_eq!(self.digest("1.4.0"), meant, "the registry has other bytes now\n{run}");
        Row::read(command, &run, self.proxy.address(), attempts > 1.0).expect();
        run
    }
}

/// The story that every client tells in the same way.
fn tell_a_release(client: &dyn Client, command: &str) {
    let stage = Stage::set();
    client.build("first", "first");
    for _ in 0..2 {
        for tag in TAGS {
            client.push("first", &stage.name(tag)).expect_success();
        }
    }
    let first = stage.digest("1.4.0");
    assert_eq!(stage.digests(), TAGS.map(|tag| (tag.to_owned(), first.clone())).into());

    client.build("second", "second");
    stage.expect_refused(command, "push", || client.push("second", &stage.name("1.4.0")));
    for tag in MOVING {
        client.push("second", &stage.name(tag)).expect_success();
    }
    expect_moved(&stage, &first);
    expect_pulled(&stage, client);
}

/// The shortcuts moved together, the release and the build stayed.
fn expect_moved(stage: &Stage, first: &str) {
    let second = stage.digest("latest");
    assert_ne!(second, first, "latest did not move");
    let expected = TAGS.map(|tag| (tag.to_owned(), if MOVING.contains(&tag) { second.clone() } else { first.to_owned() }));
    assert_eq!(stage.digests(), expected.into());
}

/// Every tag is pulled as what the registry has.
fn expect_pulled(stage: &Stage, client: &dyn Client) {
    for (tag, digest) in stage.digests() {
        assert_eq!(client.pulled_digest(&stage.name(&tag)), digest, "{} pulled {tag}", client.name());
    }
}

/// The story of every client that deletes: a tag goes by its digest, so a shortcut
/// goes only while no release has the same one.
fn tell_a_delete(client: &dyn Client, command: &str, delete: &dyn Fn(&str) -> Run) {
    let stage = Stage::set();
    client.build("first", "first");
    for tag in TAGS {
        client.push("first", &stage.name(tag)).expect_success();
    }
    let digests = stage.digests();
    stage.expect_refused(command, "delete", || delete(&stage.name("1.4.0")));
    delete(&stage.name("latest")).expect_failure();
    assert_eq!(stage.digests(), digests);

    client.build("second", "second");
    client.push("second", &stage.name("latest")).expect_success();
    delete(&stage.name("latest")).expect_success();
    assert_eq!(stage.registry.tags(REPOSITORY), ["1.4", "1.4.0", "git-9f3c2a1"]);
}
