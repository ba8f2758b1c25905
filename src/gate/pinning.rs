//! Pulls of tags that move, where a pull rule wants digests.

use http::HeaderMap;
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
use crate::upstream::Trust;

impl Gate {
    /// A tag that moves: whatever the registry's pointer says, unless a rule wants it to be
    /// pulled by digest. The digest is named only to whom the registry shows the tag.
    pub(super) async fn pull_moving(&self, caller: &Caller, pull: Pull, decision: &mut Decision) -> Result<Answer, Refusal> {
        let Some(rule) = self.pull_rule(caller, &pull.key) else { return self.pull_pointer(caller, pull).await };
        match rule.action {
            PullAction::Allow => {
                self.metrics.pull_rule(&rule.name, rule.action.as_str());
                self.pull_pointer(caller, pull).await
            }
            PullAction::Warn => {
                let key = pull.key.clone();
                let mut answer = self.pull_pointer(caller, pull).await?;
                if let Some(digest) = super::pull::digest_of(answer.headers()).filter(|_| answer.status().is_success()) {
                    decision.accepted();
                    decision.digest(&digest);
                    decision.pull_rule(rule);
                    decision.verdict("would_refuse");
                    self.metrics.pull_rule(&rule.name, rule.action.as_str());
                    warn(&mut answer, &advice(&key, rule, &digest, "should not be pulled here"));
                }
                Ok(answer)
            }
            // The tag is asked for once: a second answer could be the manifest after all.
            PullAction::Refuse => match Box::pin(self.pointer(caller, &pull.key, Trust::Client)).await? {
                Some(digest) => {
                    decision.accepted();
                    decision.digest(&digest);
                    decision.pull_rule(rule);
                    self.metrics.pull_rule(&rule.name, rule.action.as_str());
                    Err(Refusal::Unpinned(advice(&pull.key, rule, &digest, "cannot be pulled here")))
                }
                None => Err(Refusal::ManifestUnknown(pull.key)),
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

/// The host that a client asked, without its port and without the dot that may end a full name.
pub(super) fn asked_host(headers: &HeaderMap) -> Option<String> {
    let authority: Authority = headers.get(HOST)?.to_str().ok()?.parse().ok()?;
    let host = authority.host();
    Some(host.strip_suffix('.').unwrap_or(host).to_owned())
}

fn advice(key: &TagKey, rule: &PullRule, digest: &Digest, what: &str) -> String {
    let help = rule.help_url.as_ref().map(|url| format!(" ({url})")).unwrap_or_default();
    let (name, repository) = (&rule.name, &key.repository);
    format!("tag {key} moves and {what} (pull rule \"{name}\"): pull {repository}@{digest} instead{help}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_without_port_and_final_dot() {
        let asked = |host: &str| asked_host(&HeaderMap::from_iter([(HOST, host.parse().expect(host))]));
        for (host, name) in [
            ("registry.example.com", "registry.example.com"),
            ("registry.example.com:443", "registry.example.com"),
            ("registry.example.com.:443", "registry.example.com"),
            ("[::1]:5000", "[::1]"),
        ] {
            assert_eq!(asked(host).as_deref(), Some(name));
        }
        assert_eq!(asked(""), None);
        assert_eq!(asked_host(&HeaderMap::new()), None);
    }
}
