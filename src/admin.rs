//! The second listener, for operators and their machines: health, metrics, and the release
//! log as JSON and as pages.

mod access;
mod api;
mod asked;
mod granting;
mod pages;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use secrecy::SecretString;
use thiserror::Error;
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;

use self::asked::Refused;
use crate::audits::Audits;
use crate::causes::with_causes;
use crate::gate::CurrentGate;
use crate::ledger::{Ledger, TagKey};
use crate::metrics::Metrics;
use crate::oci::TagCase;
use crate::policy::Policy;
use crate::reload::{self, Rejected};
use crate::server::Drain;
use crate::upstream::Probe;

/// The longest that an answer of this listener may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why the admin listener could not be opened.
#[derive(Debug, Error)]
#[error("cannot listen on {address} (admin.listen): {cause}")]
pub struct AdminError {
    address: SocketAddr,
    cause: io::Error,
}

/// What the admin listener looks at.
#[derive(Debug)]
pub struct Admin {
    pub ledger: Arc<dyn Ledger>,
    pub probe: Probe,
    pub metrics: Arc<Metrics>,
    pub drain: Drain,
    /// Whoever looks must know it.
    pub token: Option<SecretString>,
    /// Whoever grants exceptions must know it; `None` grants none.
    pub exceptions_token: Option<SecretString>,
    /// What the background audit found.
    pub audits: Audits,
    pub audit_interval: Duration,
    pub current: Arc<CurrentGate>,
    /// What became of the last reading of the policy.
    pub reloads: Arc<reload::Status>,
    /// The registry's name in the ledger.
    pub registry: String,
    pub tag_case: TagCase,
}

impl Admin {
    /// The policy in force.
    fn policy(&self) -> Arc<Policy> {
        Arc::clone(self.current.get().policy())
    }

    /// A tag as the registry knows it.
    fn key(&self, repository: &str, tag: &str) -> Result<TagKey, Refused> {
        Ok(asked::key(repository, tag)?.in_case(self.tag_case))
    }
}

/// Opens the listener and serves it in the background, to the end of the process:
/// health can be asked for while the data listener drains.
pub async fn listen(address: SocketAddr, admin: Admin) -> Result<SocketAddr, AdminError> {
    let failed = |cause| AdminError { address, cause };
    let tcp = TcpListener::bind(address).await.map_err(failed)?;
    let bound = tcp.local_addr().map_err(failed)?;
    let routes = routes(admin);
    tokio::spawn(async move {
        if let Err(cause) = axum::serve(tcp, routes).await {
            tracing::error!(%cause, "the admin listener ended");
        }
    });
    Ok(bound)
}

fn routes(mut admin: Admin) -> Router {
    let tokens = Arc::new(access::Tokens { look: admin.token.take(), grant: admin.exceptions_token.take() });
    let layers = ServiceBuilder::new()
        // A bug here must not end the connection without an answer.
        .layer(CatchPanicLayer::new())
        // A hanging ledger must not pile up scrapes.
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, PATIENCE))
        .layer(from_fn_with_state(tokens, access::judge))
        // What is true now is not true later.
        .layer(SetResponseHeaderLayer::overriding(header::CACHE_CONTROL, HeaderValue::from_static("no-store")));
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .merge(api::routes())
        .merge(pages::routes())
        .layer(layers)
        .with_state(Arc::new(admin))
}

/// The process runs and answers.
async fn livez() -> &'static str {
    "ok\n"
}

/// 200 where pushes can be decided: the ledger can be written, the registry is
/// there, and no shutdown has begun. One line for each, with the cause; and one where the
/// files have changed and cannot be used, which is no reason to take the replica away.
async fn readyz(State(admin): State<Arc<Admin>>) -> Response {
    let (ledger, upstream) = tokio::join!(admin.ledger.ping(), admin.probe.check());
    let checks = [
        ("ledger", ledger.err().map(|cause| with_causes(&cause))),
        ("upstream", upstream.err().map(|cause| with_causes(&cause))),
        ("serving", admin.drain.has_begun().then(|| "shutting down".to_owned())),
    ];
    let ready = checks.iter().all(|(_, failure)| failure.is_none());
    let line = |(name, failure): &(&str, Option<String>)| match failure {
        None => format!("ok      {name}\n"),
        Some(cause) => format!("failed  {name}: {cause}\n"),
    };
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let stale = admin.reloads.last_rejected().map(|Rejected { at, cause }| {
        format!("stale   configuration: what was read at {at:.0} is not used, that of {:.0} is: {cause}\n", admin.reloads.since())
    });
    (status, checks.iter().map(line).chain(stale).collect::<String>()).into_response()
}

async fn metrics(State(admin): State<Arc<Admin>>) -> Response {
    match admin.ledger.count_open().await {
        Ok(open) => admin.metrics.open_claims.set(i64::try_from(open).unwrap_or(i64::MAX)),
        Err(cause) => tracing::warn!(%cause, "open claims could not be counted"),
    }
    match admin.metrics.render() {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response(),
        Err(cause) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{cause}\n")).into_response(),
    }
}
