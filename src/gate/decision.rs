//! One line per decision: what was asked, what was decided, by which rule.

use std::sync::Arc;
use std::time::Instant;

use http::StatusCode;

use super::caller::Caller;
use crate::ledger::event::{Action, Event, Outcome};
use crate::ledger::{Note, TagKey};
use crate::metrics::Metrics;
use crate::oci::{Digest, RepositoryName, Tag};
use crate::policy::{PullRule, Verdict};
use crate::refusal::Refusal;
use crate::upstream::Content;

/// Gathers what is known of a request until it is answered.
#[derive(Debug)]
pub struct Decision {
    kind: &'static str,
    started: Instant,
    repository: Option<RepositoryName>,
    reference: Option<String>,
    digest: Option<Digest>,
    tag: Option<Tag>,
    /// The tags of a push, each with its rule.
    tags: Vec<(Tag, Arc<str>)>,
    pushed: Option<Content>,
    /// What the tag means already, where that is something else.
    means: Option<Digest>,
    rule: Option<Arc<str>>,
    verdict: &'static str,
    /// Whether the registry has let this client do anything.
    accepted: bool,
}

impl Decision {
    pub fn new(kind: &'static str) -> Self {
        let started = Instant::now();
        Self {
            kind,
            started,
            repository: None,
            reference: None,
            digest: None,
            tag: None,
            tags: Vec::new(),
            pushed: None,
            means: None,
            rule: None,
            verdict: "passed",
            accepted: false,
        }
    }

    pub fn about(&mut self, repository: &RepositoryName, reference: impl Into<String>) {
        self.repository = Some(repository.clone());
        self.reference = Some(reference.into());
    }

    pub fn about_tag(&mut self, key: &TagKey, verdict: &Verdict) {
        self.about(&key.repository, key.tag.as_str());
        self.tag = Some(key.tag.clone());
        self.rule = Some(Arc::clone(&verdict.rule));
    }

    pub fn about_repository(&mut self, repository: Option<&RepositoryName>) {
        self.repository = repository.cloned();
    }

    /// The manifest of a push.
    pub fn pushed(&mut self, content: &Content) {
        self.digest(&content.digest);
        self.pushed = Some(content.clone());
    }

    pub fn pushes(&mut self, tags: Vec<(Tag, Arc<str>)>) {
        self.tags = tags;
    }

    pub fn digest(&mut self, digest: &Digest) {
        self.digest = Some(digest.clone());
    }

    pub fn means(&mut self, digest: &Digest) {
        self.means = Some(digest.clone());
    }

    pub fn rule(&mut self, verdict: &Verdict) {
        self.rule = Some(Arc::clone(&verdict.rule));
    }

    /// The pull rule that decided over a tag that moves.
    pub fn pull_rule(&mut self, rule: &PullRule) {
        self.rule = Some(Arc::clone(&rule.name));
    }

    pub fn verdict(&mut self, verdict: &'static str) {
        self.verdict = verdict;
    }

    /// The registry accepted this client's credentials.
    pub fn accepted(&mut self) {
        self.accepted = true;
    }

    /// Takes over what a refusal knows better.
    pub fn refused(&mut self, refusal: &Refusal, metrics: &Metrics) {
        self.verdict = refusal.verdict();
        if let Some((key, verdict)) = refusal.refused_push() {
            self.about_tag(key, verdict);
            metrics.refusal(&verdict.rule, "enforce");
        }
        match refusal {
            Refusal::Delete { rule, .. } => {
                self.rule = Some(Arc::clone(rule));
                metrics.refusal(rule, "enforce");
            }
            Refusal::TooLarge(_) => metrics.limit("manifest_limit").count(),
            Refusal::TooManyUploads => metrics.limit("max_uploads").count(),
            _ => {}
        }
    }

    /// The events of a request that a rule refused, one for each tag; none where it was
    /// refused for anything else.
    pub fn refusals(&self, refusal: &Refusal, note: Note, of: impl Fn(Action, Outcome, &Note) -> Event) -> Vec<Event> {
        let (action, rule) = match (refusal.refused_push(), refusal) {
            (Some((_, verdict)), _) => (Action::Push, &verdict.rule),
            (None, Refusal::Delete { rule, .. }) => (Action::Delete, rule),
            _ => return Vec::new(),
        };
        let who = note.who.filter(|_| self.accepted);
        let note = Note { who, rule: Some(rule.to_string()), detail: Some(refusal.cause()), ..note };
        let (digest, previous) = match action {
            Action::Push => (self.digest.as_ref(), self.means.as_ref()),
            _ => (None, self.digest.as_ref()),
        };
        let event = of(action, Outcome::Refused, &note).with(digest, previous);
        let refused = Event { repository: self.repository.clone(), tag: self.tag.clone(), ..event };
        let mut events = vec![refused];
        for (tag, rule) in self.tags.iter().filter(|(tag, _)| Some(tag) != self.tag.as_ref()) {
            let because = self.tag.as_ref().map_or("another tag", Tag::as_str);
            let detail = Some(format!("pushed together with {because}, which was refused"));
            let event = of(action, Outcome::Refused, &Note { rule: Some(rule.to_string()), detail, ..note.clone() });
            let (repository, tag) = (self.repository.clone(), Some(tag.clone()));
            events.push(Event { repository, tag, ..event.with(digest, None) });
        }
        events
    }

    pub fn content(&self) -> Option<&Content> {
        self.pushed.as_ref()
    }

    /// Writes the line and counts the request.
    pub fn record(self, caller: &Caller, status: StatusCode, cause: Option<&str>, metrics: &Metrics) {
        metrics.request(self.kind, self.verdict);
        // The names of the fields are documented in docs/LOGS.md.
        macro_rules! line {
            ($level:expr) => {
                tracing::event!(
                    target: "pushonce::decision",
                    $level,
                    request = caller.request_id.as_str(),
                    kind = self.kind,
                    repository = self.repository.as_ref().map(RepositoryName::as_str),
                    reference = self.reference.as_deref(),
                    digest = self.digest.as_ref().map(Digest::as_str),
                    means = self.means.as_ref().map(Digest::as_str),
                    rule = self.rule.as_deref(),
                    verdict = self.verdict,
                    status = status.as_u16(),
                    duration_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
                    who = self.accepted.then(|| caller.claimed_user()).flatten().as_deref(),
                    cause,
                    "{} {}", self.kind, self.verdict
                )
            };
        }
        match self.verdict {
            "failed" => line!(tracing::Level::ERROR),
            "undecided" => line!(tracing::Level::WARN),
            // Every day, and as many as all others together.
            "passed" | "pinned" => line!(tracing::Level::DEBUG),
            _ => line!(tracing::Level::INFO),
        }
    }
}
