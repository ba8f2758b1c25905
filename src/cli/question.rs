//! The commands that ask the release log: `resolve`, `whatis`, `releases`, `diff`; and `log`,
//! which has a file of its own.

mod answers;

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use jiff::Timestamp;

use super::operator::{block_on, ledger_of};
use super::{CONFIG, Ended, Environment, log};
use crate::clock::{Clock, SystemClock};
use crate::config;
use crate::ledger::{LedgerError, TagKey};
use crate::oci::{Digest, RepositoryName, Tag};
use crate::questions::{self, Resolution, Resolved, when};

#[derive(Subcommand, Debug)]
pub(super) enum Question {
    /// Say which digest a tag means, now or at a time, as a line to pin
    #[command(after_help = "Examples:
  pushonce resolve driftwood/web:1.4
  pushonce resolve driftwood/web:1.4 --at 2026-11-24
  pushonce resolve driftwood/web:1.4 --at \"2026-11-24 15:00\"
  pushonce resolve driftwood/web:1.4 --at 30d          30 days ago

A date alone is its first moment: for what shipped by the end of the 24th, give the 25th.

Exit codes:
  0  the line is on standard output
  1  the tag means nothing, or meant nothing then; or the ledger gave no answer
  2  mistakes in the command line or the configuration")]
    Resolve {
        /// The tag, as REPOSITORY:TAG without a registry host
        #[arg(value_name = "REPOSITORY:TAG")]
        reference: String,
        /// The moment, in UTC: 2026-11-24, 2026-11-24T15:00, or how long ago, such as 2h
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
        #[command(flatten)]
        asked: Asked,
    },
    /// Say what happened to a tag, a repository or everything, the newest first
    #[command(args_conflicts_with_subcommands = true, after_help = log::EXAMPLES)]
    Log(log::Arguments),
    /// Say which tags ever meant a digest, and when
    #[command(after_help = "Example:
  pushonce whatis sha256:88fce93b3a40…")]
    Whatis {
        /// The whole digest, such as sha256:…
        #[arg(value_name = "DIGEST")]
        digest: String,
        #[command(flatten)]
        asked: Asked,
    },
    /// List the releases of a repository, and what its moving tags point to
    ///
    /// A release is a tag that names a version as semver.org says, such as 1.4.0 or
    /// v2.0.0-rc.1. A release without a tag that names its commit, such as git-0a1b2c3, is
    /// marked.
    #[command(after_help = "Example:
  pushonce releases driftwood/web")]
    Releases {
        #[arg(value_name = "REPOSITORY")]
        repository: String,
        #[command(flatten)]
        asked: Asked,
    },
    /// Say which tags moved, appeared or went between two moments
    #[command(after_help = "Example:
  pushonce diff driftwood/web --between 2026-11-23 now")]
    Diff {
        #[arg(value_name = "REPOSITORY")]
        repository: String,
        /// The two moments, in UTC
        #[arg(long, num_args = 2, value_names = ["TIME", "TIME"], required = true)]
        between: Vec<String>,
        #[command(flatten)]
        asked: Asked,
    },
}

/// What each of these commands takes.
#[derive(clap::Args, Debug)]
pub(super) struct Asked {
    /// How the answer is written
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// The server configuration, which names the ledger and the registry
    #[arg(long, value_name = "FILE", default_value = CONFIG)]
    config: PathBuf,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum Output {
    /// For people
    Table,
    /// For machines
    Json,
}

/// Answers one of them.
pub(super) fn answer(question: Question, environment: &Environment) -> Result<String, Ended> {
    match question {
        Question::Resolve { reference, at, asked } => {
            let (key, at) = (tag(&reference)?, at.as_deref().map(moment).transpose()?);
            let config = config::load(&asked.config, environment)?;
            let key = key.in_case(config.upstream.tag_case);
            let resolution = block_on(async {
                let ledger = ledger_of(&config).await?;
                questions::resolve(&*ledger, &key, at).await.map_err(failed)
            })?;
            match resolution {
                Resolution::Means(resolved) if asked.output == Output::Json => json(&resolved),
                Resolution::Means(Resolved { pin, yanked: None, .. }) => Ok(format!("{pin}\n")),
                // Standard output is what is pinned; the warning is for people.
                Resolution::Means(Resolved { pin, yanked: Some(yank), .. }) => {
                    let words =
                        format!("{}:{} was yanked on {} by {}: {}", key.repository, yank.tag, yank.at, yank.who, yank.reason);
                    Err(Ended::Told { text: format!("{pin}\n"), words, code: 0 })
                }
                Resolution::Deleted(since) => Err(Ended::Failed(format!("{key} was deleted at {since}; see `pushonce log {key}`"))),
                Resolution::Unknown => Err(Ended::Failed(unknown(&key, at))),
            }
        }
        Question::Log(arguments) => log::log(arguments, environment),
        Question::Whatis { digest, asked } => {
            let digest = Digest::parse(&digest).map_err(|cause| Ended::Mistaken(cause.to_string()))?;
            let config = config::load(&asked.config, environment)?;
            let known = block_on(async { questions::whatis(&*ledger_of(&config).await?, &digest).await.map_err(failed) })?;
            match asked.output {
                Output::Json => json(&known),
                Output::Table if known.tags.is_empty() => {
                    Err(Ended::Failed(format!("no tag ever meant {digest}, as far as the log knows")))
                }
                Output::Table => Ok(answers::known(&known)),
            }
        }
        Question::Releases { repository, asked } => {
            let repository = self::repository(&repository)?;
            let config = config::load(&asked.config, environment)?;
            let found = block_on(async { questions::releases(&*ledger_of(&config).await?, &repository).await.map_err(failed) })?;
            match asked.output {
                Output::Json => json(&found),
                Output::Table if found.releases.is_empty() && found.moving.is_empty() => Err(Ended::Failed(format!(
                    "the log knows no release of {repository}; `pushonce adopt` enters what the registry has"
                ))),
                Output::Table => Ok(answers::releases(&found)),
            }
        }
        Question::Diff { repository, between, asked } => {
            let repository = self::repository(&repository)?;
            let moments = between.iter().map(|text| moment(text)).collect::<Result<Vec<_>, _>>()?;
            let &[first, second] = moments.as_slice() else {
                return Err(Ended::Mistaken("--between takes two moments".to_owned()));
            };
            let between = (first.min(second), first.max(second));
            let config = config::load(&asked.config, environment)?;
            let found =
                block_on(async { questions::diff(&*ledger_of(&config).await?, &repository, between).await.map_err(failed) })?;
            match asked.output {
                Output::Json => json(&found),
                Output::Table if found.is_empty() => {
                    Ok(format!("no tag of {repository} changed between {} and {}\n", between.0, between.1))
                }
                Output::Table => Ok(answers::differences(&found)),
            }
        }
    }
}

fn unknown(key: &TagKey, at: Option<Timestamp>) -> String {
    match at {
        Some(at) => format!("the log knows nothing of {key} at {at} or before; see `pushonce log {key}`"),
        None => format!("the log knows nothing of {key}; `pushonce adopt` enters what the registry has"),
    }
}

/// `REPOSITORY:TAG`.
pub(super) fn tag(text: &str) -> Result<TagKey, Ended> {
    let form =
        || Ended::Mistaken(format!("`{text}` is no tag: write REPOSITORY:TAG without a registry host, such as driftwood/web:1.4"));
    let (name, tag) = text.rsplit_once(':').ok_or_else(form)?;
    let tag = Tag::parse(tag).map_err(|cause| Ended::Mistaken(format!("{text}: {cause}")))?;
    Ok(TagKey { repository: repository(name)?, tag })
}

pub(super) fn repository(text: &str) -> Result<RepositoryName, Ended> {
    RepositoryName::parse(text).map_err(|cause| Ended::Mistaken(format!("{text}: {cause}")))
}

pub(super) fn moment(text: &str) -> Result<Timestamp, Ended> {
    when::moment(text, SystemClock.now()).map_err(Ended::Mistaken)
}

pub(super) fn failed(cause: LedgerError) -> Ended {
    Ended::failed(&cause)
}

/// One answer as JSON, with an end of line.
pub(super) fn json(answer: &impl serde::Serialize) -> Result<String, Ended> {
    let text = serde_json::to_string_pretty(answer).map_err(|cause| Ended::failed(&cause))?;
    Ok(text + "\n")
}
