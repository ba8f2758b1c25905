//! Audits at an interval. Of several replicas one audits, for as long as it runs.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{Audit, Audits};
use crate::clock::{AttemptId, Clock};
use crate::config::valid;
use crate::gate::{CurrentGate, Difference};
use crate::ledger::{Ledger, LedgerError};
use crate::metrics::Metrics;

/// How often the turn is taken again, at least, and for how many times as long it lasts.
const TICK: Duration = Duration::from_secs(30);
const TURN: u32 = 4;

/// What audits.
#[derive(Debug)]
pub struct Auditor {
    pub current: Arc<CurrentGate>,
    pub ledger: Arc<dyn Ledger>,
    pub clock: Arc<dyn Clock>,
    pub metrics: Arc<Metrics>,
    pub settings: valid::Audit,
    /// The registry's name in the ledger.
    pub registry: String,
    pub audits: Audits,
    pub stop: CancellationToken,
}

/// Why an audit did not come to its end.
enum Stopped {
    /// The process ends.
    Ending,
    /// Another replica audits.
    Lost,
    Ledger(LedgerError),
}

impl From<LedgerError> for Stopped {
    fn from(cause: LedgerError) -> Self {
        Self::Ledger(cause)
    }
}

impl Auditor {
    /// Audits until `stop`; not at all where the interval is zero. The ledger keeps when
    /// the last audit ended, so that a start alone brings no further one.
    pub async fn run(self) {
        let (turn, holder) = (format!("audit {}", self.registry), AttemptId::random());
        let interval = SignedDuration::try_from(self.settings.interval).unwrap_or(SignedDuration::MAX);
        let mut is_said = false;
        while !self.settings.interval.is_zero() {
            let audited = async {
                let last = self.take(&turn, holder).await?;
                // One that lies ahead is of a clock that went wrong.
                let since = self.clock.now().duration_since(last);
                if since.is_negative() || since >= interval {
                    let ended = self.audit(&turn, holder).await?;
                    if !self.ledger.end_turn(&turn, holder, ended.as_second().unsigned_abs()).await? {
                        return Err(Stopped::Lost);
                    }
                    self.take(&turn, holder).await?;
                }
                Ok(())
            };
            match audited.await {
                Ok(()) => is_said = false,
                Err(Stopped::Ending) => return,
                // What this replica found is old from now on.
                Err(Stopped::Lost) => {
                    self.audits.replace(None);
                    self.metrics.audited(None);
                }
                Err(Stopped::Ledger(cause)) if !is_said => {
                    is_said = true;
                    tracing::warn!(%cause, "the ledger gives no answer to the audit; it is tried again");
                }
                Err(Stopped::Ledger(_)) => {}
            }
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = sleep(self.tick()) => {}
            }
        }
    }

    fn tick(&self) -> Duration {
        TICK.min(self.settings.interval)
    }

    /// When the last audit ended, for whoever has the turn.
    async fn take(&self, turn: &str, holder: AttemptId) -> Result<Timestamp, Stopped> {
        let now = self.clock.now();
        let lasts = SignedDuration::try_from(self.tick() * TURN).unwrap_or(SignedDuration::MAX);
        let until = now.checked_add(lasts).unwrap_or(now);
        let last = self.ledger.take_turn(turn, holder, now, until).await?.ok_or(Stopped::Lost)?;
        // A turn that is new begins at the number of events, a moment of 1970.
        Ok(Timestamp::from_second(last.cast_signed()).unwrap_or(Timestamp::UNIX_EPOCH))
    }

    /// One audit, and when it ended.
    async fn audit(&self, turn: &str, holder: AttemptId) -> Result<Timestamp, Stopped> {
        let mut audit = Audit::new(self.clock.now());
        let gate = self.current.get();
        let repositories = match gate.all_repositories().await {
            Ok(repositories) => repositories,
            Err(cause) => {
                audit.fail(cause);
                gate.known_repositories().await?
            }
        };
        let valid::Audit { concurrency, repair, .. } = self.settings;
        let mut steps = gate.audit_all(repositories, concurrency, repair);
        let mut taken = Instant::now();
        loop {
            let step = tokio::select! {
                biased;
                () = self.stop.cancelled() => return Err(Stopped::Ending),
                step = steps.next() => step,
            };
            let Some(step) = step else { break };
            audit.note(step);
            if taken.elapsed() >= self.tick() {
                self.take(turn, holder).await?;
                taken = Instant::now();
            }
        }
        let ended = self.clock.now();
        audit.ended = Some(ended);
        self.tell(&audit);
        self.metrics.audited(Some(&audit.figures()));
        self.audits.replace(Some(audit));
        Ok(ended)
    }

    fn tell(&self, audit: &Audit) {
        let Audit { looked_at, failed, .. } = *audit;
        let (standing, repaired) = (audit.standing(), audit.count(Difference::Repaired));
        let failure = audit.failures.first();
        if standing > 0 || failed > 0 {
            tracing::warn!(
                looked_at,
                standing,
                repaired,
                failed,
                failure,
                "an audit found differences, or could not look everywhere"
            );
        } else {
            tracing::info!(looked_at, repaired, "an audit found that the registry is as the ledger says");
        }
    }
}
