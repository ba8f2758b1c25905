//! Why a ledger is not believed, in words for the operator.

use std::path::Path;

use jiff::Timestamp;
use thiserror::Error;

use super::{Difference, Heads, Witness, WitnessError};

/// Why a ledger is not used until an operator says that it counts.
#[derive(Debug, Error)]
pub enum Doubt {
    #[error("{ledger} went back: it stands at change {} ({}), and its witness {}, {}, knows change {}; \
             an older copy was restored, or it was cut off. {REMEDY}",
             .found.newest.number, stamp("last change", .changed), .witness.file.display(),
             stamp("written", &.witness.written), .witness.heads.newest.number)]
    Older { ledger: String, found: Heads, changed: Option<Timestamp>, witness: Box<Witness> },
    #[error("{ledger} has another history than its witness {}, {}, knows: at change {} it was something else; \
             it stands at change {} ({}), having gone on from an older copy. {REMEDY}",
             .witness.file.display(), stamp("written", &.witness.written), .witness.heads.newest.number,
             .found.newest.number, stamp("last change", .changed))]
    OtherHistory { ledger: String, found: Heads, changed: Option<Timestamp>, witness: Box<Witness> },
    #[error("{ledger} is another ledger than its witness {}, {}, knows: it is {} at change {} ({}), and the witness knows {} \
             at change {}. {REMEDY}",
             .witness.file.display(), stamp("written", &.witness.written), .found.ledger.short(), .found.newest.number,
             stamp("last change", .changed), .witness.heads.ledger.short(), .witness.heads.newest.number)]
    Another { ledger: String, found: Heads, changed: Option<Timestamp>, witness: Box<Witness> },
    #[error("{ledger} is missing, empty or from before an upgrade, and its witness {}, {}, knows change {} of it. {REMEDY}",
             .witness.file.display(), stamp("written", &.witness.written), .witness.heads.newest.number)]
    Gone { ledger: String, witness: Box<Witness> },
    #[error("{ledger} is that of {}, and `upstream.name` is `{name}`; correct the name or `ledger.url`, or {ACCEPT}",
             list(.registries))]
    OtherRegistry { ledger: String, registries: Vec<String>, name: String },
    #[error("{0}. If it cannot be brought back, {ACCEPT}")]
    Unreadable(WitnessError),
}

const ACCEPT: &str = "say that this ledger counts: pushonce ledger accept --reason \"…\"";
const REMEDY: &str = "Put the newest one back, or say that this one counts: pushonce ledger accept --reason \"…\"";

impl Doubt {
    /// What `difference` means for `ledger`, which is in words what it is and where.
    pub fn of(difference: Difference, ledger: String, found: Heads, changed: Option<Timestamp>, witness: Box<Witness>) -> Self {
        match difference {
            Difference::Another => Self::Another { ledger, found, changed, witness },
            Difference::Older => Self::Older { ledger, found, changed, witness },
            Difference::OtherHistory => Self::OtherHistory { ledger, found, changed, witness },
        }
    }

    /// What was known and what is there, for the acts of the ledger.
    pub fn fact(&self) -> String {
        let knew = |witness: &Witness| {
            let heads = &witness.heads;
            format!("the witness knew change {} of {}", heads.newest.number, heads.ledger.short())
        };
        match self {
            Self::Older { found, witness, .. }
            | Self::OtherHistory { found, witness, .. }
            | Self::Another { found, witness, .. } => {
                let kind = match self {
                    Self::Older { .. } => "older",
                    Self::OtherHistory { .. } => "another history",
                    _ => "another ledger",
                };
                format!("{kind}: change {} of {}; {}", found.newest.number, found.ledger.short(), knew(witness))
            }
            Self::Gone { witness, .. } => format!("missing or empty; {}", knew(witness)),
            Self::OtherRegistry { registries, name, .. } => format!("registry {name}; the ledger was that of {}", list(registries)),
            Self::Unreadable(_) => "its witness could not be read".to_owned(),
        }
    }
}

/// The words for a ledger in a file.
pub fn in_file(file: &Path) -> String {
    format!("the ledger {}", file.display())
}

fn stamp(what: &str, at: &Option<Timestamp>) -> String {
    match at {
        Some(at) => format!("{what} {at:.0}"),
        None => format!("{what} unknown"),
    }
}

fn list(registries: &[String]) -> String {
    let names: Vec<String> = registries.iter().map(|name| format!("`{name}`")).collect();
    format!("registry {}", names.join(", "))
}
