//! `pushonce adopt`: enters the tags that the registry has already.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use indicatif::HumanCount;
use serde::Serialize;

use super::operator::block_on;
use super::table::table;
use super::walk::{Asked, Beside, Books, Output, Tally, json, to_the_end};
use super::{Ended, Environment};
use crate::gate::Adopted;

pub(super) const ABOUT: &str = "\
Enter the tags that the registry has already

A tag that was in the registry before pushonce is entered when it is first pulled or pushed.
This command enters all of them at once: immutable tags are bound to what the registry shows
now, and the release log learns what each tag that moves means.

It may be run beside the proxy, cut off and run again: what is entered already is skipped
without a request to the registry. Look with --dry-run first: an immutable tag that is entered
is never free again.";

pub(super) const EXAMPLES: &str = "\
Examples:
  pushonce adopt --dry-run
  pushonce adopt
  pushonce adopt driftwood/web driftwood/api
  pushonce adopt --repositories-file repositories.txt --concurrency 16

Exit codes:
  0  everything that the registry lists is entered; with --dry-run, was listed
  1  something could not be looked at, and standard error says what; run it again
  2  mistakes in the command line or the configuration";

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// Say what the policy would freeze, and write nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    asked: Asked,
}

pub(super) fn adopt(arguments: &Arguments, environment: &Environment) -> Result<String, Ended> {
    let Arguments { dry_run, asked } = arguments;
    let named = asked.named()?;
    block_on(async {
        let books = if *dry_run { Books::None } else { Books::KeptOrNew };
        let beside = Beside::open(asked, books, environment).await?;
        let repositories = beside.repositories(named).await?;
        let ended = if *dry_run {
            let mut held = BTreeMap::new();
            let steps = beside.gate.decide_all(repositories, asked.concurrency());
            let tally = to_the_end(steps, "listing", |key, verdict| {
                let (mutability, enforcement) = (verdict.mutability.as_str(), verdict.enforcement.as_str());
                let place = (key.repository.to_string(), verdict.rule.to_string(), mutability, enforcement);
                held.entry(place).or_insert_with(Vec::new).push(key.tag.to_string());
            });
            let tally = tally.await;
            let rows = held.into_iter().map(|((repository, rule, mutability, enforcement), mut tags)| {
                tags.sort();
                Held { repository, rule, mutability, enforcement, tags }
            });
            would_hold(&rows.collect::<Vec<_>>(), &tally, asked.output)
        } else {
            let mut counts = Counts::default();
            let steps = beside.gate.adopt_all(repositories, asked.concurrency());
            let tally = to_the_end(steps, "adopting", |_, adopted| counts.add(adopted)).await;
            entered(&counts, &tally, asked.output)
        };
        beside.close().await;
        ended
    })
}

#[derive(Default, Serialize, Debug)]
struct Counts {
    entered: u64,
    known: u64,
    open: u64,
    gone: u64,
}

impl Counts {
    fn add(&mut self, adopted: Adopted) {
        *match adopted {
            Adopted::Entered => &mut self.entered,
            Adopted::Known => &mut self.known,
            Adopted::Open => &mut self.open,
            Adopted::Gone => &mut self.gone,
        } += 1;
    }
}

#[derive(Serialize)]
struct Answer<'a, T> {
    #[serde(flatten)]
    found: T,
    #[serde(flatten)]
    tally: &'a Tally,
}

fn entered(counts: &Counts, tally: &Tally, output: Output) -> Result<String, Ended> {
    let text = match output {
        Output::Json => json(&Answer { found: counts, tally })?,
        Output::Table => {
            let Counts { entered, known, open, gone } = counts;
            let mut text = format!("looked at {}\n", tally.pace());
            let mut line = |count: &u64, what: &str| {
                if *count > 0 {
                    // Writing to a string does not fail.
                    let _ = writeln!(text, "  {} {what}", HumanCount(*count));
                }
            };
            line(entered, "entered");
            line(known, "known before");
            line(open, "left to the push that is under way, or to whoever finishes it");
            line(gone, "listed by the registry, which does not have them");
            text
        }
    };
    tally.end(text, 0)
}

/// The tags of a repository that one rule decides over.
#[derive(Serialize, Debug)]
struct Held {
    repository: String,
    rule: String,
    mutability: &'static str,
    enforcement: &'static str,
    tags: Vec<String>,
}

/// How many tags of a row are named in the table.
const EXAMPLES_SHOWN: usize = 3;

fn would_hold(rows: &[Held], tally: &Tally, output: Output) -> Result<String, Ended> {
    #[derive(Serialize)]
    struct Rows<'a> {
        rules: &'a [Held],
    }
    let text = match output {
        Output::Json => json(&Answer { found: Rows { rules: rows }, tally })?,
        Output::Table => {
            let freezes = |row: &&Held| row.mutability == "immutable" && row.enforcement == "enforce";
            let frozen: usize = rows.iter().filter(freezes).map(|row| row.tags.len()).sum();
            let cells = rows.iter().map(|row| {
                let more = if row.tags.len() > EXAMPLES_SHOWN { " …" } else { "" };
                let examples = row.tags.iter().take(EXAMPLES_SHOWN).map(String::as_str).collect::<Vec<_>>().join(" ");
                let mutability = match (row.mutability, row.enforcement) {
                    (mutability, "audit") if mutability != "mutable" => format!("{mutability}, audited only"),
                    (mutability, _) => mutability.to_owned(),
                };
                vec![row.repository.clone(), row.rule.clone(), mutability, row.tags.len().to_string(), format!("{examples}{more}")]
            });
            let shown = table(&["REPOSITORY", "RULE", "MUTABILITY", "TAGS", "SUCH AS"], &cells.collect::<Vec<_>>());
            let (frozen, all) = (HumanCount(frozen as u64), HumanCount(tally.tags));
            format!("{shown}\nthe policy would freeze {frozen} of {all} tags; nothing was written\n")
        }
    };
    tally.end(text, 0)
}
