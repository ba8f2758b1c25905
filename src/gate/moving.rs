//! The tags of a push that move: freely, judged before, or only watched.

use super::caller::Caller;
use super::decision::Decision;
use super::guarded::{Announced, Brought, meant, unreleased_warning};
use super::push::Judged;
use super::{Gate, warn};
use crate::answer::Answer;
use crate::ledger::event::Outcome;
use crate::ledger::{Begun, Change, Followed, OpenChange, TagKey};
use crate::policy::{Motion, Movable, Mutability, Verdict};
use crate::refusal::Refusal;
use crate::upstream::{Content, Resolved, Trust, is_definite_rejection};

/// A change that is sent: what may move, and what is written down and said after.
struct Sent<'a> {
    movable: Movable<'a>,
    change: Change,
    followed: Followed,
    warning: Option<String>,
    /// Whether enforcing the rule would have refused it.
    would_refuse: bool,
}

impl Gate {
    /// Moves a tag that moves freely, or whose rule is only tried.
    pub(super) async fn move_tag(
        &self,
        caller: &Caller,
        judged: &Judged,
        brought: Brought<'_>,
        decision: &mut Decision,
    ) -> Result<Answer, Refusal> {
        let Judged { key, verdict, .. } = judged;
        let movable = self.policy.movable(&key.repository, &key.tag, None).ok_or_else(|| judged_twice(key))?;
        let is_watched = verdict.is_audited() && verdict.mutability == Mutability::Immutable;
        let mut warning = if is_watched { self.audit(caller, key, verdict, brought.content).await } else { None };
        let begun = self.begin(caller, key, Some(brought.content)).await?;
        let mut followed = Followed::default();
        if verdict.is_audited() && !is_watched {
            (warning, followed) = self.audit_move(caller, judged, &begun, brought, decision).await;
        }
        let would_refuse = warning.is_some();
        self.send(caller, judged, Sent { movable, change: begun.change, followed, warning, would_refuse }, brought, decision).await
    }

    /// Moves a tag whose move was judged.
    pub(super) async fn move_announced(
        &self,
        caller: &Caller,
        announced: Announced,
        brought: Brought<'_>,
        decision: &mut Decision,
    ) -> Result<Answer, Refusal> {
        let Announced { judged, change, motion, turn: _turn } = announced;
        let key = &judged.key;
        let Some(movable) = self.policy.movable(&key.repository, &key.tag, Some(&motion)) else {
            self.abandon(change).await;
            return Err(judged_twice(key));
        };
        let warning = unreleased_warning(&judged, &motion);
        let sent = Sent { movable, change, followed: followed(&motion), warning, would_refuse: false };
        self.send(caller, &judged, sent, brought, decision).await
    }

    async fn send(
        &self,
        caller: &Caller,
        judged: &Judged,
        sent: Sent<'_>,
        brought: Brought<'_>,
        decision: &mut Decision,
    ) -> Result<Answer, Refusal> {
        let Sent { movable, change, followed, warning, would_refuse } = sent;
        let (to, attempt) = (change.to().cloned(), change.attempt());
        let moved = self.upstream.move_tag(&caller.headers, movable, brought.content).await;
        let outcome = if would_refuse { Outcome::Warned } else { Outcome::Moved };
        self.end(caller, change, Some(brought.content), &moved, outcome, &followed).await;
        let response = moved?;
        if !response.status().is_success() {
            if judged.verdict.is_guarded() && !is_definite_rejection(&response) {
                let (key, note) = (judged.key.clone(), self.note(caller, &judged.key, Some(brought.content)));
                self.see_what_became_of(caller, OpenChange { key, to, attempt, note, is_told: false }).await;
            }
            return Err(Refusal::of_registry(response));
        }
        decision.accepted();
        let mut answer: Answer = response.map(Into::into);
        if would_refuse {
            decision.verdict("would_refuse");
            self.metrics.refusal(&judged.verdict.rule, "audit");
        }
        if let Some(warning) = warning {
            warn(&mut answer, &warning);
        }
        Ok(answer)
    }

    /// What enforcing would have said; what the tag means is named only to whom the
    /// registry shows it. An audit must never break a push, so a failed look-up says
    /// nothing.
    async fn audit(&self, caller: &Caller, key: &TagKey, verdict: &Verdict, content: &Content) -> Option<String> {
        let mut looked = self.upstream.resolve(&caller.headers, key, Trust::Client).await;
        let is_shown = matches!(looked, Ok(Resolved::Found(_)));
        if !is_shown && self.upstream.has_service_account() {
            looked = self.upstream.resolve(&caller.headers, key, Trust::OrService).await;
        }
        match looked {
            Ok(Resolved::Found(found)) if !found.names(&content.bytes) => {
                let meaning = if is_shown { format!("it means {}…", found.short()) } else { "it was pushed before".to_owned() };
                let rule = &verdict.rule;
                Some(format!("tag {key} would be refused: rule \"{rule}\" (audit) makes it immutable, and {meaning}"))
            }
            Ok(_) => None,
            Err(cause) => {
                tracing::warn!(request = caller.request_id, tag = %key, %cause, "the audit of a push could not look at its tag");
                None
            }
        }
    }

    /// The same for a tag that would be judged. A move that would be refused leaves what the
    /// tag has followed as it was.
    async fn audit_move(
        &self,
        caller: &Caller,
        judged: &Judged,
        begun: &Begun,
        brought: Brought<'_>,
        decision: &mut Decision,
    ) -> (Option<String>, Followed) {
        let as_it_was = Followed { release: begun.followed.clone(), is_unreleased: false };
        let refusal = match self.judge_move(caller, judged, begun, brought, decision).await {
            Ok(motion) => return (None, followed(&motion)),
            Err(refusal) => refusal,
        };
        match self.unless_hidden(caller, refusal, meant(begun.before.as_ref()), brought.content, decision).await {
            Refusal::Move(unmoved) => (Some(unmoved.warning()), as_it_was),
            other => {
                let cause = other.cause();
                tracing::warn!(request = caller.request_id, tag = %judged.key, cause, "the audit of a push could not judge its move");
                (None, as_it_was)
            }
        }
    }
}

fn followed(motion: &Motion) -> Followed {
    Followed { release: motion.followed().map(|release| release.tag().clone()), is_unreleased: motion.is_unreleased() }
}

fn judged_twice(key: &TagKey) -> Refusal {
    Refusal::Internal(format!("{key} was judged in two ways"))
}
