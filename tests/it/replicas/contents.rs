//! The manifests of a run, in a repository of its own.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::harness::api::Api;
use crate::harness::image::{Image, Manifest};

use super::plan::{CONTENTS, TAGS};
use super::spec::Content;

static RUNS: AtomicUsize = AtomicUsize::new(0);

/// What is pushed, and where.
pub struct Contents {
    pub repository: String,
    pub images: Vec<Image>,
    digests: Vec<String>,
}

impl Contents {
    /// Manifests over blobs that are in the registry.
    pub fn new(registry: &Api) -> Self {
        let repository = format!("runs/{}", RUNS.fetch_add(1, Ordering::Relaxed));
        let base = Image::random();
        for blob in &base.blobs {
            registry.upload_blob(&repository, blob).expect_created();
        }
        let image = |number: usize| {
            let mut manifest: Value = serde_json::from_slice(&base.manifest.bytes).expect("a manifest");
            manifest["annotations"] = json!({"com.example.content": number.to_string()});
            let manifest = Manifest::new(&base.manifest.media_type, manifest.to_string().as_bytes());
            Image { manifest, blobs: Vec::new(), children: Vec::new() }
        };
        let images: Vec<Image> = (0..CONTENTS).map(image).collect();
        let digests = images.iter().map(Image::digest).collect();
        Self { repository, images, digests }
    }

    pub fn tag(&self, tag: usize) -> String {
        format!("{}:{}", self.repository, TAGS[tag].name)
    }

    pub fn manifest(&self, content: Content) -> String {
        format!("{}@{}", self.repository, self.digests[content])
    }

    /// Which content a digest, or the beginning of one, names.
    pub fn named(&self, digest: &str) -> Content {
        self.digests.iter().position(|other| other.starts_with(digest)).unwrap_or_else(|| panic!("nobody pushed {digest}"))
    }
}
