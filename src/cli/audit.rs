//! `pushonce audit`: compares the registry with the ledger.

use serde::Serialize;

use super::operator::block_on;
use super::table::{plain, short, table};
use super::walk::{Asked, Beside, Books, Output, Tally, json, to_the_end};
use super::{Ended, Environment};
use crate::gate::{Difference, Differs};
use crate::ledger::TagKey;
use crate::oci::Digest;

pub(super) const ABOUT: &str = "\
Compare the registry with the ledger, and report what differs

Every immutable tag must be in the registry, point at what it means, and have its content. What
does not is reported and written into the release log. So is a tag that moves and means
something else than the log says. It may be run beside the proxy. Tags that are being pushed
are left out.";

pub(super) const EXAMPLES: &str = "\
Examples:
  pushonce audit
  pushonce audit driftwood/web --output json
  pushonce audit --repair

Exit codes:
  0  nothing differs, or nothing does any more
  1  something could not be looked at, and standard error says what
  2  mistakes in the command line or the configuration
  3  something differs";

/// What differs and no audit puts right.
const DIFFERS: u8 = 3;

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// Point immutable tags back at what they mean, where they drifted or are missing; needs
    /// `upstream.username` with the right to push
    #[arg(long)]
    repair: bool,
    #[command(flatten)]
    asked: Asked,
}

pub(super) fn audit(arguments: &Arguments, environment: &Environment) -> Result<String, Ended> {
    let Arguments { repair, asked } = arguments;
    let named = asked.named()?;
    block_on(async {
        let beside = Beside::open(asked, Books::Kept, environment).await?;
        let repositories = match named {
            named if named.is_empty() => beside.gate.all_repositories().await.map_err(Ended::Failed)?,
            named => named,
        };
        let mut differing: Vec<(TagKey, Differs)> = Vec::new();
        let steps = beside.gate.audit_all(repositories, asked.concurrency(), *repair);
        let tally = to_the_end(steps, "auditing", |key, differs| differing.extend(differs.map(|differs| (key, differs)))).await;
        beside.close().await;
        differing.sort_by(|one, other| one.0.cmp(&other.0));
        told(&differing, &tally, asked.output)
    })
}

#[derive(Serialize)]
struct Row<'a> {
    repository: &'a str,
    tag: &'a str,
    difference: &'static str,
    means: Option<&'a str>,
    found: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unrepaired: Option<&'a str>,
}

#[derive(Serialize)]
struct Answer<'a> {
    differences: Vec<Row<'a>>,
    #[serde(flatten)]
    tally: &'a Tally,
}

fn told(differing: &[(TagKey, Differs)], tally: &Tally, output: Output) -> Result<String, Ended> {
    let standing = differing.iter().filter(|(_, differs)| differs.difference.stands()).count();
    let text = match output {
        Output::Json => {
            let rows = differing.iter().map(|(key, differs)| Row {
                repository: key.repository.as_str(),
                tag: key.tag.as_str(),
                difference: differs.difference.as_str(),
                means: differs.means.as_ref().map(Digest::as_str),
                found: differs.found.as_ref().map(Digest::as_str),
                unrepaired: differs.unrepaired.as_deref(),
            });
            json(&Answer { differences: rows.collect(), tally })?
        }
        Output::Table => {
            let rows: Vec<Vec<String>> = differing.iter().map(|(key, differs)| cells(key, differs)).collect();
            let head = ["TAG", "DIFFERENCE", "MEANS", "REGISTRY", "WHAT TO DO"];
            let shown = if rows.is_empty() { String::new() } else { table(&head, &rows) + "\n" };
            let summary = match standing {
                0 if tally.failed > 0 => "nothing differs of what could be looked at".to_owned(),
                0 => "the registry is as the ledger says".to_owned(),
                1 => "1 tag differs".to_owned(),
                standing => format!("{standing} tags differ"),
            };
            format!("{shown}{summary}; looked at {}\n", tally.pace())
        }
    };
    tally.end(text, if standing > 0 { DIFFERS } else { 0 })
}

fn cells(key: &TagKey, differs: &Differs) -> Vec<String> {
    let Differs { difference, means, found, unrepaired } = differs;
    let remedy = match (unrepaired, difference) {
        (Some(cause), _) => format!("not repaired: {}", plain(cause)),
        (None, Difference::Drifted | Difference::Missing) => "pushonce audit --repair".to_owned(),
        (None, Difference::ContentGone) => "push the same bytes again, or restore the registry's storage".to_owned(),
        (None, Difference::Returned) => "delete it in the registry again".to_owned(),
        (None, Difference::Unseen) => "pushonce adopt, if these are the right bytes".to_owned(),
        (None, Difference::Moved) => "nothing; the log says it now".to_owned(),
        (None, Difference::Repaired) => "nothing; find out who moved it".to_owned(),
    };
    vec![key.to_string(), difference.as_str().to_owned(), short(means.as_ref()), short(found.as_ref()), remedy]
}
