//! What the release log is told of a request, and the events that change nothing.
//!
//! Whatever changes what a tag means is written by the ledger in the same step. Refusals,
//! repeated pushes and drift are written right after, many at a time and in the
//! background, so that no answer waits for them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::header::USER_AGENT;
use tokio::time::sleep;
use tokio_util::task::TaskTracker;

use super::Gate;
use super::caller::{Account, Caller};
use super::decision::Decision;
use crate::ledger::event::{Action, Event, Outcome};
use crate::ledger::{Ledger, Note, TagKey};
use crate::metrics::Metrics;
use crate::oci::Digest;
use crate::refusal::Refusal;
use crate::upstream::Content;

/// How many events may wait; more are counted and lost.
const MOST: usize = 10_000;

/// How many are written in one step.
const BATCH: usize = 500;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The longest `User-Agent` that is kept, in characters.
const LONGEST_CLIENT: usize = 256;

/// Events on their way into the log.
#[derive(Debug)]
pub struct Recorder(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: String,
    ledger: Arc<dyn Ledger>,
    metrics: Arc<Metrics>,
    /// Runs the writing; shutdown waits for it.
    tasks: TaskTracker,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<Event>,
    is_being_written: bool,
}

impl Recorder {
    pub fn new(registry: String, ledger: Arc<dyn Ledger>, metrics: Arc<Metrics>, tasks: TaskTracker) -> Self {
        Self(Arc::new(Inner { registry, ledger, metrics, tasks, waiting: Mutex::default() }))
    }

    fn registry(&self) -> &str {
        &self.0.registry
    }

    fn record(&self, event: Event) {
        let mut waiting = self.0.waiting();
        if waiting.events.len() >= MOST {
            self.0.metrics.events_lost.inc();
            return;
        }
        waiting.events.push_back(event);
        if !waiting.is_being_written {
            waiting.is_being_written = true;
            self.0.tasks.spawn(Arc::clone(&self.0).write());
        }
    }
}

impl Inner {
    /// A list of events is whole whatever the thread did that held it.
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes until nothing waits. What the ledger does not take is tried again, but
    /// does not hold a shutdown up.
    async fn write(self: Arc<Self>) {
        let mut pause = FIRST_PAUSE;
        loop {
            let batch: Vec<Event> = {
                let mut waiting = self.waiting();
                if waiting.events.is_empty() {
                    waiting.is_being_written = false;
                    return;
                }
                waiting.events.iter().take(BATCH).cloned().collect()
            };
            match self.metrics.ledger("record", self.ledger.record(&batch)).await {
                Ok(()) => {
                    self.waiting().events.drain(..batch.len());
                    pause = FIRST_PAUSE;
                }
                Err(cause) if self.tasks.is_closed() => {
                    let mut waiting = self.waiting();
                    let lost = waiting.events.len();
                    self.metrics.events_lost.inc_by(lost as u64);
                    waiting.events.clear();
                    waiting.is_being_written = false;
                    tracing::error!(%cause, lost, "events were not written to the release log before the end");
                    return;
                }
                Err(cause) => {
                    if pause == FIRST_PAUSE {
                        tracing::warn!(%cause, "events could not be written to the release log and are tried again");
                    }
                    sleep(pause).await;
                    pause = LONGEST_PAUSE.min(2 * pause);
                }
            }
        }
    }
}

impl Gate {
    /// Hands an event that changes what no tag means to the log.
    pub(crate) fn write_down(&self, event: Event) {
        self.recorder.record(event);
    }

    /// An event about `key`.
    pub(crate) fn event(&self, key: &TagKey, action: Action, outcome: Outcome, note: &Note) -> Event {
        Event::of(self.recorder.registry(), key, action, outcome, note)
    }

    /// Who asks for a change of `key`, with what.
    pub(super) fn note(&self, caller: &Caller, key: &TagKey, content: Option<&Content>) -> Note {
        let verdict = self.policy.decide(&key.repository, &key.tag);
        Note { rule: Some(verdict.rule.to_string()), ..self.note_of(caller, content) }
    }

    pub(super) fn note_of(&self, caller: &Caller, content: Option<&Content>) -> Note {
        let who = match caller.account {
            Account::Client => caller.claimed_user(),
            Account::Own => Some(self.who.clone()),
        };
        let client = caller.headers.get(USER_AGENT).filter(|_| caller.account == Account::Client);
        let client = client.map(|agent| {
            let agent = String::from_utf8_lossy(agent.as_bytes());
            agent.chars().filter(|letter| !letter.is_control()).take(LONGEST_CLIENT).collect()
        });
        let media_type = content.and_then(|content| content.media_type.as_ref()?.to_str().ok()).map(str::to_owned);
        let size = content.map(|content| content.bytes.len() as u64);
        let request = Some(caller.request_id.clone());
        Note { who, client, media_type, size, request, ..Note::from(self.clock.now()) }
    }

    /// A push of what the tag means already.
    pub(super) fn record_repeated(&self, caller: &Caller, key: &TagKey, content: &Content) {
        let note = self.note(caller, key, Some(content));
        self.write_down(self.event(key, Action::Push, Outcome::Repeated, &note).with(Some(&content.digest), None));
    }

    /// What a rule refused.
    pub(super) fn record_refusal(&self, caller: &Caller, decision: &Decision, refusal: &Refusal) {
        let note = self.note_of(caller, decision.content());
        let of = |action, outcome, note: &Note| Event::about_nothing(self.recorder.registry(), action, outcome, note);
        for event in decision.refusals(refusal, note, of) {
            self.write_down(event);
        }
    }

    /// The registry points an immutable tag elsewhere, or nowhere.
    pub(super) fn record_drift(&self, request: &str, key: &TagKey, sealed: &Digest, pointer: Option<&Digest>) {
        let verdict = self.policy.decide(&key.repository, &key.tag);
        let (rule, request) = (Some(verdict.rule.to_string()), Some(request.to_owned()));
        let note = Note { rule, request, ..Note::from(self.clock.now()) };
        let outcome = if pointer.is_some() { Outcome::Drifted } else { Outcome::Missing };
        self.write_down(self.event(key, Action::Look, outcome, &note).with(pointer, Some(sealed)));
    }
}
