//! docker with its own daemon.

use super::{MOVING, REFUSAL, REPOSITORY, Stage, TAGS, expect_moved, expect_pulled, tell_a_release};
use crate::harness::{Client, Dockerd};

#[test]
fn docker_pushes_a_release_once() {
    tell_a_release(&Dockerd::start(), "docker push");
}

#[test]
fn docker_pushes_all_tags_of_a_release_once() {
    let (stage, docker) = (Stage::set(), Dockerd::start());
    let repository = format!("{}/{REPOSITORY}", stage.proxy.address());
    docker.build("first", "first");
    for tag in TAGS {
        docker.tag("first", &stage.name(tag));
    }
    docker.push_all_tags(&repository).expect_success();
    let first = stage.digest("1.4.0");
    assert_eq!(stage.digests(), TAGS.map(|tag| (tag.to_owned(), first.clone())).into());
    docker.push_all_tags(&repository).expect_success();
    assert_eq!(stage.digests(), TAGS.map(|tag| (tag.to_owned(), first.clone())).into());

    docker.build("second", "second");
    for tag in ["1.4", "1.4.0", "latest"] {
        docker.tag("second", &stage.name(tag));
    }
    let refused = stage.expect_refused("docker push --all-tags", "push", || docker.push_all_tags(&repository));
    let line = format!("denied: {REFUSAL}");
    assert!(refused.stderr.lines().any(|said| said.starts_with(&line)), "no line begins {line:?}\n{refused}");
    // docker gives up at the refusal, so what comes after it is pushed by itself.
    for tag in MOVING {
        docker.run(&["push", &stage.name(tag)]).expect_success();
    }
    expect_moved(&stage, &first);
    expect_pulled(&stage, &docker);
}
