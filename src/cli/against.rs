//! `pushonce check --against registry`: what a policy would mean for the tags that are there,
//! and with `--diff` what would change.

use std::collections::BTreeMap;
use std::path::Path;

use indicatif::HumanCount;
use serde::Serialize;

use super::check::Arguments;
use super::operator::block_on;
use super::table::table;
use super::walk::{Asked, Beside, Books, Output, Tally, json, to_the_end};
use super::{Ended, Environment};
use crate::config::{self, FileKind};
use crate::oci::TagCase;
use crate::policy::{Policy, Verdict};

/// How many changes the table shows; JSON has all of them.
const CHANGES_SHOWN: usize = 50;

/// How many tags of a rule are named.
const EXAMPLES_SHOWN: usize = 3;

/// What one rule would decide over.
#[derive(Serialize, Debug)]
struct Decided {
    #[serde(skip)]
    place: usize,
    rule: String,
    mutability: String,
    tags: u64,
    such_as: Vec<String>,
}

impl Decided {
    fn of(place: usize, rule: &str, mutability: String) -> Self {
        Self { place, rule: rule.to_owned(), mutability, tags: 0, such_as: Vec::new() }
    }
}

/// A tag of which the policies say different things.
#[derive(Serialize, Debug)]
struct Change {
    tag: String,
    now: Said,
    then: Said,
}

#[derive(Serialize, PartialEq, Eq, Debug)]
struct Said {
    mutability: String,
    /// Whether it may be deleted, as far as that is pushonce's to say.
    delete: &'static str,
    rule: String,
}

impl Said {
    fn of(verdict: &Verdict) -> Self {
        let delete = if verdict.keeps() { "deny" } else { "allow" };
        Self { mutability: verdict.standing(), delete, rule: verdict.rule.to_string() }
    }

    fn differs(&self, other: &Self) -> bool {
        self.mutability != other.mutability || self.delete != other.delete
    }

    fn shown(&self) -> String {
        let delete = if self.delete == "deny" { "" } else { ", may be deleted" };
        let delete = if self.mutability.starts_with("mutable") { "" } else { delete };
        format!("{}{delete}, by {}", self.mutability, self.rule)
    }
}

/// Asks the registry for its tags, and adds to `summary` what the policy says of them.
pub(super) fn ask(arguments: &Arguments, summary: String, environment: &Environment) -> Result<String, Ended> {
    if arguments.against.is_none() {
        return Ok(summary);
    }
    let file = arguments.server_file("--against")?;
    let asked = Asked::of(file, &arguments.repository, arguments.output);
    let named = asked.named()?;
    block_on(async {
        let beside = Beside::open(&asked, Books::None, environment).await?;
        let before = arguments.diff.as_deref().map(|file| policy_in(file, beside.gate.tag_case(), environment)).transpose()?;
        let repositories = beside.repositories(named).await?;
        let (mut decided, mut changes) = (by_rule(beside.gate.policy()), Vec::new());
        let steps = beside.gate.decide_all(repositories, asked.concurrency());
        let tally = to_the_end(steps, "asking", |key, verdict| {
            let rule = verdict.rule.to_string();
            let row = decided.entry(rule).or_insert_with_key(|rule| Decided::of(usize::MAX, rule, verdict.standing()));
            row.tags += 1;
            row.such_as.push(key.to_string());
            row.such_as.sort();
            row.such_as.truncate(EXAMPLES_SHOWN);
            if let Some(before) = &before {
                let (now, then) = (Said::of(&before.decide(&key.repository, &key.tag)), Said::of(&verdict));
                if now.differs(&then) {
                    changes.push(Change { tag: key.to_string(), now, then });
                }
            }
        });
        let tally = tally.await;
        beside.close().await;
        changes.sort_by(|one, other| one.tag.cmp(&other.tag));
        let mut decided: Vec<Decided> = decided.into_values().collect();
        decided.sort_by_key(|row| row.place);
        told(&summary, &decided, arguments.diff.as_deref().map(|file| (file, &*changes)), &tally, arguments.output)
    })
}

/// Every rule with its place in the list, its mutability, and no tag yet. What pushonce
/// decides itself comes behind.
fn by_rule(policy: &Policy) -> BTreeMap<String, Decided> {
    let rows = policy.verdicts().enumerate();
    rows.map(|(place, verdict)| (verdict.rule.to_string(), Decided::of(place, &verdict.rule, verdict.standing()))).collect()
}

/// The policy of a server configuration, or of a policy file, for the registry that is asked.
fn policy_in(file: &Path, tag_case: TagCase, environment: &Environment) -> Result<Policy, Ended> {
    Ok(match config::kind_of(file)? {
        FileKind::Server => config::load(file, environment)?.policy,
        FileKind::Policy => config::load_policy_for(file, tag_case)?.0,
    })
}

fn told(
    summary: &str,
    decided: &[Decided],
    changes: Option<(&Path, &[Change])>,
    tally: &Tally,
    output: Output,
) -> Result<String, Ended> {
    #[derive(Serialize)]
    struct Answer<'a> {
        rules: &'a [Decided],
        #[serde(skip_serializing_if = "Option::is_none")]
        changes: Option<&'a [Change]>,
        #[serde(flatten)]
        tally: &'a Tally,
    }
    let text = match output {
        Output::Json => json(&Answer { rules: decided, changes: changes.map(|(_, changes)| changes), tally })?,
        Output::Table => {
            let more = |row: &Decided| if row.tags > row.such_as.len() as u64 { " …" } else { "" };
            let cells = |row: &Decided| {
                let such_as = format!("{}{}", row.such_as.join(" "), more(row));
                vec![row.rule.clone(), row.mutability.clone(), HumanCount(row.tags).to_string(), such_as]
            };
            let rules = table(&["RULE", "MUTABILITY", "TAGS", "SUCH AS"], &decided.iter().map(cells).collect::<Vec<_>>());
            format!("{summary}\n{rules}{}\nasked for {}\n", changes.map(of_changes).unwrap_or_default(), tally.pace())
        }
    };
    tally.end(text, 0)
}

fn of_changes((file, changes): (&Path, &[Change])) -> String {
    let file = file.display();
    let count = match changes.len() {
        0 => return format!("\nno tag would change, compared with {file}\n"),
        1 => "1 tag".to_owned(),
        many => format!("{} tags", HumanCount(many as u64)),
    };
    let cells = |change: &Change| vec![change.tag.clone(), change.now.shown(), change.then.shown()];
    let rows = table(&["TAG", "NOW", "THEN"], &changes.iter().take(CHANGES_SHOWN).map(cells).collect::<Vec<_>>());
    let more = match changes.len().saturating_sub(CHANGES_SHOWN) {
        0 => String::new(),
        more => format!("… and {} more; `--output json` has all\n", HumanCount(more as u64)),
    };
    format!("\n{count} would change, compared with {file}:\n{rows}{more}")
}
