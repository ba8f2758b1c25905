//! What the ledger said of tags that are settled, remembered.
//!
//! A burnt tag stays burnt, and a sealed one keeps its digest until it is burnt or
//! lifted. Either may be done by another replica, so the memory answers in place of
//! the ledger only where no delete is allowed, and a tag that the registry is seen
//! to point elsewhere is forgotten, and all of them where an operator decided something.
//! While the ledger gives no answer it is all there is. A claim always goes to the ledger.

use jiff::Timestamp;
use moka::sync::Cache;

use super::Gate;
use super::settling::may_settle;
use crate::ledger::{LedgerError, Record, State, TagKey};
use crate::policy::{Delete, Verdict};

/// How many tags are remembered; those that were not asked for lately go first.
const MOST: u64 = 100_000;

/// The rows of settled tags.
#[derive(Debug)]
pub struct Known(Cache<TagKey, Record>);

impl Default for Known {
    fn default() -> Self {
        Self(Cache::new(MOST))
    }
}

impl Known {
    /// The row of a tag where it cannot have changed under this policy.
    pub(super) fn certain(&self, key: &TagKey, verdict: &Verdict, now: Timestamp) -> Option<Record> {
        let is_kept = |record: &Record| verdict.delete == Delete::Deny && !may_settle(verdict, record, now);
        self.last(key).filter(|record| record.state == State::Burnt || is_kept(record))
    }

    /// The row of a tag as it was seen last.
    pub fn last(&self, key: &TagKey) -> Option<Record> {
        self.0.get(key)
    }

    /// Takes a row down if it is settled. What was read before the tag was burnt and
    /// comes late does not bring it back.
    pub fn remember(&self, key: &TagKey, record: &Record) {
        if record.state == State::Open {
            return;
        }
        self.0.entry_by_ref(key).and_upsert_with(|known| match known {
            Some(known) if known.value().state == State::Burnt => known.into_value(),
            _ => record.clone(),
        });
    }

    pub fn burnt(&self, key: &TagKey, record: &Record, now: Timestamp) {
        self.remember(key, &Record { state: State::Burnt, since: now, ..record.clone() });
    }

    pub fn forget(&self, key: &TagKey) {
        self.0.invalidate(key);
    }

    /// An operator's decision may have changed any tag.
    pub fn forget_all(&self) {
        self.0.invalidate_all();
    }

    /// The tag means this from now on.
    pub fn replaced(&self, key: &TagKey, record: &Record) {
        self.0.insert(key.clone(), record.clone());
    }
}

impl Gate {
    /// The row of a tag that the gate holds: from memory where that is certain, else
    /// from the ledger.
    pub(super) async fn record(&self, key: &TagKey, verdict: &Verdict) -> Result<Option<Record>, LedgerError> {
        let known = self.known.certain(key, verdict, self.clock.now());
        self.metrics.known_tag(known.is_some());
        if known.is_some() {
            return Ok(known);
        }
        let found = self.metrics.ledger("lookup", self.ledger.lookup(key)).await?;
        match &found {
            Some(record) if record.state != State::Open => self.known.remember(key, record),
            _ => self.known.forget(key),
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Origin;
    use crate::oci::{Algorithm, Digest, RepositoryName, Tag};
    use crate::policy::{Channel, Enforcement, MultiArch, Mutability, Unreleased};

    fn key() -> TagKey {
        TagKey { repository: RepositoryName::parse("web").expect("a name"), tag: Tag::parse("1.4.0").expect("a tag") }
    }

    fn row(state: State) -> Record {
        Record { digest: Digest::of(Algorithm::Sha256, b"bytes"), state, origin: Origin::Pushed, since: Timestamp::UNIX_EPOCH }
    }

    fn rule(delete: Delete) -> Verdict {
        let (mutability, enforcement) = (Mutability::Immutable, Enforcement::Enforce);
        Verdict {
            rule: "releases".into(),
            mutability,
            enforcement,
            delete,
            multi_arch: MultiArch::Refuse,
            channel: Channel::All,
            unreleased: Unreleased::Allow,
            help_url: None,
        }
    }

    #[test]
    fn a_sealed_tag_is_certain_only_where_nobody_may_delete_it() {
        let known = Known::default();
        known.remember(&key(), &row(State::Sealed));
        assert_eq!(known.certain(&key(), &rule(Delete::Deny), Timestamp::UNIX_EPOCH), Some(row(State::Sealed)));
        assert_eq!(known.certain(&key(), &rule(Delete::Allow), Timestamp::UNIX_EPOCH), None);
        assert_eq!(known.last(&key()), Some(row(State::Sealed)));
        known.forget(&key());
        assert_eq!(known.last(&key()), None);
    }

    #[test]
    fn an_open_claim_is_not_remembered() {
        let known = Known::default();
        known.remember(&key(), &row(State::Open));
        assert_eq!(known.last(&key()), None);
    }

    #[test]
    fn a_late_reading_does_not_bring_a_burnt_tag_back() {
        let known = Known::default();
        known.burnt(&key(), &row(State::Sealed), Timestamp::UNIX_EPOCH);
        known.remember(&key(), &row(State::Sealed));
        assert_eq!(known.certain(&key(), &rule(Delete::Allow), Timestamp::UNIX_EPOCH), Some(row(State::Burnt)));
    }
}
