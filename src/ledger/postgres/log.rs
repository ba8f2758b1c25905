//! The release log of this engine, read.

use async_trait::async_trait;
use jiff::Timestamp;

use super::PostgresLedger;
use crate::clock::AttemptId;
use crate::ledger::event::Entry;
use crate::ledger::log::{Count, Filter, Leaf, Span};
use crate::ledger::tree::Hash;
use crate::ledger::{LedgerError, Log, TagKey};
use crate::oci::{Digest, RepositoryName, Tag};

#[async_trait]
impl Log for PostgresLedger {
    async fn meaning(&self, _key: &TagKey, _at: Option<Timestamp>) -> Result<Option<Entry>, LedgerError> {
        Err(LedgerError::Unavailable("not yet".to_owned()))
    }

    async fn meanings(
        &self,
        _repository: &RepositoryName,
        _at: Option<Timestamp>,
        _after: Option<&Tag>,
        _limit: usize,
    ) -> Result<Vec<Entry>, LedgerError> {
        Err(LedgerError::Unavailable("not yet".to_owned()))
    }

    async fn spans(&self, _digest: &Digest, _limit: usize) -> Result<Vec<Span>, LedgerError> {
        Err(LedgerError::Unavailable("not yet".to_owned()))
    }

    async fn entries(&self, _filter: &Filter, _limit: usize) -> Result<Vec<Entry>, LedgerError> {
        Err(LedgerError::Unavailable("not yet".to_owned()))
    }

    async fn repositories(&self, _after: Option<&RepositoryName>, _limit: usize) -> Result<Vec<RepositoryName>, LedgerError> {
        Err(LedgerError::Unavailable("not yet".to_owned()))
    }

    async fn counts(&self, _since: Timestamp, _until: Timestamp, _step: u64) -> Result<Vec<Count>, LedgerError> {
        Err(LedgerError::Unavailable("not yet".to_owned()))
    }

    async fn plant(&self) -> Result<u64, LedgerError> {
        Err(LedgerError::Unavailable("not yet".to_owned()))
    }

    async fn leaves(&self, _position: u64, _limit: usize) -> Result<Vec<Leaf>, LedgerError> {
        Err(LedgerError::Unavailable("not yet".to_owned()))
    }

    async fn nodes(&self, _level: u32, _index: u64, _limit: usize) -> Result<Vec<Hash>, LedgerError> {
        Err(LedgerError::Unavailable("not yet".to_owned()))
    }

    async fn take_turn(
        &self,
        _name: &str,
        _holder: AttemptId,
        _now: Timestamp,
        _until: Timestamp,
    ) -> Result<Option<u64>, LedgerError> {
        Err(LedgerError::Unavailable("not yet".to_owned()))
    }

    async fn end_turn(&self, _name: &str, _holder: AttemptId, _position: u64) -> Result<bool, LedgerError> {
        Err(LedgerError::Unavailable("not yet".to_owned()))
    }
}
