//! Compares the registry with the ledger and the log, tag by tag.

use std::collections::BTreeMap;

use futures_util::{StreamExt, stream};

use super::Gate;
use super::caller::Caller;
use crate::clock::AttemptId;
use crate::ledger::event::{Action, Outcome};
use crate::ledger::log::Filter;
use crate::ledger::{Claimed, Look, Record, State, TagKey};
use crate::oci::{Digest, RepositoryName};
use crate::refusal::Refusal;
use crate::upstream::{Access, Fetched, Trust};

const AUDIT: &str = "audit";

/// What differs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Difference {
    /// The registry points an immutable tag elsewhere.
    Drifted,
    /// The registry does not know an immutable tag.
    Missing,
    /// The registry lacks the manifest that an immutable tag means.
    ContentGone,
    /// An immutable tag that the ledger does not know: nobody has pushed or pulled it.
    Unseen,
    /// A tag that moves means something else than the log said; the log says it now.
    Moved,
    /// An immutable tag is pointed at what it means again.
    Repaired,
}

impl Difference {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Drifted => "drifted",
            Self::Missing => "missing",
            Self::ContentGone => "content-gone",
            Self::Unseen => "unseen",
            Self::Moved => "moved",
            Self::Repaired => "repaired",
        }
    }
}

/// A tag that was looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Audited {
    Well,
    Differs(Difference),
    Failed(String),
}

impl Gate {
    /// Looks at every tag of a repository that the ledger, the log or the registry knows,
    /// `concurrency` at once; `tell` hears of each. Repairs only what it is told to.
    pub async fn audit_all(
        &self,
        repository: &RepositoryName,
        concurrency: usize,
        repairs: bool,
        tell: &mut dyn FnMut(&TagKey, &Audited),
    ) -> Result<(), String> {
        let own = self.itself(AUDIT, repository).await.map_err(|cause| cause.to_string())?;
        let ledger = |cause: crate::ledger::LedgerError| cause.to_string();
        let mut all: BTreeMap<TagKey, Option<Record>> = BTreeMap::new();
        let key = |tag| TagKey { repository: repository.clone(), tag };
        all.extend(self.tags_of(repository).await?.into_iter().map(|(tag, _)| (key(tag), None)));
        for entry in self.ledger.meanings(repository, None, None, usize::MAX).await.map_err(ledger)? {
            all.extend(entry.event.key().map(|key| (key, None)));
        }
        let records = self.ledger.records(repository).await.map_err(ledger)?;
        all.extend(records.into_iter().map(|(tag, record)| (key(tag), Some(record))));
        let own = &own;
        let auditing = stream::iter(all).map(async |(key, record)| {
            let audited = self.audit_one(own, &key, record, repairs).await;
            (key, audited.unwrap_or_else(|refusal| Audited::Failed(refusal.cause())))
        });
        let mut auditing = Box::pin(auditing.buffer_unordered(concurrency.max(1)));
        while let Some((key, audited)) = auditing.next().await {
            tell(&key, &audited);
        }
        Ok(())
    }

    async fn audit_one(&self, own: &Caller, key: &TagKey, record: Option<Record>, repairs: bool) -> Result<Audited, Refusal> {
        if !self.policy.decide(&key.repository, &key.tag).is_immutable() {
            return self.audit_moving(own, key).await;
        }
        let Some(record) = record else {
            let is_there = self.pointer(own, key, Trust::Client).await?.is_some();
            return Ok(if is_there { Audited::Differs(Difference::Unseen) } else { Audited::Well });
        };
        if record.state != State::Sealed {
            return Ok(Audited::Well);
        }
        let pointer = self.pointer(own, key, Trust::Client).await?;
        if let Some(found) = &pointer
            && self.is_alias(own, &key.repository, &record.digest, found).await?
        {
            return Ok(Audited::Well);
        }
        let has_content = matches!(self.upstream.shows(&own.headers, &key.repository, &record.digest).await?, Fetched::Found(_));
        self.tell_once(key, &record.digest, pointer.as_ref()).await?;
        if !has_content {
            return Ok(Audited::Differs(Difference::ContentGone));
        }
        if repairs && self.repair(own, key, &record.digest).await? {
            return Ok(Audited::Differs(Difference::Repaired));
        }
        Ok(Audited::Differs(if pointer.is_some() { Difference::Drifted } else { Difference::Missing }))
    }

    async fn audit_moving(&self, own: &Caller, key: &TagKey) -> Result<Audited, Refusal> {
        let version = self.metrics.ledger("version", self.ledger.version(key)).await?;
        let found = self.pointer(own, key, Trust::Client).await?;
        let is_known = self.metrics.ledger("meaning", self.ledger.meaning(key, None)).await?.is_some();
        let (note, look) = (self.note(own, key, None), Look { found, version });
        let differs = self.metrics.ledger("observe", self.ledger.observe(key, &look, &note)).await?;
        Ok(if differs && is_known { Audited::Differs(Difference::Moved) } else { Audited::Well })
    }

    /// Writes a difference down, unless the newest event of the tag says it already.
    async fn tell_once(&self, key: &TagKey, means: &Digest, pointer: Option<&Digest>) -> Result<(), Refusal> {
        let filter = Filter { repository: Some(key.repository.clone()), tag: Some(key.tag.clone()), ..Filter::default() };
        let newest = self.metrics.ledger("entries", self.ledger.entries(&filter, 1)).await?.pop();
        let outcome = if pointer.is_some() { Outcome::Drifted } else { Outcome::Missing };
        if newest.is_none_or(|entry| entry.event.outcome != outcome || entry.event.digest.as_ref() != pointer) {
            self.record_drift(AUDIT, key, means, pointer);
        }
        self.metrics.drift.inc();
        Ok(())
    }

    /// Points a tag at what it means. Whether that was done: the row may say something
    /// else by now.
    async fn repair(&self, own: &Caller, key: &TagKey, means: &Digest) -> Result<bool, Refusal> {
        let content = self.held(own, key, means).await?;
        let note = self.note(own, key, Some(&content));
        let claiming = self.ledger.claim(key, means, AttemptId::random(), &note);
        let claim = match self.metrics.ledger("claim", claiming).await? {
            Claimed::AlreadySealed(claim, _) => claim,
            Claimed::Granted(claim) => {
                self.withdraw(claim).await;
                return Ok(false);
            }
            Claimed::Taken(_) => return Ok(false),
        };
        let headers = self.upstream.own_headers(&key.repository, Access::Push).await?;
        let answer = self.upstream.point(&headers, &claim, &content).await?;
        if !answer.status().is_success() {
            return Err(Refusal::of_registry(answer));
        }
        self.drift.settled(key);
        self.write_down(self.event(key, Action::Look, Outcome::Repaired, &note).with(Some(means), None));
        tracing::info!(tag = %key, means = %means, "the registry's pointer of an immutable tag was put right");
        Ok(true)
    }
}
