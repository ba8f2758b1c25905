//! A push: digest first, then claim, then look, then point, then confirm.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, WARNING};
use http::{HeaderName, HeaderValue, Response, StatusCode};

use super::caller::Caller;
use super::decision::Decision;
use super::guarded::{Announced, Brought};
use super::intent::Push;
use super::settling::Leave;
use super::{Gate, append_warning};
use crate::answer::Answer;
use crate::failpoint::failpoint;
use crate::ledger::TagKey;
use crate::oci::manifest::Manifest;
use crate::oci::{Algorithm, Digest, RepositoryName, Tag};
use crate::policy::Verdict;
use crate::refusal::Refusal;
use crate::upstream::Content;

const OCI_TAG: HeaderName = HeaderName::from_static("oci-tag");

/// A tag of a push with what the policy says of it.
pub(super) struct Judged {
    pub key: TagKey,
    pub verdict: Verdict,
    /// What lets a taken tag take other bytes.
    pub leave: Option<Leave>,
}

/// The tags of a push, by what the policy says of them.
struct Tags {
    held: Vec<Judged>,
    guarded: Vec<Judged>,
    free: Vec<Judged>,
}

impl Gate {
    pub(super) async fn push(&self, caller: &Caller, push: Push, body: Bytes, decision: &mut Decision) -> Result<Answer, Refusal> {
        let by_digest = push.digest.is_some();
        let (content, manifests) = read_content(caller, &push, body)?;
        decision.about(&push.repository, what_is_pushed(&push, &content));
        decision.pushed(&content);
        let _no_delete_meanwhile = self.locks.shared(&push.repository, &manifests).await;

        let brought = Brought { content: &content, tags: &push.tags };
        let Tags { mut held, guarded, free } = self.judge(&push, decision);
        for judged in &mut held {
            self.refuse_if_taken(caller, judged, &content, decision).await?;
        }
        for judged in guarded.iter().chain(&free) {
            self.refuse_if_yanked(caller, judged, &content, decision).await?;
        }
        let announced = self.announce_all(caller, guarded, brought, decision).await?;
        if held.is_empty() && !by_digest {
            return self.move_one(caller, announced, free, brought, decision).await;
        }
        let accepted = match self.point_held(caller, &push.repository, held, by_digest, &content, decision).await {
            Ok(accepted) => accepted,
            Err(refusal) => {
                self.abandon_moves(announced).await;
                return Err(refusal);
            }
        };
        let mut answer: Answer = accepted.map(Into::into);
        *answer.status_mut() = StatusCode::CREATED;
        self.move_all(caller, announced, free, brought, decision, &mut answer).await?;
        if by_digest {
            name_tags(&mut answer, &push);
        }
        Ok(answer)
    }

    /// The content by its digest, and then every tag that the gate holds. A further tag of
    /// what this client has just pushed brings the content with its name alone.
    async fn point_held(
        &self,
        caller: &Caller,
        repository: &RepositoryName,
        held: Vec<Judged>,
        named_by_digest: bool,
        content: &Content,
        decision: &mut Decision,
    ) -> Result<Response<Bytes>, Refusal> {
        let mut accepted = None;
        if named_by_digest || !self.is_stored(caller, repository, content) {
            accepted = Some(self.digest_first(caller, repository, content, decision).await?);
        }
        failpoint!("gate-stored");
        let claimants = self.claim_all(caller, held, content, decision).await?;
        failpoint!("gate-claimed");
        let claimants = self.look_all(caller, claimants, content, decision).await?;
        failpoint!("gate-looked");
        // Where nothing is left to point, the registry has not been asked for anything.
        if accepted.is_none() && !claimants.iter().any(|claimant| claimant.needs_pointing) {
            match self.digest_first(caller, repository, content, decision).await {
                Ok(response) => accepted = Some(response),
                Err(refusal) => {
                    self.withdraw_all(claimants).await;
                    return Err(refusal);
                }
            }
        }
        let pointed = self.point_and_confirm_all(caller, claimants, content).await?;
        decision.accepted();
        accepted.or(pointed).ok_or_else(|| Refusal::Internal("a push was answered by nobody".to_owned()))
    }

    /// A single push by tag that the gate does not hold: the registry's own answer.
    async fn move_one(
        &self,
        caller: &Caller,
        announced: Vec<Announced>,
        free: Vec<Judged>,
        brought: Brought<'_>,
        decision: &mut Decision,
    ) -> Result<Answer, Refusal> {
        match (announced.into_iter().next(), free.first()) {
            (Some(announced), _) => self.move_announced(caller, announced, brought, decision).await,
            (None, Some(judged)) => self.move_tag(caller, judged, brought, decision).await,
            (None, None) => Err(Refusal::Internal("a push by tag named no tag".to_owned())),
        }
    }

    /// Moves the tags that move, after those that the gate holds.
    async fn move_all(
        &self,
        caller: &Caller,
        announced: Vec<Announced>,
        free: Vec<Judged>,
        brought: Brought<'_>,
        decision: &mut Decision,
        answer: &mut Answer,
    ) -> Result<(), Refusal> {
        let mut waiting = announced.into_iter();
        while let Some(announced) = waiting.next() {
            match self.move_announced(caller, announced, brought, decision).await {
                Ok(moved) => pass_warnings_on(&moved, answer),
                Err(refusal) => {
                    self.abandon_moves(waiting).await;
                    return Err(refusal);
                }
            }
        }
        for judged in free {
            pass_warnings_on(&self.move_tag(caller, &judged, brought, decision).await?, answer);
        }
        Ok(())
    }

    /// Splits the tags into those that the gate holds, those whose moves it judges and those
    /// that move freely.
    fn judge(&self, push: &Push, decision: &mut Decision) -> Tags {
        let judged = push.tags.iter().map(|tag| {
            let verdict = self.policy.decide(&push.repository, tag);
            Judged { key: TagKey { repository: push.repository.clone(), tag: tag.clone() }, verdict, leave: None }
        });
        let judged: Vec<Judged> = judged.collect();
        decision.pushes(judged.iter().map(|judged| (judged.key.tag.clone(), Arc::clone(&judged.verdict.rule))).collect());
        let (held, moving): (Vec<_>, Vec<_>) = judged.into_iter().partition(|judged| judged.verdict.is_immutable());
        let (guarded, free): (Vec<_>, Vec<_>) = moving.into_iter().partition(|judged| judged.verdict.is_guarded());
        if let Some(first) = held.first().or(guarded.first()).or(free.first()) {
            decision.rule(&first.verdict);
            decision.verdict(if held.is_empty() { "moved" } else { "pushed" });
        }
        Tags { held, guarded, free }
    }

    /// Stores the content under its digest with the client's own credentials: from
    /// here on the registry has accepted both. Nothing is named yet.
    pub(super) async fn digest_first(
        &self,
        caller: &Caller,
        repository: &RepositoryName,
        content: &Content,
        decision: &mut Decision,
    ) -> Result<Response<Bytes>, Refusal> {
        let response = self.upstream.put_by_digest(&caller.headers, repository, content).await?;
        if response.status().is_success() {
            decision.accepted();
            return Ok(response);
        }
        Err(Refusal::of_registry(response))
    }
}

/// The manifest of a push: JSON of schema version 2, with the digest it is named
/// by; and every manifest that it needs, itself among them.
fn read_content(caller: &Caller, push: &Push, bytes: Bytes) -> Result<(Content, Vec<Digest>), Refusal> {
    let media_type = caller.headers.get(CONTENT_TYPE).cloned();
    let text = media_type.as_ref().map(|value| value.to_str().unwrap_or_default());
    let manifest = Manifest::parse(text, &bytes).map_err(Refusal::Manifest)?;
    let algorithm = push.digest.as_ref().map_or(Algorithm::Sha256, Digest::algorithm);
    let digest = Digest::of(algorithm, &bytes);
    match &push.digest {
        Some(named) if *named != digest => Err(Refusal::WrongDigest { named: named.clone(), found: digest }),
        _ => {
            let children = manifest.children().iter().map(|child| child.digest.clone());
            let manifests = children.chain([digest.clone()]).collect();
            Ok((Content { digest, media_type, bytes }, manifests))
        }
    }
}

/// The tags of a push, or its digest where it has none; for the log.
fn what_is_pushed(push: &Push, content: &Content) -> String {
    match push.tags.as_slice() {
        [] => content.digest.to_string(),
        tags => tags.iter().map(Tag::as_str).collect::<Vec<_>>().join(","),
    }
}

fn pass_warnings_on(moved: &Answer, answer: &mut Answer) {
    moved.headers().get_all(WARNING).iter().for_each(|warning| append_warning(answer, warning.clone()));
}

/// `OCI-Tag`, once for each tag that was set (distribution-spec, end-7b).
fn name_tags(answer: &mut Answer, push: &Push) {
    for tag in &push.tags {
        if let Ok(value) = HeaderValue::from_str(tag.as_str()) {
            answer.headers_mut().append(OCI_TAG, value);
        }
    }
}
