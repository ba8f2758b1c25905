//! The release log in the file, read.

use async_trait::async_trait;
use jiff::Timestamp;

use super::SqliteLedger;
use super::books::tree::{BATCH, plant};
use crate::clock::AttemptId;
use crate::ledger::event::Entry;
use crate::ledger::log::{Count, Filter, Leaf, Span};
use crate::ledger::tree::Hash;
use crate::ledger::{LedgerError, Log, TagKey};
use crate::oci::{Digest, RepositoryName, Tag};

#[async_trait]
impl Log for SqliteLedger {
    async fn meaning(&self, key: &TagKey, at: Option<Timestamp>) -> Result<Option<Entry>, LedgerError> {
        self.look(|books| books.meaning(key, at))
    }

    async fn meanings(
        &self,
        repository: &RepositoryName,
        at: Option<Timestamp>,
        after: Option<&Tag>,
        limit: usize,
    ) -> Result<Vec<Entry>, LedgerError> {
        let (repository, after) = (repository.clone(), after.cloned());
        self.scan(move |books| books.meanings(&repository, at, after.as_ref(), limit)).await
    }

    async fn spans(&self, digest: &Digest, limit: usize) -> Result<Vec<Span>, LedgerError> {
        let digest = digest.clone();
        self.scan(move |books| books.spans(&digest, limit)).await
    }

    async fn entries(&self, filter: &Filter, limit: usize) -> Result<Vec<Entry>, LedgerError> {
        let filter = filter.clone();
        self.scan(move |books| books.entries(&filter, limit)).await
    }

    async fn repositories(&self, after: Option<&RepositoryName>, limit: usize) -> Result<Vec<RepositoryName>, LedgerError> {
        let after = after.cloned();
        self.scan(move |books| books.repositories(after.as_ref(), limit)).await
    }

    async fn counts(&self, since: Timestamp, until: Timestamp, step: u64) -> Result<Vec<Count>, LedgerError> {
        self.scan(move |books| books.counts(since, until, step)).await
    }

    async fn plant(&self) -> Result<u64, LedgerError> {
        // Whoever writes plants as well: only what an upgrade brought is left to be done.
        while self.writer.write(|books| plant(books.connection)).await? == BATCH {}
        self.scan(|books| books.size()).await
    }

    async fn leaves(&self, position: u64, limit: usize) -> Result<Vec<Leaf>, LedgerError> {
        self.scan(move |books| books.leaves(position, limit)).await
    }

    async fn nodes(&self, level: u32, index: u64, limit: usize) -> Result<Vec<Hash>, LedgerError> {
        self.scan(move |books| books.nodes(level, index, limit)).await
    }

    async fn take_turn(&self, name: &str, holder: AttemptId, now: Timestamp, until: Timestamp) -> Result<Option<u64>, LedgerError> {
        let name = name.to_owned();
        self.writer.write(move |books| books.take_turn(&name, holder, now, until)).await
    }

    async fn end_turn(&self, name: &str, holder: AttemptId, position: u64) -> Result<bool, LedgerError> {
        let name = name.to_owned();
        self.writer.write(move |books| books.end_turn(&name, holder, position)).await
    }
}
