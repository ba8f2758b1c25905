//! The only place that talks to the registry.
//!
//! Requests go out as they were rendered from the parse, with the client's own
//! credentials. Nothing is followed, and nothing is sent twice unless nothing of
//! it was sent before or sending it twice changes nothing.

pub mod body;
mod catalog;
mod connect;
mod headers;
mod identity;
pub(crate) mod location;
mod manifests;
mod pool;
mod probe;
mod side;
mod tag_case;
mod tags;
pub(crate) mod token;

use std::fmt;
use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::HOST;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::client::conn::TrySendError;
use thiserror::Error;
use tokio::time::timeout;

use self::body::{IdleLimit, Progress, RequestBody, ResponseBody};
use self::connect::{ConnectError, Connector};
use self::headers::Forwarding;
use self::location::Addresses;
use self::pool::{Lease, Pool};
use self::token::ServiceAccount;
use crate::causes::with_causes;
use crate::config::valid;
use crate::metrics::Metrics;
use crate::oci::{RepositoryName, TagCase};

use self::connect::tls_settings;
pub use self::manifests::{Content, DOCKER_CONTENT_DIGEST, Fetched, Resolved, Trust, manifest_target, without_body};
pub use self::probe::{Probe, ProbeError, Seen};
pub use self::side::SideError;
pub use self::tag_case::{CaseSeen, SeenBy};
pub use self::tags::Listed;
pub use self::token::{Access, SignInError};

/// The largest answer that is read whole: a manifest, an error, a page of tags.
const ANSWER_LIMIT: usize = 8 * 1024 * 1024;

/// Why the registry gave no usable answer. What was sent may have taken effect.
#[derive(Debug, Error)]
pub enum UpstreamError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the registry's answer did not begin within {0:?}")]
    NoAnswer(Duration),
    #[error("the registry did not finish its answer within {0:?}")]
    Unfinished(Duration),
    #[error("the connection to the registry broke: {0}")]
    Broken(String),
    #[error("the registry answered {method} of {what} with {status}")]
    Unexpected { method: Method, what: String, status: StatusCode },
    #[error("the registry's answer cannot be used: {0}")]
    Unusable(String),
    #[error("{0} cannot be sent in a request")]
    Target(String),
    #[error("the registry does not let `upstream.username` look: it answered {0}")]
    ServiceDenied(u16),
    #[error("the registry gives no list of its repositories: it answered {0} to /v2/_catalog; name the repositories")]
    NoCatalog(u16),
    #[error(transparent)]
    SignIn(#[from] SignInError),
    #[error("the client's body ended early: {0}")]
    ClientBody(String),
}

/// A request to the registry.
pub struct Outgoing<'a> {
    pub method: Method,
    /// The rendering of the parse, without the registry's path prefix.
    pub target: PathAndQuery,
    pub headers: &'a HeaderMap,
    pub body: RequestBody,
    /// Whether the request may be sent again when a kept connection broke before
    /// the answer began (RFC 9110, section 9.2.2).
    pub repeatable: bool,
}

/// The registry.
#[derive(Debug)]
pub struct Upstream {
    config: valid::Upstream,
    connector: Connector,
    pool: Pool,
    forwarding: Forwarding,
    service: Option<ServiceAccount>,
    body_idle: IdleLimit,
    metrics: Arc<Metrics>,
}

impl Upstream {
    pub fn new(mut config: valid::Upstream, server: &valid::Server, metrics: Arc<Metrics>) -> Result<Self, SideError> {
        let client = side::client(&config)?;
        let base = side::base_url(&config);
        let service = config.service.take().map(|service| ServiceAccount::new(service, client, base));
        let connector = Connector::new(&config, tls_settings(&config)?)?;
        let pool = Pool::new(config.idle_connections, config.idle_timeout);
        let host = (!config.preserve_host).then(|| config.authority.clone());
        let forwarding = Forwarding { host, trust: server.trust_forwarded };
        let body_idle = IdleLimit::new(server, &metrics);
        Ok(Self { config, connector, pool, forwarding, service, body_idle, metrics })
    }

    /// Whether the registry keeps the case of tags.
    pub fn tag_case(&self) -> TagCase {
        self.config.tag_case
    }

    /// Whether the gate can sign in by itself.
    pub fn has_service_account(&self) -> bool {
        self.service.is_some()
    }

    /// A client's headers as every request on its behalf carries them.
    pub fn prepare(&self, headers: HeaderMap, peer: IpAddr, secure: bool) -> HeaderMap {
        let mut headers = headers::for_upstream(headers, peer, secure, &self.forwarding);
        // HTTP/1.0 can do without `Host`, HTTP/1.1 cannot (RFC 9112, section 3.2).
        if let (false, Ok(host)) = (headers.contains_key(HOST), HeaderValue::from_str(self.config.authority.as_str())) {
            headers.insert(HOST, host);
        }
        headers
    }

    /// The registry's host, and nobody's credentials.
    fn nobodys_headers(&self) -> HeaderMap {
        let host = HeaderValue::from_str(self.config.authority.as_str()).ok().map(|host| (HOST, host));
        headers::for_service(&host.into_iter().collect())
    }

    /// The headers of a request that the gate makes for itself: signed where it has an
    /// account, and nobody's where it has none.
    pub async fn own_headers(&self, repository: &RepositoryName, access: Access) -> Result<HeaderMap, UpstreamError> {
        let mut headers = self.nobodys_headers();
        if let Some(service) = &self.service {
            service.sign(&mut headers, repository, access).await?;
        }
        Ok(headers)
    }

    /// Sends a request and returns the answer as soon as its head is there.
    pub async fn forward(&self, outgoing: Outgoing<'_>) -> Result<Response<ResponseBody>, UpstreamError> {
        let method = outgoing.method.clone();
        let hosts = [HOST, headers::X_FORWARDED_HOST].map(|name| outgoing.headers.get(name));
        let started = Instant::now();
        let result = self.exchange(outgoing).await;
        self.metrics.upstream(method.as_str(), result.is_ok(), started.elapsed());
        result.map(|mut response| {
            headers::remove_hop_by_hop(response.headers_mut());
            location::rewrite(response.headers_mut(), &self.addresses(hosts));
            response
        })
    }

    /// Sends a request and reads the whole answer, within the manifest timeout.
    pub async fn forward_whole(&self, outgoing: Outgoing<'_>) -> Result<Response<Bytes>, UpstreamError> {
        let limit = self.config.manifest_timeout;
        let whole = async { gather(self.forward(outgoing).await?).await };
        timeout(limit, whole).await.unwrap_or(Err(UpstreamError::Unfinished(limit)))
    }

    fn addresses<'a>(&'a self, hosts: [Option<&'a HeaderValue>; 2]) -> Addresses<'a> {
        Addresses { upstream: &self.config.authority, scheme: &self.config.scheme, hosts, prefix: &self.config.prefix }
    }

    async fn exchange(&self, outgoing: Outgoing<'_>) -> Result<Response<ResponseBody>, UpstreamError> {
        let Outgoing { method, target, headers, body, repeatable } = outgoing;
        let target = self.below_prefix(target)?;
        let progress = body.progress();
        let mut spare = repeatable.then(|| body.repeat()).flatten();
        let mut request = assemble(&method, &target, headers, body);
        let mut was_sent = false;

        // Kept connections first. One that the registry has closed meanwhile gives
        // the request back unsent, or breaks before an answer.
        while let Some(mut lease) = self.pool.take() {
            match self.send(&mut lease, request, progress.as_ref()).await {
                Ok(response) => return Ok(self.hand_over(response, lease)),
                Err(Failure { unsent: Some(unsent), .. }) => request = *unsent,
                Err(Failure { error: error @ UpstreamError::Broken(_), .. }) => match spare.take() {
                    Some(body) => {
                        request = assemble(&method, &target, headers, body);
                        was_sent = true;
                        break;
                    }
                    None => return Err(error),
                },
                Err(Failure { error, .. }) => return Err(error),
            }
        }
        let mut lease = Box::pin(self.open()).await?;
        let mut response = self.send(&mut lease, request, progress.as_ref()).await.map_err(|failure| failure.error)?;
        if was_sent {
            response.extensions_mut().insert(SentTwice);
        }
        Ok(self.hand_over(response, lease))
    }

    /// The target as the registry knows it.
    fn below_prefix(&self, target: PathAndQuery) -> Result<PathAndQuery, UpstreamError> {
        if self.config.prefix.is_empty() {
            return Ok(target);
        }
        let target = format!("{}{target}", self.config.prefix);
        target.parse().map_err(|_| UpstreamError::Target(target.split('?').next().unwrap_or_default().to_owned()))
    }

    async fn open(&self) -> Result<Lease, UpstreamError> {
        let stream = self.connector.connect().await?;
        self.pool.open(stream).await.map_err(|cause| UpstreamError::Broken(cause.to_string()))
    }

    /// Waits for the head of the answer. While a client's body still moves, the
    /// clock does not run: a large upload takes as long as it takes.
    async fn send(
        &self,
        lease: &mut Lease,
        request: Request<RequestBody>,
        progress: Option<&Progress>,
    ) -> Result<Response<hyper::body::Incoming>, Failure> {
        let limit = self.config.response_timeout;
        let answer = lease.sender().try_send_request(request);
        tokio::pin!(answer);
        let mut moved = progress.map(Progress::count);
        lease.start_clock(limit);
        poll_fn(|cx| {
            lease.drive(cx);
            // An answer that is there counts, be it at the last moment.
            if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
                return Poll::Ready(answer.map_err(Failure::from));
            }
            while lease.is_late(cx) {
                let moves = progress.map(Progress::count);
                if moves == moved {
                    return Poll::Ready(Err(Failure { error: UpstreamError::NoAnswer(limit), unsent: None }));
                }
                moved = moves;
                lease.start_clock(limit);
            }
            Poll::Pending
        })
        .await
    }

    fn hand_over(&self, response: Response<hyper::body::Incoming>, lease: Lease) -> Response<ResponseBody> {
        response.map(|body| ResponseBody::new(body, self.body_idle.clone(), lease))
    }
}

/// Shows no header and no query, since any could be a credential.
impl fmt::Debug for Outgoing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing").field("method", &self.method).field("path", &self.target.path()).finish_non_exhaustive()
    }
}

/// A request that failed, with itself where nothing of it was sent.
struct Failure {
    error: UpstreamError,
    unsent: Option<Box<Request<RequestBody>>>,
}

impl From<TrySendError<Request<RequestBody>>> for Failure {
    fn from(mut error: TrySendError<Request<RequestBody>>) -> Self {
        let unsent = error.take_message().map(Box::new);
        let cause = error.into_error();
        let text = with_causes(&cause);
        let error = if cause.is_user() { UpstreamError::ClientBody(text) } else { UpstreamError::Broken(text) };
        Self { error, unsent }
    }
}

fn assemble(method: &Method, target: &PathAndQuery, headers: &HeaderMap, body: RequestBody) -> Request<RequestBody> {
    let mut request = Request::new(body);
    *request.method_mut() = method.clone();
    *request.uri_mut() = target.clone().into();
    *request.headers_mut() = headers.clone();
    request
}

async fn gather(response: Response<ResponseBody>) -> Result<Response<Bytes>, UpstreamError> {
    let (parts, body) = response.into_parts();
    let body = Limited::new(body, ANSWER_LIMIT).collect().await.map_err(|cause| UpstreamError::Broken(with_causes(&*cause)))?;
    Ok(Response::from_parts(parts, body.to_bytes()))
}

/// Whether the registry wants other credentials.
pub fn is_denied(status: StatusCode) -> bool {
    matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
}

/// Marks the answer to a request that was sent before, on a connection that broke: the
/// registry may still carry the first one out.
#[derive(Clone, Copy, Debug)]
struct SentTwice;

/// Whether the registry certainly did not carry a request out, and will not.
pub fn is_definite_rejection(response: &Response<Bytes>) -> bool {
    let is_rejection = matches!(response.status().as_u16(), 400 | 401 | 403 | 404 | 405 | 413 | 415);
    is_rejection && response.extensions().get::<SentTwice>().is_none()
}
