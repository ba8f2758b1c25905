//! A change of a tag that moves freely: written down, sent, and ended.
//!
//! The ledger knows of a change before the registry does. After a crash, or an answer
//! that never came, the change is open, and what became of it is read from the registry
//! later: by the next change of the tag, or in the background (`reconcile.rs`).

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use jiff::SignedDuration;
use tokio::time::sleep;

use super::Gate;
use super::caller::Caller;
use crate::clock::AttemptId;
use crate::failpoint::failpoint;
use crate::ledger::event::Outcome;
use crate::ledger::{Begun, Change, Completed, Followed, LedgerError, Look, OpenChange, TagKey};
use crate::refusal::Refusal;
use crate::upstream::{Content, Trust, UpstreamError, is_definite_rejection};

/// A change that is open for so long runs no more: several times what a registry is
/// waited for.
const LONGEST: SignedDuration = SignedDuration::from_mins(10);

/// How long a change is waited for that somebody else makes: twice as long each time, some
/// six seconds together.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

impl Gate {
    /// Writes down that a tag is about to mean `content`, or nothing. If it was
    /// immutable once, its row is lifted, so that a later return to `immutable` adopts
    /// what is there then.
    pub(super) async fn begin(&self, caller: &Caller, key: &TagKey, content: Option<&Content>) -> Result<Begun, Refusal> {
        let note = self.note(caller, key, content);
        let to = content.map(|content| &content.digest);
        let beginning = self.ledger.begin(key, to, AttemptId::random(), &note);
        let begun = self.metrics.ledger("begin", beginning).await?;
        if begun.lifted {
            self.known.forget(key);
        }
        failpoint!("gate-begun");
        Ok(begun)
    }

    /// The same, while nobody else changes the tag: what is judged then holds until the
    /// change is carried out. Another change is waited for; one that nobody can come back
    /// to is ended by what the registry shows.
    pub(super) async fn begin_alone(&self, caller: &Caller, key: &TagKey, content: &Content) -> Result<Begun, Refusal> {
        let mut pause = FIRST_PAUSE;
        while pause < LONGEST_PAUSE {
            let begun = self.begin(caller, key, Some(content)).await?;
            if begun.others.is_empty() {
                return Ok(begun);
            }
            self.abandon(begun.change).await;
            if begun.others.iter().any(|other| self.runs_no_more(other)) {
                self.look_now(caller, key, None, &begun.others).await?;
            }
            sleep(pause).await;
            pause *= 2;
        }
        Err(Refusal::Undecided(format!("another push of {key} is under way, or was cut off and is not settled yet")))
    }

    /// Nothing was sent. What cannot be ended stays open, and is settled later.
    pub(super) async fn abandon(&self, change: Change) {
        let key = change.key().clone();
        if let Err(cause) = self.metrics.ledger("abandon", self.ledger.abandon(change)).await {
            tracing::warn!(tag = %key, %cause, "a change that was not sent could not be ended; it is settled later");
        }
    }

    /// Ends a change by the registry's answer to it; without one, or where the answer
    /// leaves it open, the change stays open.
    pub(super) async fn end(
        &self,
        caller: &Caller,
        change: Change,
        content: Option<&Content>,
        answer: &Result<Response<Bytes>, UpstreamError>,
        outcome: Outcome,
        followed: &Followed,
    ) {
        failpoint!("gate-moved");
        let key = change.key().clone();
        let ended = match answer {
            Ok(done) if done.status().is_success() => self.complete(caller, change, content, outcome, followed).await,
            Ok(no) if is_definite_rejection(no) => self.metrics.ledger("abandon", self.ledger.abandon(change)).await,
            _ => Ok(()),
        };
        tell_if_not_ended(caller, &key, ended);
    }

    async fn complete(
        &self,
        caller: &Caller,
        change: Change,
        content: Option<&Content>,
        outcome: Outcome,
        followed: &Followed,
    ) -> Result<(), LedgerError> {
        let key = change.key().clone();
        let note = self.note(caller, &key, content);
        let completing = self.ledger.complete(change, outcome, followed, &note);
        let Completed { overlapped, others, version, .. } = self.metrics.ledger("complete", completing).await?;
        match overlapped {
            Some(own) => self.look_again(caller, &key, version, Some(own), &others).await,
            None => Ok(()),
        }
    }

    /// Changes of one tag ran at once, and only the registry knows which came last.
    /// Looks, and ends `own`, and those of `others` that nobody can come back to.
    async fn look_again(
        &self,
        caller: &Caller,
        key: &TagKey,
        version: u64,
        own: Option<OpenChange>,
        others: &[OpenChange],
    ) -> Result<(), LedgerError> {
        let look = match self.pointer(caller, key, Trust::OrService).await {
            Ok(found) => Look { found, version },
            Err(refusal) => {
                let (request, cause) = (&caller.request_id, refusal.cause());
                tracing::warn!(request, tag = %key, cause, "which of two changes of a tag came last could not be seen; it is looked at later");
                return Ok(());
            }
        };
        let old = others.iter().filter(|change| self.runs_no_more(change));
        for change in old.chain(&own) {
            self.settle_change(caller, change, &look).await?;
        }
        let note = self.note(caller, key, None);
        self.metrics.ledger("observe", self.ledger.observe(key, &look, &note)).await.map(|_| ())
    }

    /// Whether nobody can come back to a change any more.
    fn runs_no_more(&self, change: &OpenChange) -> bool {
        self.clock.now().duration_since(change.note.at) > LONGEST
    }

    /// The registry answered a change, and left open whether it was carried out: it is over,
    /// so that a look tells, and the next push of the tag need not wait for it.
    pub(super) async fn see_what_became_of(&self, caller: &Caller, own: OpenChange) {
        let key = own.key.clone();
        tell_if_not_ended(caller, &key, self.look_now(caller, &key, Some(own), &[]).await);
    }

    /// Looks at the registry as [`Gate::look_again`] does, by what the ledger says now.
    pub(super) async fn look_now(
        &self,
        caller: &Caller,
        key: &TagKey,
        own: Option<OpenChange>,
        others: &[OpenChange],
    ) -> Result<(), LedgerError> {
        let version = self.metrics.ledger("version", self.ledger.version(key)).await?;
        self.look_again(caller, key, version, own, others).await
    }

    /// Ends a change that nobody came back to, by what the registry shows.
    pub(super) async fn settle_change(&self, caller: &Caller, change: &OpenChange, look: &Look) -> Result<bool, LedgerError> {
        let note = self.note(caller, &change.key, None);
        self.metrics.ledger("settle", self.ledger.settle(change, look, &note)).await
    }
}

fn tell_if_not_ended(caller: &Caller, key: &TagKey, ended: Result<(), LedgerError>) {
    if let Err(cause) = ended {
        let request = &caller.request_id;
        tracing::warn!(request, tag = %key, %cause, "the end of a change could not be written down; it is read from the registry later");
    }
}
