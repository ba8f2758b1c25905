//! The ledger in memory: the plainest statement of what every engine does.
//!
//! For tests; it forgets everything when it is dropped. A clone shows the same
//! rows. Lifting a tag forgets its row, since a lifted row counts as no row.

use std::collections::{BTreeMap, HashSet};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Act, Claim, Claimed, Ledger, LedgerError, OpenClaim, Origin, Record, State, TagKey};
use crate::clock::AttemptId;
use crate::oci::{Digest, RepositoryName, Tag};

#[derive(Clone, Debug, Default)]
pub struct MemoryLedger {
    /// Ordered by repository and tag, as [`Ledger::records`] promises.
    rows: Arc<Mutex<BTreeMap<TagKey, Row>>>,
    acts: Arc<Mutex<Vec<Act>>>,
}

#[derive(Debug)]
struct Row {
    record: Record,
    claimed_at: Timestamp,
    /// Empty unless the row is open.
    attempts: HashSet<AttemptId>,
}

impl Row {
    fn new(digest: &Digest, state: State, origin: Origin, now: Timestamp) -> Self {
        Self { record: Record { digest: digest.clone(), state, origin, since: now }, claimed_at: now, attempts: HashSet::new() }
    }

    /// Whether the row is still the open claim that `claim` is an attempt of.
    fn awaits(&self, claim: &Claim) -> bool {
        self.record.state == State::Open && self.record.digest == claim.digest && self.attempts.contains(&claim.attempt)
    }

    /// Leaves the open state, or the sealed one, and ends every attempt.
    fn enter(&mut self, state: State, now: Timestamp) {
        self.record.state = state;
        self.record.since = now;
        self.attempts.clear();
    }
}

impl MemoryLedger {
    pub fn new() -> Self {
        Self::default()
    }

    /// Every method changes one row in one step, so the rows are sound even
    /// where a thread panicked with the lock held.
    fn rows(&self) -> MutexGuard<'_, BTreeMap<TagKey, Row>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn acts_lock(&self) -> MutexGuard<'_, Vec<Act>> {
        self.acts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Ledger for MemoryLedger {
    async fn lookup(&self, key: &TagKey) -> Result<Option<Record>, LedgerError> {
        Ok(self.rows().get(key).map(|row| row.record.clone()))
    }

    async fn records(&self, repository: &RepositoryName) -> Result<Vec<(Tag, Record)>, LedgerError> {
        let rows = self.rows();
        let of_repository = rows.iter().filter(|(key, _)| key.repository == *repository);
        Ok(of_repository.map(|(key, row)| (key.tag.clone(), row.record.clone())).collect())
    }

    async fn claim(&self, key: &TagKey, digest: &Digest, attempt: AttemptId, now: Timestamp) -> Result<Claimed, LedgerError> {
        let mut rows = self.rows();
        let row = rows.entry(key.clone()).or_insert_with(|| Row::new(digest, State::Open, Origin::Pushed, now));
        let claim = Claim { key: key.clone(), digest: digest.clone(), attempt };
        Ok(match row.record.state {
            State::Open if row.record.digest == *digest => {
                row.attempts.insert(attempt);
                Claimed::Granted(claim)
            }
            State::Sealed if row.record.digest == *digest => Claimed::AlreadySealed(claim, row.record.clone()),
            _ => Claimed::Taken(row.record.clone()),
        })
    }

    async fn join(&self, key: &TagKey, digest: &Digest, attempt: AttemptId, _now: Timestamp) -> Result<Option<Claim>, LedgerError> {
        let mut rows = self.rows();
        match rows.get_mut(key) {
            Some(row) if row.record.state == State::Open && row.record.digest == *digest => {
                row.attempts.insert(attempt);
                Ok(Some(Claim { key: key.clone(), digest: digest.clone(), attempt }))
            }
            _ => Ok(None),
        }
    }

    async fn confirm(&self, claim: Claim, now: Timestamp) -> Result<Record, LedgerError> {
        let mut rows = self.rows();
        match rows.get_mut(&claim.key) {
            Some(row) if row.awaits(&claim) => {
                row.enter(State::Sealed, now);
                Ok(row.record.clone())
            }
            Some(row) if row.record.state == State::Sealed && row.record.digest == claim.digest => Ok(row.record.clone()),
            _ => Err(claim.lost()),
        }
    }

    async fn withdraw(&self, claim: Claim) -> Result<(), LedgerError> {
        let mut rows = self.rows();
        if let Some(row) = rows.get_mut(&claim.key)
            && row.awaits(&claim)
        {
            row.attempts.remove(&claim.attempt);
            if row.attempts.is_empty() {
                rows.remove(&claim.key);
            }
        }
        Ok(())
    }

    async fn yield_to(&self, claim: Claim, found: &Digest, now: Timestamp) -> Result<Record, LedgerError> {
        let mut rows = self.rows();
        match rows.get_mut(&claim.key) {
            Some(row) if row.awaits(&claim) => {
                if row.record.digest != *found {
                    row.record.digest = found.clone();
                    row.record.origin = Origin::Adopted;
                }
                row.enter(State::Sealed, now);
                Ok(row.record.clone())
            }
            Some(row) if row.record.state != State::Open => Ok(row.record.clone()),
            _ => Err(claim.lost()),
        }
    }

    async fn adopt(&self, key: &TagKey, digest: &Digest, now: Timestamp) -> Result<Record, LedgerError> {
        let mut rows = self.rows();
        let row = rows.entry(key.clone()).or_insert_with(|| Row::new(digest, State::Sealed, Origin::Adopted, now));
        if row.record.state == State::Open && row.record.digest == *digest {
            row.enter(State::Sealed, now);
        }
        Ok(row.record.clone())
    }

    async fn burn(&self, key: &TagKey, digest: &Digest, now: Timestamp) -> Result<bool, LedgerError> {
        let mut rows = self.rows();
        let Some(row) = rows.get_mut(key).filter(|row| row.record.digest == *digest) else { return Ok(false) };
        if row.record.state != State::Burnt {
            row.enter(State::Burnt, now);
        }
        Ok(true)
    }

    async fn lift(&self, key: &TagKey, _now: Timestamp) -> Result<bool, LedgerError> {
        let mut rows = self.rows();
        match rows.get(key) {
            Some(row) if row.record.state != State::Burnt => Ok(rows.remove(key).is_some()),
            _ => Ok(false),
        }
    }

    async fn count_open(&self) -> Result<u64, LedgerError> {
        Ok(self.rows().values().filter(|row| row.record.state == State::Open).map(|_| 1).sum())
    }

    async fn open_claims(&self, after: Option<&TagKey>, limit: usize) -> Result<Vec<OpenClaim>, LedgerError> {
        let rows = self.rows();
        let behind = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let open = rows.range::<TagKey, _>(behind).filter(|(_, row)| row.record.state == State::Open).take(limit);
        let claim =
            |(key, row): (&TagKey, &Row)| OpenClaim { key: key.clone(), digest: row.record.digest.clone(), since: row.claimed_at };
        Ok(open.map(claim).collect())
    }

    async fn release(&self, key: &TagKey, who: &str, reason: &str, now: Timestamp) -> Result<Option<Digest>, LedgerError> {
        let mut rows = self.rows();
        let is_open = rows.get(key).is_some_and(|row| row.record.state == State::Open);
        let Some(row) = is_open.then(|| rows.remove(key)).flatten() else { return Ok(None) };
        let digest = row.record.digest;
        self.acts_lock().push(Act::release(key, &digest, who, reason, now));
        Ok(Some(digest))
    }

    async fn acts(&self) -> Result<Vec<Act>, LedgerError> {
        Ok(self.acts_lock().clone())
    }

    async fn ping(&self) -> Result<(), LedgerError> {
        Ok(())
    }
}
