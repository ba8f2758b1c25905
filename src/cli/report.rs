//! `pushonce report`: what rules in audit mode would have refused.

use std::path::PathBuf;

use jiff::Timestamp;

use super::operator::{block_on, ledger_of};
use super::question::{Output, failed, json, moment};
use super::table::{or_dash, plain, table};
use super::{CONFIG, Ended, Environment};
use crate::config;
use crate::policy::{Enforcement, Mutability, Policy};
use crate::questions::{self, Offender, Report};

pub(super) const ABOUT: &str = "\
Say what rules in audit mode would have refused, and whom

A rule with `enforcement = \"audit\"`, or a policy with it at its top, lets every push and delete
pass, and writes down what it would have refused. This command counts that by rule, repository,
user and client: whoever stands there has to be talked to before the rule is enforced.";

pub(super) const EXAMPLES: &str = "\
Examples:
  pushonce report --since 30d
  pushonce report --since 2026-11-01 --until 2026-12-01 --output json

Exit codes:
  0  the report is on standard output
  1  the ledger gave no answer
  2  mistakes in the command line or the configuration";

/// The most tags that a line names.
const NAMED: usize = 3;

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// From when on, in UTC: 2026-11-24, 2026-11-24T15:00, or how long ago, such as 30d
    #[arg(long, value_name = "TIME", default_value = "30d")]
    since: String,
    /// Until when
    #[arg(long, value_name = "TIME", default_value = "now")]
    until: String,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// The server configuration, which names the ledger and the registry
    #[arg(long, value_name = "FILE", default_value = CONFIG)]
    config: PathBuf,
}

pub(super) fn report(arguments: &Arguments, environment: &Environment) -> Result<String, Ended> {
    let (since, until) = (moment(&arguments.since)?, moment(&arguments.until)?);
    let config = config::load(&arguments.config, environment)?;
    let found = block_on(async { questions::report(&*ledger_of(&config).await?, since, until).await.map_err(failed) })?;
    match arguments.output {
        Output::Json => json(&found),
        Output::Table if found.offenders.is_empty() => Ok(nothing(&config.policy, since, until)),
        Output::Table => Ok(shown(&found)),
    }
}

fn nothing(policy: &Policy, since: Timestamp, until: Timestamp) -> String {
    let is_audited = |rule: &&crate::policy::Rule| {
        rule.mutability != Mutability::Mutable && [rule.enforcement, policy.general().enforcement].contains(&Enforcement::Audit)
    };
    let words = match policy.rules().iter().filter(is_audited).count() {
        0 => "no rule is in audit mode: write `enforcement = \"audit\"` into one, or at the top of the policy".to_owned(),
        1 => "1 rule is in audit mode now".to_owned(),
        number => format!("{number} rules are in audit mode now"),
    };
    format!("nothing would have been refused between {since} and {until}; {words}\n")
}

fn shown(report: &Report) -> String {
    let row = |offender: &Offender| {
        let mut tags: Vec<&str> = offender.tags.iter().take(NAMED).map(|tag| tag.as_str()).collect();
        if offender.tags.len() > NAMED {
            tags.push("…");
        }
        let words = |words: &Option<String>| or_dash(words.as_deref().map(plain));
        vec![
            offender.events.to_string(),
            offender.rule.clone(),
            offender.repository.to_string(),
            words(&offender.who),
            words(&offender.client),
            offender.last.to_string(),
            tags.join(" "),
        ]
    };
    let rows: Vec<Vec<String>> = report.offenders.iter().map(row).collect();
    let total: u64 = report.offenders.iter().map(|offender| offender.events).sum();
    let head = ["EVENTS", "RULE", "REPOSITORY", "WHO", "CLIENT", "LAST", "TAGS"];
    let more = if report.more { "there are older events, which are left out\n" } else { "" };
    let (since, until) = (report.since, report.until);
    let what = if total == 1 { "push or delete" } else { "pushes and deletes" };
    format!("{}\n{total} {what} would have been refused between {since} and {until}\n{more}", table(&head, &rows))
}
