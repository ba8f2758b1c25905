//! Keeps the delete of a manifest and pushes that need it apart, so that no push
//! is confirmed whose manifest is being deleted.
//!
//! One lock for each manifest: a delete holds up nobody but the pushes of the very
//! manifest that it names.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use crate::ledger::TagKey;
use crate::oci::{Digest, RepositoryName};

/// A lock for each key that somebody holds or waits for.
#[derive(Debug)]
struct Keyed<K>(Mutex<HashMap<K, Weak<RwLock<()>>>>);

impl<K> Default for Keyed<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Clone + Eq + Hash> Keyed<K> {
    fn of(&self, key: &K) -> Arc<RwLock<()>> {
        let mut locked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What nobody holds any more goes when the map would have to grow.
        if locked.len() == locked.capacity() {
            locked.retain(|_, lock| lock.strong_count() > 0);
        }
        let entry = locked.entry(key.clone()).or_default();
        entry.upgrade().unwrap_or_else(|| {
            let lock = Arc::default();
            *entry = Arc::downgrade(&lock);
            lock
        })
    }
}

/// The tags that move by turns now: the next push of one waits for the one before.
#[derive(Debug, Default)]
pub struct Turns(Keyed<TagKey>);

/// The turn of a push; it ends when this is dropped.
pub type Turn = OwnedRwLockWriteGuard<()>;

impl Turns {
    pub async fn wait(&self, key: &TagKey) -> Turn {
        self.0.of(key).write_owned().await
    }
}

/// The manifests that are being pushed or deleted now.
#[derive(Debug, Default)]
pub struct Locks(Keyed<(RepositoryName, Digest)>);

impl Locks {
    /// For a push of manifests, which others may push as well. Each is locked once and
    /// all in one order: a delete that waits keeps later pushes out, so that two pushes
    /// in two orders, or one that comes to a manifest twice, would wait for ever.
    pub async fn shared(&self, repository: &RepositoryName, manifests: &[Digest]) -> Vec<OwnedRwLockReadGuard<()>> {
        let manifests: BTreeSet<&Digest> = manifests.iter().collect();
        let mut guards = Vec::with_capacity(manifests.len());
        for manifest in manifests {
            guards.push(self.lock(repository, manifest).read_owned().await);
        }
        guards
    }

    /// For who binds a tag to manifests that others brought, while it may hold locks of
    /// its own: to wait here could be for ever. `None` where one of them is being
    /// deleted, or is about to be.
    pub fn try_shared(&self, repository: &RepositoryName, manifests: &[&Digest]) -> Option<Vec<OwnedRwLockReadGuard<()>>> {
        manifests.iter().map(|manifest| self.lock(repository, manifest).try_read_owned().ok()).collect()
    }

    /// For a delete. Nobody holds more than one lock this way, so that no two wait
    /// for each other.
    pub async fn alone(&self, repository: &RepositoryName, manifest: &Digest) -> OwnedRwLockWriteGuard<()> {
        self.lock(repository, manifest).write_owned().await
    }

    fn lock(&self, repository: &RepositoryName, manifest: &Digest) -> Arc<RwLock<()>> {
        self.0.of(&(repository.clone(), manifest.clone()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;
    use crate::oci::Algorithm;

    fn digest(of: &str) -> Digest {
        Digest::of(Algorithm::Sha256, of.as_bytes())
    }

    async fn waits(future: impl Future) -> bool {
        timeout(Duration::from_millis(50), future).await.is_err()
    }

    #[tokio::test]
    async fn a_delete_waits_for_pushes_of_its_manifest_alone() {
        let (locks, web) = (Locks::default(), RepositoryName::parse("web").expect("a name"));
        let push = locks.shared(&web, &[digest("index"), digest("child")]).await;
        assert!(!waits(locks.shared(&web, &[digest("child")])).await, "two pushes share");
        assert!(waits(locks.alone(&web, &digest("child"))).await, "the delete waits");
        assert!(!waits(locks.alone(&web, &digest("other"))).await, "another manifest is free");
        drop(push);
        let delete = locks.alone(&web, &digest("child")).await;
        assert!(waits(locks.shared(&web, &[digest("child")])).await, "the push waits");
        drop(delete);
    }

    #[tokio::test]
    async fn who_binds_a_manifest_that_is_being_deleted_is_told_at_once() {
        let (locks, web) = (Locks::default(), RepositoryName::parse("web").expect("a name"));
        let (a, b) = (digest("a"), digest("b"));
        let binding = locks.try_shared(&web, &[&a, &b]).expect("nobody deletes them");
        assert!(locks.try_shared(&web, &[&b, &a, &b]).is_some(), "two may bind");
        assert!(waits(locks.alone(&web, &b)).await, "a delete waits for who binds");
        drop(binding);
        let delete = locks.alone(&web, &b).await;
        assert!(locks.try_shared(&web, &[&a, &b]).is_none());
        assert!(locks.try_shared(&web, &[&a]).is_some());
        drop(delete);
        assert!(locks.try_shared(&web, &[&a, &b]).is_some());
    }

    #[tokio::test]
    async fn pushes_and_deletes_never_wait_for_each_other_in_a_circle() {
        let web = RepositoryName::parse("web").expect("a name");
        // A push that comes to a manifest twice, and two that go in two orders.
        for pushes in [vec![["a", "b", "a"]], vec![["a", "b", "c"], ["c", "b", "a"]]] {
            let locks = Arc::new(Locks::default());
            let held = locks.alone(&web, &digest("b")).await;
            let mut tasks = tokio::task::JoinSet::new();
            for push in pushes {
                let (locks, web, manifests) = (Arc::clone(&locks), web.clone(), push.map(digest));
                tasks.spawn(async move { drop(locks.shared(&web, &manifests).await) });
            }
            tokio::task::yield_now().await;
            for delete in ["a", "c"] {
                let (locks, web) = (Arc::clone(&locks), web.clone());
                tasks.spawn(async move { drop(locks.alone(&web, &digest(delete)).await) });
            }
            tokio::task::yield_now().await;
            drop(held);
            let ended = timeout(Duration::from_secs(10), async { while tasks.join_next().await.is_some() {} }).await;
            assert!(ended.is_ok(), "somebody waits for ever");
        }
    }

    #[tokio::test]
    async fn locks_that_nobody_holds_are_forgotten() {
        let (locks, web) = (Locks::default(), RepositoryName::parse("web").expect("a name"));
        for number in 0..10_000 {
            drop(locks.alone(&web, &digest(&number.to_string())).await);
        }
        assert!(locks.0.0.lock().expect("the map").capacity() < 1_000);
    }
}
