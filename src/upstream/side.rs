//! The client of side calls: the readiness probe, and the token service.

use std::time::Duration;

use reqwest::redirect::Policy;
use rustls::RootCertStore;
use thiserror::Error;

use super::connect::{ConnectorError, identity, roots};
use crate::config::valid;
use crate::trust;

/// How long a side call may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why the client of side calls could not be made.
#[derive(Debug, Error)]
pub enum SideError {
    #[error("the client of side calls cannot be set up")]
    Client(#[source] reqwest::Error),
    #[error(transparent)]
    Connector(#[from] ConnectorError),
}

/// A client that follows no redirect, so that no credential leaves for another
/// host, and that uses no proxy of the environment.
pub(super) fn client(config: &valid::Upstream) -> Result<reqwest::Client, SideError> {
    // A registry without TLS may still have a token service with it.
    let needs_trust = config.scheme == http::uri::Scheme::HTTPS || config.service.is_some();
    let trusted = if needs_trust { roots(config)? } else { RootCertStore::empty() };
    let own = identity(config).map_err(ConnectorError::from)?;
    let builder = reqwest::Client::builder().redirect(Policy::none()).timeout(PATIENCE).no_proxy();
    builder
        .tls_backend_preconfigured(trust::tls_showing(trusted, own).map_err(ConnectorError::from)?)
        .build()
        .map_err(SideError::Client)
}

/// Where the registry's API begins (distribution-spec, end-1).
pub(super) fn base_url(config: &valid::Upstream) -> String {
    format!("{}://{}{}/v2/", config.scheme, config.authority, config.prefix)
}
