//! Finishes a claim that somebody else left open: its bytes are upstream already.

use super::Gate;
use super::caller::Caller;
use crate::clock::AttemptId;
use crate::failpoint::failpoint;
use crate::ledger::{Claim, Claimed, Record, TagKey};
use crate::oci::{Digest, RepositoryName};
use crate::refusal::Refusal;
use crate::upstream::{Content, Fetched, Resolved, Trust, is_definite_rejection};

impl Gate {
    /// Carries the open claim of `key` for `claimed` to its end with this client's
    /// credentials, and returns what the tag means then.
    pub(super) async fn roll_forward(&self, caller: &Caller, key: &TagKey, claimed: &Digest) -> Result<Record, Refusal> {
        let joining = self.ledger.claim(key, claimed, AttemptId::random(), self.clock.now());
        let claim = match self.metrics.ledger("claim", joining).await? {
            Claimed::Granted(claim) => claim,
            Claimed::AlreadySealed(_, record) | Claimed::Taken(record) => return Ok(record),
        };
        failpoint!("gate-joined");
        match self.pointer(caller, key, Trust::OrService).await {
            Ok(Some(found)) if found == *claimed => self.confirm(claim).await,
            Ok(Some(found)) => self.settle_with(caller, claim, &found).await,
            Ok(None) => self.point_claimed(caller, claim).await,
            Err(refusal) => {
                self.withdraw(claim).await;
                Err(refusal)
            }
        }
    }

    /// The registry points the tag at `found`: the claimed bytes under the name of
    /// another algorithm, or a tag that was there before.
    pub(super) async fn settle_with(&self, caller: &Caller, claim: Claim, found: &Digest) -> Result<Record, Refusal> {
        match self.is_alias(caller, &claim.key().repository, claim.digest(), found).await {
            Ok(true) => self.confirm(claim).await,
            Ok(false) => self.yield_to(caller, claim, found).await,
            Err(refusal) => {
                self.withdraw(claim).await;
                Err(refusal)
            }
        }
    }

    async fn point_claimed(&self, caller: &Caller, claim: Claim) -> Result<Record, Refusal> {
        let content = match self.upstream.fetch(&caller.headers, &claim.key().repository, claim.digest()).await {
            Ok(Fetched::Found(content)) => content,
            Ok(missing) => {
                let refusal = self.missing(&claim, missing);
                self.withdraw(claim).await;
                return Err(refusal);
            }
            Err(error) => {
                self.withdraw(claim).await;
                return Err(error.into());
            }
        };
        let response = self.upstream.point(&caller.headers, &claim, &content).await?;
        failpoint!("gate-rolled");
        if response.status().is_success() {
            return self.confirm(claim).await;
        }
        if is_definite_rejection(response.status()) {
            self.withdraw(claim).await;
        }
        Err(Refusal::of_registry(response))
    }

    fn missing(&self, claim: &Claim, fetched: Fetched) -> Refusal {
        match fetched {
            Fetched::Denied(response) => Refusal::Relayed(response),
            Fetched::Absent | Fetched::Found(Content { .. }) => Refusal::Undecided(format!(
                "{} is claimed for {}, which the registry does not hold any more",
                claim.key(),
                claim.digest()
            )),
        }
    }

    async fn confirm(&self, claim: Claim) -> Result<Record, Refusal> {
        Ok(self.metrics.ledger("confirm", self.ledger.confirm(claim, self.clock.now())).await?)
    }

    /// Ends a claim in favour of what the registry held before.
    pub(super) async fn yield_to(&self, caller: &Caller, claim: Claim, found: &Digest) -> Result<Record, Refusal> {
        if let Err(refusal) = self.check_held(caller, claim.key(), found).await {
            self.withdraw(claim).await;
            return Err(refusal);
        }
        Ok(self.metrics.ledger("yield", self.ledger.yield_to(claim, found, self.clock.now())).await?)
    }

    /// Enters a tag that the registry points at `found`.
    pub(super) async fn adopt(&self, caller: &Caller, key: &TagKey, found: &Digest) -> Result<Record, Refusal> {
        self.check_held(caller, key, found).await?;
        failpoint!("gate-adopting");
        Ok(self.metrics.ledger("adopt", self.ledger.adopt(key, found, self.clock.now())).await?)
    }

    /// A tag is bound for ever only to what the registry really has: one wrong
    /// header must not burn it.
    async fn check_held(&self, caller: &Caller, key: &TagKey, found: &Digest) -> Result<(), Refusal> {
        match self.upstream.fetch(&caller.headers, &key.repository, found).await? {
            Fetched::Found(_) => Ok(()),
            Fetched::Absent => Err(Refusal::Undecided(format!("the registry points {key} at {found}, which it does not hold"))),
            Fetched::Denied(response) => Err(Refusal::Relayed(response)),
        }
    }

    /// Where the registry points a tag; `None` where it does not know it.
    pub(super) async fn pointer(&self, caller: &Caller, key: &TagKey, trust: Trust) -> Result<Option<Digest>, Refusal> {
        match self.upstream.resolve(&caller.headers, key, trust).await? {
            Resolved::Found(digest) => Ok(Some(digest)),
            Resolved::Absent => Ok(None),
            Resolved::Denied(response) => Err(Refusal::Relayed(response)),
        }
    }

    /// Whether two digests of different algorithms name the same bytes.
    pub(super) async fn is_alias(
        &self,
        caller: &Caller,
        repository: &RepositoryName,
        ours: &Digest,
        theirs: &Digest,
    ) -> Result<bool, Refusal> {
        if ours == theirs || ours.algorithm() == theirs.algorithm() {
            return Ok(ours == theirs);
        }
        match self.upstream.fetch(&caller.headers, repository, ours).await? {
            Fetched::Found(content) => Ok(theirs.names(&content.bytes)),
            Fetched::Absent => Ok(false),
            Fetched::Denied(response) => Err(Refusal::Relayed(response)),
        }
    }
}
