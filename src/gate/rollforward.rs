//! Finishes a claim that somebody else left open: its bytes are upstream already.

use bytes::Bytes;
use http::{HeaderMap, Response};
use tokio::sync::OwnedRwLockReadGuard;

use super::Gate;
use super::caller::{Account, Caller};
use crate::clock::AttemptId;
use crate::failpoint::failpoint;
use crate::ledger::{Claim, LedgerError, Record, State, TagKey};
use crate::oci::{Digest, RepositoryName};
use crate::refusal::Refusal;
use crate::upstream::{Access, Content, Fetched, Resolved, SignInError, Trust, UpstreamError, is_definite_rejection, is_denied};

/// Why a claim was not carried to its end. It is open as before.
#[derive(Debug)]
pub(super) enum Unfinished {
    /// The registry does not hold the claimed content any more.
    Gone(Refusal),
    /// The registry's no to whoever tried.
    Refused(Refusal),
    /// What may go well another time.
    Failed(Refusal),
}

/// How far a claim was carried.
enum Carried {
    ToItsEnd(Record),
    /// The registry does not let this caller point the tag; certainly it did not.
    Denied(Claim, Response<Bytes>),
}

impl Gate {
    /// Finishes an open claim for a push of other bytes, and returns what the tag means
    /// then; `None` where it is free meanwhile.
    pub(super) async fn roll_forward(&self, caller: &Caller, key: &TagKey, claimed: &Digest) -> Result<Option<Record>, Unfinished> {
        if let Some(record) = self.finish_claim(caller, key, claimed).await? {
            return Ok(Some(record));
        }
        match self.metrics.ledger("lookup", self.ledger.lookup(key)).await? {
            Some(record) if record.state == State::Open => Err(Refusal::changing(key).into()),
            standing => Ok(standing),
        }
    }

    /// Carries the open claim of `key` for `claimed` to its end with the caller's
    /// credentials, or with the gate's own where the registry denies a client the
    /// tag. `None` where no claim is open for it any more.
    pub(super) async fn finish_claim(&self, caller: &Caller, key: &TagKey, claimed: &Digest) -> Result<Option<Record>, Unfinished> {
        let _no_delete_meanwhile = self.keep(&key.repository, &[claimed])?;
        let joining = self.ledger.join(key, claimed, AttemptId::random(), self.clock.now());
        let Some(claim) = self.metrics.ledger("join", joining).await? else { return Ok(None) };
        failpoint!("gate-joined");
        match self.carry(caller, claim).await? {
            Carried::ToItsEnd(record) => Ok(Some(record)),
            Carried::Denied(claim, denial) if caller.account == Account::Client && self.upstream.has_service_account() => {
                self.carry_as_itself(caller, claim, denial).await.map(Some)
            }
            Carried::Denied(claim, denial) => {
                self.withdraw(claim).await;
                Err(Refusal::of_registry(denial).into())
            }
        }
    }

    /// Looks again and points the tag as the gate itself: what a client does not see
    /// must not decide over what the gate writes. Refused as well, the client gets the
    /// answer to its own try.
    async fn carry_as_itself(&self, caller: &Caller, claim: Claim, denial: Response<Bytes>) -> Result<Record, Unfinished> {
        let key = claim.key().clone();
        let carried = match self.itself(&caller.request_id, &key.repository).await {
            Ok(own) => self.carry(&own, claim).await,
            Err(cause) => {
                self.withdraw(claim).await;
                Err(cause.into())
            }
        };
        let cause = match carried {
            Ok(Carried::ToItsEnd(record)) => return Ok(record),
            Ok(Carried::Denied(claim, own_denial)) => {
                self.withdraw(claim).await;
                Refusal::of_registry(own_denial)
            }
            Err(Unfinished::Refused(refusal)) => refusal,
            Err(unfinished) => return Err(unfinished),
        };
        let (request, cause) = (&caller.request_id, cause.cause());
        tracing::warn!(request, tag = %key, cause, "an open claim could not be finished with upstream.username either");
        Err(Refusal::of_registry(denial).into())
    }

    /// The gate as a caller, who may read `repository` as far as its account goes.
    pub(super) async fn itself(&self, request_id: &str, repository: &RepositoryName) -> Result<Caller, UpstreamError> {
        let headers = self.upstream.own_headers(repository, Access::Pull).await?;
        Ok(Caller { headers, request_id: request_id.to_owned(), account: Account::Own, asked_host: None })
    }

    async fn carry(&self, caller: &Caller, claim: Claim) -> Result<Carried, Unfinished> {
        match self.pointer(caller, claim.key(), caller.trust()).await {
            Ok(Some(found)) if found == *claim.digest() => Ok(Carried::ToItsEnd(self.confirm(caller, claim, None).await?)),
            Ok(Some(found)) => Ok(Carried::ToItsEnd(self.settle_with(caller, claim, &found).await?)),
            Ok(None) => self.point_claimed(caller, claim).await,
            Err(refusal) => {
                self.withdraw(claim).await;
                Err(refusal.into())
            }
        }
    }

    /// Ends the open claim of a tag that the registry points at `found`, and returns the
    /// row as it is then.
    pub(super) async fn settle_open(
        &self,
        caller: &Caller,
        key: &TagKey,
        claimed: &Digest,
        found: &Digest,
    ) -> Result<Option<Record>, Refusal> {
        let _no_delete_meanwhile = self.keep(&key.repository, &[claimed])?;
        let joining = self.ledger.join(key, claimed, AttemptId::random(), self.clock.now());
        match self.metrics.ledger("join", joining).await? {
            Some(claim) => self.settle_with(caller, claim, found).await.map(Some),
            None => Ok(self.metrics.ledger("lookup", self.ledger.lookup(key)).await?),
        }
    }

    /// The registry points the tag at `found`: the claimed bytes under the name of
    /// another algorithm, or a tag that was there before.
    pub(super) async fn settle_with(&self, caller: &Caller, claim: Claim, found: &Digest) -> Result<Record, Refusal> {
        match self.is_alias(caller, &claim.key().repository, claim.digest(), found).await {
            Ok(true) => self.confirm(caller, claim, None).await,
            Ok(false) => self.yield_to(caller, claim, found).await,
            Err(refusal) => {
                self.withdraw(claim).await;
                Err(refusal)
            }
        }
    }

    async fn point_claimed(&self, caller: &Caller, claim: Claim) -> Result<Carried, Unfinished> {
        let (content, headers) = match self.claimed_content(caller, &claim).await {
            Ok(ready) => ready,
            Err(unfinished) => {
                self.withdraw(claim).await;
                return Err(unfinished);
            }
        };
        let response = self.upstream.point(&headers, &claim, &content).await?;
        failpoint!("gate-rolled");
        match response.status() {
            status if status.is_success() => Ok(Carried::ToItsEnd(self.confirm(caller, claim, None).await?)),
            status if is_denied(status) && is_definite_rejection(&response) => Ok(Carried::Denied(claim, response)),
            _ => {
                if is_definite_rejection(&response) {
                    self.withdraw(claim).await;
                }
                Err(Refusal::of_registry(response).into())
            }
        }
    }

    /// What was claimed, from the registry, and the headers to point the tag with.
    async fn claimed_content(&self, caller: &Caller, claim: &Claim) -> Result<(Content, HeaderMap), Unfinished> {
        let repository = &claim.key().repository;
        let content = match self.upstream.fetch(&caller.headers, repository, claim.digest()).await? {
            Fetched::Found(content) => content,
            Fetched::Denied(response) => return Err(Refusal::Relayed(response).into()),
            Fetched::Absent => {
                let (key, digest) = (claim.key(), claim.digest());
                let text = format!("{key} is claimed for {digest}, which the registry does not hold any more");
                return Err(Unfinished::Gone(Refusal::Undecided(text)));
            }
        };
        let headers = match caller.account {
            Account::Client => caller.headers.clone(),
            Account::Own => self.upstream.own_headers(repository, Access::Push).await?,
        };
        Ok((content, headers))
    }

    pub(super) async fn confirm(&self, caller: &Caller, claim: Claim, content: Option<&Content>) -> Result<Record, Refusal> {
        let key = claim.key().clone();
        let note = self.note(caller, &key, content);
        let record = self.metrics.ledger("confirm", self.ledger.confirm(claim, &note)).await?;
        self.known.remember(&key, &record);
        Ok(record)
    }

    /// Ends a claim in favour of what the registry held before.
    pub(super) async fn yield_to(&self, caller: &Caller, claim: Claim, found: &Digest) -> Result<Record, Refusal> {
        let kept = self.keep(&claim.key().repository, &[found]);
        let held = match &kept {
            Ok(_) => self.held(caller, claim.key(), found).await.map(Some),
            Err(_) => Ok(None),
        };
        let (_no_delete_meanwhile, content) = match (kept, held) {
            (Ok(guards), Ok(content)) => (guards, content),
            (Err(refusal), _) | (_, Err(refusal)) => {
                self.withdraw(claim).await;
                return Err(refusal);
            }
        };
        let key = claim.key().clone();
        let note = self.note(caller, &key, content.as_ref());
        let record = self.metrics.ledger("yield", self.ledger.yield_to(claim, found, &note)).await?;
        self.known.remember(&key, &record);
        Ok(record)
    }

    /// Enters a tag that the registry points at `found`.
    pub(super) async fn adopt(&self, caller: &Caller, key: &TagKey, found: &Digest) -> Result<Record, Refusal> {
        let _no_delete_meanwhile = self.keep(&key.repository, &[found])?;
        let content = self.held(caller, key, found).await?;
        failpoint!("gate-adopting");
        let note = self.note(caller, key, Some(&content));
        let record = self.metrics.ledger("adopt", self.ledger.adopt(key, found, &note)).await?;
        self.known.remember(key, &record);
        Ok(record)
    }

    /// Keeps manifests from being deleted while a tag is bound to them.
    pub(super) fn keep(
        &self,
        repository: &RepositoryName,
        manifests: &[&Digest],
    ) -> Result<Vec<OwnedRwLockReadGuard<()>>, Refusal> {
        let deleted = || Refusal::Undecided(format!("a manifest of {repository} that the tag may mean is being deleted"));
        self.locks.try_shared(repository, manifests).ok_or_else(deleted)
    }

    /// A tag is bound for ever only to what the registry really has: one wrong
    /// header must not burn it.
    pub(super) async fn held(&self, caller: &Caller, key: &TagKey, found: &Digest) -> Result<Content, Refusal> {
        match self.upstream.fetch(&caller.headers, &key.repository, found).await? {
            Fetched::Found(content) => Ok(content),
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

impl From<Refusal> for Unfinished {
    fn from(refusal: Refusal) -> Self {
        match &refusal {
            Refusal::Relayed(response) if is_definite_rejection(response) => Self::Refused(refusal),
            _ => Self::Failed(refusal),
        }
    }
}

impl From<UpstreamError> for Unfinished {
    fn from(error: UpstreamError) -> Self {
        match &error {
            UpstreamError::ServiceDenied(_) | UpstreamError::SignIn(SignInError::Refused(_)) => Self::Refused(error.into()),
            _ => Self::Failed(error.into()),
        }
    }
}

impl From<LedgerError> for Unfinished {
    fn from(error: LedgerError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<Unfinished> for Refusal {
    fn from(unfinished: Unfinished) -> Self {
        match unfinished {
            Unfinished::Gone(refusal) | Unfinished::Refused(refusal) | Unfinished::Failed(refusal) => refusal,
        }
    }
}
