//! The decisions of operators that stand.

use jiff::Timestamp;
use serde::Serialize;

use crate::ledger::decision::{Decisions, Exception, Yank};
use crate::ledger::{Ledger, LedgerError, TagKey};
use crate::oci::{Digest, RepositoryName, Tag};

/// An exception that may still be used.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct OpenException {
    pub id: String,
    pub repository: RepositoryName,
    pub tag: Tag,
    /// `push` or `delete`.
    pub allows: &'static str,
    pub at: Timestamp,
    pub until: Timestamp,
    pub who: String,
    pub reason: String,
}

/// A release that is marked as bad.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Yanked {
    pub repository: RepositoryName,
    pub tag: Tag,
    pub digest: Digest,
    /// `serve` or `refuse`.
    pub pulls: &'static str,
    pub at: Timestamp,
    pub who: String,
    pub reason: String,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Standing {
    /// In the order in which they were granted.
    pub exceptions: Vec<OpenException>,
    /// By repository and tag.
    pub yanks: Vec<Yanked>,
}

pub async fn standing(ledger: &dyn Ledger, now: Timestamp) -> Result<Standing, LedgerError> {
    let decisions = Decisions::of(&ledger.acts().await?);
    Ok(Standing {
        exceptions: decisions.open(now).cloned().map(OpenException::from).collect(),
        yanks: decisions.yanks().map(|(key, yank)| Yanked::of(key, yank)).collect(),
    })
}

impl From<Exception> for OpenException {
    fn from(exception: Exception) -> Self {
        let Exception { id, key: TagKey { repository, tag }, allows, at, until, who, reason } = exception;
        Self { id, repository, tag, allows: allows.as_str(), at, until, who, reason }
    }
}

impl Yanked {
    pub fn of(key: &TagKey, yank: &Yank) -> Self {
        let (TagKey { repository, tag }, Yank { digest, pulls, at, who, reason }) = (key.clone(), yank.clone());
        Self { repository, tag, digest, pulls: pulls.as_str(), at, who, reason }
    }
}
