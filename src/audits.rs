//! What the audits of this process found, for whoever looks.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch;

use crate::ledger::TagKey;

/// What one audit has found so far.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Audit {
    pub begun: Timestamp,
    /// None while it runs.
    pub ended: Option<Timestamp>,
    /// Tags that were looked at.
    pub looked_at: u64,
    /// What differs, in the words of `pushonce audit`, by repository and tag.
    pub differences: Vec<(TagKey, &'static str)>,
    /// What could not be looked at, and why.
    pub failures: Vec<String>,
}

/// The newest audit of this process. Another replica may have made a newer one.
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

    pub fn replace(&self, audit: Audit) {
        self.0.send_replace(Some(Arc::new(audit)));
    }
}
