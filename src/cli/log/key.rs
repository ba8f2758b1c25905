//! `pushonce log new-key`.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::checkpoint::key::Signer;
use crate::cli::{Ended, Environment};
use crate::config;

pub(super) const ABOUT: &str = "\
Make a key to sign checkpoints with

Writes a new Ed25519 key into FILE, which only its owner can read, and prints the verifier key
that belongs to it: whoever is to check checkpoints needs that, and it is no secret. The key bears
the name of the log, `release_log.origin`. A file that is there already is left as it is.";

pub(super) fn new_key(file: &Path, config_file: &Path, environment: &Environment) -> Result<String, Ended> {
    let config = config::load(config_file, environment)?;
    let signer = Signer::generate(&config.release_log.origin).map_err(|cause| Ended::failed(&cause))?;
    let place = |cause: std::io::Error| Ended::Failed(format!("{}: the key cannot be written: {cause}", file.display()));
    let mut made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).map_err(place)?;
    made.write_all(format!("{signer}\n").as_bytes()).and_then(|()| made.sync_all()).map_err(place)?;
    Ok(format!("{}\n", signer.verifier()))
}
