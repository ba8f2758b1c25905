//! Compares the registry with the ledger and the log, tag by tag.

use std::collections::BTreeSet;

use futures_util::stream::BoxStream;
use http::StatusCode;

use super::Gate;
use super::caller::Caller;
use super::walk::{Step, Walk};
use crate::clock::AttemptId;
use crate::ledger::event::{Action, Outcome};
use crate::ledger::log::Filter;
use crate::ledger::{Claimed, LedgerError, Look, State, TagKey};
use crate::oci::{Digest, RepositoryName, Tag};
use crate::refusal::Refusal;
use crate::upstream::{Access, Fetched, Trust, UpstreamError};

/// How many tags of the log are read at once.
const PAGE: usize = 1_000;

/// In what the registry differs from the ledger, or did.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Difference {
    /// The registry points an immutable tag elsewhere.
    Drifted,
    /// The registry does not know an immutable tag.
    Missing,
    /// The registry lacks the manifest that an immutable tag means.
    ContentGone,
    /// The registry has an immutable tag again that was deleted.
    Returned,
    /// The registry has an immutable tag that the ledger does not know.
    Unseen,
    /// A tag that moves means something else than the log said. The log says it now.
    Moved,
    /// An immutable tag was pointed at what it means again.
    Repaired,
}

impl Difference {
    pub const ALL: [Self; 7] =
        [Self::Drifted, Self::Missing, Self::ContentGone, Self::Returned, Self::Unseen, Self::Moved, Self::Repaired];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Drifted => "drifted",
            Self::Missing => "missing",
            Self::ContentGone => "content-gone",
            Self::Returned => "returned",
            Self::Unseen => "unseen",
            Self::Moved => "moved",
            Self::Repaired => "repaired",
        }
    }

    /// Whether it stands after the audit.
    pub fn stands(self) -> bool {
        !matches!(self, Self::Moved | Self::Repaired)
    }
}

/// A tag that differs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Differs {
    pub difference: Difference,
    /// What the tag means, by the ledger.
    pub means: Option<Digest>,
    /// Where the registry points it.
    pub found: Option<Digest>,
    /// Why it was not put right, where that was tried.
    pub unrepaired: Option<String>,
}

struct Auditing {
    repairs: bool,
}

impl Walk for Auditing {
    /// `None` where all is well.
    type Found = Option<Differs>;

    const NAME: &'static str = "audit";

    async fn tags(&self, gate: &Gate, repository: &RepositoryName) -> Result<Vec<Tag>, String> {
        let listed = gate.listed(Self::NAME, repository).await?;
        let mut tags: BTreeSet<Tag> = listed.unwrap_or_default().into_iter().collect();
        let known = gate.known_tags(repository, &mut tags).await;
        known.map(|()| tags.into_iter().collect()).map_err(|cause| cause.to_string())
    }

    async fn look(&self, gate: &Gate, own: &Caller, key: &TagKey) -> Result<Option<Differs>, Refusal> {
        if gate.policy.decide(&key.repository, &key.tag).is_immutable() {
            gate.audit_immutable(own, key, self.repairs).await
        } else {
            gate.audit_moving(own, key).await
        }
    }
}

impl Gate {
    /// Compares every tag of these repositories that the registry, the ledger or the log
    /// knows, `concurrency` at once. Puts pointers right only if it is told to.
    pub fn audit_all(
        &self,
        repositories: Vec<RepositoryName>,
        concurrency: usize,
        repairs: bool,
    ) -> BoxStream<'_, Step<Option<Differs>>> {
        let walk = if repairs { &Auditing { repairs: true } } else { &Auditing { repairs: false } };
        self.walk(walk, repositories, concurrency)
    }

    /// Every repository that the log knows.
    pub async fn known_repositories(&self) -> Result<Vec<RepositoryName>, LedgerError> {
        let mut known: Vec<RepositoryName> = Vec::new();
        loop {
            let page = self.ledger.repositories(known.last(), PAGE).await?;
            if page.is_empty() {
                return Ok(known);
            }
            known.extend(page);
        }
    }

    /// Every repository that the registry lists or the log knows.
    pub async fn all_repositories(&self) -> Result<Vec<RepositoryName>, String> {
        let mut all: BTreeSet<RepositoryName> =
            self.known_repositories().await.map_err(|cause| cause.to_string())?.into_iter().collect();
        match self.repositories().await {
            Ok(listed) => all.extend(listed),
            // Some registries have no such list. What the log knows is audited all the same.
            Err(UpstreamError::NoCatalog(404 | 405 | 501)) => {}
            Err(cause) => return Err(cause.to_string()),
        }
        Ok(all.into_iter().collect())
    }

    async fn known_tags(&self, repository: &RepositoryName, tags: &mut BTreeSet<Tag>) -> Result<(), LedgerError> {
        let case = self.upstream.tag_case();
        tags.extend(self.ledger.records(repository).await?.into_iter().map(|(tag, _)| case.of(tag)));
        let mut after = None;
        loop {
            let page = self.ledger.meanings(repository, None, after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after.clone_from(&last.event.tag);
            tags.extend(page.into_iter().filter_map(|entry| entry.event.tag).map(|tag| case.of(tag)));
        }
    }

    async fn audit_immutable(&self, own: &Caller, key: &TagKey, repairs: bool) -> Result<Option<Differs>, Refusal> {
        let record = self.metrics.ledger("lookup", self.ledger.lookup(key)).await?;
        let found = self.pointer(own, key, Trust::Client).await?;
        let Some(record) = record else {
            let unseen = |found| Differs { difference: Difference::Unseen, means: None, found: Some(found), unrepaired: None };
            return Ok(found.map(unseen));
        };
        let means = record.digest;
        let difference = match (record.state, &found) {
            // The push decides that is under way, or whoever finishes it.
            (State::Open, _) | (State::Burnt, None) => return Ok(None),
            (State::Burnt, Some(_)) => Difference::Returned,
            (State::Sealed, found) => {
                if let Some(found) = found
                    && self.is_alias(own, &key.repository, &means, found).await?
                {
                    return Ok(None);
                }
                match (self.upstream.shows(&own.headers, &key.repository, &means).await?, found) {
                    (Fetched::Denied(answer), _) => return Err(Refusal::Relayed(answer)),
                    (Fetched::Absent, _) => Difference::ContentGone,
                    (Fetched::Found(_), Some(_)) => Difference::Drifted,
                    (Fetched::Found(_), None) => Difference::Missing,
                }
            }
        };
        self.metrics.drift.inc();
        self.tell_once(key, &means, found.as_ref()).await?;
        let mut differs = Differs { difference, means: Some(means.clone()), found, unrepaired: None };
        if repairs && matches!(difference, Difference::Drifted | Difference::Missing) {
            match self.repair(own, key, &means).await {
                Ok(()) => differs.difference = Difference::Repaired,
                Err(refusal) => differs.unrepaired = Some(refusal.cause()),
            }
        }
        Ok(Some(differs))
    }

    async fn audit_moving(&self, own: &Caller, key: &TagKey) -> Result<Option<Differs>, Refusal> {
        let version = self.metrics.ledger("version", self.ledger.version(key)).await?;
        let found = self.pointer(own, key, Trust::Client).await?;
        let known = self.metrics.ledger("meaning", self.ledger.meaning(key, None)).await?;
        let (note, look) = (self.note(own, key, None), Look { found: found.clone(), version });
        let is_other = self.metrics.ledger("observe", self.ledger.observe(key, &look, &note)).await?;
        let means = known.and_then(|entry| entry.event.digest);
        let differs = Differs { difference: Difference::Moved, means, found, unrepaired: None };
        // What the log did not know at all, it has learnt.
        Ok((is_other && differs.means.is_some()).then_some(differs))
    }

    /// Writes a difference down, unless the newest event of the tag says it already.
    async fn tell_once(&self, key: &TagKey, means: &Digest, found: Option<&Digest>) -> Result<(), Refusal> {
        let filter = Filter { repository: Some(key.repository.clone()), tag: Some(key.tag.clone()), ..Filter::default() };
        let newest = self.metrics.ledger("entries", self.ledger.entries(&filter, 1)).await?.pop();
        let outcome = if found.is_some() { Outcome::Drifted } else { Outcome::Missing };
        if newest.is_none_or(|entry| entry.event.outcome != outcome || entry.event.digest.as_ref() != found) {
            self.record_drift(Auditing::NAME, key, means, found);
        }
        Ok(())
    }

    /// Points a tag at what it means. A delete that comes between burns the tag, and is
    /// not undone: the row is looked at again right before.
    async fn repair(&self, own: &Caller, key: &TagKey, means: &Digest) -> Result<(), Refusal> {
        let _no_delete_meanwhile = self.keep(&key.repository, &[means])?;
        let content = self.held(own, key, means).await?;
        let note = self.note(own, key, Some(&content));
        let claiming = self.ledger.claim(key, means, AttemptId::random(), &note);
        let claim = match self.metrics.ledger("claim", claiming).await? {
            Claimed::AlreadySealed(claim, _) => claim,
            Claimed::Granted(claim) => {
                self.withdraw(claim).await;
                return Err(Refusal::Undecided(format!("{key} means nothing any more")));
            }
            Claimed::Taken(_) => return Err(Refusal::Undecided(format!("{key} means other bytes by now"))),
        };
        let headers = self.upstream.own_headers(&key.repository, Access::Push).await?;
        let answer = self.upstream.point(&headers, &claim, &content).await?;
        match answer.status() {
            status if status.is_success() => {}
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                let status = status.as_u16();
                return Err(Refusal::Undecided(format!(
                    "the registry answered {status}: give `upstream.username` the right to push"
                )));
            }
            _ => return Err(Refusal::of_registry(answer)),
        }
        self.drift.settled(key);
        self.write_down(self.event(key, Action::Look, Outcome::Repaired, &note).with(Some(means), None));
        tracing::info!(tag = %key, means = %means, "the registry's pointer of an immutable tag was put right");
        Ok(())
    }
}
