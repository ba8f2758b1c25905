//! Checkpoints of the release log: its size and its root, signed, to be kept elsewhere.
//!
//! A checkpoint is a C2SP tlog-checkpoint (<https://c2sp.org/tlog-checkpoint>) in a C2SP
//! signed note (<https://c2sp.org/signed-note>). Whoever has one can tell later whether
//! anything that was in the log then was changed or is missing.

pub mod key;
pub mod verify;

use std::fmt;

use data_encoding::BASE64;
use thiserror::Error;

use self::key::{Signer, Verifier};
use crate::ledger::tree::{Hash, parts, root_of_parts};
use crate::ledger::{LedgerError, Log};

/// What begins the line of a signature.
const DASH: &str = "\u{2014} ";

/// The state of a log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checkpoint {
    /// The name of the log (`release_log.origin`).
    pub origin: String,
    /// How many events it has.
    pub size: u64,
    pub root: Hash,
}

/// Why a text is no checkpoint.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum CheckpointError {
    #[error("it is no checkpoint: a line with the log's name, one with its size, one with its root in Base64")]
    Form,
    #[error("it has no signature of the key {0}")]
    Unsigned(String),
    #[error("its signature of the key {0} is not right: it was changed, or signed with another key of that name")]
    WrongSignature(String),
}

impl fmt::Display for Checkpoint {
    /// The text that is signed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, BASE64.encode(&self.root.0))
    }
}

impl Checkpoint {
    /// The checkpoint of everything that is in the log now.
    pub async fn newest(log: &dyn Log, origin: &str) -> Result<Self, LedgerError> {
        let size = log.plant().await?;
        Ok(Self { origin: origin.to_owned(), size, root: root_at(log, size).await? })
    }

    /// Whether everything that was in the log at this checkpoint is in it now, by the nodes
    /// that the log stores; [`verify::verify`] reads the events themselves.
    pub async fn is_kept_by(&self, log: &dyn Log) -> Result<bool, LedgerError> {
        Ok(self.size <= log.plant().await? && root_at(log, self.size).await? == self.root)
    }

    /// As a note, with a signature where there is a key.
    pub fn note(&self, signer: Option<&Signer>) -> String {
        let text = self.to_string();
        let signature = signer.map(|signer| format!("{DASH}{} {}\n", signer.name(), BASE64.encode(&signer.sign(text.as_bytes()))));
        format!("{text}\n{}", signature.unwrap_or_default())
    }

    /// Reads a note. With a verifier, its signature must be there and right; other
    /// signatures, and lines behind the root, are passed over.
    pub fn read(note: &str, verifier: Option<&Verifier>) -> Result<Self, CheckpointError> {
        let (text, signatures) = note.split_once("\n\n").ok_or(CheckpointError::Form)?;
        let text = format!("{text}\n");
        if let Some(verifier) = verifier {
            let name = verifier.name();
            let mut lines = signatures.lines().filter_map(|line| line.strip_prefix(DASH)?.strip_prefix(name)?.strip_prefix(' '));
            let signed =
                lines.find(|signature| verifier.made(signature)).ok_or_else(|| CheckpointError::Unsigned(name.to_owned()))?;
            if !verifier.verify(text.as_bytes(), signed) {
                return Err(CheckpointError::WrongSignature(name.to_owned()));
            }
        }
        let mut lines = text.lines();
        let mut line = || lines.next().filter(|line| !line.is_empty()).ok_or(CheckpointError::Form);
        let (origin, size, root) = (line()?, line()?, line()?);
        // No sign, no leading zero.
        let size = size.parse().ok().filter(|number: &u64| number.to_string() == size).ok_or(CheckpointError::Form)?;
        let root = BASE64.decode(root.as_bytes()).ok().and_then(|bytes| Hash::from_bytes(&bytes)).ok_or(CheckpointError::Form)?;
        Ok(Self { origin: origin.to_owned(), size, root })
    }
}

/// The root that the log had with so many events, from the nodes that it stores.
async fn root_at(log: &dyn Log, size: u64) -> Result<Hash, LedgerError> {
    let mut nodes = Vec::new();
    for (level, first, count) in parts(size) {
        let found = log.nodes(level, first, usize::try_from(count).unwrap_or(usize::MAX)).await?;
        if found.len() as u64 != count {
            return Err(LedgerError::Corrupt(format!("the log's tree lacks nodes of level {level} behind {first}")));
        }
        nodes.push(found);
    }
    Ok(root_of_parts(&nodes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the examples of golang.org/x/mod/sumdb/note.
    const SIGNER: &str = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    const VERIFIER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const TEXT: &str = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
    const SIGNATURE: &str = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=";

    fn checkpoint() -> Checkpoint {
        Checkpoint { origin: "pushonce/test".to_owned(), size: 42, root: Hash::of_leaf(b"root") }
    }

    #[test]
    fn signatures_are_those_of_go() {
        let signer = Signer::parse(SIGNER).expect("a key");
        assert_eq!(BASE64.encode(&signer.sign(TEXT.as_bytes())), SIGNATURE);
        assert_eq!(signer.verifier().to_string(), VERIFIER);
        let verifier = Verifier::parse(VERIFIER).expect("a key");
        assert!(verifier.made(SIGNATURE) && verifier.verify(TEXT.as_bytes(), SIGNATURE));
        assert!(!verifier.verify(b"other words\n", SIGNATURE));
    }

    #[test]
    fn a_checkpoint_is_read_as_it_was_written() {
        let signer = Signer::generate("pushonce/test").expect("a key");
        let again = Signer::parse(&signer.to_string()).expect("the key");
        let note = checkpoint().note(Some(&again));
        let verifier = Verifier::parse(&signer.verifier().to_string()).expect("a key");
        assert_eq!(Checkpoint::read(&note, Some(&verifier)), Ok(checkpoint()));
        assert_eq!(Checkpoint::read(&checkpoint().note(None), None), Ok(checkpoint()));
        assert!(note.starts_with("pushonce/test\n42\n") && note.ends_with('\n'), "{note}");
    }

    #[test]
    fn whatever_was_changed_is_noticed() {
        let signer = Signer::generate("pushonce/test").expect("a key");
        let note = checkpoint().note(Some(&signer));
        let verifier = signer.verifier();
        let changed = note.replace("\n42\n", "\n43\n");
        assert_eq!(Checkpoint::read(&changed, Some(&verifier)), Err(CheckpointError::WrongSignature("pushonce/test".to_owned())));
        let other = Signer::generate("pushonce/test").expect("a key");
        let by_another = checkpoint().note(Some(&other));
        assert_eq!(Checkpoint::read(&by_another, Some(&verifier)), Err(CheckpointError::Unsigned("pushonce/test".to_owned())));
        assert!(Checkpoint::read(&checkpoint().note(None), Some(&verifier)).is_err());
        for broken in ["", "a\n\n", "a\n1\n\n", "a\n01\nAAAA\n\n", "a\n-1\nAAAA\n\n", "a\n1\n!\n\n", &note[..20]] {
            assert_eq!(Checkpoint::read(broken, None), Err(CheckpointError::Form), "{broken:?}");
        }
    }
}
