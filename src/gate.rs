//! The story: classify, decide, digest first, claim, point, confirm, answer.
//!
//! A read streams and ends with its client. A write is read whole, and then runs
//! in a task of its own that the client's hanging up does not stop.

mod adopting;
mod auditing;
mod caller;
mod change;
mod classify;
mod current;
mod decision;
mod decisions;
mod delete;
mod drift;
mod guarded;
mod hold;
pub(crate) mod intent;
mod keeping;
mod known;
mod locks;
mod moving;
mod needs;
mod pinning;
mod pull;
mod push;
mod putback;
mod query;
mod reconcile;
mod recorder;
mod rights;
mod rollforward;
mod settling;
mod stored;
mod unpoint;
mod walk;

use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use http_body_util::{BodyExt, Collected, LengthLimitError, Limited};
use hyper::body::Incoming;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::task::TaskTracker;

use self::caller::{Account, Caller};
use self::decision::Decision;
use self::drift::DriftWatch;
use self::intent::{Intent, Kind, Pass};
use self::locks::{Locks, Turns};
use self::needs::NeedsCache;
use self::recorder::Recorder;
use self::rights::Rights;
use self::stored::Stored;
use crate::answer::Answer;
use crate::causes::with_causes;
use crate::clock::{AttemptId, Clock};
use crate::config::valid::{self, WhenLedgerIsDown};
use crate::ledger::Ledger;
use crate::metrics::{Metrics, Running};
use crate::oci::TagCase;
use crate::policy::Policy;
use crate::refusal::Refusal;
use crate::upstream::body::{IdleLimit, RequestBody};
use crate::upstream::{Outgoing, Upstream};

pub use self::adopting::Adopted;
pub use self::auditing::{Difference, Differs};
pub use self::classify::classify;
pub use self::current::CurrentGate;
pub use self::known::Known;
pub use self::reconcile::Reconciler;
pub use self::walk::Step;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const WARNING: HeaderName = http::header::WARNING;

/// The most bytes that all warnings of an answer may have (distribution-spec, "Warnings").
const MOST_WARNING_BYTES: usize = 4096;

/// The other end of a client connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    pub address: IpAddr,
    /// Whether it came over TLS.
    pub secure: bool,
}

/// Everything that a decision needs. Its policy never changes: a request ends under the
/// policy that it began with, and [`CurrentGate`] has the gate of those that come next.
#[derive(Debug)]
pub struct Gate {
    policy: Arc<Policy>,
    /// Certain under this policy: under another one a tag may have been lifted.
    known: Known,
    decided: decisions::Known,
    standing: Arc<Standing>,
}

/// What gates have in common, whatever their policy.
#[derive(Debug)]
pub struct Standing {
    ledger: Arc<dyn Ledger>,
    upstream: Upstream,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    limits: Limits,
    when_ledger_is_down: WhenLedgerIsDown,
    recorder: Recorder,
    rights: Rights,
    stored: Stored,
    drift: DriftWatch,
    needs: NeedsCache,
    locks: Locks,
    turns: Turns,
    uploads: Semaphore,
    tasks: TaskTracker,
    request_ids: RequestIds,
    /// Who acts where no client does.
    who: String,
}

impl Deref for Gate {
    type Target = Standing;

    fn deref(&self) -> &Standing {
        &self.standing
    }
}

#[derive(Debug)]
struct Limits {
    manifest: usize,
    body_idle: IdleLimit,
    passthrough: Vec<String>,
}

/// What a gate is made of.
#[derive(Debug)]
pub struct GateParts<'a> {
    pub policy: Arc<Policy>,
    pub ledger: Arc<dyn Ledger>,
    /// The registry's name in the ledger.
    pub registry: String,
    pub upstream: Upstream,
    pub clock: Arc<dyn Clock>,
    pub metrics: Arc<Metrics>,
    /// Runs what must finish; shutdown waits for it.
    pub tasks: TaskTracker,
    pub server: &'a valid::Server,
    pub pulls: &'a valid::Pulls,
    /// Who acts where no client does, in the words of the log.
    pub who: String,
}

impl Gate {
    pub fn new(parts: GateParts<'_>) -> Self {
        let GateParts { policy, ledger, registry, upstream, clock, metrics, tasks, server, pulls, who } = parts;
        let limits = Limits {
            manifest: server.manifest_limit,
            body_idle: IdleLimit::new(server, &metrics),
            passthrough: server.passthrough.clone(),
        };
        let recorder = Recorder::new(registry, Arc::clone(&ledger), Arc::clone(&metrics), tasks.clone());
        let standing = Standing {
            ledger,
            upstream,
            clock,
            metrics,
            limits,
            when_ledger_is_down: pulls.when_ledger_is_down,
            recorder,
            rights: Rights::new(),
            stored: Stored::new(),
            drift: DriftWatch::new(pulls.drift_check_interval),
            needs: NeedsCache::new(),
            locks: Locks::default(),
            turns: Turns::default(),
            uploads: Semaphore::new(server.max_uploads),
            tasks,
            request_ids: RequestIds::new(),
            who,
        };
        Self { policy, known: Known::default(), decided: decisions::Known::default(), standing: Arc::new(standing) }
    }

    /// The same gate under another policy.
    fn under(&self, policy: Arc<Policy>) -> Self {
        Self { policy, known: Known::default(), decided: self.decided.clone(), standing: Arc::clone(&self.standing) }
    }

    /// What the registry does with the case of tags.
    pub fn tag_case(&self) -> TagCase {
        self.upstream.tag_case()
    }

    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// Refuses a request of which nothing is believed.
    pub fn refuse_unread(&self, refusal: Refusal) -> Answer {
        let (headers, request_id) = (HeaderMap::new(), self.request_ids.next());
        let caller = Caller { headers, request_id, account: Account::Client, asked_host: None };
        self.finish(&caller, Decision::new("other"), Err(refusal))
    }

    /// Answers one request.
    pub async fn serve(self: Arc<Self>, request: Request<Incoming>, peer: Peer) -> Answer {
        let (head, body) = request.into_parts();
        let Parts { method, uri, headers, .. } = head;
        let asked_host = if self.policy.pulls().is_empty() { None } else { pinning::asked_host(&headers) };
        let caller = Arc::new(Caller {
            asked_host,
            headers: self.upstream.prepare(headers, peer.address, peer.secure),
            request_id: self.request_ids.next(),
            account: Account::Client,
        });
        match classify(&method, &uri, &self.limits.passthrough, self.upstream.tag_case()) {
            Ok(Intent::Pass(pass)) => {
                let mut decision = Decision::new(pass.kind.as_str());
                let result = self.pass(&caller, pass, body, &mut decision).await;
                self.finish(&caller, decision, result)
            }
            Ok(Intent::Pull(pull)) => {
                let mut decision = Decision::new("pull");
                let result = self.pull(&caller, pull, &mut decision).await;
                self.finish(&caller, decision, result)
            }
            Ok(write) => {
                let body = self.read_whole(body).await;
                self.outliving_the_client(caller, write, body).await
            }
            Err(refusal) => {
                drop(self.read_whole(body).await);
                self.finish(&caller, Decision::new("other"), Err(refusal))
            }
        }
    }

    /// Runs a write to its end, whether or not anybody still waits for the answer.
    async fn outliving_the_client(self: Arc<Self>, caller: Arc<Caller>, write: Intent, body: Result<Bytes, Refusal>) -> Answer {
        let request_id = caller.request_id.clone();
        let tasks = self.tasks.clone();
        let running = tasks.spawn(async move {
            let mut decision = Decision::new(if matches!(write, Intent::Push(_)) { "push" } else { "delete" });
            let result = match body {
                Ok(body) => self.write(&caller, write, body, &mut decision).await,
                Err(refusal) => Err(refusal),
            };
            self.finish(&caller, decision, result)
        });
        match running.await {
            Ok(answer) => answer,
            Err(cause) => {
                tracing::error!(request = request_id, %cause, "a write ended without an answer");
                Refusal::Internal(cause.to_string()).into_answer(&request_id)
            }
        }
    }

    async fn write(&self, caller: &Caller, write: Intent, body: Bytes, decision: &mut Decision) -> Result<Answer, Refusal> {
        match write {
            Intent::Push(push) => self.push(caller, push, body, decision).await,
            Intent::DeleteTag(delete) => self.delete_tag(caller, delete, decision).await,
            Intent::DeleteManifest(delete) => self.delete_manifest(caller, delete, decision).await,
            Intent::DeleteBlob(delete) => self.delete_blob(caller, delete, decision).await,
            Intent::Pass(_) | Intent::Pull(_) => Err(Refusal::Internal("a read was taken for a write".to_owned())),
        }
    }

    /// Passes a request on and streams both bodies.
    async fn pass(&self, caller: &Caller, pass: Pass, body: Incoming, decision: &mut Decision) -> Result<Answer, Refusal> {
        decision.about_repository(pass.repository.as_ref());
        let _place = self.upload_place(&pass)?;
        let is_read = pass.method.is_safe();
        let body = if is_read { RequestBody::empty() } else { RequestBody::client(body, self.limits.body_idle.clone()) };
        let outgoing = Outgoing { method: pass.method, target: pass.target, headers: &caller.headers, body, repeatable: is_read };
        Ok(self.upstream.forward(outgoing).await?.map(Into::into))
    }

    /// A place among the uploads, until the registry has begun its answer.
    fn upload_place(&self, pass: &Pass) -> Result<Option<(SemaphorePermit<'_>, Running)>, Refusal> {
        if pass.kind != Kind::Upload || pass.method.is_safe() {
            return Ok(None);
        }
        match self.uploads.try_acquire() {
            Ok(permit) => Ok(Some((permit, Running::count(&self.metrics.uploads)))),
            Err(_) => {
                self.metrics.uploads_refused.inc();
                Err(Refusal::TooManyUploads)
            }
        }
    }

    /// Turns the outcome into the answer, and writes the one line about it.
    fn finish(&self, caller: &Caller, mut decision: Decision, result: Result<Answer, Refusal>) -> Answer {
        let (mut answer, cause) = match result {
            Ok(answer) => (answer, None),
            Err(refusal) => {
                decision.refused(&refusal, &self.metrics);
                self.record_refusal(caller, &decision, &refusal);
                let cause = refusal.cause();
                (refusal.into_answer(&caller.request_id), Some(cause))
            }
        };
        if let Ok(id) = HeaderValue::from_str(&caller.request_id) {
            answer.headers_mut().insert(X_REQUEST_ID, id);
        }
        decision.record(caller, answer.status(), cause.as_deref(), &self.metrics);
        answer
    }

    /// Reads a body that must be small. What is over the limit is read too, up to
    /// four times as much, because many clients read no answer before they have
    /// sent everything.
    async fn read_whole(&self, body: Incoming) -> Result<Bytes, Refusal> {
        let limit = self.limits.manifest;
        let body = RequestBody::client(body, self.limits.body_idle.clone());
        match Limited::new(body, limit.saturating_mul(4)).collect().await.map(Collected::to_bytes) {
            Ok(whole) if whole.len() > limit => Err(Refusal::TooLarge(limit)),
            Ok(whole) => Ok(whole),
            Err(cause) if cause.is::<LengthLimitError>() => Err(Refusal::TooLarge(limit)),
            Err(cause) => Err(Refusal::Body(with_causes(&*cause))),
        }
    }
}

/// Adds a `Warning` that crane, oras, regctl and podman show (RFC 7234, section
/// 5.5; distribution-spec, "Warnings").
fn warn(answer: &mut Answer, text: &str) {
    // Many clients read headers as Latin-1.
    let quoted = text.replace('…', "...").replace('\\', "\\\\").replace('"', "\\\"");
    if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
        append_warning(answer, value);
    }
}

/// Leaves out what would exceed the limit for all warnings of an answer together.
fn append_warning(answer: &mut Answer, value: HeaderValue) {
    let said: usize = answer.headers().get_all(WARNING).iter().map(HeaderValue::len).sum();
    if said + value.len() <= MOST_WARNING_BYTES {
        answer.headers_mut().append(WARNING, value);
    }
}

/// Ids that tell requests apart, across processes as well.
#[derive(Debug)]
struct RequestIds {
    process: String,
    count: AtomicU64,
}

impl RequestIds {
    fn new() -> Self {
        let process = AttemptId::random().to_string()[..12].to_owned();
        Self { process, count: AtomicU64::new(1) }
    }

    fn next(&self) -> String {
        format!("{}-{}", self.process, self.count.fetch_add(1, Ordering::Relaxed))
    }
}
