//! Replicas inside the test's own process: for what processes can share only with a
//! database server, a ledger, and for a clock that the test moves.

use std::ops::Deref;
use std::sync::Arc;

use ::pushonce::clock::Clock;
use ::pushonce::config;
use ::pushonce::gate::{CurrentGate, Gate, GateParts, Reconciler};
use ::pushonce::ledger::memory::MemoryLedger;
use ::pushonce::metrics::Metrics;
use ::pushonce::server::{Drain, Listener};
use ::pushonce::upstream::Upstream;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::api::Api;
use super::http::Endpoint;
use super::series;

/// What replicas have in common.
pub struct Shared {
    pub ledger: MemoryLedger,
    pub clock: Arc<dyn Clock>,
    /// The registry's URL.
    pub upstream: String,
}

/// A gate behind a listener of its own.
pub struct Replica {
    api: Api,
    current: Arc<CurrentGate>,
    metrics: Arc<Metrics>,
    runtime: Runtime,
    drain: Drain,
    interval: std::time::Duration,
    _directory: TempDir,
}

impl Shared {
    /// A replica with this policy and these lines of configuration.
    pub fn replica(&self, policy: &str, settings: &str) -> Replica {
        let directory = tempfile::Builder::new().prefix("pushonce-it-replica-").tempdir().expect("a temporary directory");
        let file = directory.path().join("pushonce.toml");
        let text = format!("listen = \"127.0.0.1:0\"\nupstream.url = \"{}\"\n{settings}\n", self.upstream);
        std::fs::write(&file, text).expect("the configuration file");
        std::fs::write(directory.path().join("policy.toml"), policy).expect("the policy file");
        let config = config::load(&file, &[]).unwrap_or_else(|mistakes| panic!("{}", mistakes.render(false)));
        let runtime = Runtime::new().expect("a runtime");
        let _inside = runtime.enter();
        let metrics = Arc::new(Metrics::new().expect("metrics"));
        let drain = Drain::default();
        let current = Arc::new(CurrentGate::new(Gate::new(GateParts {
            policy: Arc::new(config.policy),
            ledger: Arc::new(self.ledger.clone()),
            registry: config.upstream.name.clone(),
            upstream: Upstream::new(config.upstream, &config.server, Arc::clone(&metrics)).expect("the upstream"),
            clock: Arc::clone(&self.clock),
            metrics: Arc::clone(&metrics),
            tasks: drain.writes().clone(),
            server: &config.server,
            pulls: &config.pulls,
            who: "pushonce".to_owned(),
        })));
        let listener = Listener::bind(config.listen, None, &config.server, Arc::clone(&current), Arc::clone(&metrics));
        let listener = runtime.block_on(listener).expect("a listener");
        let address = listener.address().expect("its address").to_string();
        runtime.spawn(listener.serve(drain.clone()));
        drop(_inside);
        let interval = config.ledger.reconcile_interval;
        Replica { api: Api::new(Endpoint::plain(&address), ""), current, metrics, runtime, drain, interval, _directory: directory }
    }
}

impl Replica {
    /// The sum of the series of a metric that carry all these labels; 0 if there is none.
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        series::sum(&self.metrics.render().expect("metrics"), name, labels)
    }

    /// Walks once over the open claims, and waits for the end.
    pub fn reconcile(&self) {
        let mut reconciler = Reconciler::new(Arc::clone(&self.current), self.interval, self.drain.token());
        self.runtime.block_on(reconciler.walk());
    }
}

impl Deref for Replica {
    type Target = Api;

    fn deref(&self) -> &Api {
        &self.api
    }
}
