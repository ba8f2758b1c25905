//! What operators decided about single tags, as this replica knows it: read from the
//! ledger again as soon as somebody decided anything.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::caller::Caller;
use super::{CurrentGate, Gate};
use crate::ledger::decision::{Allows, Decided, Decisions, Exception, YankedPulls};
use crate::ledger::{Act, LedgerError, TagKey};
use crate::oci::{Digest, RepositoryName};
use crate::policy::{Delete, Verdict};
use crate::refusal::{Refusal, Unmoved, Why, day};
use crate::upstream::Content;

/// How often the ledger is asked whether somebody decided anything: so long another
/// replica may go on as before.
const INTERVAL: Duration = Duration::from_secs(1);

/// The decisions that were read last, and of how many acts.
#[derive(Debug, Default)]
pub struct Known(RwLock<Option<(u64, Arc<Decisions>)>>);

impl Clone for Known {
    fn clone(&self) -> Self {
        Self(RwLock::new(self.last()))
    }
}

impl Known {
    fn last(&self) -> Option<(u64, Arc<Decisions>)> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl CurrentGate {
    /// Keeps up until it is stopped.
    pub async fn go_on_keeping_up(self: Arc<Self>, stop: CancellationToken) {
        let mut is_told = false;
        loop {
            match self.get().keep_up().await {
                Ok(()) => is_told = false,
                Err(cause) if !is_told => {
                    tracing::warn!(%cause, "what operators decided could not be read; it goes on as before");
                    is_told = true;
                }
                Err(_) => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(INTERVAL) => {}
            }
        }
    }
}

impl Gate {
    /// What stands. Until it was read once, nothing is decided without it.
    pub(super) async fn decisions(&self) -> Result<Arc<Decisions>, LedgerError> {
        match self.decided.last() {
            Some((_, decisions)) => Ok(decisions),
            None => self.read_decisions().await,
        }
    }

    /// The same, for who must not be held up: nothing where it was never read.
    pub(super) fn last_decisions(&self) -> Option<Arc<Decisions>> {
        self.decided.last().map(|(_, decisions)| decisions)
    }

    /// Reads again what stands, if there are other acts than before. A tag may mean
    /// something else since, so that what is remembered of tags is forgotten.
    pub async fn keep_up(&self) -> Result<(), LedgerError> {
        let count = self.metrics.ledger("count_acts", self.ledger.count_acts()).await?;
        if self.decided.last().is_none_or(|(known, _)| known != count) {
            self.read_decisions().await?;
        }
        Ok(())
    }

    async fn read_decisions(&self) -> Result<Arc<Decisions>, LedgerError> {
        let acts = self.metrics.ledger("acts", self.ledger.acts()).await?;
        let decisions = Arc::new(Decisions::of(&acts));
        let had_any = self.decided.last().is_some();
        *self.decided.0.write().unwrap_or_else(PoisonError::into_inner) = Some((acts.len() as u64, Arc::clone(&decisions)));
        if had_any {
            self.known.forget_all();
        }
        Ok(decisions)
    }

    /// The exception that lets this happen to a tag now.
    pub(super) async fn exception(&self, key: &TagKey, allows: Allows) -> Result<Option<Exception>, LedgerError> {
        Ok(self.decisions().await?.exception(key, allows, self.clock.now()).cloned())
    }

    /// What the policy says of a tag whose delete is asked for, with what an exception lets
    /// go.
    pub(super) async fn verdict_of_delete(&self, key: &TagKey) -> Result<Verdict, LedgerError> {
        let mut verdict = self.policy.decide(&key.repository, &key.tag);
        if verdict.keeps() && self.exception(key, Allows::Delete).await?.is_some() {
            verdict.delete = Delete::Allow;
        }
        Ok(verdict)
    }

    /// The act of using an exception.
    pub(super) fn used(&self, caller: &Caller, exception: &Exception) -> Act {
        let who = self.note_of(caller, None).who.unwrap_or_else(|| "somebody without a name".to_owned());
        Decided::Used { id: exception.id.clone() }.act(&who, &exception.reason, self.clock.now())
    }

    /// Uses the exception up by which a tag was deleted. What it let happen has happened,
    /// so that a failure is only told.
    pub(super) async fn spend_on_delete(&self, caller: &Caller, key: &TagKey) {
        let spent = async {
            if !self.policy.decide(&key.repository, &key.tag).keeps() {
                return Ok(());
            }
            let Some(exception) = self.exception(key, Allows::Delete).await? else { return Ok(()) };
            let act = self.used(caller, &exception);
            self.metrics.ledger("spend", self.ledger.spend(&exception.id, &act, key)).await?;
            self.keep_up().await
        };
        if let Err(cause) = spent.await {
            let request = &caller.request_id;
            tracing::warn!(request, tag = %key, %cause, "an exception was used and is not used up");
        }
    }

    /// Refuses a moving tag the bytes of a yanked release.
    pub(super) async fn judge_yank(&self, key: &TagKey, verdict: &Verdict, content: &Content) -> Result<(), Refusal> {
        let decisions = self.decisions().await?;
        let Some((release, yank)) = decisions.yanked(&key.repository, |digest| digest.names(&content.bytes)) else {
            return Ok(());
        };
        let meaning = self.metrics.ledger("meaning", self.ledger.meaning(key, None)).await?;
        if meaning.and_then(|entry| entry.event.digest).is_some_and(|digest| digest.names(&content.bytes)) {
            return Ok(());
        }
        let (release, at, reason) = (release.tag.clone(), yank.at, yank.reason.clone());
        let why = Some(Why::Yanked { release, at, reason });
        Err(Refusal::Move(Box::new(Unmoved { key: key.clone(), verdict: verdict.clone(), why })))
    }

    /// What a pull is told that gets the bytes of a yanked release.
    pub(super) fn yank_warning(&self, repository: &RepositoryName, digest: &Digest) -> Option<Arc<str>> {
        let decisions = self.last_decisions()?;
        let (key, yank) = decisions.yanked(repository, |yanked| yanked == digest)?;
        Some(format!("{key} was yanked on {}: {}", day(yank.at), yank.reason).into())
    }

    /// Whether a tag was yanked so that nobody pulls it.
    pub(super) fn is_hidden(&self, key: &TagKey, digest: &Digest) -> bool {
        let decisions = self.last_decisions();
        let yank = decisions.as_ref().and_then(|decisions| decisions.yank(key));
        yank.is_some_and(|yank| yank.pulls == YankedPulls::Refuse && yank.digest == *digest)
    }
}
