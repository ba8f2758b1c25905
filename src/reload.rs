//! Reads the policy and the certificates again while requests are served: on SIGHUP, and
//! when one of their files has changed.
//!
//! All of it is read, and then either all of it counts or none of it. What runs ends under
//! the policy that it began with.

mod status;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::signal::unix::Signal;
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use self::watch::{Seen, Watch};
use crate::causes::with_causes;
use crate::clock::Clock;
use crate::config::{self, Config, Diagnostics};
use crate::gate::CurrentGate;
use crate::metrics::Metrics;
use crate::oci::TagCase;
use crate::policy::Policy;
use crate::server::{Offered, Ready, TlsError};

pub use self::status::{Rejected, Status};

/// The variables of the environment that override keys.
type Environment = Vec<(String, String)>;

/// Reads again, again and again.
#[derive(Debug)]
pub struct Reloader {
    pub loaded: Loaded,
    pub environment: Environment,
    /// How often the files are looked at; zero never does.
    pub interval: Duration,
    pub current: Arc<CurrentGate>,
    /// What the data listener shows its clients; `None` for plain HTTP.
    pub offered: Option<Arc<Offered>>,
    pub status: Arc<Status>,
    pub metrics: Arc<Metrics>,
    pub clock: Arc<dyn Clock>,
}

/// What is remembered of the configuration that the process started with.
#[derive(Debug)]
pub struct Loaded {
    file: PathBuf,
    watch: Watch,
    tag_case: TagCase,
    /// The sections that a start reads and nothing else does, as text.
    settings: Vec<(&'static str, String)>,
}

/// Why what was read does not count.
#[derive(Debug, Error)]
enum ReloadError {
    #[error("{}", .0.in_one_line())]
    Config(Diagnostics),
    #[error("`upstream.tag_case` has changed, and the policy depends on it: restart pushonce")]
    TagCase,
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("the files could not be read: {0}")]
    Reading(#[from] JoinError),
}

/// Everything that a reading brings, complete and checked.
struct Fresh {
    policy: Policy,
    policy_file: PathBuf,
    tls: Option<Ready>,
    /// Sections that differ from those of the start.
    waiting: Vec<&'static str>,
}

/// Reads the configuration for a start. It is read twice: once to learn of its files, and
/// once after they were looked at, so that no change is missed between the two.
pub fn load(file: &Path, environment: &[(String, String)]) -> Result<(Config, Loaded), Diagnostics> {
    let seen = Seen::of(files(file, &config::load(file, environment)?));
    let config = config::load(file, environment)?;
    let (tag_case, settings) = (config.upstream.tag_case, settings(&config));
    Ok((config, Loaded { file: file.to_owned(), watch: Watch::new(seen), tag_case, settings }))
}

impl Reloader {
    /// Goes on until `stop`.
    pub async fn run(mut self, mut hangup: Signal, stop: CancellationToken) {
        loop {
            let is_asked = tokio::select! {
                () = stop.cancelled() => return,
                _ = hangup.recv() => true,
                () = sleep(self.interval), if !self.interval.is_zero() => false,
            };
            let paths = self.loaded.watch.paths();
            let seen = match spawn_blocking(move || Seen::of(paths)).await {
                Ok(seen) => seen,
                Err(cause) => {
                    tracing::error!(%cause, "the files of the policy and of certificates could not be looked at");
                    continue;
                }
            };
            if is_asked || self.loaded.watch.rests_changed(&seen) {
                self.reload(seen).await;
            }
        }
    }

    /// One reading, of files that were seen so before.
    async fn reload(&mut self, seen: Seen) {
        let changed = self.loaded.watch.changed(&seen);
        let now = self.clock.now();
        match self.read().await {
            Ok((fresh, seen)) => {
                let Fresh { policy, policy_file, tls, waiting } = fresh;
                let rules = policy.rules().len();
                self.current.follow(policy);
                if let (Some(offered), Some(ready)) = (&self.offered, tls) {
                    offered.offer(ready);
                }
                self.loaded.watch.read(seen);
                self.status.accepted(now);
                self.metrics.reloaded(true, now.as_second());
                let policy = policy_file.display().to_string();
                tracing::info!(changed, policy, rules, "the policy and the certificates were read again");
                if !waiting.is_empty() {
                    let sections = waiting.join(", ");
                    tracing::warn!(sections, "what changed in these sections holds from the next start");
                }
            }
            Err(cause) => {
                self.loaded.watch.read(seen);
                let cause = with_causes(&cause);
                self.metrics.reloaded(false, now.as_second());
                tracing::error!(changed, cause, "what was read again is not used; everything goes on as before");
                self.status.rejected(Rejected { at: now, cause });
            }
        }
    }

    async fn read(&self) -> Result<(Fresh, Seen), ReloadError> {
        let (file, environment) = (self.loaded.file.clone(), self.environment.clone());
        let (tag_case, before) = (self.loaded.tag_case, self.loaded.settings.clone());
        let offered = self.offered.clone();
        spawn_blocking(move || {
            let (config, Loaded { watch, settings, .. }) = load(&file, &environment).map_err(ReloadError::Config)?;
            if config.upstream.tag_case != tag_case {
                return Err(ReloadError::TagCase);
            }
            let tls = offered.map(|offered| offered.read()).transpose()?;
            let waiting = settings.iter().zip(&before).filter(|(new, old)| new != old).map(|(new, _)| new.0).collect();
            let fresh = Fresh { policy: config.policy, policy_file: config.policy_file, tls, waiting };
            Ok((fresh, watch.into_seen()))
        })
        .await?
    }
}

/// The files that count while the process runs.
fn files(file: &Path, config: &Config) -> Vec<PathBuf> {
    let tls = config.server.tls.iter().flat_map(|tls| tls.files());
    [file, &config.policy_file].into_iter().chain(tls).map(Path::to_owned).collect()
}

/// Without secrets, which are not shown: that one has changed is not noticed.
fn settings(config: &Config) -> Vec<(&'static str, String)> {
    let Config {
        listen,
        server,
        upstream,
        ledger,
        admin,
        release_log,
        webhooks,
        audit,
        pulls,
        log,
        reload,
        policy: _,
        policy_file: _,
        warnings: _,
    } = config;
    vec![
        ("listen", format!("{listen:?}")),
        ("server", format!("{server:?}")),
        ("upstream", format!("{upstream:?}")),
        ("ledger", format!("{ledger:?}")),
        ("admin", format!("{admin:?}")),
        ("release_log", format!("{release_log:?}")),
        ("webhook", format!("{webhooks:?}")),
        ("audit", format!("{audit:?}")),
        ("pulls", format!("{pulls:?}")),
        ("log", format!("{log:?}")),
        ("reload", format!("{reload:?}")),
    ]
}
