//! A push: digest first, then claim, then look, then point, then confirm.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, WARNING};
use http::{HeaderName, HeaderValue, Response, StatusCode};

use super::caller::Caller;
use super::decision::Decision;
use super::intent::Push;
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
}

impl Gate {
    pub(super) async fn push(&self, caller: &Caller, push: Push, body: Bytes, decision: &mut Decision) -> Result<Answer, Refusal> {
        let by_digest = push.digest.is_some();
        let (content, manifests) = read_content(caller, &push, body)?;
        decision.about(&push.repository, what_is_pushed(&push, &content));
        decision.pushed(&content);
        let _no_delete_meanwhile = self.locks.shared(&push.repository, &manifests).await;

        let (held, free) = self.judge(&push, decision);
        for judged in &held {
            self.refuse_if_taken(caller, judged, &content, decision).await?;
        }
        if held.is_empty() && !by_digest {
            return self.push_freely(caller, free, &content, decision).await;
        }
        let accepted = self.digest_first(caller, &push.repository, &content, decision).await?;
        failpoint!("gate-stored");
        let claimants = self.claim_all(caller, held, &content, decision).await?;
        failpoint!("gate-claimed");
        let claimants = self.look_all(caller, claimants, &content, decision).await?;
        failpoint!("gate-looked");
        self.point_and_confirm_all(caller, claimants, &content).await?;

        let mut answer: Answer = accepted.map(Into::into);
        *answer.status_mut() = StatusCode::CREATED;
        for judged in free {
            let moved = self.move_tag(caller, &judged, &content, decision).await?;
            moved.headers().get_all(WARNING).iter().for_each(|warning| append_warning(&mut answer, warning.clone()));
        }
        if by_digest {
            name_tags(&mut answer, &push);
        }
        Ok(answer)
    }

    /// Splits the tags into those that the gate holds and those that move freely.
    fn judge(&self, push: &Push, decision: &mut Decision) -> (Vec<Judged>, Vec<Judged>) {
        let judged = push.tags.iter().map(|tag| {
            let verdict = self.policy.decide(&push.repository, tag);
            Judged { key: TagKey { repository: push.repository.clone(), tag: tag.clone() }, verdict }
        });
        let (held, free): (Vec<_>, Vec<_>) = judged.partition(|judged| judged.verdict.is_immutable());
        if let Some(first) = held.first().or(free.first()) {
            decision.rule(&first.verdict);
            decision.verdict(if held.is_empty() { "moved" } else { "pushed" });
        }
        (held, free)
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

/// `OCI-Tag`, once for each tag that was set (distribution-spec, end-7b).
fn name_tags(answer: &mut Answer, push: &Push) {
    for tag in &push.tags {
        if let Ok(value) = HeaderValue::from_str(tag.as_str()) {
            answer.headers_mut().append(OCI_TAG, value);
        }
    }
}
