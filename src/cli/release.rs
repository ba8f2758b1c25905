//! `pushonce release-claim`: ends a claim that nothing else can end.

use std::path::Path;

use super::operator::{self, block_on, ledger_of, who};
use super::{Ended, Environment};
use crate::clock::{Clock, SystemClock};
use crate::config;
use crate::ledger::{Record, State, TagKey};
use crate::questions::reference::parse;

pub(super) const ABOUT: &str = "\
Free a tag whose push was cut off and cannot be finished

A push that was cut off leaves its tag claimed. Mostly there is nothing to do: the next push
finishes the claim, or pushonce does in the background. Where it cannot, because the content
is gone or the registry never takes it, this command ends the claim. The next push of the tag
then wins it, whatever its bytes. A tag that means something already is never released.

It may be run while the proxy runs. Who did it, and why, is written down for good:
`pushonce ledger acts` shows it.";

pub(super) const EXAMPLE: &str = "\
Example:
  pushonce release-claim driftwood/web:1.4.0 --reason \"the build is gone\"

Exit codes:
  0  the claim was open and is released
  1  no claim is open for the tag, or the ledger gave no answer; nothing was released
  2  mistakes in the command line or the configuration";

/// Releases the claim and returns what to print.
pub(super) fn release(reference: &str, reason: &str, file: &Path, environment: &Environment) -> Result<String, Ended> {
    let (repository, tag) = parse(reference).map_err(Ended::Mistaken)?;
    let reason = operator::reason(reason)?;
    let config = config::load(file, environment)?;
    let written = TagKey { repository, tag };
    let key = written.clone().in_case(config.upstream.tag_case);
    let who = who(environment);
    block_on(async {
        let ledger = ledger_of(&config).await?;
        let failed = |cause| Ended::failed(&cause);
        // A claim from before the registry was known to fold has the name that was written.
        for key in std::iter::once(&key).chain(Some(&written).filter(|written| **written != key)) {
            if let Some(digest) = ledger.release(key, &who, reason, SystemClock.now()).await.map_err(failed)? {
                return Ok(format!("{key} is free again: the claim for {digest} was released by {who} ({reason})\n"));
            }
        }
        let standing = ledger.lookup(&key).await.map_err(failed)?;
        Err(Ended::Failed(nothing_open(&key, standing, &config.upstream.name)))
    })
}

/// Why there was nothing to release, and what to do instead.
fn nothing_open(key: &TagKey, standing: Option<Record>, registry: &str) -> String {
    match standing {
        None => format!(
            "nothing is claimed for {key} in the ledger of registry `{registry}`, so its next push passes; \
             check the name, or `upstream.name`, if a push of it is refused"
        ),
        Some(Record { digest, state: State::Sealed, since, .. }) => format!(
            "{key} means {digest} since {since}, and what a tag means is never released; \
             push the same bytes, or a new tag"
        ),
        Some(Record { state: State::Burnt, since, .. }) => {
            format!("{key} was deleted at {since} and is never used again; push a new tag")
        }
        Some(Record { state: State::Open, .. }) => {
            format!("{key} was claimed by another push this moment; wait until that has ended, and try again if it was cut off")
        }
    }
}
