//! Enters what the registry has: tags that nobody has pushed through the gate.

use futures_util::stream::BoxStream;

use super::Gate;
use super::caller::Caller;
use super::walk::{Step, Walk};
use crate::ledger::{Look, State, TagKey};
use crate::oci::{RepositoryName, Tag};
use crate::policy::Verdict;
use crate::refusal::Refusal;
use crate::upstream::Trust;

/// What became of one tag.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Adopted {
    /// It is in the ledger or in the log now.
    Entered,
    /// It was there before.
    Known,
    /// A push of it is under way, or was cut off: that decides.
    Open,
    /// The registry listed it, and does not have it.
    Gone,
}

/// A walk that enters tags.
struct Adopting;

/// A walk that only says what the policy holds.
struct Deciding;

impl Walk for Adopting {
    type Found = Adopted;

    const NAME: &'static str = "adopt";

    async fn tags(&self, gate: &Gate, repository: &RepositoryName) -> Result<Vec<Tag>, String> {
        gate.to_adopt(repository).await
    }

    async fn look(&self, gate: &Gate, own: &Caller, key: &TagKey) -> Result<Adopted, Refusal> {
        if gate.policy.decide(&key.repository, &key.tag).is_immutable() {
            gate.enter_immutable(own, key).await
        } else {
            gate.enter_moving(own, key).await
        }
    }
}

impl Walk for Deciding {
    type Found = Verdict;

    const NAME: &'static str = "adopt";

    async fn tags(&self, gate: &Gate, repository: &RepositoryName) -> Result<Vec<Tag>, String> {
        gate.to_adopt(repository).await
    }

    async fn look(&self, gate: &Gate, _: &Caller, key: &TagKey) -> Result<Verdict, Refusal> {
        Ok(gate.policy.decide(&key.repository, &key.tag))
    }
}

impl Gate {
    /// Enters every tag of these repositories, `concurrency` at once.
    pub fn adopt_all(&self, repositories: Vec<RepositoryName>, concurrency: usize) -> BoxStream<'_, Step<Adopted>> {
        self.walk(&Adopting, repositories, concurrency)
    }

    /// Says of every tag of these repositories which rule decides over it.
    pub fn decide_all(&self, repositories: Vec<RepositoryName>, concurrency: usize) -> BoxStream<'_, Step<Verdict>> {
        self.walk(&Deciding, repositories, concurrency)
    }

    async fn to_adopt(&self, repository: &RepositoryName) -> Result<Vec<Tag>, String> {
        let unknown = || "the registry knows no such repository, or hides it".to_owned();
        self.listed(Adopting::NAME, repository).await?.ok_or_else(unknown)
    }

    async fn enter_immutable(&self, own: &Caller, key: &TagKey) -> Result<Adopted, Refusal> {
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
    pub(super) async fn enter_moving(&self, own: &Caller, key: &TagKey) -> Result<Adopted, Refusal> {
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
