//! What a delete took away while another replica bound a tag to it.
//!
//! The locks keep pushes of a manifest and its delete apart in one process. Another
//! replica may confirm a tag between the last look of a delete and the delete itself;
//! so the delete looks once more when it is done, and puts back what is needed.

use super::Gate;
use super::caller::Caller;
use super::delete::Bound;
use crate::clock::AttemptId;
use crate::failpoint::failpoint;
use crate::ledger::{Claimed, State};
use crate::oci::{Digest, RepositoryName};
use crate::refusal::Refusal;
use crate::upstream::{Content, Fetched};

impl Gate {
    /// The manifest that is about to be deleted; `None` where it is not there.
    pub(super) async fn before_it_goes(
        &self,
        caller: &Caller,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<Content>, Refusal> {
        match self.upstream.fetch(&caller.headers, repository, digest).await? {
            Fetched::Found(content) => Ok(Some(content)),
            Fetched::Absent => Ok(None),
            Fetched::Denied(response) => Err(Refusal::Relayed(response)),
        }
    }

    /// Looks a third time, after a delete that was or may have been carried out, and
    /// puts the content back where a tag came to need it that the look before the
    /// delete did not find. Whoever may delete and not push leaves it to the error.
    pub(super) async fn put_back_if_needed(
        &self,
        caller: &Caller,
        (repository, digest): (&RepositoryName, &Digest),
        gone: Option<&Content>,
        seen: &[Bound],
    ) -> Result<(), Refusal> {
        let Some(content) = gone else { return Ok(()) };
        let mut standing = self.bound_to(caller, repository, digest).await?;
        standing.retain(|bound| !seen.iter().any(|before| before.key == bound.key && before.record.digest == bound.record.digest));
        if standing.is_empty() {
            return Ok(());
        }
        failpoint!("gate-putting-back");
        let (request, count, tag) = (&caller.request_id, standing.len(), &standing[0].key);
        tracing::warn!(request, %tag, count, %digest, "a tag came to mean a manifest while it was deleted; it is put back");
        let answer = self.upstream.put_by_digest(&caller.headers, repository, content).await?;
        if !answer.status().is_success() {
            return Err(Refusal::of_registry(answer));
        }
        for bound in &standing {
            self.point_back(caller, bound, content).await?;
        }
        Ok(())
    }

    /// The registry's pointer went with the manifest. Whoever has the claim of an open
    /// tag points it without us.
    async fn point_back(&self, caller: &Caller, bound: &Bound, content: &Content) -> Result<(), Refusal> {
        let Bound { key, record, .. } = bound;
        if record.state != State::Sealed || !record.digest.names(&content.bytes) {
            return Ok(());
        }
        let note = self.note(caller, key, Some(content));
        let claiming = self.ledger.claim(key, &record.digest, AttemptId::random(), &note);
        match self.metrics.ledger("claim", claiming).await? {
            Claimed::AlreadySealed(claim, _) => {
                let answer = self.upstream.point(&caller.headers, &claim, content).await?;
                if answer.status().is_success() { Ok(()) } else { Err(Refusal::of_registry(answer)) }
            }
            // Lifted meanwhile: nothing was pointed, and nothing is held any more.
            Claimed::Granted(claim) => {
                self.withdraw(claim).await;
                Ok(())
            }
            Claimed::Taken(_) => Ok(()),
        }
    }
}
