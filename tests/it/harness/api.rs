//! The registry API as a test speaks it: `api.push("driftwood/web:1.4.0", &image)`.

use std::io;
use std::time::Duration;

use data_encoding::BASE64;
use serde_json::Value;

use super::exchange::Exchange;
use super::http::{Endpoint, Request};
use super::image::{Image, Manifest, sha256};
use super::process::eventually;

/// What real clients accept when they ask for a manifest, one header line each.
const ACCEPT: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

/// A registry, or pushonce in front of one, as one client sees it.
#[derive(Clone)]
pub struct Api {
    pub endpoint: Endpoint,
    /// Path before `/v2/`, without trailing slash.
    pub prefix: String,
    credentials: Option<String>,
}

/// A request in the making.
pub struct Draft<'a> {
    api: &'a Api,
    pub request: Request,
}

impl Api {
    pub fn new(endpoint: Endpoint, prefix: &str) -> Self {
        Self { endpoint, prefix: prefix.trim_end_matches('/').to_owned(), credentials: None }
    }

    /// The same registry for a client that signs in with Basic.
    pub fn signed_in(&self, user: &str, password: &str) -> Self {
        let credentials = Some(format!("Basic {}", BASE64.encode(format!("{user}:{password}").as_bytes())));
        Self { credentials, ..self.clone() }
    }

    /// The same registry for a client with a token.
    pub fn with_token(&self, token: &str) -> Self {
        Self { credentials: Some(format!("Bearer {token}")), ..self.clone() }
    }

    /// `host:port`, as it stands before the repository in an image name.
    pub fn address(&self) -> &str {
        &self.endpoint.address
    }

    /// `http://host:port` or `https://…`, with the prefix.
    pub fn url(&self) -> String {
        let scheme = if self.endpoint.authority.is_some() { "https" } else { "http" };
        format!("{scheme}://{}{}", self.endpoint.address, self.prefix)
    }

    /// A request for any target, sent as it is written: nothing is escaped or tidied.
    pub fn request(&self, method: &str, target: &str) -> Draft<'_> {
        let headers = self.credentials.iter().map(|value| ("Authorization".to_owned(), value.clone())).collect();
        Draft { api: self, request: Request { method: method.to_owned(), target: target.to_owned(), headers, body: Vec::new() } }
    }

    fn on_manifest(&self, method: &str, name: &str) -> Draft<'_> {
        let (repository, reference) = split(name);
        self.request(method, &format!("{}/v2/{repository}/manifests/{reference}", self.prefix))
    }

    /// Pushes the blobs, the children of an index by digest, and the manifest to
    /// `repository:tag` or `repository@digest`. Returns the last step, or the
    /// first that failed.
    pub fn push(&self, name: &str, image: &Image) -> Exchange {
        self.try_push(name, image).unwrap_or_else(|error| panic!("the push of {name} to {} broke: {error}", self.url()))
    }

    /// The same for a server that may break off: an error means no answer.
    pub fn try_push(&self, name: &str, image: &Image) -> io::Result<Exchange> {
        let (repository, _) = split(name);
        for blob in &image.blobs {
            let uploaded = self.try_upload_blob(repository, blob)?;
            if uploaded.status != 201 {
                return Ok(uploaded);
            }
        }
        for child in &image.children {
            let pushed = self.try_push(&format!("{repository}@{}", child.digest()), child)?;
            if pushed.status != 201 {
                return Ok(pushed);
            }
        }
        self.manifest_put(name, &image.manifest).try_send()
    }

    pub fn put_manifest(&self, name: &str, manifest: &Manifest) -> Exchange {
        self.manifest_put(name, manifest).send()
    }

    fn manifest_put(&self, name: &str, manifest: &Manifest) -> Draft<'_> {
        self.on_manifest("PUT", name).header("Content-Type", &manifest.media_type).body(&manifest.bytes)
    }

    /// GET of a manifest with the `Accept` lines of a real client.
    pub fn pull(&self, name: &str) -> Exchange {
        self.try_pull(name).unwrap_or_else(|error| panic!("the pull of {name} from {} broke: {error}", self.url()))
    }

    pub fn try_pull(&self, name: &str) -> io::Result<Exchange> {
        self.on_manifest("GET", name).accept_manifests().try_send()
    }

    pub fn head(&self, name: &str) -> Exchange {
        self.on_manifest("HEAD", name).accept_manifests().send()
    }

    /// DELETE of a tag or, with `repository@digest`, of a manifest.
    pub fn delete(&self, name: &str) -> Exchange {
        self.on_manifest("DELETE", name).send()
    }

    /// The same for a server that may break off: an error means no answer.
    pub fn try_delete(&self, name: &str) -> io::Result<Exchange> {
        self.on_manifest("DELETE", name).try_send()
    }

    /// The digest that a tag points at, if it exists. docker-registry answers 500
    /// while it writes the tag, so it is asked until it can say.
    #[track_caller]
    pub fn tag_digest(&self, name: &str) -> Option<String> {
        let sure = || Some(self.pull(name)).filter(|answer| answer.status != 500);
        let answer = eventually(Duration::from_secs(5), "an answer other than 500", sure);
        if answer.status == 404 {
            return None;
        }
        let digest = sha256(&answer.expect_ok().body);
        answer.expect_digest(&digest);
        Some(digest)
    }

    /// The tags of a repository, sorted; none if it does not exist.
    pub fn tags(&self, repository: &str) -> Vec<String> {
        let answer = self.request("GET", &format!("{}/v2/{repository}/tags/list", self.prefix)).send();
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let tags = body["tags"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let mut tags: Vec<String> = tags.map(str::to_owned).collect();
        tags.sort();
        tags
    }
}

impl Draft<'_> {
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.request.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn accept_manifests(self) -> Self {
        ACCEPT.iter().fold(self, |draft, media_type| draft.header("Accept", media_type))
    }

    pub fn body(mut self, body: &[u8]) -> Self {
        self.request.body = body.to_owned();
        self
    }

    pub fn send(self) -> Exchange {
        let what = format!("{} {}", self.request.method, self.request.target);
        self.try_send().unwrap_or_else(|error| panic!("no answer to {what}: {error}"))
    }

    pub fn try_send(self) -> io::Result<Exchange> {
        self.api.endpoint.send(&self.request)
    }

    /// Sends `length` bytes of `upload`, writes the answer's body to `download`.
    pub fn stream(self, upload: &mut dyn io::Read, length: u64, download: &mut dyn io::Write) -> io::Result<Exchange> {
        self.api.endpoint.stream(&self.request, upload, length, download)
    }
}

/// `repository:tag` or `repository@digest` in its two parts.
pub fn split(name: &str) -> (&str, &str) {
    let parts = name.split_once('@').or_else(|| name.rsplit_once(':'));
    parts.unwrap_or_else(|| panic!("`{name}` has neither a tag nor a digest"))
}
