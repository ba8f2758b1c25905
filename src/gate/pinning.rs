//! Pulls of tags that move, where a pull rule wants digests.

use http::header::HOST;
use http::uri::Authority;

use super::caller::Caller;
use super::decision::Decision;
use super::intent::Pull;
use super::{Gate, warn};
use crate::answer::Answer;
use crate::ledger::TagKey;
use crate::oci::Digest;
use crate::policy::{PullAction, PullRule};
use crate::refusal::Refusal;
use crate::upstream::{Resolved, Trust};

impl Gate {
    /// A tag that moves: whatever the registry's pointer says, unless a rule wants it to be
    /// pulled by digest. The digest is named only to whom the registry shows the tag.
    pub(super) async fn pull_moving(&self, caller: &Caller, pull: Pull, decision: &mut Decision) -> Result<Answer, Refusal> {
        let Some(rule) = self.pull_rule(caller, &pull.key) else { return self.pull_pointer(caller, pull).await };
        match rule.action {
            PullAction::Allow => self.pull_pointer(caller, pull).await,
            PullAction::Warn => {
                let key = pull.key.clone();
                let mut answer = self.pull_pointer(caller, pull).await?;
                if let Some(digest) = super::pull::digest_of(answer.headers()).filter(|_| answer.status().is_success()) {
                    decision.accepted();
                    decision.verdict("would_refuse");
                    self.metrics.refusal(&rule.name, "audit");
                    warn(&mut answer, &advice(&key, rule, &digest, "should not be pulled here"));
                }
                Ok(answer)
            }
            PullAction::Refuse => match self.upstream.resolve(&caller.headers, &pull.key, Trust::Client).await? {
                Resolved::Found(digest) => {
                    decision.accepted();
                    decision.digest(&digest);
                    let message = advice(&pull.key, rule, &digest, "cannot be pulled here");
                    Err(Refusal::Unpinned { message, rule: rule.name.clone() })
                }
                // The registry's to say.
                Resolved::Absent | Resolved::Denied(_) => self.pull_pointer(caller, pull).await,
            },
        }
    }

    fn pull_rule(&self, caller: &Caller, key: &TagKey) -> Option<&PullRule> {
        if self.policy.pulls().is_empty() {
            return None;
        }
        let host = caller.asked_host.as_deref();
        let user = caller.claimed_user();
        self.policy.pull_rule(&key.repository, &key.tag, host, user.as_deref())
    }
}

/// The host that a client asked, without its port.
pub(super) fn asked_host(headers: &http::HeaderMap) -> Option<String> {
    let authority: Authority = headers.get(HOST)?.to_str().ok()?.parse().ok()?;
    Some(authority.host().to_owned())
}

fn advice(key: &TagKey, rule: &PullRule, digest: &Digest, what: &str) -> String {
    let help = rule.help_url.as_ref().map(|url| format!(" ({url})")).unwrap_or_default();
    let (name, repository) = (&rule.name, &key.repository);
    format!("tag {key} moves and {what} (pull rule \"{name}\"): pull {repository}@{digest} instead{help}")
}
