//! Tags that move by design: the fallback tags of referrers (distribution-spec,
//! "Referrers Tag Schema") and cosign's signatures. No wide pattern freezes them.

use serde_json::{Value, json};

use super::REPOSITORY;
use crate::harness::image::Manifest;
use crate::harness::{Client, Image, OciClient, Oras, Pushonce, Registry, Skopeo};

const EVERYTHING: &str = "[[rule]]\nname = \"everything\"\ntags = [\"*\"]\nmutability = \"immutable\"\n";

/// A registry with one image, 1.4.0, before which every tag is immutable.
fn signed_stage() -> (Registry, Pushonce, Image) {
    let registry = Registry::start();
    let proxy = Pushonce::in_front_of(&registry.url()).policy(EVERYTHING).start();
    let image = Image::random();
    proxy.push(&format!("{REPOSITORY}:1.4.0"), &image).expect_created();
    // The pattern is in force: even this tag does not move.
    proxy.push(&format!("{REPOSITORY}:latest"), &image).expect_created();
    proxy.push(&format!("{REPOSITORY}:latest"), &Image::random()).expect_refused();
    (registry, proxy, image)
}

/// The tag that stands for a digest.
fn fallback_tag(image: &Image) -> String {
    format!("{REPOSITORY}:{}", image.digest().replace(':', "-"))
}

#[test]
fn a_fallback_tag_takes_one_referrer_after_another() {
    let (registry, proxy, image) = signed_stage();
    let (oras, library) = (Oras::new(), OciClient::new());
    let subject = format!("subject={}/{REPOSITORY}:1.4.0", proxy.address());
    let mut entries: Vec<Value> = Vec::new();
    for artifact in ["signature", "sbom"] {
        oras.build(artifact, artifact);
        let name = format!("{}/{REPOSITORY}:{artifact}", proxy.address());
        oras.push_with(artifact, &name, &[&subject]).expect_success();
        let pushed = registry.pull(&format!("{REPOSITORY}:{artifact}"));
        let manifest: Value = serde_json::from_slice(&pushed.body).expect("a manifest");
        assert_eq!(manifest["subject"]["digest"], image.digest());
        let manifest = Manifest::new(manifest["mediaType"].as_str().expect("a media type"), &pushed.body);
        entries.push(json!({"mediaType": manifest.media_type, "digest": manifest.digest(), "size": manifest.bytes.len()}));

        const INDEX: &str = "application/vnd.oci.image.index.v1+json";
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).to_string();
        proxy.put_manifest(&fallback_tag(&image), &Manifest::new(INDEX, index.as_bytes())).expect_created();
        // This registry has no referrers API, so the client reads the tag.
        let listed = library.referrers(&format!("{}/{REPOSITORY}@{}", proxy.address(), image.digest()));
        assert_eq!(listed, entries.iter().map(|entry| entry["digest"].as_str().expect("a digest")).collect::<Vec<_>>());
    }
    assert_eq!(entries.len(), 2);
}

#[test]
fn a_signature_tag_is_pushed_again_with_one_more_signature() {
    let (registry, proxy, image) = signed_stage();
    let skopeo = Skopeo::new();
    for suffix in [".sig", ".att", ".sbom"] {
        let tag = format!("{}{suffix}", fallback_tag(&image));
        for _ in 0..2 {
            let signatures = Image::random();
            proxy.push(&tag, &signatures).expect_created();
            assert_eq!(registry.tag_digest(&tag), Some(signatures.digest()));
            assert_eq!(proxy.tag_digest(&tag), Some(signatures.digest()));
        }
        for _ in 0..2 {
            let signatures = Image::random();
            skopeo.push_image(&signatures, &format!("{}/{tag}", proxy.address())).expect_success();
            assert_eq!(registry.tag_digest(&tag), Some(signatures.digest()));
            assert_eq!(skopeo.pulled_digest(&format!("{}/{tag}", proxy.address())), signatures.digest());
        }
    }
}
