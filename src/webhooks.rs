//! Tells others of events, in the order of the log.
//!
//! The log is the queue: how far each webhook has come is kept in the ledger, so that no
//! event is lost when the process ends, and no push waits for a receiver. Of several
//! replicas one delivers at a time. A receiver that does not take an event gets it again,
//! and nothing behind it before that; other webhooks go on.

mod deliverer;
mod envelope;
mod sender;

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::deliverer::Deliverer;
pub use self::envelope::id as id_of;
use crate::clock::Clock;
use crate::config::valid::Webhook;
use crate::ledger::Ledger;
use crate::metrics::Metrics;

/// How often the log is looked at.
const TICK: Duration = Duration::from_secs(1);

/// Why a webhook could not be set up.
#[derive(Debug, Error)]
#[error("the webhook `{name}` cannot be set up: {cause}")]
pub struct WebhookError {
    name: String,
    cause: String,
}

/// What all webhooks have in common.
#[derive(Clone, Debug)]
pub struct Shared {
    /// The name of the log (`release_log.origin`).
    pub origin: String,
    /// The registry whose events are delivered.
    pub registry: String,
    pub ledger: Arc<dyn Ledger>,
    pub clock: Arc<dyn Clock>,
    pub metrics: Arc<Metrics>,
    pub stop: CancellationToken,
}

/// The name under which the ledger keeps how far a webhook has come. Registries that share
/// a ledger do not share webhooks.
pub fn turn_of(registry: &str, webhook: &str) -> String {
    format!("webhook {registry}/{webhook}")
}

/// Begins to deliver, in the background. A webhook that is new begins here: what is in the
/// log already is not delivered.
pub async fn start(webhooks: Vec<Webhook>, shared: Shared, tasks: &TaskTracker) -> Result<(), WebhookError> {
    if webhooks.is_empty() {
        return Ok(());
    }
    let (tell, size) = watch::channel(0);
    for webhook in webhooks {
        let mut deliverer = Deliverer::new(webhook, shared.clone(), size.clone())?;
        deliverer.begin().await;
        tasks.spawn(deliverer.run());
    }
    tasks.spawn(follow(shared, tell));
    Ok(())
}

/// Looks how long the log is, again and again.
async fn follow(shared: Shared, tell: watch::Sender<u64>) {
    let mut is_failing = false;
    loop {
        match shared.ledger.plant().await {
            Ok(size) => {
                is_failing = false;
                tell.send_if_modified(|known| std::mem::replace(known, size) != size);
            }
            Err(cause) if !is_failing => {
                is_failing = true;
                tracing::warn!(%cause, "the release log cannot be read for its webhooks; it is tried again");
            }
            Err(_) => {}
        }
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = sleep(TICK) => {}
        }
    }
}
