//! Enters what the registry has: tags that nobody has pushed through the gate.

use futures_util::{StreamExt, stream};

use super::Gate;
use super::caller::Caller;
use crate::ledger::{Look, State, TagKey};
use crate::oci::{RepositoryName, Tag};
use crate::policy::Verdict;
use crate::refusal::Refusal;
use crate::upstream::{Listed, Trust, UpstreamError};

/// What log lines and events about it carry in place of a request's id.
const ADOPTION: &str = "adopt";

/// What became of one tag.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Adopted {
    /// It is in the ledger and in the log now.
    Entered,
    /// It was there before.
    Known,
    /// A push of it is under way, or was cut off: that decides.
    Open,
    /// The registry listed it, and does not have it.
    Gone,
    Failed(String),
}

impl Gate {
    /// Every repository that the registry lists.
    pub async fn repositories(&self) -> Result<Vec<RepositoryName>, UpstreamError> {
        self.upstream.catalog().await
    }

    /// Every tag that the registry lists in a repository, with what the policy says of it.
    pub async fn tags_of(&self, repository: &RepositoryName) -> Result<Vec<(Tag, Verdict)>, String> {
        let own = self.itself(ADOPTION, repository).await.map_err(|cause| cause.to_string())?;
        match self.upstream.tags(&own.headers, repository).await {
            Ok(Listed::Tags(tags)) => Ok(tags
                .into_iter()
                .map(|tag| {
                    let verdict = self.policy.decide(repository, &tag);
                    (tag, verdict)
                })
                .collect()),
            Ok(Listed::Unknown(_)) => Err(format!("the registry knows no repository {repository}, or hides it")),
            Ok(Listed::Denied(answer)) => {
                let status = answer.status().as_u16();
                Err(format!("the registry lets nobody look at {repository}: it answered {status}; set `upstream.username`"))
            }
            Err(cause) => Err(cause.to_string()),
        }
    }

    /// Enters the tags of a repository, `concurrency` at once; `tell` hears of each.
    pub async fn adopt_all(
        &self,
        repository: &RepositoryName,
        tags: Vec<(Tag, Verdict)>,
        concurrency: usize,
        tell: &mut dyn FnMut(&TagKey, &Adopted),
    ) -> Result<(), String> {
        let own = self.itself(ADOPTION, repository).await.map_err(|cause| cause.to_string())?;
        let own = &own;
        let adopting = stream::iter(tags).map(async |(tag, verdict)| {
            let key = TagKey { repository: repository.clone(), tag };
            let adopted = self.adopt_one(own, &key, &verdict).await;
            (key, adopted.unwrap_or_else(|refusal| Adopted::Failed(refusal.cause())))
        });
        let mut adopting = Box::pin(adopting.buffer_unordered(concurrency.max(1)));
        while let Some((key, adopted)) = adopting.next().await {
            tell(&key, &adopted);
        }
        Ok(())
    }

    async fn adopt_one(&self, own: &Caller, key: &TagKey, verdict: &Verdict) -> Result<Adopted, Refusal> {
        if !verdict.is_immutable() {
            return self.enter_moving(own, key).await;
        }
        match self.metrics.ledger("lookup", self.ledger.lookup(key)).await? {
            Some(record) if record.state == State::Open => return Ok(Adopted::Open),
            Some(_) => return Ok(Adopted::Known),
            None => {}
        }
        let Some(found) = self.pointer(own, key, Trust::Client).await? else { return Ok(Adopted::Gone) };
        self.adopt(own, key, &found).await?;
        Ok(Adopted::Entered)
    }

    /// The log learns what a tag that moves means.
    async fn enter_moving(&self, own: &Caller, key: &TagKey) -> Result<Adopted, Refusal> {
        if self.metrics.ledger("meaning", self.ledger.meaning(key, None)).await?.is_some() {
            return Ok(Adopted::Known);
        }
        let version = self.metrics.ledger("version", self.ledger.version(key)).await?;
        let Some(found) = self.pointer(own, key, Trust::Client).await? else { return Ok(Adopted::Gone) };
        let (note, look) = (self.note(own, key, None), Look { found: Some(found), version });
        let is_entered = self.metrics.ledger("observe", self.ledger.observe(key, &look, &note)).await?;
        Ok(if is_entered { Adopted::Entered } else { Adopted::Open })
    }
}
