//! Many clients at once: one of them wins, and everybody is told the truth.

use std::collections::BTreeMap;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::harness::api::Api;
use crate::harness::image::Manifest;
use crate::harness::process::eventually;
use crate::harness::{Image, Pushonce, Registry};

const CLIENTS: usize = 16;
const TAGS: usize = 60;

/// What one client was told in the end.
struct Told {
    digest: String,
    status: u16,
    /// Answers of 503 before that, after each of which it asked again.
    undecided: usize,
}

/// Manifests that share their blobs and differ in an annotation.
fn variants(image: &Image, count: usize) -> Vec<Manifest> {
    let base: Value = serde_json::from_slice(&image.manifest.bytes).expect("a manifest");
    let variant = |number: usize| {
        let mut manifest = base.clone();
        manifest["annotations"] = serde_json::json!({"com.example.client": number.to_string()});
        Manifest::new(&image.manifest.media_type, manifest.to_string().as_bytes())
    };
    (0..count).map(variant).collect()
}

/// Pushes all manifests to one tag at the same moment, each as a client of its own.
fn push_at_once(proxy: &Api, name: &str, manifests: &[Manifest]) -> Vec<Told> {
    let start = Barrier::new(manifests.len());
    thread::scope(|scope| {
        let push = |manifest| {
            start.wait();
            push_until_told(proxy, name, manifest)
        };
        let clients: Vec<_> = manifests.iter().map(|manifest| scope.spawn(move || push(manifest))).collect();
        clients.into_iter().map(|client| client.join().expect("a client's thread")).collect()
    })
}

/// Pushes as a patient client does: again after every 503.
fn push_until_told(proxy: &Api, name: &str, manifest: &Manifest) -> Told {
    let mut undecided = 0;
    let status = eventually(Duration::from_secs(60), "the push is decided", || {
        let answer = proxy.put_manifest(name, manifest);
        match answer.status {
            201 => Some(201),
            409 => {
                answer.expect_refused();
                Some(409)
            }
            _ => {
                answer.expect_unavailable();
                undecided += 1;
                None
            }
        }
    });
    Told { digest: manifest.digest(), status, undecided }
}

fn report(what: &str, told: &[Told]) {
    let mut counts: BTreeMap<u16, usize> = BTreeMap::new();
    for one in told {
        *counts.entry(one.status).or_default() += 1;
        *counts.entry(503).or_default() += one.undecided;
    }
    println!("{what}: answers by status {counts:?}");
}

#[test]
fn of_many_different_pushes_of_one_tag_exactly_one_is_acknowledged() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let image = Image::random();
    registry.put_tag_behind_the_back("driftwood/web:base", &image);
    let manifests = variants(&image, CLIENTS);

    let mut all = Vec::new();
    for number in 0..TAGS {
        let name = format!("driftwood/web:1.4.{number}");
        let told = push_at_once(&proxy, &name, &manifests);
        let acknowledged: Vec<&str> = told.iter().filter(|told| told.status == 201).map(|told| told.digest.as_str()).collect();
        let [winner] = acknowledged.as_slice() else { panic!("{name} was acknowledged for {acknowledged:?}") };
        assert_eq!(registry.tag_digest(&name).as_deref(), Some(*winner), "what the registry has as {name}");
        assert_eq!(proxy.tag_digest(&name).as_deref(), Some(*winner), "what is pulled as {name}");
        all.extend(told);
    }
    report("different bytes", &all);
    assert_eq!(all.iter().filter(|told| told.status == 409).count(), TAGS * (CLIENTS - 1));
    assert_eq!(proxy.metric("pushonce_open_claims", &[]), 0.0, "claims were left open");
}

#[test]
fn many_pushes_of_the_same_bytes_are_all_acknowledged() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let image = Image::random();
    registry.put_tag_behind_the_back("driftwood/web:base", &image);
    let same = vec![image.manifest.clone(); CLIENTS];

    let mut all = Vec::new();
    for number in 0..TAGS / 4 {
        let name = format!("driftwood/web:1.4.{number}");
        all.extend(push_at_once(&proxy, &name, &same));
        assert_eq!(registry.tag_digest(&name), Some(image.digest()));
        assert_eq!(proxy.tag_digest(&name), Some(image.digest()));
    }
    report("the same bytes", &all);
    assert!(all.iter().all(|told| told.status == 201), "the same bytes were refused");
    assert_eq!(proxy.metric("pushonce_open_claims", &[]), 0.0, "claims were left open");
}
