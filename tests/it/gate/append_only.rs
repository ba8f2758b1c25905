//! Tags that others add to: a new manifest keeps every entry of the one before.

use std::thread;

use serde_json::{Value, json};

use crate::harness::image::{self, Manifest};
use crate::harness::{Image, Pushonce, Registry};

use super::store;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const APPENDED: &str = "referrers = \"append-only\"\n";

fn fallback_tag(subject: &Image) -> String {
    format!("web:{}", subject.digest().replace(':', "-"))
}

fn index(children: &[&Image]) -> Manifest {
    let entry = |image: &&Image| json!({"mediaType": image.manifest.media_type, "digest": image.digest(), "size": image.manifest.bytes.len()});
    let entries: Vec<Value> = children.iter().map(entry).collect();
    Manifest::new(INDEX, json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).to_string().as_bytes())
}

/// A registry with a subject and three referrers, and a policy in front of it.
fn stage(policy: &str) -> (Registry, Pushonce, [Image; 4]) {
    let registry = Registry::start();
    let proxy = Pushonce::in_front_of(&registry.url()).policy(policy).start();
    let images = [(); 4].map(|()| Image::random());
    for image in &images {
        store(&registry, "web", image);
    }
    (registry, proxy, images)
}

#[test]
fn a_fallback_tag_never_loses_an_entry() {
    let (registry, proxy, [subject, one, two, three]) = stage(APPENDED);
    let tag = fallback_tag(&subject);
    proxy.put_manifest(&tag, &index(&[&one])).expect_created();
    proxy.put_manifest(&tag, &index(&[&two, &one])).expect_created();
    proxy.put_manifest(&tag, &index(&[&two, &one])).expect_created();
    let message = proxy.put_manifest(&tag, &index(&[&two, &three])).expect_refused();
    let why = "the new manifest leaves out 1 of its 2 entries; pull it, add to what is there, and push again";
    assert_eq!(message, format!("tag {tag} is append-only (rule \"referrers\"): {why}"));
    assert_eq!(registry.tag_digest(&tag), Some(index(&[&two, &one]).digest()));
    proxy.put_manifest(&tag, &index(&[&two, &one, &three])).expect_created();
    let message = proxy.delete(&tag).expect_delete_refused();
    assert!(message.contains("is append-only (rule \"referrers\") and cannot be deleted"), "{message}");
}

#[test]
fn a_signature_counts_with_its_annotations() {
    let policy = "[[rule]]\nname = \"signatures\"\ntags = [\"sha256-*.sig\"]\nmutability = \"append-only\"\n";
    let (_registry, proxy, [subject, ..]) = stage(policy);
    let tag = format!("{}.sig", fallback_tag(&subject));
    let layer = subject.blobs.last().expect("a layer");
    let signed = |signatures: &[&str]| {
        let mut manifest: Value = serde_json::from_slice(&subject.manifest.bytes).expect("a manifest");
        let entry = |signature: &&str| {
            json!({"mediaType": "application/vnd.dev.cosign.simplesigning.v1+json", "digest": image::sha256(layer), "size": layer.len(),
                   "annotations": {"dev.cosignproject.cosign/signature": signature}})
        };
        manifest["layers"] = signatures.iter().map(entry).collect();
        Manifest::new(&subject.manifest.media_type, manifest.to_string().as_bytes())
    };
    proxy.put_manifest(&tag, &signed(&["ann"])).expect_created();
    proxy.put_manifest(&tag, &signed(&["ann", "bob"])).expect_created();
    for fewer in [&["ann"][..], &["ann", "cyd"], &["ann", "ann"], &[]] {
        let message = proxy.put_manifest(&tag, &signed(fewer)).expect_refused();
        assert!(message.contains("rule \"signatures\""), "{message}");
    }
    proxy.put_manifest(&tag, &signed(&["bob", "cyd", "ann"])).expect_created();
}

#[test]
fn of_entries_added_at_once_none_is_lost() {
    let (registry, proxy, [subject, one, two, three]) = stage(APPENDED);
    let tag = fallback_tag(&subject);
    proxy.put_manifest(&tag, &index(&[&one])).expect_created();
    let statuses: Vec<u16> = thread::scope(|scope| {
        let pushes: Vec<_> = [&two, &three]
            .into_iter()
            .map(|added| scope.spawn(|| proxy.put_manifest(&tag, &index(&[&one, added])).status))
            .collect();
        pushes.into_iter().map(|push| push.join().expect("an answer")).collect()
    });
    // One is first; the other one would have lost its entry, and is told.
    assert!(statuses == [201, 409] || statuses == [409, 201], "{statuses:?}");
    let kept: Value = serde_json::from_slice(&registry.pull(&tag).body).expect("an index");
    assert_eq!(kept["manifests"].as_array().map(Vec::len), Some(2));
}

#[test]
fn what_was_there_before_is_kept_as_well() {
    let (registry, proxy, [subject, one, two, _]) = stage(APPENDED);
    let tag = fallback_tag(&subject);
    registry.put_manifest(&tag, &index(&[&one])).expect_created();
    proxy.put_manifest(&tag, &index(&[&two])).expect_refused();
    proxy.put_manifest(&tag, &index(&[&one, &two])).expect_created();
}

#[test]
fn the_built_in_rule_can_be_switched_off() {
    let everything = "[[rule]]\nname = \"everything\"\ntags = [\"*\"]\nmutability = \"immutable\"\n";
    let (_registry, proxy, [subject, one, two, _]) = stage(everything);
    let tag = fallback_tag(&subject);
    for children in [&[&one][..], &[&two]] {
        proxy.put_manifest(&tag, &index(children)).expect_created();
    }
    let (_registry, proxy, [subject, one, two, _]) = stage(&format!("referrers = \"off\"\n\n{everything}"));
    let tag = fallback_tag(&subject);
    proxy.put_manifest(&tag, &index(&[&one])).expect_created();
    let message = proxy.put_manifest(&tag, &index(&[&one, &two])).expect_refused();
    assert!(message.contains("is immutable (rule \"everything\")"), "{message}");
}
