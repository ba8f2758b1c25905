//! Notices when the registry's own pointer of a tag no longer says what the
//! ledger says: somebody wrote to the registry directly.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;

use super::Gate;
use super::caller::Caller;
use crate::ledger::TagKey;
use crate::oci::Digest;
use crate::upstream::Trust;

/// How many tags are watched at most.
const MOST: u64 = 100_000;

/// Which tags were compared lately, and which had drifted.
#[derive(Debug)]
pub struct DriftWatch {
    /// `None` where the comparison is switched off.
    compared: Option<Cache<TagKey, ()>>,
    drifted: Cache<TagKey, Arc<str>>,
}

impl DriftWatch {
    /// Compares each tag at most once in `interval`; never where that is zero.
    pub fn new(interval: Duration) -> Self {
        let compared = (!interval.is_zero()).then(|| Cache::builder().max_capacity(MOST).time_to_live(interval).build());
        Self { compared, drifted: Cache::new(MOST) }
    }

    /// Whether the tag is due for a comparison, which counts as made from now on.
    fn is_due(&self, key: &TagKey) -> bool {
        let is_fresh = |compared: &Cache<TagKey, ()>| compared.entry_by_ref(key).or_insert(()).is_fresh();
        // Mostly it is not, and a look takes no lock.
        self.compared.as_ref().is_some_and(|compared| !compared.contains_key(key) && is_fresh(compared))
    }

    /// What a client that pulls the tag is told.
    pub fn warning(&self, key: &TagKey) -> Option<Arc<str>> {
        self.drifted.get(key)
    }

    pub fn settled(&self, key: &TagKey) {
        self.drifted.invalidate(key);
    }
}

impl Gate {
    /// Compares the registry's pointer with the ledger, beside the pull and with
    /// the puller's credentials.
    pub(super) fn watch_drift(self: &Arc<Self>, caller: &Arc<Caller>, key: &TagKey, sealed: &Digest) {
        if !self.drift.is_due(key) {
            return;
        }
        let (gate, caller, key, sealed) = (Arc::clone(self), Arc::clone(caller), key.clone(), sealed.clone());
        self.tasks.spawn(async move {
            let pointer = match gate.pointer(&caller, &key, Trust::OrService).await {
                Ok(Some(found)) => match gate.is_alias(&caller, &key.repository, &sealed, &found).await {
                    Ok(true) => return gate.drift.settled(&key),
                    Ok(false) => Some(found),
                    Err(refusal) => {
                        return tracing::debug!(tag = %key, cause = refusal.cause(), "the pointer could not be compared");
                    }
                },
                Ok(None) => None,
                Err(refusal) => return tracing::debug!(tag = %key, cause = refusal.cause(), "the pointer could not be compared"),
            };
            gate.report_drift(&caller, &key, &sealed, pointer.as_ref());
        });
    }

    /// Counts and logs that the registry points an immutable tag elsewhere. Another
    /// replica may have let it, so the ledger is asked next time.
    pub(super) fn report_drift(&self, caller: &Caller, key: &TagKey, sealed: &Digest, pointer: Option<&Digest>) {
        self.metrics.drift.inc();
        self.known.forget(key);
        let text = format!("the registry points {key} elsewhere than at {}…, which pushonce serves", sealed.short());
        if self.drift.drifted.get(key).is_none_or(|said| *said != *text) {
            self.record_drift(&caller.request_id, key, sealed, pointer);
        }
        let pointer = pointer.map_or("nothing", Digest::as_str);
        tracing::warn!(tag = %key, sealed = %sealed, pointer, "the registry's pointer of an immutable tag has drifted");
        self.drift.drifted.insert(key.clone(), text.into());
    }
}
