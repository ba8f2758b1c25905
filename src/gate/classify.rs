//! Reads a request target: one strict grammar, one place.
//!
//! Registries decode and normalise in their own ways before they route, so a
//! target that is not already in plain form is refused, never repaired. Where the
//! registry folds the case of tags, every tag is folded here, and nowhere behind it.

use std::borrow::Cow;

use http::uri::PathAndQuery;
use http::{Method, Uri};

use super::intent::{Delete, Intent, Kind, Pass, Pull, Push};
use super::query::{Query, is_unreserved};
use crate::ledger::TagKey;
use crate::oci::{ErrorCode, Reference, RepositoryName, Tag, TagCase};
use crate::refusal::Refusal;

/// The most tags that one push may name; the specification asks for at least 10.
const MOST_TAGS: usize = 32;

/// Reads what `method` and `target` ask for. `passthrough` lists the paths outside
/// `/v2/` that the operator lets through; `tag_case` is what the registry does with the
/// case of tags.
pub fn classify(method: &Method, target: &Uri, passthrough: &[String], tag_case: TagCase) -> Result<Intent, Refusal> {
    if target.scheme().is_some() || target.authority().is_some() {
        return Err(Refusal::malformed("the request target must be a path".to_owned()));
    }
    let path = target.path();
    let request = Request { method, path: Cow::Borrowed(path), query: Query::parse(target.query())?, tag_case };
    match path.strip_prefix("/v2/") {
        Some("") => request.read(Kind::Base, None),
        Some(rest) if rest.starts_with('_') => request.extension(rest),
        Some(rest) => request.repository(rest),
        None => request.passthrough(passthrough),
    }
}

struct Request<'a> {
    method: &'a Method,
    path: Cow<'a, str>,
    query: Query,
    tag_case: TagCase,
}

impl Request<'_> {
    /// `<name>/…`: the keywords are looked for at the end, because a repository
    /// may itself be named `manifests` or `blobs/uploads`.
    fn repository(self, rest: &str) -> Result<Intent, Refusal> {
        let (rest, last) = rest.rsplit_once('/').unwrap_or_default();
        let (name, keyword) = rest.rsplit_once('/').unwrap_or(("", rest));
        match (keyword, last) {
            ("manifests", reference) => {
                let repository = repository(name)?;
                let parsed = Reference::parse(reference).map_err(|error| reference_refusal(reference, &error))?;
                let named = self.tag_case.of_reference(parsed);
                if named.as_str() == reference {
                    return self.manifest(repository, named);
                }
                let path = Cow::Owned(format!("/v2/{repository}/manifests/{named}"));
                Request { path, ..self }.manifest(repository, named)
            }
            ("uploads", "") => {
                let name = before_blobs(name).ok_or(Refusal::NoSuchPath)?;
                self.allow(&[Method::POST])?.pass(Kind::Upload, Some(repository(name)?))
            }
            ("uploads", session) => {
                let repository = repository(before_blobs(name).ok_or(Refusal::NoSuchPath)?)?;
                let allowed = [Method::GET, Method::HEAD, Method::PATCH, Method::PUT, Method::DELETE];
                plain_segment(session)?;
                self.allow(&allowed)?.pass(Kind::Upload, Some(repository))
            }
            ("tags", "list") => self.read(Kind::Tags, Some(repository(name)?)),
            ("blobs", digest) => {
                let repository = repository(name)?;
                any_digest(digest)?;
                if *self.method == Method::DELETE {
                    let target = self.target()?;
                    return Ok(Intent::DeleteBlob(Delete { what: repository, target }));
                }
                self.allow(&[Method::GET, Method::HEAD, Method::DELETE])?.pass(Kind::Blob, Some(repository))
            }
            ("referrers", digest) => {
                let repository = repository(name)?;
                any_digest(digest)?;
                self.read(Kind::Referrers, Some(repository))
            }
            _ => Err(Refusal::NoSuchPath),
        }
    }

    fn manifest(self, repository: RepositoryName, reference: Reference) -> Result<Intent, Refusal> {
        match (self.method.as_str(), reference) {
            ("GET" | "HEAD", Reference::Digest(_)) => self.pass(Kind::Manifest, Some(repository)),
            ("GET" | "HEAD", Reference::Tag(tag)) => {
                let (method, target) = (self.method.clone(), self.target()?);
                Ok(Intent::Pull(Pull { key: TagKey { repository, tag }, method, target }))
            }
            ("PUT", Reference::Tag(tag)) => {
                self.only_keys(&["ns"])?;
                Ok(Intent::Push(Push { repository, digest: None, tags: vec![tag] }))
            }
            ("PUT", Reference::Digest(digest)) => {
                self.only_keys(&["ns", "tag"])?;
                let tags = self.tags()?;
                Ok(Intent::Push(Push { repository, digest: Some(digest), tags }))
            }
            ("DELETE", reference) => {
                self.only_keys(&["ns"])?;
                let target = self.target()?;
                Ok(match reference {
                    Reference::Tag(tag) => Intent::DeleteTag(Delete { what: TagKey { repository, tag }, target }),
                    Reference::Digest(digest) => Intent::DeleteManifest(Delete { what: (repository, digest), target }),
                })
            }
            _ => Err(Refusal::Method { allow: "GET, HEAD, PUT, DELETE" }),
        }
    }

    /// The `tag` parameters of a push by digest (distribution-spec, end-7b).
    fn tags(&self) -> Result<Vec<Tag>, Refusal> {
        let mut tags: Vec<Tag> = Vec::new();
        for value in self.query.values("tag") {
            let tag = self.tag_case.of(Tag::parse(value).map_err(|error| reference_refusal(value, &error))?);
            if !tags.contains(&tag) {
                tags.push(tag);
            }
        }
        if tags.len() > MOST_TAGS { Err(Refusal::TooManyTags(MOST_TAGS)) } else { Ok(tags) }
    }

    /// Reads under `/v2/_…`, such as `_catalog`. Never a write: what an extension
    /// changes is not known here.
    fn extension(self, rest: &str) -> Result<Intent, Refusal> {
        rest.split('/').try_for_each(plain_segment)?;
        self.read(Kind::Extension, None)
    }

    fn passthrough(self, listed: &[String]) -> Result<Intent, Refusal> {
        let matches =
            |entry: &String| if entry.ends_with('/') { self.path.starts_with(entry.as_str()) } else { self.path == *entry };
        if !listed.iter().any(matches) {
            return Err(Refusal::NoSuchPath);
        }
        let inner = self.path.trim_start_matches('/');
        inner.strip_suffix('/').unwrap_or(inner).split('/').try_for_each(plain_segment)?;
        self.allow(&[Method::GET, Method::HEAD, Method::POST])?.pass(Kind::Passthrough, None)
    }

    fn read(self, kind: Kind, repository: Option<RepositoryName>) -> Result<Intent, Refusal> {
        self.allow(&[Method::GET, Method::HEAD])?.pass(kind, repository)
    }

    fn pass(self, kind: Kind, repository: Option<RepositoryName>) -> Result<Intent, Refusal> {
        let (method, target) = (self.method.clone(), self.target()?);
        Ok(Intent::Pass(Pass { kind, method, target, repository }))
    }

    fn allow(self, methods: &[Method]) -> Result<Self, Refusal> {
        if methods.contains(self.method) {
            return Ok(self);
        }
        let allow = match methods {
            [Method::POST] => "POST",
            [Method::GET, Method::HEAD] => "GET, HEAD",
            [Method::GET, Method::HEAD, Method::POST] => "GET, HEAD, POST",
            [Method::GET, Method::HEAD, Method::DELETE] => "GET, HEAD, DELETE",
            _ => "GET, HEAD, PATCH, PUT, DELETE",
        };
        Err(Refusal::Method { allow })
    }

    fn only_keys(&self, known: &[&str]) -> Result<(), Refusal> {
        match self.query.key_other_than(known) {
            Some(key) => Err(Refusal::malformed(format!("`{key}` is not a parameter of this request"))),
            None => Ok(()),
        }
    }

    /// The target as it goes upstream. Every part of the path has passed a grammar
    /// whose characters need no encoding, so the path is its own rendering.
    fn target(self) -> Result<PathAndQuery, Refusal> {
        let mut rendered = self.path.into_owned();
        self.query.render_onto(&mut rendered);
        PathAndQuery::try_from(rendered).map_err(|_| Refusal::malformed("the request target is malformed".to_owned()))
    }
}

/// What stands before `blobs` in `<name>/blobs`.
fn before_blobs(path: &str) -> Option<&str> {
    let name = path.strip_suffix("blobs")?;
    if name.is_empty() { Some(name) } else { name.strip_suffix('/') }
}

fn repository(name: &str) -> Result<RepositoryName, Refusal> {
    RepositoryName::parse(name).map_err(|error| Refusal::Malformed { code: ErrorCode::NameInvalid, message: error.to_string() })
}

fn reference_refusal(reference: &str, error: &crate::oci::reference::ReferenceError) -> Refusal {
    let code = if reference.contains(':') { ErrorCode::DigestInvalid } else { ErrorCode::TagInvalid };
    Refusal::Malformed { code, message: error.to_string() }
}

/// A digest of any algorithm (image-spec, "Digests"): enough for a blob, which
/// pushonce never computes one of.
fn any_digest(text: &str) -> Result<(), Refusal> {
    let fits = text.split_once(':').is_some_and(|(algorithm, encoded)| {
        let is_algorithm = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+._-".contains(&byte);
        let is_encoded = |byte: u8| byte.is_ascii_alphanumeric() || b"=_-".contains(&byte);
        !algorithm.is_empty() && algorithm.bytes().all(is_algorithm) && !encoded.is_empty() && encoded.bytes().all(is_encoded)
    });
    let message = || format!("`{}` is not a digest", text.escape_debug());
    if fits { Ok(()) } else { Err(Refusal::Malformed { code: ErrorCode::DigestInvalid, message: message() }) }
}

/// A path segment that every server reads as itself.
fn plain_segment(segment: &str) -> Result<(), Refusal> {
    let is_plain = |byte: u8| is_unreserved(byte) || b"=:@+,".contains(&byte);
    let is_dots = segment.bytes().all(|byte| byte == b'.');
    if !is_dots && segment.bytes().all(is_plain) { Ok(()) } else { Err(Refusal::NoSuchPath) }
}

#[cfg(test)]
mod tests;
