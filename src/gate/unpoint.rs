//! Deletes of tags that move freely, by their name or with their manifest.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::Response;

use super::caller::Caller;
use super::decision::Decision;
use super::intent::Delete;
use super::{Gate, warn};
use crate::answer::Answer;
use crate::ledger::event::Outcome;
use crate::ledger::{Change, Followed, TagKey};
use crate::oci::{Digest, RepositoryName};
use crate::policy::{Delete as DeleteRule, Verdict};
use crate::refusal::Refusal;
use crate::upstream::UpstreamError;

/// The most tags that are looked for on one manifest.
const MOST: usize = 10_000;

impl Gate {
    pub(super) async fn delete_moving_tag(
        &self,
        caller: &Caller,
        delete: &Delete<TagKey>,
        verdict: &Verdict,
        decision: &mut Decision,
    ) -> Result<Answer, Refusal> {
        let key = &delete.what;
        let change = self.begin(caller, key, None).await?.change;
        let deleted = self.delete_upstream(caller, delete).await;
        let would_refuse = verdict.is_audited() && verdict.delete == DeleteRule::Deny;
        let outcome = if would_refuse { Outcome::Warned } else { Outcome::Deleted };
        self.end(caller, change, None, &deleted, outcome, &Followed::default()).await;
        let mut answer: Answer = deleted?.map(Into::into);
        if answer.status().is_success() {
            self.spend_on_delete(caller, key).await;
        }
        if would_refuse && answer.status().is_success() {
            decision.verdict("would_refuse");
            self.metrics.refusal(&verdict.rule, "audit");
            let (rule, mutability) = (&verdict.rule, verdict.mutability);
            warn(&mut answer, &format!("tag {key} would not be deleted: rule \"{rule}\" (audit) makes it {mutability}"));
        }
        Ok(answer)
    }

    /// Deletes a manifest. The tags that move and mean it, as far as the log knows, go
    /// with it; what another replica moved there meanwhile is looked at after it.
    pub(super) async fn delete_with_moving_tags(
        &self,
        caller: &Caller,
        delete: &Delete<(RepositoryName, Digest)>,
    ) -> Result<Response<Bytes>, Refusal> {
        let (repository, digest) = &delete.what;
        let tags = self.moving_tags_on(repository, digest).await?;
        let mut changes: Vec<Change> = Vec::new();
        for key in &tags {
            match self.begin(caller, key, None).await {
                Ok(begun) => changes.push(begun.change),
                Err(refusal) => {
                    self.abandon_all(changes).await;
                    return Err(refusal);
                }
            }
        }
        let deleted: Result<Response<Bytes>, UpstreamError> = self.delete_upstream(caller, delete).await;
        for change in changes {
            self.end(caller, change, None, &deleted, Outcome::Deleted, &Followed::default()).await;
        }
        for key in self.moving_tags_on(repository, digest).await?.iter().filter(|key| !tags.contains(key)) {
            self.look_now(caller, key, None, &[]).await?;
        }
        let deleted = deleted?;
        for key in tags.iter().filter(|_| deleted.status().is_success()) {
            self.spend_on_delete(caller, key).await;
        }
        Ok(deleted)
    }

    pub(super) async fn abandon_all(&self, changes: impl IntoIterator<Item = Change>) {
        for change in changes {
            self.abandon(change).await;
        }
    }

    /// The tags that move and mean a manifest, or are about to.
    pub(super) async fn moving_tags_on(&self, repository: &RepositoryName, digest: &Digest) -> Result<Vec<TagKey>, Refusal> {
        let spans = self.metrics.ledger("spans", self.ledger.spans(digest, MOST)).await?;
        let standing = spans.into_iter().filter(|span| span.until.is_none()).filter_map(|span| span.from.event.key());
        let mut tags: BTreeSet<TagKey> = standing.collect();
        // One that is about to mean it may get there first.
        let open = self.metrics.ledger("open_changes", self.ledger.open_changes(None, MOST)).await?;
        tags.extend(open.into_iter().filter(|change| change.to.as_ref() == Some(digest)).map(|change| change.key));
        let moves = |key: &TagKey| key.repository == *repository && !self.policy.decide(&key.repository, &key.tag).is_immutable();
        Ok(tags.into_iter().filter(moves).collect())
    }
}
