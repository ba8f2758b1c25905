//! Delivers the events of one webhook, one by one.

use std::time::Duration;

use jiff::SignedDuration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::sender::{DeliveryError, Sender};
use super::{Shared, TICK, WebhookError, envelope, turn_of};
use crate::clock::AttemptId;
use crate::config::valid::Webhook;
use crate::ledger::LedgerError;
use crate::ledger::event::Event;
use crate::ledger::log::Leaf;

/// How many leaves are read at once.
const PAGE: usize = 100;

/// How often it is written down how far the webhook has come. What was delivered since is
/// delivered again after a crash.
const SAVED_EVERY: Duration = Duration::from_secs(1);

/// How much longer a turn lasts than a delivery may take.
const SLACK: Duration = Duration::from_secs(5);

/// How long a delivery that runs is waited for at the end.
const GRACE: Duration = Duration::from_secs(2);

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);

pub(super) struct Deliverer {
    webhook: Webhook,
    sender: Sender,
    shared: Shared,
    /// How long the log is.
    size: watch::Receiver<u64>,
    turn: String,
    holder: AttemptId,
    /// How far this replica knows that the webhook has come.
    position: Option<u64>,
    /// The pause after the next failure.
    pause: Duration,
    /// What was said of the failure that lasts.
    said: Option<String>,
}

/// Why it stopped before the end of the log.
enum Stopped {
    /// Another replica delivers.
    Busy,
    /// The process ends.
    Ending,
    Ledger(LedgerError),
    Delivery(Box<Leaf>, DeliveryError),
}

impl From<LedgerError> for Stopped {
    fn from(error: LedgerError) -> Self {
        Self::Ledger(error)
    }
}

impl Deliverer {
    pub(super) fn new(webhook: Webhook, shared: Shared, size: watch::Receiver<u64>) -> Result<Self, WebhookError> {
        let (sender, turn) = (Sender::new(&webhook)?, turn_of(&shared.registry, &webhook.name));
        let holder = AttemptId::random();
        Ok(Self { webhook, sender, shared, size, turn, holder, position: None, pause: FIRST_PAUSE, said: None })
    }

    /// Enters a webhook that is new, at the end of the log. Where the ledger gives no
    /// answer, that is done later.
    pub(super) async fn begin(&mut self) {
        let begun = async {
            let position = self.take().await?;
            self.save(position).await
        };
        if let Err(Stopped::Ledger(cause)) = begun.await {
            self.say(cause.to_string(), None);
        }
    }

    pub(super) async fn run(mut self) {
        let (stop, mut retry) = (self.shared.stop.clone(), None);
        loop {
            let size = *self.size.borrow_and_update();
            let is_new = self.position.is_none_or(|position| position < size);
            self.count_waiting();
            if is_new && retry.is_none_or(|at| at <= Instant::now()) {
                let handed = self.hand_on().await;
                if matches!(handed, Err(Stopped::Ending)) {
                    return;
                }
                match handed {
                    Ok(()) => (self.pause, self.said, retry) = (FIRST_PAUSE, None, None),
                    Err(stopped) => retry = Some(Instant::now() + self.pause_after(stopped)),
                }
                self.count_waiting();
            }
            tokio::select! {
                () = stop.cancelled() => return,
                changed = self.size.changed() => if changed.is_err() { return },
                () = sleep_until(retry.unwrap_or_else(Instant::now)), if is_new && retry.is_some() => {}
            }
        }
    }

    fn count_waiting(&self) {
        let size = *self.size.borrow();
        let waiting = size.saturating_sub(self.position.unwrap_or(size));
        self.shared.metrics.webhook_waiting(&self.webhook.name, waiting);
    }

    /// Hands on what is new, up to the end of the log.
    async fn hand_on(&mut self) -> Result<(), Stopped> {
        let mut position = self.take().await?;
        let handed = self.hand_on_from(&mut position).await;
        match handed {
            // Who has the turn now says how far it has come.
            Err(Stopped::Busy) => {}
            _ => self.save(position).await?,
        }
        handed
    }

    async fn hand_on_from(&mut self, position: &mut u64) -> Result<(), Stopped> {
        let mut saved = Instant::now();
        loop {
            let leaves = self.shared.ledger.leaves(*position, PAGE).await?;
            if leaves.is_empty() {
                return Ok(());
            }
            for leaf in leaves {
                if saved.elapsed() >= SAVED_EVERY {
                    self.save(*position).await?;
                    *position = self.take().await?;
                    saved = Instant::now();
                }
                if leaf.position < *position {
                    continue;
                }
                if self.shared.stop.is_cancelled() {
                    return Err(Stopped::Ending);
                }
                let next = leaf.position + 1;
                if self.is_wanted(&leaf.event) {
                    self.deliver(leaf).await?;
                }
                *position = next;
            }
        }
    }

    fn is_wanted(&self, event: &Event) -> bool {
        let Webhook { outcomes, repositories, .. } = &self.webhook;
        let is_in = |name| repositories.iter().any(|pattern| pattern.matches(name));
        event.registry == self.shared.registry
            && outcomes.contains(&event.outcome)
            && (repositories.is_empty() || event.repository.as_ref().is_some_and(is_in))
    }

    async fn deliver(&mut self, leaf: Leaf) -> Result<(), Stopped> {
        let (id, stop) = (envelope::id(&leaf), self.shared.stop.clone());
        let sent = match envelope::body(&self.shared.origin, &id, &leaf.event) {
            Err(cause) => Err(DeliveryError::Failed(cause.to_string())),
            Ok(body) => tokio::select! {
                biased;
                sent = self.sender.send(&id, self.shared.clock.now(), body) => sent,
                () = async { stop.cancelled().await; sleep(GRACE).await } => return Err(Stopped::Ending),
            },
        };
        let outcome = sent.as_ref().map_or_else(DeliveryError::outcome, |()| "delivered");
        self.shared.metrics.webhook_delivery(&self.webhook.name, outcome);
        match sent {
            Err(cause) => Err(Stopped::Delivery(Box::new(leaf), cause)),
            Ok(()) => {
                self.pause = FIRST_PAUSE;
                if self.said.take().is_some() {
                    tracing::info!(webhook = self.webhook.name, event = id, "a webhook's events are delivered again");
                }
                Ok(())
            }
        }
    }

    async fn take(&mut self) -> Result<u64, Stopped> {
        let now = self.shared.clock.now();
        let lasts = SignedDuration::try_from(self.webhook.timeout + SLACK).unwrap_or(SignedDuration::MAX);
        let until = now.checked_add(lasts).unwrap_or(now);
        let taken = self.shared.ledger.take_turn(&self.turn, self.holder, now, until).await?;
        self.position = taken.or(self.position);
        taken.ok_or(Stopped::Busy)
    }

    async fn save(&mut self, position: u64) -> Result<(), Stopped> {
        if !self.shared.ledger.end_turn(&self.turn, self.holder, position).await? {
            return Err(Stopped::Busy);
        }
        self.position = Some(position);
        Ok(())
    }

    /// How long to wait after it stopped, and what is to be said of it, once.
    fn pause_after(&mut self, stopped: Stopped) -> Duration {
        match stopped {
            Stopped::Busy | Stopped::Ending => return TICK,
            Stopped::Ledger(cause) => self.say(cause.to_string(), None),
            Stopped::Delivery(leaf, cause) => self.say(cause.to_string(), Some(&leaf)),
        }
        let pause = self.pause;
        self.pause = LONGEST_PAUSE.min(pause * 2);
        pause
    }

    fn say(&mut self, cause: String, leaf: Option<&Leaf>) {
        if self.said.as_ref() == Some(&cause) {
            return;
        }
        let webhook = &self.webhook.name;
        match leaf {
            Some(leaf) => {
                let (event, outcome) = (envelope::id(leaf), leaf.event.outcome.as_str());
                let tag = leaf.event.key().map(|key| key.to_string());
                tracing::warn!(webhook, event, tag, outcome, cause, "a webhook's receiver did not take an event; it gets it again");
            }
            None => tracing::warn!(webhook, cause, "how far a webhook has come could not be read or written; it is tried again"),
        }
        self.said = Some(cause);
    }
}
