//! `pushonce serve`: puts the parts together and runs them until a signal.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};

use crate::admin::{self, Admin, AdminError};
use crate::audits::{Auditor, Audits};
use crate::causes::with_causes;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::gate::{CurrentGate, Gate, GateParts, Reconciler};
use crate::ledger::{self, OpenError};
use crate::metrics::Metrics;
use crate::notary::{Notary, SigningKeyError};
use crate::reload::{self, Loaded, Reloader};
use crate::server::{self, Drain, Drained, Listener, ListenerError};
use crate::telemetry::{self, TelemetryError};
use crate::upstream::{Probe, SideError, Upstream};
use crate::webhooks::{self, WebhookError};

/// Why the server did not start, or did not stop well.
#[derive(Debug, Error)]
enum ServeError {
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    #[error(transparent)]
    Ledger(#[from] OpenError),
    #[error(transparent)]
    Upstream(#[from] SideError),
    #[error(transparent)]
    Listener(#[from] ListenerError),
    #[error(transparent)]
    Admin(#[from] AdminError),
    #[error(transparent)]
    SigningKey(#[from] SigningKeyError),
    #[error(transparent)]
    Webhook(#[from] WebhookError),
    #[error("the metrics cannot be declared: {0}")]
    Metrics(#[from] prometheus::Error),
    #[error("LISTEN_FDS hands over a socket that is no TCP socket: {0}")]
    Handed(std::io::Error),
    #[error("the operating system refused: {0}")]
    System(#[from] std::io::Error),
}

/// Serves until SIGTERM or SIGINT.
pub fn serve(file: &Path, environment: &super::Environment, color: bool) -> ExitCode {
    let (config, loaded) = match reload::load(file, environment) {
        Ok(both) => both,
        Err(mistakes) => {
            eprintln!("{}", mistakes.render(color));
            return ExitCode::from(2);
        }
    };
    let served = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(ServeError::System)
        .and_then(|runtime| runtime.block_on(run(config, loaded, environment.to_vec())));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(cause) => {
            eprintln!("pushonce: {}", with_causes(&cause));
            ExitCode::FAILURE
        }
    }
}

async fn run(config: Config, loaded: Loaded, environment: Vec<(String, String)>) -> Result<(), ServeError> {
    telemetry::start(&config.log)?;
    server::descriptors::raise(config.server.max_connections);
    let metrics = Arc::new(Metrics::new()?);
    let ledger = ledger::open(&config.ledger.engine, &config.upstream.name, config.ledger.witness.as_deref()).await?;
    let probe = Probe::new(&config.upstream)?;
    let registry = format!("{}://{}{}", config.upstream.scheme, config.upstream.authority, config.upstream.prefix);
    let (name, tag_case) = (config.upstream.name.clone(), config.upstream.tag_case);
    let upstream = Upstream::new(config.upstream, &config.server, Arc::clone(&metrics))?;
    let drain = Drain::default();
    let rules = config.policy.rules().len();
    let current = Arc::new(CurrentGate::new(Gate::new(GateParts {
        policy: Arc::new(config.policy),
        ledger: Arc::clone(&ledger),
        registry: name.clone(),
        upstream,
        clock: Arc::new(SystemClock),
        metrics: Arc::clone(&metrics),
        tasks: drain.writes().clone(),
        server: &config.server,
        pulls: &config.pulls,
        who: "pushonce".to_owned(),
    })));
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let hangup = signal(SignalKind::hangup())?;

    if let Some(notary) = Notary::new(&config.release_log, Arc::clone(&ledger), Arc::clone(&metrics))? {
        drain.writes().spawn(notary.run(drain.token()));
    }
    let audits = Audits::default();
    let auditor = Auditor {
        current: Arc::clone(&current),
        ledger: Arc::clone(&ledger),
        clock: Arc::new(SystemClock),
        metrics: Arc::clone(&metrics),
        settings: config.audit,
        registry: name.clone(),
        audits: audits.clone(),
        stop: drain.token(),
    };
    let told = webhooks::Shared {
        origin: config.release_log.origin,
        registry: name.clone(),
        ledger: Arc::clone(&ledger),
        clock: Arc::new(SystemClock),
        metrics: Arc::clone(&metrics),
        stop: drain.token(),
    };
    webhooks::start(config.webhooks, told, drain.writes()).await?;
    let reconciler = Reconciler::new(Arc::clone(&current), config.ledger.reconcile_interval, drain.token());
    // What operators decided holds from the first request on, if the ledger answers.
    // Where it does not, whoever goes on keeping up says why.
    drop(current.get().keep_up().await);
    let listener =
        Listener::bind(config.listen, handed_over()?, &config.server, Arc::clone(&current), Arc::clone(&metrics)).await?;
    let now = SystemClock.now();
    metrics.configured(now.as_second());
    let reloader = Reloader {
        loaded,
        environment,
        interval: config.reload.interval,
        current: Arc::clone(&current),
        offered: listener.offered(),
        status: Arc::new(reload::Status::new(now)),
        metrics: Arc::clone(&metrics),
        clock: Arc::new(SystemClock),
    };
    let admin = Admin {
        ledger,
        probe,
        metrics,
        drain: drain.clone(),
        token: config.admin.token,
        exceptions_token: config.admin.exceptions_token,
        audits,
        audit_interval: config.audit.interval,
        current: Arc::clone(&current),
        reloads: Arc::clone(&reloader.status),
        registry: name,
        tag_case,
    };
    let admin_address = admin::listen(config.admin.listen, admin).await?;
    let address = listener.address()?;
    let policy_file = config.policy_file.display().to_string();
    tracing::info!(%address, admin = %admin_address, registry, policy = policy_file, rules, "serving");
    drain.writes().spawn(Arc::clone(&current).go_on_keeping_up(drain.token()));
    drain.writes().spawn(reloader.run(hangup, drain.token()));
    drain.writes().spawn(reconciler.run());
    drain.writes().spawn(auditor.run());
    let serving = tokio::spawn(listener.serve(drain.clone()));

    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    let limit = config.server.drain_timeout;
    tracing::info!(?limit, "shutting down: no new connections, running requests are finished");
    drain.begin();
    drop(serving.await);
    match drain.finish(limit).await {
        Drained::Whole => tracing::info!("shut down; everything was finished"),
        Drained::CutOff { connections, writes } => {
            tracing::warn!(
                connections,
                writes,
                "shut down at server.drain_timeout; open claims are rolled forward by the next push"
            );
        }
    }
    Ok(())
}

/// The socket that systemd keeps open while pushonce restarts (sd_listen_fds(3)), where
/// there is one.
fn handed_over() -> Result<Option<std::net::TcpListener>, ServeError> {
    listenfd::ListenFd::from_env().take_tcp_listener(0).map_err(ServeError::Handed)
}
