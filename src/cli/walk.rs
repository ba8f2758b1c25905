//! What `adopt` and `audit` share: a gate beside the running proxy, and which repositories
//! it walks over.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use indicatif::HumanCount;
use serde::Serialize;
use tokio_util::task::TaskTracker;

use super::operator::{ledger_of, who};
use super::progress::Bar;
use super::{CONFIG, Ended, Environment};
use crate::clock::SystemClock;
use crate::config::{self, valid::Config};
use crate::gate::{Gate, GateParts, Step};
use crate::ledger::memory::MemoryLedger;
use crate::ledger::{self, Engine, Ledger, TagKey};
use crate::metrics::Metrics;
use crate::oci::RepositoryName;
use crate::upstream::Upstream;

/// How many failures are shown. All are counted.
const SHOWN: usize = 20;

/// What both commands take.
#[derive(clap::Args, Debug)]
pub(super) struct Asked {
    /// Repositories, such as driftwood/web; without, all
    #[arg(value_name = "REPOSITORY")]
    repositories: Vec<String>,
    /// A file with further repositories, one on each line; empty lines and those that begin
    /// with # are left out
    #[arg(long, value_name = "FILE")]
    repositories_file: Option<PathBuf>,
    /// How many tags are looked at at once
    #[arg(long, value_name = "NUMBER", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=100))]
    concurrency: u16,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub(super) output: Output,
    /// The server configuration, which names the registry, the ledger and the policy
    #[arg(long, value_name = "FILE", default_value = CONFIG)]
    config: PathBuf,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(super) enum Output {
    /// For people
    Table,
    /// For machines
    Json,
}

impl Asked {
    /// What a command asks that has arguments of its own.
    pub(super) fn of(config: &Path, repositories: &[String], output: Output) -> Self {
        Self { repositories: repositories.to_vec(), repositories_file: None, concurrency: 8, output, config: config.to_owned() }
    }

    pub(super) fn concurrency(&self) -> usize {
        usize::from(self.concurrency)
    }

    /// The repositories that are named, each once; none where all are meant.
    pub(super) fn named(&self) -> Result<Vec<RepositoryName>, Ended> {
        let parse = |text: &str, place: &str| {
            RepositoryName::parse(text).map_err(|mistake| Ended::Mistaken(format!("{place}`{text}` is no repository: {mistake}")))
        };
        let mut named = self.repositories.iter().map(|text| parse(text, "")).collect::<Result<Vec<_>, _>>()?;
        if let Some(file) = &self.repositories_file {
            let shown = file.display();
            let cannot = |cause| Ended::Mistaken(format!("--repositories-file {shown}: it cannot be read ({cause})"));
            for (number, line) in fs::read_to_string(file).map_err(cannot)?.lines().enumerate() {
                let line = line.trim();
                if !line.is_empty() && !line.starts_with('#') {
                    named.push(parse(line, &format!("{shown}:{}: ", number + 1))?);
                }
            }
            if named.is_empty() {
                return Err(Ended::Mistaken(format!("--repositories-file {shown}: it names no repository")));
            }
        }
        named.sort();
        named.dedup();
        Ok(named)
    }
}

/// Which ledger a walk has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Books {
    /// None: nothing is written.
    None,
    /// That of the configuration, which is there.
    Kept,
    /// The same, which is made where the proxy has never run.
    KeptOrNew,
}

impl Books {
    async fn open(self, config: &Config) -> Result<Arc<dyn Ledger>, Ended> {
        let Config { ledger: settings, upstream, .. } = config;
        match (self, &settings.engine) {
            (Self::None, _) => Ok(Arc::new(MemoryLedger::new())),
            (Self::KeptOrNew, Engine::Sqlite(file)) if !file.exists() => {
                let new = ledger::open(&settings.engine, &upstream.name, settings.witness.as_deref()).await;
                new.map_err(|cause| Ended::failed(&cause))
            }
            _ => ledger_of(config).await,
        }
    }
}

/// A gate of its own, beside the proxy that may be running.
pub(super) struct Beside {
    pub(super) gate: Gate,
    tasks: TaskTracker,
}

impl Beside {
    pub(super) async fn open(asked: &Asked, books: Books, environment: &Environment) -> Result<Self, Ended> {
        let config = config::load(&asked.config, environment)?;
        let failed = |cause: &(dyn std::error::Error + 'static)| Ended::failed(cause);
        let metrics = Arc::new(Metrics::new().map_err(|cause| failed(&cause))?);
        let ledger = books.open(&config).await?;
        let registry = config.upstream.name.clone();
        let upstream = Upstream::new(config.upstream, &config.server, Arc::clone(&metrics)).map_err(|cause| failed(&cause))?;
        let tasks = TaskTracker::new();
        let gate = Gate::new(GateParts {
            policy: Arc::new(config.policy),
            ledger,
            registry,
            upstream,
            clock: Arc::new(SystemClock),
            metrics,
            tasks: tasks.clone(),
            server: &config.server,
            pulls: &config.pulls,
            who: who(environment),
        });
        Ok(Self { gate, tasks })
    }

    /// The repositories that are named, or else all that the registry lists.
    pub(super) async fn repositories(&self, named: Vec<RepositoryName>) -> Result<Vec<RepositoryName>, Ended> {
        if named.is_empty() { self.gate.repositories().await.map_err(|cause| Ended::failed(&cause)) } else { Ok(named) }
    }

    /// Waits until everything is in the log.
    pub(super) async fn close(self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// What every walk comes to, beside what it is for.
#[derive(Default, Serialize, Debug)]
pub(super) struct Tally {
    pub(super) repositories: u64,
    pub(super) tags: u64,
    pub(super) seconds: f64,
    pub(super) failed: u64,
    /// The first ones.
    pub(super) failures: Vec<String>,
}

impl Tally {
    fn fail(&mut self, cause: String) {
        self.failed += 1;
        if self.failures.len() < SHOWN {
            self.failures.push(cause);
        }
    }

    /// How much was looked at, and how fast.
    pub(super) fn pace(&self) -> String {
        let rate = if self.seconds > 0.0 { self.tags as f64 / self.seconds } else { 0.0 };
        let (tags, repositories) = (HumanCount(self.tags), HumanCount(self.repositories));
        format!("{tags} tags of {repositories} repositories in {:.1} s, {rate:.0} a second", self.seconds)
    }

    /// The end of a command that printed `text`: with failures, they come behind it.
    pub(super) fn end(&self, text: String, code: u8) -> Result<String, Ended> {
        if self.failed == 0 {
            return if code == 0 { Ok(text) } else { Err(Ended::Told { text, words: String::new(), code }) };
        }
        let mut words = format!("{} could not be looked at; run it again when that is mended", HumanCount(self.failed));
        for cause in &self.failures {
            words.push_str("\n  ");
            words.push_str(cause);
        }
        if self.failed > self.failures.len() as u64 {
            words.push_str("\n  …");
        }
        Err(Ended::Told { text, words, code: 1 })
    }
}

/// Walks to the end, with a bar; `tell` hears of every tag that was looked at.
pub(super) async fn to_the_end<T>(mut steps: BoxStream<'_, Step<T>>, what: &'static str, mut tell: impl FnMut(TagKey, T)) -> Tally {
    let (begun, bar, mut listed, mut tally) = (Instant::now(), Bar::new(what, "tags"), 0, Tally::default());
    while let Some(step) = steps.next().await {
        match step {
            Step::Listed(_, tags) => {
                tally.repositories += 1;
                listed += tags as u64;
            }
            Step::Unlisted(repository, cause) => tally.fail(format!("{repository}: {cause}")),
            Step::Looked(key, found) => {
                tally.tags += 1;
                match found {
                    Ok(found) => tell(key, found),
                    Err(cause) => tally.fail(format!("{key}: {cause}")),
                }
            }
        }
        bar.set(tally.tags, listed);
    }
    tally.seconds = begun.elapsed().as_secs_f64();
    tally
}

/// One line of JSON.
pub(super) fn json(value: &impl Serialize) -> Result<String, Ended> {
    serde_json::to_string(value).map(|line| line + "\n").map_err(|cause| Ended::failed(&cause))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn asked(repositories: &[&str], file: Option<&Path>) -> Asked {
        Asked {
            repositories: repositories.iter().map(|name| (*name).to_owned()).collect(),
            repositories_file: file.map(Path::to_owned),
            concurrency: 1,
            output: Output::Table,
            config: PathBuf::new(),
        }
    }

    #[test]
    fn repositories_come_from_arguments_and_a_file() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("list");
        fs::write(&file, "# ours\ndriftwood/web\n\n  driftwood/api \n").expect("written");
        let named = asked(&["driftwood/web", "a"], Some(&file)).named().expect("names");
        assert_eq!(named.iter().map(RepositoryName::as_str).collect::<Vec<_>>(), ["a", "driftwood/api", "driftwood/web"]);

        let mistake = |asked: Asked| match asked.named() {
            Err(Ended::Mistaken(words)) => words,
            other => panic!("{other:?}"),
        };
        fs::write(&file, "driftwood/web\nDriftwood\n").expect("written");
        let words = mistake(asked(&[], Some(&file)));
        assert!(words.contains("list:2: `Driftwood` is no repository"), "{words}");
        fs::write(&file, "# nothing\n").expect("written");
        assert!(mistake(asked(&[], Some(&file))).ends_with("it names no repository"));
        let words = mistake(asked(&[], Some(Path::new("/nowhere"))));
        assert!(words.starts_with("--repositories-file /nowhere: it cannot be read"), "{words}");
    }
}
