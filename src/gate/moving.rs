//! The tags of a push that move freely, and those that are only watched.

use super::caller::Caller;
use super::decision::Decision;
use super::push::Judged;
use super::{Gate, warn};
use crate::answer::Answer;
use crate::ledger::TagKey;
use crate::ledger::event::Outcome;
use crate::policy::Verdict;
use crate::refusal::Refusal;
use crate::upstream::{Content, Resolved, Trust};

impl Gate {
    /// A single push by tag that the gate does not hold.
    pub(super) async fn push_freely(
        &self,
        caller: &Caller,
        free: Vec<Judged>,
        content: &Content,
        decision: &mut Decision,
    ) -> Result<Answer, Refusal> {
        match free.first() {
            Some(judged) => self.move_tag(caller, judged, content, decision).await,
            None => Err(Refusal::Internal("a push by tag named no tag".to_owned())),
        }
    }

    /// Moves a tag that the policy lets move.
    pub(super) async fn move_tag(
        &self,
        caller: &Caller,
        judged: &Judged,
        content: &Content,
        decision: &mut Decision,
    ) -> Result<Answer, Refusal> {
        let Judged { key, verdict } = judged;
        let warning = if verdict.is_audited() { self.audit(caller, key, verdict, content).await } else { None };
        let Some(movable) = self.policy.movable(&key.repository, &key.tag) else {
            return Err(Refusal::Internal(format!("{key} was judged in two ways")));
        };
        let change = self.begin(caller, key, Some(content)).await?;
        let moved = self.upstream.move_tag(&caller.headers, movable, content).await;
        let outcome = if warning.is_some() { Outcome::Warned } else { Outcome::Moved };
        self.end(caller, change, Some(content), &moved, outcome).await;
        let response = moved?;
        if !response.status().is_success() {
            return Err(Refusal::of_registry(response));
        }
        decision.accepted();
        let mut answer: Answer = response.map(Into::into);
        if let Some(warning) = warning {
            decision.verdict("would_refuse");
            self.metrics.refusal(&verdict.rule, "audit");
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
}
