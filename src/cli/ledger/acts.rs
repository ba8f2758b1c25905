//! `pushonce ledger acts`: what was changed by hand.

use std::path::Path;

use crate::cli::operator::{block_on, ledger_of};
use crate::cli::table::table;
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
    let row = |act: &Act| vec![act.at.to_string(), act.who.clone(), act.what.clone(), act.reason.clone()];
    Ok(table(&HEAD, &acts.iter().map(row).collect::<Vec<_>>()))
}
