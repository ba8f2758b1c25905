//! `pushonce log checkpoint`.

use std::fs;
use std::path::Path;

use crate::checkpoint::Checkpoint;
use crate::checkpoint::key::Signer;
use crate::cli::operator::{block_on, ledger_of};
use crate::cli::question::failed;
use crate::cli::{Ended, Environment};
use crate::config::{self, valid::Config};

pub(super) const ABOUT: &str = "\
Print the newest checkpoint of the log, to keep it elsewhere

A checkpoint is the size of the log and the root of its hash tree, in the format of C2SP
(tlog-checkpoint), signed with the key of `release_log.signing_key_file` where there is one. Keep
it where those who can write to the ledger cannot: in another repository, in a ticket, on paper.
`pushonce log verify --checkpoint FILE` tells later whether anything that was in the log then was
changed, or is missing.";

pub(super) fn checkpoint(file: &Path, environment: &Environment) -> Result<String, Ended> {
    let config = config::load(file, environment)?;
    let signer = signer_of(&config)?;
    let origin = &config.release_log.origin;
    let newest = block_on(async { Checkpoint::newest(&*ledger_of(&config).await?, origin).await.map_err(failed) })?;
    Ok(newest.note(signer.as_ref()))
}

/// The key of the configuration.
pub(super) fn signer_of(config: &Config) -> Result<Option<Signer>, Ended> {
    let Some(file) = &config.release_log.signing_key_file else { return Ok(None) };
    let place = |cause: &dyn std::fmt::Display| Ended::Failed(format!("release_log.signing_key_file {}: {cause}", file.display()));
    let text = fs::read_to_string(file).map_err(|cause| place(&cause))?;
    Signer::parse(&text).map(Some).map_err(|cause| place(&cause))
}
