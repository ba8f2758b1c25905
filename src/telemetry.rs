//! Logs: one line per event, as text or JSON, on standard output.

use thiserror::Error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use crate::config::valid::{Log, LogFormat};

/// Why logging could not be set up.
#[derive(Debug, Error)]
pub enum TelemetryError {
    #[error("log.filter: {0}; a filter reads `info` or `pushonce=debug,warn`")]
    Filter(#[from] ParseError),
    #[error("logging was set up twice: {0}")]
    Twice(Box<dyn std::error::Error + Send + Sync>),
}

/// Starts logging for the rest of the process.
pub fn start(log: &Log) -> Result<(), TelemetryError> {
    // Its one line names a path of the machine that built it.
    let filter = EnvFilter::try_new(&log.filter)?.add_directive("rusqlite_migration=warn".parse()?);
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter);
    match log.format {
        LogFormat::Text => subscriber.with_ansi(false).try_init(),
        LogFormat::Json => subscriber.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init(),
    }
    .map_err(TelemetryError::Twice)
}
