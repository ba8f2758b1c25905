//! Deletes: an immutable tag, and what it needs, stay unless its rule lets it go.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Response};

use super::Gate;
use super::caller::Caller;
use super::decision::Decision;
use super::intent::Delete;
use crate::answer::Answer;
use crate::failpoint::failpoint;
use crate::ledger::{Record, State, TagKey};
use crate::oci::{Digest, RepositoryName};
use crate::policy::{Delete as DeleteRule, Verdict};
use crate::refusal::Refusal;
use crate::upstream::body::RequestBody;
use crate::upstream::{Fetched, Listed, Outgoing, Trust, UpstreamError, is_definite_rejection};

/// A tag that needs a manifest.
pub(super) struct Bound {
    pub key: TagKey,
    pub verdict: Verdict,
    pub record: Record,
}

/// How much a refusal may tell.
pub(super) enum Told {
    All,
    NoName,
}

impl Gate {
    /// Deletes a tag. An immutable tag that its rule lets go is deleted upstream
    /// first and burnt after: until then its row keeps other bytes out, and whether
    /// this client may delete at all is the registry's to say.
    pub(super) async fn delete_tag(
        &self,
        caller: &Caller,
        delete: Delete<TagKey>,
        decision: &mut Decision,
    ) -> Result<Answer, Refusal> {
        let key = &delete.what;
        let verdict = self.verdict_of_delete(key).await?;
        decision.about_tag(key, &verdict);
        if verdict.is_guarded() && verdict.keeps() {
            return Err(self.refuse_delete_of_guarded(caller, key, &verdict, decision).await);
        }
        if !verdict.is_immutable() {
            return self.delete_moving_tag(caller, &delete, &verdict, decision).await;
        }
        let record = match self.settled(caller, key).await {
            Ok(record) => record,
            Err(refusal) => return Err(self.unless_no_delete(caller, &key.repository, refusal).await),
        };
        match record {
            Some(record) if record.state != State::Burnt => {
                decision.digest(&record.digest);
                if verdict.delete == DeleteRule::Deny {
                    self.may_be_told(caller, key, &record.digest).await?;
                    decision.accepted();
                    let message = format!("tag {key} is immutable (rule \"{}\") and cannot be deleted", verdict.rule);
                    return Err(Refusal::Delete { message, rule: verdict.rule });
                }
                let response = self.delete_upstream(caller, &delete).await?;
                // Also 404, with which some registries answer whom they hide a tag
                // from, leaves the tag sealed: that is safe, and burning is not.
                if !response.status().is_success() {
                    return Err(Refusal::of_registry(response));
                }
                decision.accepted();
                self.burn_tag(caller, key, &verdict, record).await?;
                decision.verdict("deleted");
                Ok(response.map(Into::into))
            }
            // Burnt already: the registry answers for itself.
            Some(_) => self.forward_delete(caller, &delete).await,
            // Not there, or hidden from who may delete: nobody has seen what would go.
            None => Err(self.or_no_delete(caller, &key.repository, Refusal::ManifestUnknown(key.clone())).await),
        }
    }

    /// Deletes a manifest, and with it every tag on it.
    pub(super) async fn delete_manifest(
        &self,
        caller: &Caller,
        delete: Delete<(RepositoryName, Digest)>,
        decision: &mut Decision,
    ) -> Result<Answer, Refusal> {
        let (repository, digest) = &delete.what;
        decision.about(repository, digest.as_str());
        decision.digest(digest);
        if !self.policy.may_hold_immutable(repository) && !self.policy.may_keep(repository) {
            let _no_push_meanwhile = self.locks.alone(repository, digest).await;
            return Ok(self.delete_with_moving_tags(caller, &delete).await?.map(Into::into));
        }
        if let Err(refusal) = self.adopt_unknown_tags(caller, repository, digest).await {
            return Err(self.unless_no_delete(caller, repository, refusal).await);
        }

        // From here on the ledger knows every immutable tag. The first look is the
        // long one, and others may push meanwhile; the second is made alone in this
        // process, and a third sees what another one did.
        self.tags_to_burn(caller, repository, digest).await?;
        self.refuse_if_guarded(caller, repository, digest).await?;
        let _no_push_meanwhile = self.locks.alone(repository, digest).await;
        let to_burn = self.tags_to_burn(caller, repository, digest).await?;
        self.refuse_if_guarded(caller, repository, digest).await?;
        let content = self.before_it_goes(caller, repository, digest).await?;
        let deleted = self.delete_with_moving_tags(caller, &delete).await;
        let put_back = match &deleted {
            Ok(no) if is_definite_rejection(no) => Ok(()),
            _ => self.put_back_if_needed(caller, (repository, digest), content.as_ref(), &to_burn).await,
        };
        let response = deleted?;
        if response.status().is_success() {
            decision.accepted();
            for Bound { key, verdict, record } in &to_burn {
                self.burn(caller, key, verdict, record).await?;
                decision.verdict("deleted");
            }
        }
        put_back?;
        Ok(response.map(Into::into))
    }

    /// The immutable tags that go with a manifest; refused where one may not.
    async fn tags_to_burn(&self, caller: &Caller, repository: &RepositoryName, digest: &Digest) -> Result<Vec<Bound>, Refusal> {
        let bound = self.bound_to(caller, repository, digest).await?;
        for Bound { key, verdict, record } in &bound {
            self.may_go_with(caller, key, verdict, record, digest).await?;
        }
        Ok(bound)
    }

    /// The immutable tags that need a manifest, by what the ledger says now.
    pub(super) async fn bound_to(
        &self,
        caller: &Caller,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Vec<Bound>, Refusal> {
        let mut bound = Vec::new();
        for (tag, record) in self.metrics.ledger("records", self.ledger.records(repository)).await? {
            let key = TagKey { repository: repository.clone(), tag };
            let verdict = self.verdict_of_delete(&key).await?;
            let is_held = record.state != State::Burnt && verdict.is_immutable();
            if is_held && self.needs(caller, repository, &record.digest, digest).await? {
                bound.push(Bound { key, verdict, record });
            }
        }
        Ok(bound)
    }

    /// Whether a tag that needs the manifest may go with it.
    async fn may_go_with(
        &self,
        caller: &Caller,
        key: &TagKey,
        verdict: &Verdict,
        record: &Record,
        digest: &Digest,
    ) -> Result<(), Refusal> {
        if verdict.delete == DeleteRule::Allow && self.is_alias(caller, &key.repository, &record.digest, digest).await? {
            return Ok(());
        }
        let (rule, manifest) = (&verdict.rule, digest.short());
        let message = match (self.may_be_told(caller, key, &record.digest).await?, verdict.delete) {
            (Told::All, DeleteRule::Allow) => format!("manifest {manifest}… is part of tag {key}; delete that tag first"),
            (Told::All, DeleteRule::Deny) => {
                format!("manifest {manifest}… is needed by tag {key}, which is immutable (rule \"{rule}\") and cannot be deleted")
            }
            (Told::NoName, _) => format!("manifest {manifest}… is needed by an immutable tag and cannot be deleted"),
        };
        Err(Refusal::Delete { message, rule: Arc::clone(rule) })
    }

    /// What the refusal of a delete may tell: the tag to whom the registry shows what
    /// it means, and that there is one to whom it lets delete, where the gate looks
    /// with an account of its own. To everybody else it is the registry's own answer.
    pub(super) async fn may_be_told(&self, caller: &Caller, key: &TagKey, means: &Digest) -> Result<Told, Refusal> {
        match self.visible(caller, &key.repository, means).await {
            Ok(true) => Ok(Told::All),
            Ok(false) => Err(Refusal::ManifestUnknown(key.clone())),
            Err(Refusal::Relayed(denial)) => match self.upstream.refuses_deletes(&caller.headers, &key.repository).await? {
                Some(no) => Err(Refusal::Relayed(no)),
                None if self.upstream.has_service_account() => Ok(Told::NoName),
                None => Err(Refusal::Relayed(denial)),
            },
            Err(refusal) => Err(refusal),
        }
    }

    /// A look that was denied, or the registry's own no to deletes. Whoever may not
    /// delete gets the same no whatever the ledger knows, and so learns nothing of it.
    async fn unless_no_delete(&self, caller: &Caller, repository: &RepositoryName, refusal: Refusal) -> Refusal {
        match refusal {
            Refusal::Relayed(_) => self.or_no_delete(caller, repository, refusal).await,
            other => other,
        }
    }

    /// The registry's own no to deletes, or else `refusal`.
    pub(super) async fn or_no_delete(&self, caller: &Caller, repository: &RepositoryName, refusal: Refusal) -> Refusal {
        match self.upstream.refuses_deletes(&caller.headers, repository).await {
            Ok(Some(no)) => Refusal::Relayed(no),
            Ok(None) => refusal,
            Err(cause) => cause.into(),
        }
    }

    /// A blob may be part of an immutable tag, and only the registry knows.
    pub(super) async fn delete_blob(
        &self,
        caller: &Caller,
        delete: Delete<RepositoryName>,
        decision: &mut Decision,
    ) -> Result<Answer, Refusal> {
        let repository = &delete.what;
        decision.about_repository(Some(repository));
        if self.policy.may_hold_immutable(repository) {
            let message = format!(
                "blobs of {repository} cannot be deleted: it may hold immutable tags, which need them; \
                 the registry's garbage collection removes blobs that nothing needs"
            );
            return Err(Refusal::Delete { message, rule: "blobs".into() });
        }
        self.forward_delete(caller, &delete).await
    }

    /// Enters every immutable tag of the repository that the ledger has not met.
    /// A registry that knows no tags may hide them: then it must show the client the
    /// manifest at least.
    async fn adopt_unknown_tags(&self, caller: &Caller, repository: &RepositoryName, digest: &Digest) -> Result<(), Refusal> {
        let tags = match self.upstream.tags(&caller.headers, repository).await? {
            Listed::Tags(tags) => tags,
            Listed::Unknown(response) => {
                return match self.upstream.shows(&caller.headers, repository, digest).await? {
                    Fetched::Found(_) => Ok(()),
                    Fetched::Absent => Err(Refusal::Relayed(response)),
                    Fetched::Denied(denial) => Err(Refusal::Relayed(denial)),
                };
            }
            Listed::Denied(response) => return Err(Refusal::Relayed(response)),
        };
        for tag in tags {
            let key = TagKey { repository: repository.clone(), tag };
            match self.policy.decide(&key.repository, &key.tag) {
                verdict if verdict.is_immutable() => drop(self.settled(caller, &key).await?),
                verdict if verdict.keeps() => drop(self.enter_moving(caller, &key).await?),
                _ => {}
            }
        }
        Ok(())
    }

    /// The row of a tag before a delete decides. What the registry points anywhere and
    /// nobody has adopted or confirmed is settled first: it may be what goes.
    async fn settled(&self, caller: &Caller, key: &TagKey) -> Result<Option<Record>, Refusal> {
        match self.metrics.ledger("lookup", self.ledger.lookup(key)).await? {
            Some(record) if record.state == State::Open => {
                let found = self.pointer(caller, key, Trust::OrService).await?;
                let settled = match found {
                    Some(found) => self.settle_open(caller, key, &record.digest, &found).await?,
                    None => None,
                };
                Ok(Some(settled.unwrap_or(record)))
            }
            Some(record) => Ok(Some(record)),
            None => self.adopt_before_delete(caller, key).await,
        }
    }

    async fn adopt_before_delete(&self, caller: &Caller, key: &TagKey) -> Result<Option<Record>, Refusal> {
        let Some(found) = self.pointer(caller, key, Trust::OrService).await? else { return Ok(None) };
        self.adopt(caller, key, &found).await.map(Some)
    }

    /// The tag itself is gone from the registry, so it is burnt whatever it means by
    /// now: what was open before the delete may have been finished with other bytes, or
    /// withdrawn, and then there is no row to burn until it is entered.
    async fn burn_tag(&self, caller: &Caller, key: &TagKey, verdict: &Verdict, seen: Record) -> Result<(), Refusal> {
        let digest = seen.digest.clone();
        let mut standing = Some(seen);
        for _ in 0..4 {
            let record = match standing {
                Some(record) => record,
                None => {
                    let note = self.note(caller, key, None);
                    self.metrics.ledger("adopt", self.ledger.adopt(key, &digest, &note)).await?
                }
            };
            if self.burn(caller, key, verdict, &record).await? {
                return Ok(());
            }
            standing = self.metrics.ledger("lookup", self.ledger.lookup(key)).await?;
        }
        Err(Refusal::changing(key))
    }

    /// Burns a tag that means what `record` says. Whether it did: where it means other
    /// bytes by now, it is left alone.
    async fn burn(&self, caller: &Caller, key: &TagKey, verdict: &Verdict, record: &Record) -> Result<bool, Refusal> {
        let note = self.note(caller, key, None);
        let is_burnt = self.metrics.ledger("burn", self.ledger.burn(key, &record.digest, &note)).await?;
        if is_burnt {
            self.known.burnt(key, record, note.at);
            self.spend_on_delete(caller, key).await;
            tracing::info!(request = caller.request_id, tag = %key, rule = &*verdict.rule, "an immutable tag was deleted and is burnt");
        }
        Ok(is_burnt)
    }

    async fn forward_delete<T>(&self, caller: &Caller, delete: &Delete<T>) -> Result<Answer, Refusal> {
        Ok(self.delete_upstream(caller, delete).await?.map(Into::into))
    }

    pub(super) async fn delete_upstream<T>(&self, caller: &Caller, delete: &Delete<T>) -> Result<Response<Bytes>, UpstreamError> {
        let (target, headers) = (delete.target.clone(), &caller.headers);
        let outgoing = Outgoing { method: Method::DELETE, target, headers, body: RequestBody::empty(), repeatable: false };
        failpoint!("gate-deleting");
        let response = self.upstream.forward_whole(outgoing).await?;
        failpoint!("gate-deleted");
        Ok(response)
    }
}
