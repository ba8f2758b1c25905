//! The release log as replicas see it.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::FutureExt;
use jiff::Timestamp;

use super::RemoteLedger;
use crate::clock::AttemptId;
use crate::ledger::event::Entry;
use crate::ledger::log::{Count, Filter, Leaf, Span};
use crate::ledger::tree::Hash;
use crate::ledger::{Ledger, LedgerError, Log, TagKey};
use crate::oci::{Digest, RepositoryName, Tag};

#[async_trait]
impl Log for RemoteLedger {
    async fn meaning(&self, key: &TagKey, at: Option<Timestamp>) -> Result<Option<Entry>, LedgerError> {
        let key = key.clone();
        let ask = move |ledger: Arc<dyn Ledger>| async move { ledger.meaning(&key, at).await }.boxed();
        self.call("meaning", String::new(), ask).await
    }

    async fn meanings(
        &self,
        repository: &RepositoryName,
        at: Option<Timestamp>,
        after: Option<&Tag>,
        limit: usize,
    ) -> Result<Vec<Entry>, LedgerError> {
        let (repository, after) = (repository.clone(), after.cloned());
        let ask =
            move |ledger: Arc<dyn Ledger>| async move { ledger.meanings(&repository, at, after.as_ref(), limit).await }.boxed();
        self.call("meanings", String::new(), ask).await
    }

    async fn spans(&self, digest: &Digest, limit: usize) -> Result<Vec<Span>, LedgerError> {
        let digest = digest.clone();
        let ask = move |ledger: Arc<dyn Ledger>| async move { ledger.spans(&digest, limit).await }.boxed();
        self.call("spans", String::new(), ask).await
    }

    async fn entries(&self, filter: &Filter, limit: usize) -> Result<Vec<Entry>, LedgerError> {
        let filter = filter.clone();
        let ask = move |ledger: Arc<dyn Ledger>| async move { ledger.entries(&filter, limit).await }.boxed();
        self.call("entries", String::new(), ask).await
    }

    async fn repositories(&self, after: Option<&RepositoryName>, limit: usize) -> Result<Vec<RepositoryName>, LedgerError> {
        let after = after.cloned();
        let ask = move |ledger: Arc<dyn Ledger>| async move { ledger.repositories(after.as_ref(), limit).await }.boxed();
        self.call("repositories", String::new(), ask).await
    }

    async fn counts(&self, since: Timestamp, until: Timestamp, step: u64) -> Result<Vec<Count>, LedgerError> {
        let ask = move |ledger: Arc<dyn Ledger>| async move { ledger.counts(since, until, step).await }.boxed();
        self.call("counts", String::new(), ask).await
    }

    async fn plant(&self) -> Result<u64, LedgerError> {
        let ask = move |ledger: Arc<dyn Ledger>| async move { ledger.plant().await }.boxed();
        self.call("plant", String::new(), ask).await
    }

    async fn leaves(&self, position: u64, limit: usize) -> Result<Vec<Leaf>, LedgerError> {
        let ask = move |ledger: Arc<dyn Ledger>| async move { ledger.leaves(position, limit).await }.boxed();
        self.call("leaves", String::new(), ask).await
    }

    async fn nodes(&self, level: u32, index: u64, limit: usize) -> Result<Vec<Hash>, LedgerError> {
        let ask = move |ledger: Arc<dyn Ledger>| async move { ledger.nodes(level, index, limit).await }.boxed();
        self.call("nodes", String::new(), ask).await
    }

    async fn take_turn(&self, name: &str, holder: AttemptId, now: Timestamp, until: Timestamp) -> Result<Option<u64>, LedgerError> {
        let name = name.to_owned();
        let ask = move |ledger: Arc<dyn Ledger>| async move { ledger.take_turn(&name, holder, now, until).await }.boxed();
        self.call("take_turn", String::new(), ask).await
    }

    async fn end_turn(&self, name: &str, holder: AttemptId, position: u64) -> Result<bool, LedgerError> {
        let name = name.to_owned();
        let ask = move |ledger: Arc<dyn Ledger>| async move { ledger.end_turn(&name, holder, position).await }.boxed();
        self.call("end_turn", String::new(), ask).await
    }
}
