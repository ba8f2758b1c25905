//! A registry with protected tags of known bytes, with the proxy before it or
//! without.

use serde_json::Value;

use super::case::{Case, Words};
use crate::harness::image::{sha256, sha512};
use crate::harness::{Image, Pushonce, Registry};

/// What is sealed through the proxy.
const SEALED: [&str; 10] = [
    "driftwood/web:1.4.0",
    "driftwood/web:git-9f3c2a1",
    "driftwood/multi:1.4.0",
    "web:1.4.0",
    "v2/driftwood/web:1.4.0",
    "manifests:1.4.0",
    "manifests/manifests:1.4.0",
    "blobs/uploads:1.4.0",
    "tags/list:1.4.0",
    "driftwood/web/manifests:1.4.0",
];

/// A tag that the registry held before the proxy, and that nobody has asked the
/// proxy for.
const OLD: &str = "driftwood/old:1.4.0";

pub struct Stage {
    registry: Registry,
    proxy: Option<Pushonce>,
    tags: Vec<(&'static str, Image)>,
    other: Image,
    words: Words,
}

impl Stage {
    pub fn with_proxy() -> Self {
        let registry = Registry::start();
        let proxy = Pushonce::start(&registry);
        Self::set(registry, Some(proxy))
    }

    pub fn without_proxy() -> Self {
        Self::set(Registry::start(), None)
    }

    fn set(registry: Registry, proxy: Option<Pushonce>) -> Self {
        let image = |name: &'static str| {
            let is_index = name.starts_with("driftwood/multi:");
            (name, if is_index { Image::index(&[&Image::random(), &Image::docker()]) } else { Image::random() })
        };
        let tags: Vec<_> = SEALED.into_iter().chain([OLD]).map(image).collect();
        let other = Image::random();
        let words = words(&tags, &other);
        let stage = Self { registry, proxy, tags, other, words };
        stage.furnish();
        if let Some(proxy) = &stage.proxy {
            for (name, image) in stage.tags.iter().filter(|(name, _)| *name != OLD) {
                proxy.put_manifest(name, &image.manifest).expect_created();
            }
        }
        let harm = stage.harm();
        assert!(harm.is_empty(), "harmed before it began: {harm:?}");
        stage
    }

    /// Makes everything as it should be, straight in the registry. The blobs of the
    /// other manifest are in every repository, so that nothing but the proxy stands
    /// in its way.
    fn furnish(&self) {
        for (name, image) in &self.tags {
            self.registry.put_tag_behind_the_back(name, image);
            let (repository, _) = name.split_once(':').expect("repository:tag");
            for blob in &self.other.blobs {
                self.registry.upload_blob(repository, blob).expect_created();
            }
        }
    }

    /// The same after a case that bit: where a tag was moved, nothing else was harmed.
    pub fn repair(&self) {
        let moved = self.moved();
        let is_restored = |(name, image): &&(&str, Image)| self.registry.put_manifest(name, &image.manifest).status == 201;
        if moved.is_empty() || !moved.iter().all(is_restored) {
            self.furnish();
        }
    }

    pub fn send_to_proxy(&self, case: &Case) -> Result<u16, String> {
        case.send(self.proxy.as_ref().expect("a proxy").address(), &self.words)
    }

    pub fn send_to_registry(&self, case: &Case) -> Result<u16, String> {
        case.send(self.registry.address(), &self.words)
    }

    /// The tags that the registry does not point at their bytes any more.
    pub fn moved(&self) -> Vec<&(&'static str, Image)> {
        let is_moved = |(name, image): &&(&str, Image)| {
            let answer = self.registry.pull(name);
            answer.status != 200 || answer.body != image.manifest.bytes
        };
        self.tags.iter().filter(is_moved).collect()
    }

    /// Everything that is not as it should be, upstream and through the proxy.
    pub fn harm(&self) -> Vec<String> {
        let mut harm: Vec<_> = self.moved().iter().map(|(name, _)| format!("{name} is not what it was upstream")).collect();
        for (name, image) in &self.tags {
            let (repository, _) = name.split_once(':').expect("repository:tag");
            self.look_for_parts(repository, image, &mut harm);
            // Asking for the old tag would make it known to the ledger.
            if let Some(proxy) = self.proxy.as_ref().filter(|_| *name != OLD) {
                let answer = proxy.pull(name);
                if answer.status != 200 || answer.body != image.manifest.bytes {
                    harm.push(format!("{name} is not what it was through the proxy\n{answer}"));
                }
            }
        }
        harm
    }

    fn look_for_parts(&self, repository: &str, image: &Image, harm: &mut Vec<String>) {
        if self.registry.head(&format!("{repository}@{}", image.digest())).status != 200 {
            harm.push(format!("the manifest {} of {repository} is gone", image.digest()));
        }
        for digest in image.blobs.iter().map(|blob| sha256(blob)) {
            if self.registry.request("HEAD", &format!("/v2/{repository}/blobs/{digest}")).send().status != 200 {
                harm.push(format!("the blob {digest} of {repository} is gone"));
            }
        }
        for child in &image.children {
            self.look_for_parts(repository, child, harm);
        }
    }
}

/// What the words of `tests/corpus/README.md` stand for.
fn words(tags: &[(&str, Image)], other: &Image) -> Words {
    let of = |wanted: &str| tags.iter().find(|(name, _)| *name == wanted).map(|(_, image)| image).expect("a protected tag");
    let (sealed, multi) = (of("driftwood/web:1.4.0"), of("driftwood/multi:1.4.0"));
    let mut values = vec![("other.sha512".to_owned(), sha512(&other.manifest.bytes))];
    for (word, digest) in [
        ("sealed", sealed.digest()),
        ("config", sha256(&sealed.blobs[0])),
        ("layer", sha256(&sealed.blobs[1])),
        ("index", multi.digest()),
        ("child", multi.children[0].digest()),
        ("old", of(OLD).digest()),
        ("other", other.digest()),
    ] {
        let hex = digest.strip_prefix("sha256:").expect("a sha256").to_owned();
        values.extend([(format!("{word}.HEX"), hex.to_uppercase()), (format!("{word}.hex"), hex), (word.to_owned(), digest)]);
    }
    let manifest: Value = serde_json::from_slice(&other.manifest.bytes).expect("JSON");
    values.push(("other.config".to_owned(), manifest["config"].to_string()));
    values.push(("other.layer".to_owned(), manifest["layers"][0].to_string()));
    Words { values, other: other.manifest.clone(), sealed: sealed.manifest.clone() }
}
