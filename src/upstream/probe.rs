//! Asks, on a connection of its own, whether the registry is there.

use http::StatusCode;
use thiserror::Error;

use super::side::{SideError, base_url, client};
use crate::config::valid;

/// Why the registry counts as not ready.
#[derive(Debug, Error)]
pub enum ProbeError {
    #[error("the registry gave no answer to GET /v2/")]
    NoAnswer(#[source] reqwest::Error),
    #[error("the registry answered GET /v2/ with {0}, not 200 or 401")]
    Status(StatusCode),
}

/// An answer to `GET /v2/`.
#[derive(Debug)]
pub struct Seen {
    pub status: StatusCode,
    /// The registry's `Date`, as it writes it.
    pub date: Option<String>,
}

/// The readiness check of the registry.
#[derive(Debug)]
pub struct Probe {
    client: reqwest::Client,
    url: String,
}

impl Probe {
    pub fn new(config: &valid::Upstream) -> Result<Self, SideError> {
        Ok(Self { client: client(config)?, url: base_url(config) })
    }

    /// What the registry shows of itself, whoever asks.
    pub async fn look(&self) -> Result<Seen, ProbeError> {
        let response = self.client.get(&self.url).send().await.map_err(ProbeError::NoAnswer)?;
        let date = response.headers().get(http::header::DATE).and_then(|date| date.to_str().ok()).map(str::to_owned);
        match response.status() {
            status @ (StatusCode::OK | StatusCode::UNAUTHORIZED) => Ok(Seen { status, date }),
            status => Err(ProbeError::Status(status)),
        }
    }

    /// Ready where `GET /v2/` is answered with 200, or 401 for want of credentials
    /// (distribution-spec, end-1).
    pub async fn check(&self) -> Result<(), ProbeError> {
        self.look().await.map(drop)
    }
}
