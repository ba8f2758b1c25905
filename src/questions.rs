//! What people and machines ask the release log: each question with its answer as data.
//!
//! The commands, the JSON API and the pages all ask here. An answer can be written as JSON
//! as it is; times in it are RFC 3339 in UTC.

mod decisions;
mod difference;
mod digests;
mod history;
mod kind;
mod releases;
mod report;
mod resolve;
#[cfg(test)]
mod tests;
pub mod reference;
pub mod when;

pub use self::decisions::{OpenException, Standing, Yanked, standing};
pub use self::difference::{Change, Difference, diff};
pub use self::digests::{Known, Meant, Time, whatis};
pub use self::history::{Cursor, Page, history};
pub use self::kind::Kind;
pub use self::releases::{Moving, Release, Releases, releases};
pub use self::report::{Offender, Report, report};
pub use self::resolve::{Resolution, Resolved, YankedSince, resolve};

use jiff::Timestamp;

use crate::ledger::event::Entry;
use crate::ledger::{LedgerError, Log};
use crate::oci::RepositoryName;

/// How many tags are read at once.
const PAGE: usize = 1_000;

/// What every tag of a repository meant, in the order of tags.
async fn all_meanings(log: &dyn Log, repository: &RepositoryName, at: Option<Timestamp>) -> Result<Vec<Entry>, LedgerError> {
    let mut all: Vec<Entry> = Vec::new();
    loop {
        let after = all.last().and_then(|entry| entry.event.tag.clone());
        let page = log.meanings(repository, at, after.as_ref(), PAGE).await?;
        let is_last = page.len() < PAGE;
        all.extend(page);
        if is_last {
            return Ok(all);
        }
    }
}
