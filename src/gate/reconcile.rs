//! Finishes the claims and changes that nobody came back to, one at a time and in the
//! background, as a push of the same tag would.
//!
//! The gate acts for itself here: with `upstream.username`, or as nobody. Several
//! replicas may do so at once, since all of them point a tag at the claimed bytes.
//! What cannot be finished stays open and is said once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::caller::Caller;
use super::rollforward::Unfinished;
use super::{CurrentGate, Gate};
use crate::failpoint::failpoint;
use crate::ledger::{Look, OpenChange, OpenClaim, Record, TagKey};
use crate::oci::Digest;
use crate::refusal::Refusal;
use crate::upstream::{Fetched, Listed, Trust};

/// How many claims are listed at once.
const PAGE: usize = 100;

/// What log lines about its requests carry in place of a request's id.
const RECONCILER: &str = "reconciler";

/// Walks the open claims again and again.
#[derive(Debug)]
pub struct Reconciler {
    current: Arc<CurrentGate>,
    /// The pause between two walks, and how old a claim is before it is touched: so
    /// long its own push is given to finish it. That is polite and nothing else; a
    /// claim may be finished at any age.
    interval: Duration,
    stop: CancellationToken,
    unfinished: HashMap<(TagKey, Digest), Reason>,
}

/// Why a claim was not finished at the last walk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reason {
    Gone,
    Refused,
    Failed,
}

impl Reconciler {
    pub fn new(current: Arc<CurrentGate>, interval: Duration, stop: CancellationToken) -> Self {
        Self { current, interval, stop, unfinished: HashMap::new() }
    }

    /// Walks until `stop`, and then finishes the claim that it is at; not at all
    /// where the interval is zero.
    pub async fn run(mut self) {
        while !self.interval.is_zero() {
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = sleep(self.interval) => self.walk().await,
            }
        }
    }

    /// One walk over all open claims, and over the changes of moving tags that nobody ended.
    pub async fn walk(&mut self) {
        let gate = self.current.get();
        self.finish_claims(&gate).await;
        self.settle_changes(&gate).await;
    }

    async fn finish_claims(&mut self, gate: &Gate) {
        let mut unfinished = HashMap::new();
        let mut after: Option<TagKey> = None;
        loop {
            let listing = gate.ledger.open_claims(after.as_ref(), PAGE);
            let page = match gate.metrics.ledger("open_claims", listing).await {
                Ok(page) => page,
                Err(cause) => return tracing::warn!(%cause, "open claims could not be listed; they are looked for again"),
            };
            let is_last = page.len() < PAGE;
            for claim in page {
                if self.stop.is_cancelled() {
                    return;
                }
                if let Some(reason) = self.try_to_finish(gate, &claim).await {
                    unfinished.insert((claim.key.clone(), claim.digest), reason);
                }
                after = Some(claim.key);
            }
            if is_last {
                break;
            }
        }
        let stuck = unfinished.values().filter(|reason| **reason != Reason::Failed).count();
        gate.metrics.stuck_claims.set(i64::try_from(stuck).unwrap_or(i64::MAX));
        self.unfinished = unfinished;
    }

    async fn settle_changes(&self, gate: &Gate) {
        let mut unsettled = 0;
        let mut after: Option<OpenChange> = None;
        loop {
            let listing = gate.ledger.open_changes(after.as_ref(), PAGE);
            let page = match gate.metrics.ledger("open_changes", listing).await {
                Ok(page) => page,
                Err(cause) => return tracing::warn!(%cause, "open changes could not be listed; they are looked for again"),
            };
            let is_last = page.len() < PAGE;
            for change in page {
                if self.stop.is_cancelled() {
                    return;
                }
                if !self.is_young(gate, change.note.at)
                    && let Err(refusal) = gate.settle_by_look(&change).await
                {
                    unsettled += 1;
                    let (tag, cause) = (&change.key, refusal.cause());
                    tracing::debug!(%tag, cause, "what became of a change could not be seen; it is looked for again");
                }
                after = Some(change);
            }
            if is_last {
                break;
            }
        }
        gate.metrics.open_changes.set(unsettled);
    }

    async fn try_to_finish(&self, gate: &Gate, claim: &OpenClaim) -> Option<Reason> {
        let OpenClaim { key, digest, .. } = claim;
        // What the policy lets move is lifted by its next push.
        if self.is_young(gate, claim.since) || !gate.policy.decide(&key.repository, &key.tag).is_immutable() {
            return None;
        }
        // From before the registry was known to fold: there it would point another tag.
        if !gate.upstream.tag_case().has_name(&key.tag) {
            return None;
        }
        let (reason, refusal) = match gate.finish_open(claim).await {
            Ok(None) => return None,
            Ok(Some(record)) => {
                tracing::info!(tag = %key, claimed = %digest, means = %record.digest, "an open claim was finished in the background");
                return None;
            }
            Err(Unfinished::Gone(refusal)) => (Reason::Gone, refusal),
            Err(Unfinished::Refused(refusal)) => (Reason::Refused, refusal),
            Err(Unfinished::Failed(refusal)) => (Reason::Failed, refusal),
        };
        if self.unfinished.get(&(key.clone(), digest.clone())) != Some(&reason) {
            say(claim, reason, &refusal);
        }
        Some(reason)
    }

    /// A stamp of a clock that is ahead of this one is no reason to wait.
    fn is_young(&self, gate: &Gate, since: Timestamp) -> bool {
        let age = gate.clock.now().duration_since(since);
        !age.is_negative() && age.unsigned_abs() < self.interval
    }
}

impl Gate {
    /// Finishes an open claim as the gate itself; `None` where it is open no more.
    async fn finish_open(&self, claim: &OpenClaim) -> Result<Option<Record>, Unfinished> {
        let OpenClaim { key, digest, .. } = claim;
        let own = self.itself(RECONCILER, &key.repository).await?;
        failpoint!("gate-reconciling");
        self.finish_claim(&own, key, digest).await
    }
}

impl Gate {
    /// Settles a change by what the registry shows pushonce itself.
    async fn settle_by_look(&self, change: &OpenChange) -> Result<(), Refusal> {
        let own = self.itself(RECONCILER, &change.key.repository).await?;
        let version = self.metrics.ledger("version", self.ledger.version(&change.key)).await?;
        let found = self.pointer(&own, &change.key, Trust::Client).await?;
        if found.is_none() && !self.sees(&own, change).await? {
            return Err(Refusal::Blind(change.key.clone()));
        }
        self.settle_change(&own, change, &Look { found, version }).await?;
        Ok(())
    }

    /// Whether "nowhere" can be believed: some registries hide with the same 404 what
    /// they do not show.
    async fn sees(&self, own: &Caller, change: &OpenChange) -> Result<bool, Refusal> {
        let repository = &change.key.repository;
        if let Some(digest) = &change.to
            && matches!(self.upstream.shows(&own.headers, repository, digest).await?, Fetched::Found(_))
        {
            return Ok(true);
        }
        Ok(matches!(self.upstream.tags(&own.headers, repository).await?, Listed::Tags(_)))
    }
}

/// The one line about a claim that stays open, with the way out.
fn say(claim: &OpenClaim, reason: Reason, refusal: &Refusal) {
    let OpenClaim { key, digest, .. } = claim;
    let (cause, release) = (refusal.cause(), format!("pushonce release-claim {key} --reason \"…\""));
    let remedy = match reason {
        Reason::Gone => format!("push the same bytes again, or free the tag with `{release}`"),
        Reason::Refused => {
            format!("give `upstream.username` the right to push, push the tag again, or free it with `{release}`")
        }
        Reason::Failed => {
            return tracing::warn!(tag = %key, %digest, cause, "an open claim could not be finished and is tried again");
        }
    };
    tracing::warn!(tag = %key, %digest, cause, remedy, "an open claim is stuck");
}
