//! `Accept` and `If-None-Match`: the form in which a manifest is given out.

use super::pair::{Pair, outcome};
use crate::harness::Image;
use crate::harness::api::Api;
use crate::harness::exchange::Exchange;
use crate::harness::image::sha256;

const OCI: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// What a client may accept, line by line.
const ACCEPTS: [&[&str]; 11] = [
    &[],
    &["*/*"],
    &["application/json"],
    &[OCI],
    &[OCI_INDEX],
    &[DOCKER],
    &[DOCKER_LIST],
    &[OCI, OCI_INDEX],
    &[DOCKER, DOCKER_LIST],
    &[OCI, OCI_INDEX, DOCKER, DOCKER_LIST, "*/*"],
    &["application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json;q=0.5", DOCKER_LIST],
];

fn ask(api: &Api, method: &str, reference: &str, accept: &[&str]) -> Exchange {
    let draft = api.request(method, &format!("/v2/web/manifests/{reference}"));
    accept.iter().fold(draft, |draft, line| draft.header("Accept", line)).send()
}

/// One image of each kind that a registry stores.
fn kinds() -> [(&'static str, Image); 4] {
    let (oci, docker) = (Image::random(), Image::docker());
    let (index, list) = (Image::index(&[&oci]), Image::docker_list(&[&docker]));
    [(OCI, oci), (OCI_INDEX, index), (DOCKER, docker), (DOCKER_LIST, list)]
}

#[test]
fn a_tag_that_moves_and_a_digest_come_as_the_registry_gives_them() {
    let pair = Pair::start();
    for (_, image) in kinds() {
        pair.push("web:latest", &image);
        for (method, accept) in ["GET", "HEAD"].into_iter().flat_map(|method| ACCEPTS.map(|accept| (method, accept))) {
            pair.same(|api| ask(api, method, "latest", accept));
            pair.same(|api| ask(api, method, &image.digest(), accept));
        }
    }
}

/// By design: a release is read by its digest, and so comes as the registry gives
/// out digests. docker-registry converts what it reads by tag for clients that do
/// not accept docker's own types: the list to one of its images, and the image to
/// schema version 1. What it gives out then has another digest than the release.
#[test]
fn a_release_comes_as_the_registry_gives_its_digest() {
    let pair = Pair::start();
    let mut converted = Vec::new();
    for (number, (media_type, image)) in kinds().into_iter().enumerate() {
        let tag = format!("1.4.{number}");
        pair.push(&format!("web:{tag}"), &image);
        for (method, accept) in ["GET", "HEAD"].into_iter().flat_map(|method| ACCEPTS.map(|accept| (method, accept))) {
            let pinned = ask(&pair.proxy, method, &tag, accept);
            let by_digest = ask(&pair.direct, method, &image.digest(), accept);
            // The registry's 404 may name the digest, which the client did not ask for;
            // the proxy says the same in words of its own.
            let same_as = |answer: &Exchange| match (pinned.status, answer.status) {
                (404, 404) => true,
                _ => outcome(&pair.proxy, &pinned) == outcome(&pair.direct, answer),
            };
            assert!(same_as(&by_digest), "{media_type} for {accept:?}: {pinned}\n{by_digest}");
            assert!(pinned.status != 200 || pinned.header("docker-content-digest") == Some(&image.digest()), "{pinned}");
            let by_tag = ask(&pair.direct, method, &tag, accept);
            if !same_as(&by_tag) {
                converted.push((media_type, accept.join(", ").contains(media_type)));
            }
        }
    }
    converted.sort_unstable();
    converted.dedup();
    assert_eq!(converted, [(DOCKER_LIST, false), (DOCKER, false)], "where a pull by tag differs from that of a release");
}

#[test]
fn what_a_client_has_already_is_not_sent_again() {
    let (pair, image) = (Pair::start(), Image::random());
    for tag in ["1.4.0", "latest"] {
        pair.push(&format!("web:{tag}"), &image);
    }
    let same = format!("\"{}\"", image.digest());
    for reference in ["1.4.0", "latest", &image.digest()] {
        for (etag, status) in [(same.as_str(), 304), (image.digest().as_str(), 304), ("\"sha256:other\"", 200), ("\"other\"", 200)]
        {
            let path = format!("/v2/web/manifests/{reference}");
            for method in ["GET", "HEAD"] {
                let ask = |api: &Api| api.request(method, &path).accept_manifests().header("If-None-Match", etag).send();
                pair.same(ask).expect(status);
            }
        }
    }
    let layer = sha256(&image.blobs[1]);
    let path = format!("/v2/web/blobs/{layer}");
    for etag in [format!("\"{layer}\""), "*".to_owned(), "\"other\"".to_owned()] {
        pair.same(|api| api.request("GET", &path).header("If-None-Match", &etag).send());
    }
}
