//! Every metric, declared once.

use std::time::{Duration, Instant};

use prometheus::{HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder};

/// From a quarter of a millisecond, about what the ledger takes, to the longest
/// time that a registry is waited for.
const LATENCY_BUCKETS: [f64; 14] = [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// The metrics of one process, in seconds and counts.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    refusals: IntCounterVec,
    pull_rules: IntCounterVec,
    upstream: HistogramVec,
    ledger: HistogramVec,
    known_tags: IntCounterVec,
    /// Set when the metrics are read.
    pub open_claims: IntGauge,
    /// Set at each walk over the open claims.
    pub stuck_claims: IntGauge,
    /// Set at each walk over the open changes.
    pub open_changes: IntGauge,
    pub events_lost: IntCounter,
    /// 1 where the log is not what its checkpoint file says.
    pub log_inconsistent: IntGauge,
    pub drift: IntCounter,
    pub unpinned_pulls: IntCounter,
    pub connections: IntGauge,
    pub connections_limit: IntGauge,
    pub streams: IntGauge,
    pub uploads: IntGauge,
    pub uploads_refused: IntCounter,
    limits_reached: IntCounterVec,
    audit_differences: IntGaugeVec,
    audit_tags: IntGauge,
    audit_failures: IntGauge,
    audit_ended: IntGauge,
    config_reloads: IntCounterVec,
    config_successful: IntGauge,
    config_success: IntGauge,
    webhook_deliveries: IntCounterVec,
    webhook_waiting: IntGaugeVec,
}

impl Metrics {
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let latency = |name: &str, help: &str| HistogramOpts::new(name, help).buckets(LATENCY_BUCKETS.to_vec());
        let metrics = Self {
            requests: IntCounterVec::new(
                Opts::new("pushonce_requests_total", "Requests by kind and verdict."),
                &["kind", "verdict"],
            )?,
            refusals: IntCounterVec::new(
                Opts::new("pushonce_refusals_total", "Pushes and deletes that a rule refused, or would refuse in audit mode."),
                &["rule", "enforcement"],
            )?,
            pull_rules: IntCounterVec::new(
                Opts::new("pushonce_pull_rules_total", "Pulls of tags that move that a pull rule decided over."),
                &["rule", "action"],
            )?,
            upstream: HistogramVec::new(
                latency("pushonce_upstream_seconds", "Time until the registry's answer began, or failed to."),
                &["method", "outcome"],
            )?,
            ledger: HistogramVec::new(
                latency("pushonce_ledger_seconds", "Time of a ledger operation."),
                &["operation", "outcome"],
            )?,
            known_tags: IntCounterVec::new(
                Opts::new(
                    "pushonce_known_tags_total",
                    "Looks at immutable tags that memory answered, or the ledger was asked for.",
                ),
                &["outcome"],
            )?,
            open_claims: IntGauge::new("pushonce_open_claims", "Claims that no push has finished yet.")?,
            stuck_claims: IntGauge::new("pushonce_stuck_claims", "Open claims that the last walk found nobody able to finish.")?,
            open_changes: IntGauge::new(
                "pushonce_open_changes",
                "Moves and deletes of moving tags whose end the last walk could not write down.",
            )?,
            events_lost: IntCounter::new(
                "pushonce_events_lost_total",
                "Refusals, repeated pushes and drift that could not be written to the release log.",
            )?,
            log_inconsistent: IntGauge::new(
                "pushonce_log_inconsistent",
                "1 where the release log is not what the checkpoint in release_log.checkpoint_file says.",
            )?,
            drift: IntCounter::new(
                "pushonce_drift_total",
                "Times that the registry's pointer of an immutable tag, or its content, differed from the ledger.",
            )?,
            unpinned_pulls: IntCounter::new(
                "pushonce_unpinned_pulls_total",
                "Pulls of immutable tags served from the registry's pointer because the ledger gave no answer.",
            )?,
            connections: IntGauge::new("pushonce_connections", "Open client connections of the data listener.")?,
            connections_limit: IntGauge::new("pushonce_connections_limit", "The most client connections that are open at once.")?,
            streams: IntGauge::new("pushonce_streams", "Requests over HTTP/2 that run now.")?,
            uploads: IntGauge::new("pushonce_uploads", "Blob uploads that run now.")?,
            uploads_refused: IntCounter::new(
                "pushonce_uploads_refused_total",
                "Blob uploads answered with 429 because server.max_uploads ran already.",
            )?,
            limits_reached: IntCounterVec::new(
                Opts::new("pushonce_limits_reached_total", "Times that a client reached a limit of [server], by its key."),
                &["limit"],
            )?,
            audit_differences: IntGaugeVec::new(
                Opts::new("pushonce_audit_differences", "Tags that the newest audit of this replica found to differ, by how."),
                &["difference"],
            )?,
            audit_tags: IntGauge::new("pushonce_audit_tags", "Tags that the newest audit of this replica looked at.")?,
            audit_failures: IntGauge::new(
                "pushonce_audit_failures",
                "Tags and repositories that the newest audit of this replica could not look at.",
            )?,
            audit_ended: IntGauge::new(
                "pushonce_audit_ended_timestamp_seconds",
                "When the newest audit of this replica ended, in Unix time; 0 where another replica audits, or none does.",
            )?,
            config_reloads: IntCounterVec::new(
                Opts::new("pushonce_config_reloads_total", "Times that the policy and the certificates were read again."),
                &["outcome"],
            )?,
            config_successful: IntGauge::new(
                "pushonce_config_last_reload_successful",
                "0 where the policy or a certificate has changed and cannot be used; those read before are in force.",
            )?,
            config_success: IntGauge::new(
                "pushonce_config_last_reload_success_timestamp_seconds",
                "When the policy and the certificates in force were read, in Unix time.",
            )?,
            webhook_deliveries: IntCounterVec::new(
                Opts::new("pushonce_webhook_deliveries_total", "Tries to deliver an event to the receiver of a webhook."),
                &["webhook", "outcome"],
            )?,
            webhook_waiting: IntGaugeVec::new(
                Opts::new("pushonce_webhook_waiting", "Events of the log that a webhook has not come to yet."),
                &["webhook"],
            )?,
            registry,
        };
        metrics.register()?;
        Ok(metrics)
    }

    fn register(&self) -> Result<(), prometheus::Error> {
        self.registry.register(Box::new(self.requests.clone()))?;
        self.registry.register(Box::new(self.refusals.clone()))?;
        self.registry.register(Box::new(self.pull_rules.clone()))?;
        self.registry.register(Box::new(self.upstream.clone()))?;
        self.registry.register(Box::new(self.ledger.clone()))?;
        self.registry.register(Box::new(self.known_tags.clone()))?;
        self.registry.register(Box::new(self.open_claims.clone()))?;
        self.registry.register(Box::new(self.stuck_claims.clone()))?;
        self.registry.register(Box::new(self.open_changes.clone()))?;
        self.registry.register(Box::new(self.events_lost.clone()))?;
        self.registry.register(Box::new(self.log_inconsistent.clone()))?;
        self.registry.register(Box::new(self.drift.clone()))?;
        self.registry.register(Box::new(self.unpinned_pulls.clone()))?;
        self.registry.register(Box::new(self.connections.clone()))?;
        self.registry.register(Box::new(self.connections_limit.clone()))?;
        self.registry.register(Box::new(self.streams.clone()))?;
        self.registry.register(Box::new(self.uploads.clone()))?;
        self.registry.register(Box::new(self.uploads_refused.clone()))?;
        self.registry.register(Box::new(self.limits_reached.clone()))?;
        self.registry.register(Box::new(self.audit_differences.clone()))?;
        self.registry.register(Box::new(self.audit_tags.clone()))?;
        self.registry.register(Box::new(self.audit_failures.clone()))?;
        self.registry.register(Box::new(self.audit_ended.clone()))?;
        self.registry.register(Box::new(self.config_reloads.clone()))?;
        self.registry.register(Box::new(self.config_successful.clone()))?;
        self.registry.register(Box::new(self.config_success.clone()))?;
        self.registry.register(Box::new(self.webhook_deliveries.clone()))?;
        self.registry.register(Box::new(self.webhook_waiting.clone()))
    }

    pub fn request(&self, kind: &str, verdict: &str) {
        self.requests.with_label_values(&[kind, verdict]).inc();
    }

    pub fn refusal(&self, rule: &str, enforcement: &str) {
        self.refusals.with_label_values(&[rule, enforcement]).inc();
    }

    pub fn pull_rule(&self, rule: &str, action: &str) {
        self.pull_rules.with_label_values(&[rule, action]).inc();
    }

    /// Counts how often the limit of `[server]` with this key is reached.
    pub fn limit(&self, key: &str) -> Reached {
        Reached(self.limits_reached.with_label_values(&[key]))
    }

    pub fn upstream(&self, method: &str, answered: bool, took: Duration) {
        self.upstream.with_label_values(&[method, outcome(answered)]).observe(took.as_secs_f64());
    }

    /// Whether memory knew what an immutable tag means, so that no ledger was asked.
    pub fn known_tag(&self, known: bool) {
        self.known_tags.with_label_values(&[if known { "hit" } else { "miss" }]).inc();
    }

    /// The configuration was read for a start.
    pub fn configured(&self, at: i64) {
        // A series that begins with its first count has no increase.
        for outcome in ["used", "rejected"] {
            self.config_reloads.with_label_values(&[outcome]).inc_by(0);
        }
        self.config_successful.set(1);
        self.config_success.set(at);
    }

    /// The policy and the certificates were read again.
    pub fn reloaded(&self, is_used: bool, at: i64) {
        self.config_reloads.with_label_values(&[if is_used { "used" } else { "rejected" }]).inc();
        if is_used { self.configured(at) } else { self.config_successful.set(0) }
    }

    /// Counts a try to deliver an event.
    pub fn webhook_delivery(&self, webhook: &str, outcome: &str) {
        self.webhook_deliveries.with_label_values(&[webhook, outcome]).inc();
    }

    pub fn webhook_waiting(&self, webhook: &str, events: u64) {
        self.webhook_waiting.with_label_values(&[webhook]).set(i64::try_from(events).unwrap_or(i64::MAX));
    }

    /// What the newest audit came to; nothing where another replica audits.
    pub fn audited(&self, audit: Option<&AuditFigures>) {
        let none = AuditFigures::default();
        let AuditFigures { differences, tags, failures, ended } = audit.unwrap_or(&none);
        let gauge = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.audit_differences.reset();
        for (difference, count) in differences {
            self.audit_differences.with_label_values(&[difference]).set(gauge(*count));
        }
        self.audit_tags.set(gauge(*tags));
        self.audit_failures.set(gauge(*failures));
        self.audit_ended.set(*ended);
    }

    /// Runs a ledger operation and takes its time.
    pub async fn ledger<T, E>(&self, operation: &str, run: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let started = Instant::now();
        let result = run.await;
        let took = started.elapsed().as_secs_f64();
        self.ledger.with_label_values(&[operation, outcome(result.is_ok())]).observe(took);
        result
    }

    /// The Prometheus text format, version 0.0.4.
    pub fn render(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

/// What one audit came to, in numbers.
#[derive(Debug, Default)]
pub struct AuditFigures {
    /// How many tags differ in which way.
    pub differences: Vec<(&'static str, u64)>,
    pub tags: u64,
    pub failures: u64,
    /// In seconds since 1970.
    pub ended: i64,
}

/// Counts the times that a limit is reached.
#[derive(Clone, Debug)]
pub struct Reached(IntCounter);

impl Reached {
    pub fn count(&self) {
        self.0.inc();
    }
}

/// Counts something for as long as it lives.
#[derive(Debug)]
pub struct Running(IntGauge);

impl Running {
    pub fn count(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn outcome(good: bool) -> &'static str {
    if good { "answered" } else { "failed" }
}
