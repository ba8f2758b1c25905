//! What a manifest says about itself, read no further than the gate needs.

use std::collections::HashSet;

use http::HeaderValue;
use thiserror::Error;

use super::Digest;
use super::json::Json;

/// Every manifest type a registry may hold, and anything else. docker-registry
/// answers 404, or the digest of a child, for an existing tag whose type is not
/// named here.
pub const ACCEPT_EVERY_MANIFEST: HeaderValue = HeaderValue::from_static(
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.docker.distribution.manifest.v2+json, */*",
);

/// Why a body is not a manifest that a tag can be put on.
#[derive(Debug, Error)]
pub enum ManifestError {
    #[error("the manifest is empty")]
    Empty,
    #[error("the manifest is not JSON: {0}")]
    NotJson(serde_json::Error),
    #[error("the manifest is not a JSON object")]
    NoObject,
    #[error("the manifest writes the key `{0}` twice or in other letters, so that two programs could read it differently")]
    AmbiguousKey(String),
    #[error("`schemaVersion` is {0}, not 2: manifests of schema version 1 carry the tag inside and cannot be checked")]
    SchemaVersion(String),
    #[error(
        "Content-Type `{0}` is read as schema version 1 by registries: such manifests carry the tag inside and cannot be checked"
    )]
    MediaType(String),
}

/// A body that is a manifest of schema version 2, with the manifests it lists.
#[derive(Debug)]
pub struct Manifest {
    children: Vec<Child>,
}

/// A manifest that an index lists.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Child {
    pub digest: Digest,
    /// Whether it may list manifests itself: anything but an image manifest.
    pub may_be_index: bool,
}

impl Manifest {
    /// Reads `body`, which was sent with `content_type`.
    ///
    /// Refused are schema 1 manifests however they are disguised: by type, by a
    /// type that registries read as schema 1 (none, `application/json`), by
    /// `schemaVersion`, or by a key that only a reader who ignores case finds.
    pub fn parse(content_type: Option<&str>, body: &[u8]) -> Result<Self, ManifestError> {
        if body.is_empty() {
            return Err(ManifestError::Empty);
        }
        let full = content_type.unwrap_or_default();
        let essence = essence(full);
        let is_schema_1 = essence.starts_with("application/vnd.docker.distribution.manifest.v1");
        if is_schema_1 || essence.is_empty() || essence == "application/json" {
            return Err(ManifestError::MediaType(full.to_owned()));
        }
        let object = parse_object(body)?;
        if let Some(key) = ambiguous_key(&object) {
            return Err(ManifestError::AmbiguousKey(key.to_owned()));
        }
        let value = |name: &str| object.iter().find(|(key, _)| key == name).map(|(_, value)| value);
        match value("schemaVersion") {
            _ if value("fsLayers").is_some() => Err(ManifestError::SchemaVersion("that of `fsLayers`".to_owned())),
            Some(Json::Number(2)) => Ok(Self::of(&object)),
            Some(Json::Number(version)) => Err(ManifestError::SchemaVersion(version.to_string())),
            Some(_) => Err(ManifestError::SchemaVersion("no number".to_owned())),
            None => Err(ManifestError::SchemaVersion("missing".to_owned())),
        }
    }

    /// Reads a body that the registry already holds, whatever its type or version.
    pub fn parse_stored(body: &[u8]) -> Result<Self, ManifestError> {
        parse_object(body).map(|object| Self::of(&object))
    }

    fn of(object: &Object) -> Self {
        let lists = object.iter().filter(|(key, _)| same_to_go(key, "manifests"));
        let descriptors = lists.filter_map(|(_, list)| list.as_array()).flatten().filter_map(Json::as_object);
        Self { children: descriptors.flat_map(children).collect() }
    }

    /// The manifests that an index lists; empty for an image manifest.
    pub fn children(&self) -> &[Child] {
        &self.children
    }
}

/// The entries of a manifest that others add to: the manifests of an index, the layers of
/// an image, the blobs of an artifact. Each is the text of its whole descriptor, with its
/// keys in order, since a signature stands in the annotations.
pub fn entries(body: &[u8]) -> Result<Vec<String>, ManifestError> {
    let value: serde_json::Value = serde_json::from_slice(body).map_err(ManifestError::NotJson)?;
    let object = value.as_object().ok_or(ManifestError::NoObject)?;
    let lists = ["manifests", "layers", "blobs"].into_iter().filter_map(|key| object.get(key)?.as_array());
    Ok(lists.flatten().map(serde_json::Value::to_string).collect())
}

/// What one descriptor names; more than one digest only where its key is written
/// in two ways. A digest of another algorithm cannot be named in a request, which
/// is parsed as strictly, so it needs no guard.
fn children(descriptor: &Object) -> Vec<Child> {
    let texts = |name: &'static str| {
        descriptor.iter().filter(move |(key, _)| same_to_go(key, name)).filter_map(|(_, value)| value.as_text())
    };
    let mut media_types = texts("mediaType").peekable();
    let is_image = media_types.peek().is_some() && media_types.all(|media_type| IMAGE_MANIFESTS.contains(&media_type));
    texts("digest").filter_map(|text| Digest::parse(text).ok()).map(|digest| Child { digest, may_be_index: !is_image }).collect()
}

/// The types of manifests that list no manifests.
const IMAGE_MANIFESTS: [&str; 2] =
    ["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"];

/// The types of manifests that list the manifests of an image.
const INDEXES: [&str; 2] = ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"];

/// Whether a `Content-Type` is that of an image for one platform.
pub fn is_image_manifest(media_type: &str) -> bool {
    IMAGE_MANIFESTS.contains(&essence(media_type).as_str())
}

/// Whether a `Content-Type` is that of an index.
pub fn is_index(media_type: &str) -> bool {
    INDEXES.contains(&essence(media_type).as_str())
}

fn essence(media_type: &str) -> String {
    media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The keys that decide what a manifest is.
const MEANINGFUL: [&str; 5] = ["schemaVersion", "manifests", "fsLayers", "digest", "mediaType"];

/// The keys of an object with their values, in the order they came.
type Object = [(String, Json)];

fn parse_object(body: &[u8]) -> Result<Vec<(String, Json)>, ManifestError> {
    match serde_json::from_slice(body).map_err(ManifestError::NotJson)? {
        Json::Object(object) => Ok(object),
        _ => Err(ManifestError::NoObject),
    }
}

/// A key that two programs could read differently: one that stands twice in its
/// object, or a meaningful one in other letters.
fn ambiguous_key(object: &Object) -> Option<&str> {
    // A body of 4 MiB has room for half a million keys: each is folded once.
    let mut seen = HashSet::new();
    let mut is_twin = |key: &str| !seen.insert(folded(key));
    let is_disguised = |key: &str| MEANINGFUL.iter().any(|meaningful| same_to_go(key, meaningful) && key != *meaningful);
    let here = object.iter().map(|(key, _)| key.as_str()).find(|key| is_twin(key) || is_disguised(key));
    here.or_else(|| object.iter().find_map(|(_, value)| ambiguous_key_within(value)))
}

fn ambiguous_key_within(value: &Json) -> Option<&str> {
    match value {
        Json::Object(object) => ambiguous_key(object),
        Json::Array(values) => values.iter().find_map(ambiguous_key_within),
        _ => None,
    }
}

/// Whether Go's `encoding/json`, which most registries use, takes the two keys
/// for the same: it compares under Unicode case folding.
fn same_to_go(left: &str, right: &str) -> bool {
    left == right || folded(left) == folded(right)
}

fn folded(key: &str) -> String {
    if key.is_ascii() {
        return key.to_ascii_uppercase();
    }
    key.chars().flat_map(char::to_uppercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OCI: &str = "application/vnd.oci.image.manifest.v1+json";

    #[test]
    fn an_index_lists_its_children() {
        let digest = Digest::of(crate::oci::Algorithm::Sha256, b"child");
        let index =
            format!(r#"{{"schemaVersion":2,"manifests":[{{"digest":"{digest}"}},{{"digest":"{digest}","mediaType":"{OCI}"}}]}}"#);
        let parsed = Manifest::parse(Some("application/vnd.oci.image.index.v1+json"), index.as_bytes()).expect("an index");
        let child = |may_be_index| Child { digest: digest.clone(), may_be_index };
        assert_eq!(parsed.children(), [child(true), child(false)]);
    }

    #[test]
    fn an_entry_is_its_whole_descriptor() {
        let of = |body: &str| entries(body.as_bytes()).expect("entries");
        let signed = of(r#"{"layers":[{"digest":"a","annotations":{"signature":"1"}}],"config":{"digest":"c"}}"#);
        assert_eq!(signed, of(r#"{"config":{"digest":"d"},"layers":[{"annotations":{"signature":"1"}, "digest":"a"}]}"#));
        assert_ne!(signed, of(r#"{"layers":[{"digest":"a","annotations":{"signature":"2"}}]}"#));
        assert_eq!(of(r#"{"manifests":[{"size":1},{"size":1.5}],"blobs":[true]}"#).len(), 3);
        assert!(of("{}").is_empty() && entries(b"[]").is_err() && entries(b"").is_err());
    }

    #[test]
    fn schema_1_is_refused_however_it_is_disguised() {
        let body = br#"{"schemaVersion":2}"#;
        for disguise in [
            None,
            Some(""),
            Some("application/json"),
            Some("application/json; charset=utf-8"),
            Some(" Application/JSON "),
            Some("application/vnd.docker.distribution.manifest.v1+json"),
            Some("application/vnd.docker.distribution.manifest.v1+prettyjws"),
        ] {
            assert!(Manifest::parse(disguise, body).is_err(), "{disguise:?} was accepted");
        }
        assert!(Manifest::parse(Some(OCI), body).is_ok());
        assert!(Manifest::parse(Some(OCI), br#"{"schemaVersion":1,"tag":"1.4.0"}"#).is_err());
        assert!(Manifest::parse(Some(OCI), br#"{"schemaVersion":2,"fsLayers":[]}"#).is_err());
    }

    #[test]
    fn what_is_not_a_manifest_is_named() {
        let message = |body: &[u8]| Manifest::parse(Some(OCI), body).expect_err("refused").to_string();
        assert_eq!(message(b""), "the manifest is empty");
        assert!(message(b"{").starts_with("the manifest is not JSON: "));
        assert_eq!(message(b"[]"), "the manifest is not a JSON object");
        assert!(message(b"{}").contains("`schemaVersion` is missing"));
        assert!(message(r#"{"schemaVersion":2,"\u017fchemaversion":1}"#.as_bytes()).contains("in other letters"));
        for twice in [
            r#"{"schemaVersion":1,"schemaVersion":2}"#,
            r#"{"schemaVersion":2,"manifests":[],"manifests":[]}"#,
            r#"{"schemaVersion":2,"Manifests":[]}"#,
            r#"{"schemaVersion":2,"manifests":[{"digest":"a","digest":"b"}]}"#,
            r#"{"schemaVersion":2,"manifests":[{"Digest":"a"}]}"#,
        ] {
            assert!(message(twice.as_bytes()).contains("twice or in other letters"), "{twice}");
        }
    }
}
