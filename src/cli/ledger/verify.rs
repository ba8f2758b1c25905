//! `pushonce ledger verify`: whether a ledger or a copy of one is sound.

use std::fmt::Write as _;
use std::path::Path;

use crate::cli::operator::embedded;
use crate::cli::{Ended, Environment};
use crate::config;
use crate::ledger::sqlite::{Findings, verify};

pub(super) const ABOUT: &str = "\
Check the embedded ledger, or a backup of it

Reads the whole file: its pages and indexes, its foreign keys, that its tables and the triggers
that guard them are pushonce's, and that every row can be read. Changes nothing, and may be run
while the proxy runs.";

pub(super) const EXAMPLE: &str = "\
Example:
  pushonce ledger verify /var/backups/pushonce-2026-11-23.db

Exit codes:
  0  the file is sound
  1  something is wrong with it, or it cannot be read
  2  mistakes in the command line or the configuration";

/// The states in which tags are counted, in this order.
const STATES: [&str; 4] = ["open", "sealed", "burnt", "lifted"];

pub(super) fn verify_file(ledger: Option<&Path>, config: &Path, environment: &Environment) -> Result<String, Ended> {
    let file = match ledger {
        Some(file) => file.to_owned(),
        None => {
            let config = config::load(config, environment)?;
            embedded(&config, "PostgreSQL checks its own pages (`data_checksums`, `pg_amcheck`)")?.to_owned()
        }
    };
    let findings = verify(&file).map_err(|cause| Ended::failed(&cause))?;
    match findings.problems.as_slice() {
        [] => Ok(sound(&file, &findings)),
        problems => Err(Ended::Failed(format!(
            "{} is not sound:\n  {}\nkeep the file as it is, stop the proxy that uses it, and restore a backup that `pushonce ledger verify` finds sound",
            file.display(),
            problems.join("\n  ")
        ))),
    }
}

fn sound(file: &Path, findings: &Findings) -> String {
    let Findings { schema: (found, known), tags, attempts, acts, events, .. } = findings;
    let total: u64 = tags.values().flat_map(|states| states.values()).sum();
    let schema = match found < known {
        true => format!("schema {found}, which the next start brings to {known}"),
        false => format!("schema {found}"),
    };
    let mut text =
        format!("{} is sound: {schema}, {total} tags, {attempts} attempts, {acts} acts, {events} events\n", file.display());
    for (registry, states) in tags {
        let counts = STATES.map(|state| format!("{} {state}", states.get(state).copied().unwrap_or(0)));
        // Writing to a string does not fail.
        let _ = writeln!(text, "  registry `{registry}`: {}", counts.join(", "));
    }
    text
}
