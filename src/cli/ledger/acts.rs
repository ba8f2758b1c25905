//! `pushonce ledger acts`: what was changed by hand.

use std::path::Path;

use crate::cli::operator::{block_on, ledger_of};
use crate::cli::{Ended, Environment};
use crate::config;
use crate::ledger::Act;

const HEAD: [&str; 4] = ["WHEN", "WHO", "WHAT", "REASON"];

/// A table of every act of the registry.
pub(super) fn acts(file: &Path, environment: &Environment) -> Result<String, Ended> {
    let config = config::load(file, environment)?;
    let acts = block_on(async { ledger_of(&config).await?.acts().await.map_err(|cause| Ended::failed(&cause)) })?;
    if acts.is_empty() {
        return Ok(format!("nothing was changed by hand in the ledger of registry `{}`\n", config.upstream.name));
    }
    Ok(table(&acts))
}

/// Columns as wide as their widest cell; the last one as long as it is.
fn table(acts: &[Act]) -> String {
    let mut rows = vec![HEAD.map(str::to_owned)];
    rows.extend(acts.iter().map(|act| [act.at.to_string(), act.who.clone(), act.what.clone(), act.reason.clone()]));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let [when, who, what] = [0, 1, 2].map(width);
    let lines = rows.iter().map(|[at, by, did, why]| format!("{at:when$}  {by:who$}  {did:what$}  {why}\n"));
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other() {
        let act = |who: &str, reason: &str| Act {
            at: "2026-11-23T06:00:00Z".parse().expect("a time"),
            who: who.to_owned(),
            what: "release-claim web:1.4.0 sha256:abc".to_owned(),
            reason: reason.to_owned(),
        };
        let expected = "\
WHEN                  WHO     WHAT                                REASON
2026-11-23T06:00:00Z  ann     release-claim web:1.4.0 sha256:abc  the build is gone
2026-11-23T06:00:00Z  jürgen  release-claim web:1.4.0 sha256:abc  rejected
";
        assert_eq!(table(&[act("ann", "the build is gone"), act("jürgen", "rejected")]), expected);
    }
}
