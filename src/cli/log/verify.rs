//! `pushonce log verify`.

use std::fs;
use std::path::{Path, PathBuf};

use data_encoding::BASE64;

use crate::checkpoint::Checkpoint;
use crate::checkpoint::key::Verifier;
use crate::checkpoint::verify as reading;
use crate::cli::operator::{block_on, ledger_of};
use crate::cli::progress::Bar;
use crate::cli::question::failed;
use crate::cli::{Ended, Environment};
use crate::{config, notary};

pub(super) const ABOUT: &str = "\
Read the whole log and find whatever was changed in it

Every event is compared with its hash, and every hash with those below it. That finds a change by
whoever does not know of the hashes. Against whoever does, give a checkpoint that was kept
elsewhere: what was in the log then must be in it now, unchanged and at its place. The one in
`release_log.checkpoint_file` is compared in any case.";

pub(super) const EXAMPLES: &str = "\
Example:
  pushonce log verify --checkpoint 2026-11-24.checkpoint --key pushonce/default+c74f20a3+ARpc2Q…

Exit codes:
  0  the log is whole
  1  it is not, or it could not be read; the words say which event
  2  mistakes in the command line or the configuration";

pub(super) fn verify(files: &[PathBuf], key: Option<&str>, file: &Path, environment: &Environment) -> Result<String, Ended> {
    let config = config::load(file, environment)?;
    let verifier = match key {
        Some(text) => Some(Verifier::parse(text).map_err(|cause| Ended::Mistaken(format!("--key {text}: {cause}")))?),
        None => {
            let signer = notary::signer(&config.release_log).map_err(|cause| Ended::failed(&cause))?;
            signer.map(|signer| signer.verifier())
        }
    };
    let mut known = files.iter().map(|file| read("--checkpoint", file, verifier.as_ref())).collect::<Result<Vec<_>, _>>()?;
    if let Some(file) = config.release_log.checkpoint_file.as_ref().filter(|file| file.exists()) {
        known.push(read("release_log.checkpoint_file", file, verifier.as_ref())?);
    }
    if let Some(other) = known.iter().find(|checkpoint| checkpoint.origin != config.release_log.origin) {
        let (theirs, ours) = (&other.origin, &config.release_log.origin);
        return Err(Ended::Mistaken(format!("a checkpoint is of the log {theirs}, and this one is {ours} (release_log.origin)")));
    }
    let verified = block_on(async {
        let ledger = ledger_of(&config).await?;
        let bar = Bar::new("reading", "events");
        reading::verify(&*ledger, &known, &mut |done, of| bar.set(done, of)).await.map_err(failed)
    })?;
    if verified.problems.is_empty() {
        let checkpoints = match verified.checkpoints {
            0 => String::new(),
            count => format!(", and agree with {count} {}", if count == 1 { "checkpoint" } else { "checkpoints" }),
        };
        return Ok(format!("{} events are whole{checkpoints}; root {}\n", verified.size, BASE64.encode(&verified.root.0)));
    }
    let lines: String = verified.problems.iter().map(|problem| format!("\n  {problem}")).collect();
    let remedy = "keep the ledger as it is for those who look into it, and compare it with a backup";
    Err(Ended::Failed(format!("the log is not what was written:{lines}\n{remedy}")))
}

fn read(named_by: &str, file: &Path, verifier: Option<&Verifier>) -> Result<Checkpoint, Ended> {
    let place = |cause: &dyn std::fmt::Display| Ended::Mistaken(format!("{named_by} {}: {cause}", file.display()));
    let text = fs::read_to_string(file).map_err(|cause| place(&cause))?;
    Checkpoint::read(&text, verifier).map_err(|cause| place(&cause))
}
