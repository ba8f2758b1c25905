//! A pull by tag: an immutable tag is resolved in the ledger and fetched by digest.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use super::caller::Caller;
use super::decision::Decision;
use super::intent::Pull;
use super::{Gate, warn};
use crate::answer::Answer;
use crate::config::valid::WhenLedgerIsDown;
use crate::ledger::{Record, State};
use crate::oci::Digest;
use crate::refusal::Refusal;
use crate::upstream::body::RequestBody;
use crate::upstream::{DOCKER_CONTENT_DIGEST, Outgoing, Trust, without_body};

impl Gate {
    // What is rare is boxed: a future is as large as its largest branch, and is moved for
    // every request.
    pub(super) async fn pull(
        self: &Arc<Self>,
        caller: &Arc<Caller>,
        pull: Pull,
        decision: &mut Decision,
    ) -> Result<Answer, Refusal> {
        let verdict = self.policy.decide(&pull.key.repository, &pull.key.tag);
        decision.about_tag(&pull.key, &verdict);
        if !verdict.is_immutable() {
            return self.pull_moving(caller, pull, decision).await;
        }
        let record = match self.record(&pull.key, &verdict).await {
            Ok(Some(record)) => record,
            Ok(None) => match Box::pin(self.adopt_on_sight(caller, &pull)).await? {
                Some(record) => record,
                None => return Err(Refusal::ManifestUnknown(pull.key)),
            },
            Err(cause) => return Box::pin(self.pull_without_ledger(caller, pull, cause.into(), decision)).await,
        };
        match record.state {
            State::Sealed if self.is_hidden(&pull.key, &record.digest) => Box::pin(self.pull_burnt(caller, pull)).await,
            State::Sealed => self.pull_pinned(caller, pull, record.digest, decision).await,
            State::Burnt => Box::pin(self.pull_burnt(caller, pull)).await,
            State::Open => match Box::pin(self.settle_on_sight(caller, &pull, &record)).await? {
                Some(digest) => self.pull_pinned(caller, pull, digest, decision).await,
                None => Err(Refusal::ManifestUnknown(pull.key)),
            },
        }
    }

    /// A tag that moves: whatever the registry's pointer says.
    pub(super) async fn pull_pointer(&self, caller: &Caller, pull: Pull) -> Result<Answer, Refusal> {
        let Pull { method, target, key } = pull;
        let outgoing = Outgoing { method, target, headers: &caller.headers, body: RequestBody::empty(), repeatable: true };
        let mut answer: Answer = self.upstream.forward(outgoing).await?.map(Into::into);
        if answer.status() == StatusCode::OK
            && let Some(digest) = digest_of(answer.headers())
            && let Some(warning) = self.yank_warning(&key.repository, &digest)
        {
            warn(&mut answer, &warning);
        }
        Ok(answer)
    }

    /// Fetches by digest, with the client's own headers. What comes back is
    /// checked: those bytes or an error, never other bytes.
    async fn pull_pinned(
        self: &Arc<Self>,
        caller: &Arc<Caller>,
        pull: Pull,
        digest: Digest,
        decision: &mut Decision,
    ) -> Result<Answer, Refusal> {
        decision.verdict("pinned");
        decision.digest(&digest);
        let response = self.upstream.read_for_client(&caller.headers, &pull.method, &pull.key.repository, &digest).await?;
        match response.status() {
            StatusCode::OK => decision.accepted(),
            // The registry's to say: not modified, denied, gone.
            status => {
                match status {
                    StatusCode::NOT_MODIFIED => decision.accepted(),
                    StatusCode::NOT_FOUND => {
                        // Another replica may have deleted it.
                        self.known.forget(&pull.key);
                        decision.verdict("missing");
                    }
                    _ if status.is_client_error() || status.is_server_error() => decision.verdict("relayed"),
                    // A redirect above all, to bytes that nobody has checked.
                    _ => return Err(Refusal::Unchecked(status)),
                }
                return Ok(without_digest(caller, pull, response));
            }
        }
        if !is_unharmed(&pull.method, &digest, &response) {
            self.metrics.drift.inc();
            return Err(Refusal::Undecided(format!("the registry's content under {digest} has another digest")));
        }
        self.watch_drift(caller, &pull.key, &digest);
        let mut answer: Answer = response.map(Into::into);
        if let Ok(value) = HeaderValue::from_str(digest.as_str()) {
            answer.headers_mut().insert(DOCKER_CONTENT_DIGEST, value);
        }
        for warning in [self.drift.warning(&pull.key), self.yank_warning(&pull.key.repository, &digest)].into_iter().flatten() {
            warn(&mut answer, &warning);
        }
        Ok(answer)
    }

    /// A tag that the ledger does not know yet is adopted as the registry shows it.
    async fn adopt_on_sight(&self, caller: &Caller, pull: &Pull) -> Result<Option<Record>, Refusal> {
        match self.pointer(caller, &pull.key, Trust::Client).await? {
            Some(found) => self.adopt(caller, &pull.key, &found).await.map(Some),
            None => Ok(None),
        }
    }

    /// A claimed tag that nobody has confirmed: sealed if the registry points it
    /// anywhere, and not there yet if it does not. A pull never points a tag.
    async fn settle_on_sight(&self, caller: &Caller, pull: &Pull, open: &Record) -> Result<Option<Digest>, Refusal> {
        let Some(found) = self.pointer(caller, &pull.key, Trust::Client).await? else { return Ok(None) };
        let record = self.settle_open(caller, &pull.key, &open.digest, &found).await?;
        Ok(record.filter(|record| record.state == State::Sealed).map(|record| record.digest))
    }

    /// A deleted tag is not found, whatever the registry points it at; but whether
    /// this client may ask at all is the registry's to say.
    async fn pull_burnt(&self, caller: &Caller, pull: Pull) -> Result<Answer, Refusal> {
        self.pointer(caller, &pull.key, Trust::Client).await?;
        Err(Refusal::ManifestUnknown(pull.key))
    }

    async fn pull_without_ledger(
        self: &Arc<Self>,
        caller: &Arc<Caller>,
        pull: Pull,
        cause: Refusal,
        decision: &mut Decision,
    ) -> Result<Answer, Refusal> {
        match (self.known.last(&pull.key), self.when_ledger_is_down) {
            (Some(known), _) if known.state == State::Burnt => self.pull_burnt(caller, pull).await,
            // It may have been deleted by another replica, where deletes are allowed.
            (_, WhenLedgerIsDown::Refuse) => Err(cause),
            (Some(known), WhenLedgerIsDown::Serve) => self.pull_pinned(caller, pull, known.digest, decision).await,
            (None, WhenLedgerIsDown::Serve) => {
                decision.verdict("unpinned");
                self.metrics.unpinned_pulls.inc();
                self.pull_pointer(caller, pull).await
            }
        }
    }
}

/// What the registry says instead of the manifest: 304, 401, 403. Its errors may name
/// the digest, which the client did not ask for.
fn without_digest(caller: &Caller, pull: Pull, response: Response<Bytes>) -> Answer {
    let refusal = match response.status() {
        StatusCode::NOT_MODIFIED => return response.map(Into::into),
        StatusCode::NOT_FOUND => Refusal::ManifestUnknown(pull.key),
        _ => Refusal::Relayed(without_body(response)),
    };
    refusal.into_answer(&caller.request_id)
}

/// Whether a 200 carries the bytes that the digest names, or claims to for HEAD.
fn is_unharmed(method: &Method, digest: &Digest, response: &Response<Bytes>) -> bool {
    if *method == Method::GET {
        return digest.names(response.body());
    }
    let said = response.headers().get(DOCKER_CONTENT_DIGEST).and_then(|value| value.to_str().ok());
    match said.map(Digest::parse) {
        Some(Ok(said)) => said.algorithm() != digest.algorithm() || said == *digest,
        Some(Err(_)) => false,
        None => true,
    }
}

pub(super) fn digest_of(headers: &HeaderMap) -> Option<Digest> {
    Digest::parse(headers.get(DOCKER_CONTENT_DIGEST)?.to_str().ok()?).ok()
}
