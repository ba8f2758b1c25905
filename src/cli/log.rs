//! `pushonce log`: the history, and what proves it.

mod checkpoint;
mod key;
mod skip;
mod verify;

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

use super::operator::{block_on, ledger_of};
use super::progress::Bar;
use super::question::{failed, moment, repository, tag};
use super::table::{or_dash, plain, short, table};
use super::{CONFIG, Ended, Environment};
use crate::config;
use crate::ledger::Ledger;
use crate::ledger::event::{Entry, Event, Outcome};
use crate::ledger::log::Filter;
use crate::questions::{Cursor, history};

pub(super) const EXAMPLES: &str = "\
Examples:
  pushonce log driftwood/web:1.4                             what happened to a tag
  pushonce log driftwood/web --since 7d --outcome refused    refused pushes of a week
  pushonce log --all --output json                           everything, one line of JSON each

Times:
  2026-11-24 (its first moment, 00:00), 2026-11-24T15:00, \"2026-11-24 15:00\", all in UTC;
  2026-11-24T15:00:00+01:00; now; or how long ago: 2h, 30d

Outcomes:
  pushed, moved, repeated, warned, refused, deleted, unknown, adopted, seen, drifted,
  missing, repaired, acted";

/// Entries of one page that is read for `--all`.
const PAGE: usize = 1_000;

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// A tag or a repository; without, everything
    #[arg(value_name = "REPOSITORY[:TAG]")]
    reference: Option<String>,
    /// From this moment on: 2026-11-24, 2026-11-24T15:00 in UTC, or how long ago, such as 7d
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Up to this moment
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// What ended in this way only
    #[arg(long, value_parser = outcome)]
    outcome: Option<Outcome>,
    /// How many entries
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    limit: u16,
    /// Go on behind a page: the word that stood at its end
    #[arg(long, value_name = "CURSOR", conflicts_with = "all")]
    after: Option<Cursor>,
    /// Everything, and not one page
    #[arg(long)]
    all: bool,
    /// How the entries are written
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// The server configuration, which names the ledger and the registry
    #[arg(long, value_name = "FILE", default_value = CONFIG)]
    config: PathBuf,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Print the newest checkpoint of the log, to keep it elsewhere
    #[command(long_about = checkpoint::ABOUT)]
    Checkpoint {
        #[arg(long, value_name = "FILE", default_value = CONFIG)]
        config: PathBuf,
    },
    /// Read the whole log and find whatever was changed in it
    #[command(long_about = verify::ABOUT, after_help = verify::EXAMPLES)]
    Verify {
        /// A checkpoint that was kept elsewhere; may be given several times
        #[arg(long, value_name = "FILE")]
        checkpoint: Vec<PathBuf>,
        /// The verifier key that signed the checkpoints, as `log new-key` printed it
        #[arg(long, value_name = "KEY")]
        key: Option<String>,
        #[arg(long, value_name = "FILE", default_value = CONFIG)]
        config: PathBuf,
    },
    /// Let a webhook go on behind an event that its receiver never takes
    #[command(long_about = skip::ABOUT)]
    SkipWebhook {
        /// The webhook, by its `name`
        #[arg(value_name = "NAME")]
        name: String,
        /// Why, in one line; it is kept in the log
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[arg(long, value_name = "FILE", default_value = CONFIG)]
        config: PathBuf,
    },
    /// Make a key to sign checkpoints with
    #[command(long_about = key::ABOUT)]
    NewKey {
        /// The file of the private key, which is made
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[arg(long, value_name = "FILE", default_value = CONFIG)]
        config: PathBuf,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Output {
    /// For people
    Table,
    /// One line of JSON for each entry
    Json,
    /// With a head
    Csv,
}

fn outcome(word: &str) -> Result<Outcome, String> {
    let all = || Outcome::ALL.iter().map(|outcome| outcome.as_str()).collect::<Vec<_>>().join(", ");
    Outcome::parse(word).ok_or_else(|| format!("it is one of {}", all()))
}

pub(super) fn log(arguments: Arguments, environment: &Environment) -> Result<String, Ended> {
    match arguments.command {
        Some(Command::Checkpoint { config }) => return checkpoint::checkpoint(&config, environment),
        Some(Command::Verify { checkpoint, key, config }) => {
            return verify::verify(&checkpoint, key.as_deref(), &config, environment);
        }
        Some(Command::SkipWebhook { name, reason, config }) => return skip::skip(&name, &reason, &config, environment),
        Some(Command::NewKey { file, config }) => return key::new_key(&file, &config, environment),
        None => {}
    }
    let mut filter = Filter { outcome: arguments.outcome, ..Filter::default() };
    if let Some(reference) = &arguments.reference {
        match reference.contains(':') {
            true => {
                let key = tag(reference)?;
                (filter.repository, filter.tag) = (Some(key.repository), Some(key.tag));
            }
            false => filter.repository = Some(repository(reference)?),
        }
    }
    filter.since = arguments.since.as_deref().map(moment).transpose()?;
    filter.until = arguments.until.as_deref().map(moment).transpose()?;
    let config = config::load(&arguments.config, environment)?;
    filter.tag = filter.tag.map(|tag| config.upstream.tag_case.of(tag));
    block_on(async {
        let ledger = ledger_of(&config).await?;
        if arguments.all {
            return whole(&*ledger, &filter, arguments.output).await;
        }
        let page = history(&*ledger, &filter, arguments.after, arguments.limit.into()).await.map_err(failed)?;
        let mut text = written(&page.entries, arguments.output, true)?;
        match (page.next, arguments.output) {
            (Some(next), Output::Table) => text += &format!("\nthere is more: --after {next}\n"),
            // What is for programs stays free of words.
            (Some(next), _) => eprintln!("there is more: --after {next}"),
            (None, _) => {}
        }
        Ok(text)
    })
}

/// Writes page after page, so that no log is too long.
async fn whole(ledger: &dyn Ledger, filter: &Filter, output: Output) -> Result<String, Ended> {
    let (mut after, mut done, bar) = (None, 0, Bar::new("reading", "events"));
    let of = ledger.plant().await.map_err(failed)?;
    loop {
        let page = history(ledger, filter, after, PAGE).await.map_err(failed)?;
        let text = written(&page.entries, output, done == 0)?;
        match io::stdout().write_all(text.as_bytes()) {
            Err(cause) if cause.kind() == io::ErrorKind::BrokenPipe => return Ok(String::new()),
            written => written.map_err(|cause| Ended::failed(&cause))?,
        }
        done += page.entries.len() as u64;
        bar.set(done, of.max(done));
        let Some(next) = page.next else { return Ok(String::new()) };
        after = Some(next);
    }
}

fn written(entries: &[Entry], output: Output, has_head: bool) -> Result<String, Ended> {
    match output {
        Output::Table => {
            let text = rows(entries);
            let rows = if has_head { Some(text.as_str()) } else { text.split_once('\n').map(|(_, rows)| rows) };
            Ok(rows.unwrap_or_default().to_owned())
        }
        Output::Json => {
            let lines: Result<Vec<String>, _> = entries.iter().map(serde_json::to_string).collect();
            Ok(lines.map_err(|cause| Ended::failed(&cause))?.iter().map(|line| format!("{line}\n")).collect())
        }
        Output::Csv => csv(entries, has_head).map_err(|cause| Ended::failed(&*cause)),
    }
}

fn rows(entries: &[Entry]) -> String {
    let row = |Entry { event, .. }: &Entry| {
        let key = match (&event.repository, &event.tag) {
            (Some(repository), Some(tag)) => format!("{repository}:{tag}"),
            (Some(repository), None) => repository.to_string(),
            _ => "-".to_owned(),
        };
        let words = event.detail.as_deref().or(event.client.as_deref()).map(plain).unwrap_or_default();
        let who = or_dash(event.who.as_deref().map(plain));
        vec![
            event.at.to_string(),
            event.outcome.to_string(),
            key,
            short(event.digest.as_ref()),
            short(event.previous.as_ref()),
            who,
            words,
        ]
    };
    table(&["WHEN", "OUTCOME", "TAG", "DIGEST", "BEFORE", "WHO", "CLIENT OR WHY"], &entries.iter().map(row).collect::<Vec<_>>())
}

/// The fields of an event in the order of its JSON, behind its number.
const FIELDS: [&str; 16] = [
    "number",
    "at",
    "registry",
    "repository",
    "tag",
    "action",
    "outcome",
    "digest",
    "previous",
    "media_type",
    "size",
    "who",
    "client",
    "rule",
    "request",
    "detail",
];

fn csv(entries: &[Entry], has_head: bool) -> Result<String, Box<dyn std::error::Error>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    if has_head {
        writer.write_record(FIELDS)?;
    }
    for Entry { number, event } in entries {
        let Event { at, registry, repository, tag, action, outcome, digest, previous, .. } = event;
        let text = |field: &Option<String>| field.clone().unwrap_or_default();
        writer.write_record([
            number.to_string(),
            at.to_string(),
            registry.clone(),
            repository.as_ref().map(ToString::to_string).unwrap_or_default(),
            tag.as_ref().map(ToString::to_string).unwrap_or_default(),
            action.to_string(),
            outcome.to_string(),
            digest.as_ref().map(ToString::to_string).unwrap_or_default(),
            previous.as_ref().map(ToString::to_string).unwrap_or_default(),
            text(&event.media_type),
            event.size.map(|size| size.to_string()).unwrap_or_default(),
            text(&event.who),
            text(&event.client),
            text(&event.rule),
            text(&event.request),
            text(&event.detail),
        ])?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}
