//! Manifest requests that the gate makes on a client's behalf.
//!
//! Only [`Upstream::point`] and [`Upstream::move_tag`] write a tag. The first takes
//! a [`Claim`], which only the ledger makes; the second a [`Movable`], which only
//! the policy makes.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, RANGE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use tokio::time::sleep;

use super::body::RequestBody;
use super::token::ServiceAccount;
use super::{Access, Outgoing, Upstream, UpstreamError, headers, is_denied};
use crate::clock::AttemptId;
use crate::ledger::{Claim, TagKey};
use crate::oci::manifest::ACCEPT_EVERY_MANIFEST;
use crate::oci::{Algorithm, Digest, RepositoryName};
use crate::policy::Movable;

pub const DOCKER_CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// Pauses before a look-up is tried again. docker-registry answers 500 to a
/// read now and then while the tag or the manifest is being written.
const RETRY_PAUSES: [Duration; 4] =
    [Duration::from_millis(20), Duration::from_millis(60), Duration::from_millis(180), Duration::from_millis(540)];

/// With whose credentials the gate may look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trust {
    /// The client's own: what is seen may be told to the client.
    Client,
    /// The client's own, and the service credentials where those do not do: what
    /// is seen decides, and is not told.
    OrService,
}

/// A manifest in hand.
#[derive(Clone, Debug)]
pub struct Content {
    pub digest: Digest,
    pub media_type: Option<HeaderValue>,
    pub bytes: Bytes,
}

/// What the registry's pointer of a tag says.
#[derive(Debug)]
pub enum Resolved {
    Found(Digest),
    Absent,
    /// The registry does not let this client see: 401 or 403, to be relayed.
    Denied(Response<Bytes>),
}

/// What the registry has under a digest.
#[derive(Debug)]
pub enum Fetched {
    Found(Content),
    Absent,
    /// 401 or 403, to be relayed.
    Denied(Response<Bytes>),
}

impl Upstream {
    /// Where the registry points a tag, asked with HEAD, and with GET where the
    /// answer carries no digest.
    pub async fn resolve(&self, caller: &HeaderMap, key: &TagKey, trust: Trust) -> Result<Resolved, UpstreamError> {
        let response = self.look(caller, Method::HEAD, &key.repository, key.tag.as_str(), trust).await?;
        match response.status() {
            StatusCode::NOT_FOUND => Ok(Resolved::Absent),
            StatusCode::OK => match digest_header(&response)? {
                Some(digest) => Ok(Resolved::Found(digest)),
                None => self.resolve_by_content(caller, key, trust).await,
            },
            _ => Ok(Resolved::Denied(response)),
        }
    }

    async fn resolve_by_content(&self, caller: &HeaderMap, key: &TagKey, trust: Trust) -> Result<Resolved, UpstreamError> {
        let response = self.look(caller, Method::GET, &key.repository, key.tag.as_str(), trust).await?;
        match response.status() {
            StatusCode::NOT_FOUND => Ok(Resolved::Absent),
            StatusCode::OK => Ok(Resolved::Found(Digest::of(Algorithm::Sha256, response.body()))),
            _ => Ok(Resolved::Denied(response)),
        }
    }

    /// Whether the registry shows a manifest to this client.
    pub async fn shows(&self, caller: &HeaderMap, repository: &RepositoryName, digest: &Digest) -> Result<Fetched, UpstreamError> {
        let response = self.look(caller, Method::HEAD, repository, digest.as_str(), Trust::Client).await?;
        Ok(match response.status() {
            StatusCode::NOT_FOUND => Fetched::Absent,
            StatusCode::OK => Fetched::Found(Content { digest: digest.clone(), media_type: None, bytes: Bytes::new() }),
            _ => Fetched::Denied(response),
        })
    }

    /// Whether a look finds a manifest that was stored just now. A registry may take a
    /// moment to show what it took.
    pub async fn shows_stored(
        &self,
        caller: &HeaderMap,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<bool, UpstreamError> {
        let mut pauses = RETRY_PAUSES.iter();
        loop {
            let response = self.look(caller, Method::HEAD, repository, digest.as_str(), Trust::OrService).await?;
            match (response.status(), pauses.next()) {
                (StatusCode::NOT_FOUND, Some(pause)) => sleep(*pause).await,
                (status, _) => return Ok(status == StatusCode::OK),
            }
        }
    }

    /// Reads a manifest by digest, to decide with, and checks that its bytes are what the digest names.
    pub async fn fetch(&self, caller: &HeaderMap, repository: &RepositoryName, digest: &Digest) -> Result<Fetched, UpstreamError> {
        let response = self.look(caller, Method::GET, repository, digest.as_str(), Trust::OrService).await?;
        match response.status() {
            StatusCode::NOT_FOUND => Ok(Fetched::Absent),
            StatusCode::OK if !digest.names(response.body()) => {
                Err(UpstreamError::Unusable(format!("the content under {digest} has another digest")))
            }
            StatusCode::OK => {
                let media_type = response.headers().get(CONTENT_TYPE).cloned();
                Ok(Fetched::Found(Content { digest: digest.clone(), media_type, bytes: response.into_body() }))
            }
            _ => Ok(Fetched::Denied(without_body(response))),
        }
    }

    /// Stores a manifest under its digest; names nothing. The answer is the
    /// registry's own, whatever it is.
    pub async fn put_by_digest(
        &self,
        caller: &HeaderMap,
        repository: &RepositoryName,
        content: &Content,
    ) -> Result<Response<Bytes>, UpstreamError> {
        as_stored(self.put(caller, repository, content.digest.as_str(), content, true).await?, content)
    }

    /// Points an immutable tag at the bytes it was claimed for.
    pub async fn point(&self, caller: &HeaderMap, claim: &Claim, content: &Content) -> Result<Response<Bytes>, UpstreamError> {
        if !claim.digest().names(&content.bytes) {
            return Err(UpstreamError::Unusable(format!("{} is claimed for other bytes", claim.key())));
        }
        // Repeatable: whenever the request lands, it carries the claimed bytes.
        as_stored(self.put(caller, &claim.key().repository, claim.key().tag.as_str(), content, true).await?, content)
    }

    /// Points a tag that the policy lets move.
    pub async fn move_tag(
        &self,
        caller: &HeaderMap,
        tag: Movable<'_>,
        content: &Content,
    ) -> Result<Response<Bytes>, UpstreamError> {
        // Not repeatable: a second landing could undo somebody's later move.
        self.put(caller, tag.repository(), tag.tag().as_str(), content, false).await
    }

    async fn put(
        &self,
        caller: &HeaderMap,
        repository: &RepositoryName,
        reference: &str,
        content: &Content,
        repeatable: bool,
    ) -> Result<Response<Bytes>, UpstreamError> {
        let mut headers = headers::for_check(caller);
        if let Some(media_type) = &content.media_type {
            headers.insert(CONTENT_TYPE, media_type.clone());
        }
        let target = manifest_target(repository, reference)?;
        let body = RequestBody::full(content.bytes.clone());
        self.forward_whole(Outgoing { method: Method::PUT, target, headers: &headers, body, repeatable }).await
    }

    /// The registry's no to deletes of this client: asked with the digest of nothing,
    /// which no registry holds. `None` where it would delete.
    pub async fn refuses_deletes(
        &self,
        caller: &HeaderMap,
        repository: &RepositoryName,
    ) -> Result<Option<Response<Bytes>>, UpstreamError> {
        let nothing = Digest::of(Algorithm::Sha256, AttemptId::random().as_bytes());
        let target = manifest_target(repository, nothing.as_str())?;
        let headers = headers::for_check(caller);
        let outgoing = Outgoing { method: Method::DELETE, target, headers: &headers, body: RequestBody::empty(), repeatable: true };
        let response = self.forward_whole(outgoing).await?;
        match response.status() {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => Ok(None),
            status if status.is_client_error() => Ok(Some(without_body(response))),
            status => Err(UpstreamError::Unexpected { method: Method::DELETE, what: format!("nothing in {repository}"), status }),
        }
    }

    /// Reads a manifest by digest for a client, with the client's own headers but
    /// whole and as stored, so that its bytes can be compared with the digest.
    pub async fn read_for_client(
        &self,
        caller: &HeaderMap,
        method: &Method,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Response<Bytes>, UpstreamError> {
        let mut headers = caller.clone();
        headers.remove(ACCEPT_ENCODING);
        headers.remove(RANGE);
        self.ask_patiently(method, &manifest_target(repository, digest.as_str())?, &headers).await
    }

    /// Asks for a manifest; the answer is 200, 401, 403 or 404.
    async fn look(
        &self,
        caller: &HeaderMap,
        method: Method,
        repository: &RepositoryName,
        reference: &str,
        trust: Trust,
    ) -> Result<Response<Bytes>, UpstreamError> {
        let target = manifest_target(repository, reference)?;
        let mut headers = headers::for_check(caller);
        headers.insert(ACCEPT, ACCEPT_EVERY_MANIFEST);
        let mut response = self.ask_patiently(&method, &target, &headers).await?;
        if let Some(service) = self.service.as_ref().filter(|_| trust == Trust::OrService) {
            if is_denied(response.status()) {
                response = self.look_as(service, caller, &method, &target, repository).await?;
                if is_denied(response.status()) {
                    return Err(UpstreamError::ServiceDenied(response.status().as_u16()));
                }
            } else if response.status() == StatusCode::NOT_FOUND {
                // A registry may say so to whom it hides what is there. Where the gate's
                // own account sees no more, the client's word stands.
                match self.look_as(service, caller, &method, &target, repository).await {
                    Ok(seen) if seen.status() == StatusCode::OK => response = seen,
                    Ok(_) => {}
                    Err(cause) => {
                        tracing::warn!(%repository, %cause, "an absent tag could not be confirmed with upstream.username")
                    }
                }
            }
        }
        match response.status() {
            StatusCode::OK | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => Ok(response),
            status => Err(UpstreamError::Unexpected { method, what: format!("{repository} {reference}"), status }),
        }
    }

    /// The same look with the gate's own account.
    async fn look_as(
        &self,
        service: &ServiceAccount,
        caller: &HeaderMap,
        method: &Method,
        target: &PathAndQuery,
        repository: &RepositoryName,
    ) -> Result<Response<Bytes>, UpstreamError> {
        let mut headers = headers::for_service(caller);
        headers.insert(ACCEPT, ACCEPT_EVERY_MANIFEST);
        service.sign(&mut headers, repository, Access::Pull).await?;
        self.ask_patiently(method, target, &headers).await
    }

    /// Sends a read again while the registry answers with an error of its own.
    async fn ask_patiently(
        &self,
        method: &Method,
        target: &PathAndQuery,
        headers: &HeaderMap,
    ) -> Result<Response<Bytes>, UpstreamError> {
        let mut pauses = RETRY_PAUSES.iter();
        loop {
            let (method, target) = (method.clone(), target.clone());
            let outgoing = Outgoing { method, target, headers, body: RequestBody::empty(), repeatable: true };
            let response = self.forward_whole(outgoing).await?;
            match pauses.next() {
                Some(pause) if response.status().is_server_error() => sleep(*pause).await,
                _ => return Ok(response),
            }
        }
    }
}

/// An error without its text, which may name what the gate asked for and the client
/// did not.
pub fn without_body(mut response: Response<Bytes>) -> Response<Bytes> {
    for name in [CONTENT_LENGTH, CONTENT_TYPE, CONTENT_ENCODING] {
        response.headers_mut().remove(name);
    }
    response.map(|_| Bytes::new())
}

/// Fails where the registry says that it stored other bytes than it was sent.
fn as_stored(response: Response<Bytes>, content: &Content) -> Result<Response<Bytes>, UpstreamError> {
    if response.status().is_success()
        && let Some(said) = digest_header(&response)?
        && !said.names(&content.bytes)
    {
        return Err(UpstreamError::Unusable(format!("the registry says that it stored {said} instead of {}", content.digest)));
    }
    Ok(response)
}

/// The digest that the registry says its answer has.
fn digest_header(response: &Response<Bytes>) -> Result<Option<Digest>, UpstreamError> {
    let Some(value) = response.headers().get(DOCKER_CONTENT_DIGEST) else { return Ok(None) };
    let unusable = || UpstreamError::Unusable(format!("Docker-Content-Digest is {value:?}"));
    let text = value.to_str().map_err(|_| unusable())?;
    Digest::parse(text).map(Some).map_err(|_| unusable())
}

/// The target of a manifest by its tag or digest.
pub fn manifest_target(repository: &RepositoryName, reference: &str) -> Result<PathAndQuery, UpstreamError> {
    let target = format!("/v2/{repository}/manifests/{reference}");
    PathAndQuery::try_from(target.as_str()).map_err(|_| UpstreamError::Target(target))
}
