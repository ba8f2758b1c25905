//! Compares the registry with the ledger again and again, in the background, and keeps
//! what was found for whoever looks.

mod auditor;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch;

pub use self::auditor::Auditor;
use crate::gate::{Difference, Differs, Step};
use crate::ledger::TagKey;
use crate::metrics::AuditFigures;

/// How many differences, and how many failures, are kept in words. All are counted.
const MOST: usize = 1_000;

/// What one audit has found so far.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Audit {
    pub begun: Timestamp,
    /// None while it runs.
    pub ended: Option<Timestamp>,
    /// Tags that were looked at.
    pub looked_at: u64,
    pub counts: BTreeMap<Difference, u64>,
    /// The first that differ, in the order in which they were found.
    pub differences: Vec<(TagKey, Differs)>,
    /// What could not be looked at.
    pub failed: u64,
    /// The first of it, and why.
    pub failures: Vec<String>,
}

impl Audit {
    pub fn new(begun: Timestamp) -> Self {
        let (counts, differences, failures) = (BTreeMap::new(), Vec::new(), Vec::new());
        Self { begun, ended: None, looked_at: 0, counts, differences, failed: 0, failures }
    }

    /// Takes in one step of the walk.
    pub fn note(&mut self, step: Step<Option<Differs>>) {
        match step {
            Step::Listed(..) => {}
            Step::Unlisted(repository, cause) => self.fail(format!("{repository}: {cause}")),
            Step::Looked(key, Err(cause)) => self.fail(format!("{key}: {cause}")),
            Step::Looked(_, Ok(None)) => self.looked_at += 1,
            Step::Looked(key, Ok(Some(differs))) => {
                self.looked_at += 1;
                *self.counts.entry(differs.difference).or_default() += 1;
                if self.differences.len() < MOST {
                    self.differences.push((key, differs));
                }
            }
        }
    }

    pub fn fail(&mut self, cause: String) {
        self.failed += 1;
        if self.failures.len() < MOST {
            self.failures.push(cause);
        }
    }

    fn figures(&self) -> AuditFigures {
        let differences = Difference::ALL.iter().map(|difference| (difference.as_str(), self.count(*difference))).collect();
        let ended = self.ended.map_or(0, |ended| ended.as_second());
        AuditFigures { differences, tags: self.looked_at, failures: self.failed, ended }
    }

    pub fn count(&self, difference: Difference) -> u64 {
        self.counts.get(&difference).copied().unwrap_or(0)
    }

    /// How many differences stand after it.
    pub fn standing(&self) -> u64 {
        self.counts.iter().filter(|(difference, _)| difference.stands()).map(|(_, count)| count).sum()
    }
}

/// The newest audit of this process that has ended. Another replica may have made a newer
/// one.
#[derive(Clone, Debug)]
pub struct Audits(Arc<watch::Sender<Option<Arc<Audit>>>>);

impl Default for Audits {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }
}

impl Audits {
    pub fn newest(&self) -> Option<Arc<Audit>> {
        self.0.borrow().clone()
    }

    fn replace(&self, audit: Option<Audit>) {
        self.0.send_replace(audit.map(Arc::new));
    }
}
