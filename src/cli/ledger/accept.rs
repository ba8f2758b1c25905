//! `pushonce ledger accept`: a ledger that was refused counts all the same.

use std::fmt::Write as _;
use std::path::Path;

use crate::cli::operator::{block_on, reason, who};
use crate::cli::{Ended, Environment};
use crate::clock::{Clock, SystemClock};
use crate::config;
use crate::ledger;

pub(super) const ABOUT: &str = "\
Take a ledger as it is, although its witness says that it went back

pushonce remembers outside of the ledger what the ledger knew last, and does not start on one
that an older copy, another ledger or an empty file has taken the place of. Where the newest
one cannot be brought back, this command says that the one which is there counts. What was
pushed since is adopted from the registry at its next push or pull; which tags were deleted
since, nothing can tell.

Nothing may be running with an embedded ledger. In front of PostgreSQL each replica has its
own witness, and needs this once for itself, while it is stopped. Who did it, why, what was
known and what is there is written down for good: `pushonce ledger acts` shows it.";

pub(super) const EXAMPLE: &str = "\
Example:
  pushonce ledger accept --reason \"restored the backup of Monday\"

Exit codes:
  0  the ledger counts, or nothing was doubtful about it
  1  it is in use, or cannot be read or written; nothing was accepted
  2  mistakes in the command line or the configuration";

/// Accepts the ledger of the configuration and returns what to print.
pub(super) fn accept(why: &str, file: &Path, environment: &Environment) -> Result<String, Ended> {
    let why = reason(why)?;
    let config = config::load(file, environment)?;
    let who = who(environment);
    let settings = &config.ledger;
    let accepted =
        ledger::accept(&settings.engine, &config.upstream.name, settings.witness.as_deref(), (&who, why), SystemClock.now());
    let doubts = block_on(async { accepted.await.map_err(|cause| Ended::failed(&cause)) })?;
    let ledger = &settings.engine;
    if doubts.is_empty() {
        return Ok(format!("nothing was doubtful about the ledger {ledger}; nothing was changed\n"));
    }
    let mut text = String::new();
    for doubt in &doubts {
        // Writing to a string does not fail.
        let _ = writeln!(text, "the ledger {ledger} counts from now on, accepted by {who} ({why}): {}", doubt.fact());
    }
    Ok(text)
}
