//! `pushonce log checkpoint`.

use std::path::Path;

use crate::checkpoint::Checkpoint;
use crate::cli::operator::{block_on, ledger_of};
use crate::cli::question::failed;
use crate::cli::{Ended, Environment};
use crate::config;
use crate::notary;

pub(super) const ABOUT: &str = "\
Print the newest checkpoint of the log, to keep it elsewhere

A checkpoint is the size of the log and the root of its hash tree, in the format of C2SP
(tlog-checkpoint), signed with the key of `release_log.signing_key_file` where there is one. Keep
it where those who can write to the ledger cannot: in another repository, in a ticket, on paper.
`pushonce log verify --checkpoint FILE` tells later whether anything that was in the log then was
changed, or is missing.";

pub(super) fn checkpoint(file: &Path, environment: &Environment) -> Result<String, Ended> {
    let config = config::load(file, environment)?;
    let signer = notary::signer(&config.release_log).map_err(|cause| Ended::failed(&cause))?;
    let origin = &config.release_log.origin;
    let newest = block_on(async { Checkpoint::newest(&*ledger_of(&config).await?, origin).await.map_err(failed) })?;
    Ok(newest.note(signer.as_ref()))
}
