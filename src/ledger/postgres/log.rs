//! The release log of this engine, read.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{PostgresLedger, end, end_read, in_time, read, retried, write};
use crate::clock::AttemptId;
use crate::ledger::event::Entry;
use crate::ledger::log::{Count, Filter, Leaf, Span};
use crate::ledger::tree::Hash;
use crate::ledger::{LedgerError, Log, TagKey};
use crate::oci::{Digest, RepositoryName, Tag};

#[async_trait]
impl Log for PostgresLedger {
    async fn meaning(&self, key: &TagKey, at: Option<Timestamp>) -> Result<Option<Entry>, LedgerError> {
        read!(self, meaning(key, at))
    }

    async fn meanings(
        &self,
        repository: &RepositoryName,
        at: Option<Timestamp>,
        after: Option<&Tag>,
        limit: usize,
    ) -> Result<Vec<Entry>, LedgerError> {
        read!(self, meanings(repository, at, after, limit))
    }

    async fn spans(&self, digest: &Digest, limit: usize) -> Result<Vec<Span>, LedgerError> {
        read!(self, spans(digest, limit))
    }

    async fn entries(&self, filter: &Filter, limit: usize) -> Result<Vec<Entry>, LedgerError> {
        read!(self, entries(filter, limit))
    }

    async fn repositories(&self, after: Option<&RepositoryName>, limit: usize) -> Result<Vec<RepositoryName>, LedgerError> {
        read!(self, repositories(after, limit))
    }

    async fn counts(&self, since: Timestamp, until: Timestamp, step: u64) -> Result<Vec<Count>, LedgerError> {
        read!(self, counts(since, until, step))
    }

    async fn plant(&self) -> Result<u64, LedgerError> {
        self.plant_waiting().await?;
        read!(self, size())
    }

    async fn leaves(&self, position: u64, limit: usize) -> Result<Vec<Leaf>, LedgerError> {
        read!(self, leaves(position, limit))
    }

    async fn nodes(&self, level: u32, index: u64, limit: usize) -> Result<Vec<Hash>, LedgerError> {
        read!(self, nodes(level, index, limit))
    }

    async fn take_turn(&self, name: &str, holder: AttemptId, now: Timestamp, until: Timestamp) -> Result<Option<u64>, LedgerError> {
        write!(self, take_turn(name, holder, now, until))
    }

    async fn end_turn(&self, name: &str, holder: AttemptId, position: u64) -> Result<bool, LedgerError> {
        write!(self, end_turn(name, holder, position))
    }
}
