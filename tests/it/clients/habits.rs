//! How each client goes about a push, read from the requests that it sent.

use std::collections::BTreeSet;

use super::document::{self, HABITS};
use super::{REPOSITORY, Stage};
use crate::harness::wire::Recorded;
use crate::harness::{Buildah, Client, Containerd, Dockerd, Dxf, Faults, Helm, OciClient, Oras, Podman, Skopeo};

/// A client before a recorder before the proxy.
struct Watched {
    stage: Stage,
    recorder: Faults,
}

impl Watched {
    fn set() -> Self {
        let stage = Stage::set();
        let recorder = Faults::in_front_of(stage.proxy.address());
        Self { stage, recorder }
    }

    fn name(&self, repository: &str) -> String {
        format!("{}/{repository}:1.4.0", self.recorder.address())
    }

    /// What the client sends while it does something.
    fn during(&self, action: impl FnOnce()) -> Vec<Recorded> {
        let before = self.recorder.requests().len();
        action();
        self.recorder.requests().split_off(before)
    }
}

fn is_about_the_tag(request: &&Recorded) -> bool {
    request.target().ends_with("/manifests/1.4.0")
}

fn puts(requests: &[Recorded]) -> usize {
    requests.iter().filter(|request| request.is("PUT", "/manifests/1.4.0")).count()
}

/// Looks at all habits and compares them with the document.
fn expect_as_documented(client: &dyn Client) {
    let watched = Watched::set();
    let name = watched.name(REPOSITORY);
    client.build("first", "first");
    client.build("second", "second");

    let first = watched.during(|| drop(client.push("first", &name).expect_success()));
    assert_eq!(puts(&first), 1, "{} pushes a new tag once", client.name());
    let again = watched.during(|| drop(client.push("first", &name).expect_success()));
    let meant = watched.stage.digest("1.4.0");
    let elsewhere = watched.during(|| drop(client.push("first", &watched.name("driftwood/other")).expect_success()));
    let refused = watched.during(|| drop(client.push("second", &name).expect_failure()));
    assert_eq!(watched.stage.digest("1.4.0"), meant);
    let pulled = watched.during(|| assert_eq!(client.pulled_digest(&name), meant));

    let looks = first.iter().find(is_about_the_tag).map(Recorded::method).filter(|method| *method != "PUT");
    let uploads: BTreeSet<&str> =
        first.iter().filter(|request| request.target().contains("/blobs/uploads/")).map(Recorded::method).collect();
    let uploads: Vec<&str> = uploads.into_iter().filter(|method| matches!(*method, "PATCH" | "PUT")).collect();
    let mounts = elsewhere.iter().any(|request| request.method() == "POST" && request.target().contains("mount="));
    let accept = pulled.iter().find(is_about_the_tag).expect("a request for the tag");
    let accept = match accept.headers("accept").as_slice() {
        [] => "none".to_owned(),
        [one] => format!("1 line, {} types", one.split(',').count()),
        lines => format!("{} lines", lines.len()),
    };
    let cells = [
        client.version(),
        looks.unwrap_or("no").to_owned(),
        if puts(&again) == 0 { "not sent" } else { "sent" }.to_owned(),
        puts(&refused).to_string(),
        uploads.join(", "),
        if mounts { "yes" } else { "no" }.to_owned(),
        accept,
    ];
    document::expect(&HABITS, client.name(), &cells.join(" | "));
}

#[test]
fn buildah_pushes_as_documented() {
    expect_as_documented(&Buildah::new());
}

#[test]
fn containerd_pushes_as_documented() {
    expect_as_documented(&Containerd::start());
}

#[test]
fn docker_pushes_as_documented() {
    expect_as_documented(&Dockerd::start());
}

#[test]
fn dxf_pushes_as_documented() {
    expect_as_documented(&Dxf::new());
}

#[test]
fn helm_pushes_as_documented() {
    expect_as_documented(&Helm::new());
}

#[test]
fn the_rust_library_pushes_as_documented() {
    expect_as_documented(&OciClient::new());
}

#[test]
fn the_python_sdk_of_oras_pushes_as_documented() {
    expect_as_documented(&Oras::new());
}

#[test]
fn podman_pushes_as_documented() {
    expect_as_documented(&Podman::new());
}

#[test]
fn skopeo_pushes_as_documented() {
    expect_as_documented(&Skopeo::new());
}
