//! The reference of what is taken and answered.

use std::collections::BTreeSet;

use http::{Method, Uri};
use http_body_util::BodyExt;
use jiff::Timestamp;
use pushonce::gate::classify;
use pushonce::oci::manifest::ManifestError;
use pushonce::oci::{Algorithm, Digest, TagCase};
use pushonce::refusal::{Immutable, Refusal, Unmoved};
use serde_json::Value;

use super::examples::immutable;
use super::markdown::{quoted, read, table};

const DOCUMENT: &str = "docs/HTTP.md";

#[test]
fn every_path_takes_the_methods_that_are_documented() {
    for row in table(&read(DOCUMENT), "## What is taken") {
        let target: Uri = quoted(&row[0])[0].parse().expect("a path");
        let methods = ["GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"];
        let is_taken = |method: &&str| {
            let method: Method = method.parse().expect("a method");
            classify(&method, &target, &["/token".to_owned()], TagCase::Keep).is_ok()
        };
        let taken: BTreeSet<&str> = methods.into_iter().filter(is_taken).collect();
        assert_eq!(row[1].split(", ").collect::<BTreeSet<_>>(), taken, "{target}");
    }
}

/// One refusal of each kind, but for those that the registry words.
fn refusals() -> Vec<Refusal> {
    let digest = Digest::of(Algorithm::Sha256, b"first");
    let immutable = immutable(digest.clone(), Timestamp::UNIX_EPOCH);
    let Immutable { key, verdict, .. } = &immutable;
    let (key, verdict) = (key.clone(), verdict.clone());
    let text = "a cause".to_owned();
    vec![
        Refusal::malformed(text.clone()),
        Refusal::Manifest(ManifestError::Empty),
        Refusal::WrongDigest { named: digest.clone(), found: digest },
        Refusal::Body(text.clone()),
        Refusal::Unpinned(text.clone()),
        Refusal::Blind(key.clone()),
        Refusal::NoSuchPath,
        Refusal::ManifestUnknown(key.clone()),
        Refusal::Method { allow: "GET" },
        Refusal::Delete { message: text.clone(), rule: "releases".into() },
        Refusal::Immutable(Box::new(immutable)),
        Refusal::Move(Box::new(Unmoved { key, verdict, why: None })),
        Refusal::TooLarge(1),
        Refusal::TooManyTags(32),
        Refusal::TooManyUploads,
        Refusal::Internal(text.clone()),
        Refusal::Unchecked(http::StatusCode::FOUND),
        Refusal::Undecided(text),
    ]
}

#[test]
fn every_answer_of_its_own_is_documented_and_no_other() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let answers = refusals().into_iter().map(|refusal| {
        let answer = refusal.into_answer("id");
        let (status, may_retry) = (answer.status().as_str().to_owned(), answer.headers().contains_key("retry-after"));
        let body = runtime.block_on(answer.into_body().collect()).expect("a body").to_bytes();
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        (status, body["errors"][0]["code"].as_str().expect("a code").to_owned(), may_retry)
    });
    let answers: BTreeSet<_> = answers.collect();
    let documented = table(&read(DOCUMENT), "## What is answered").into_iter();
    let documented: BTreeSet<_> =
        documented.map(|row| (row[0].clone(), quoted(&row[1])[0].to_owned(), row[2].contains("`Retry-After`"))).collect();
    assert_eq!(documented, answers);
}
