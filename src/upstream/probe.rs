//! Asks, on a connection of its own, whether the registry is there.

use std::time::Duration;

use http::StatusCode;
use reqwest::redirect::Policy;
use rustls::RootCertStore;
use thiserror::Error;

use super::connect::{ConnectorError, tls_settings, tls_trusting};
use crate::config::valid;

/// How long the registry may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why the registry counts as not ready.
#[derive(Debug, Error)]
pub enum ProbeError {
    #[error("the probe cannot be set up")]
    Setup(#[source] reqwest::Error),
    #[error(transparent)]
    Connector(#[from] ConnectorError),
    #[error("the registry gave no answer to GET /v2/")]
    NoAnswer(#[source] reqwest::Error),
    #[error("the registry answered GET /v2/ with {0}, not 200 or 401")]
    Status(StatusCode),
}

/// The readiness check of the registry.
#[derive(Debug)]
pub struct Probe {
    client: reqwest::Client,
    url: String,
}

impl Probe {
    pub fn new(config: &valid::Upstream) -> Result<Self, ProbeError> {
        // Over plain HTTP nobody needs to be trusted, but the client wants to know.
        let tls = match tls_settings(config)? {
            Some(tls) => (*tls).clone(),
            None => tls_trusting(RootCertStore::empty())?,
        };
        let builder = reqwest::Client::builder().redirect(Policy::none()).timeout(PATIENCE).no_proxy();
        let client = builder.tls_backend_preconfigured(tls).build().map_err(ProbeError::Setup)?;
        let url = format!("{}://{}{}/v2/", config.scheme, config.authority, config.prefix);
        Ok(Self { client, url })
    }

    /// Ready where `GET /v2/` is answered with 200, or 401 for want of credentials
    /// (distribution-spec, end-1).
    pub async fn check(&self) -> Result<(), ProbeError> {
        let response = self.client.get(&self.url).send().await.map_err(ProbeError::NoAnswer)?;
        match response.status() {
            StatusCode::OK | StatusCode::UNAUTHORIZED => Ok(()),
            status => Err(ProbeError::Status(status)),
        }
    }
}
