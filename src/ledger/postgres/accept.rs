//! An operator says that a doubtful database counts, for this replica.

use std::path::Path;

use jiff::Timestamp;

use super::connection::Connection;
use super::retry::Failure;
use super::statements::Books;
use super::{OpenError, PostgresLedger, Settings, heads, open};
use crate::ledger::witness::{self, Doubt, Heads};
use crate::ledger::{Act, LedgerError};

impl PostgresLedger {
    /// Takes the database as it is, whatever the witness of this replica says, and
    /// writes down what is there and what was known, with a new witness. Returns what
    /// was doubtful; nothing is written where nothing was.
    pub async fn accept(
        settings: &Settings,
        registry: &str,
        witness: &Path,
        (who, reason): (&str, &str),
        now: Timestamp,
    ) -> Result<Vec<Doubt>, OpenError> {
        let (pool, doubts) = open::accepted(settings, registry, witness).await?;
        if doubts.is_empty() {
            return Ok(doubts);
        }
        let place = &settings.address;
        let undone = |failure: Failure| OpenError::Other { place: place.clone(), cause: LedgerError::from(failure).to_string() };
        let mut session = pool.get().await.map_err(|error| undone(Failure::Pool(error)))?;
        session.begin().await.map_err(undone)?;
        let acts = doubts.iter().map(|doubt| Act::accept(doubt, who, reason, now));
        let heads = write_down(&session, registry, acts).await.map_err(undone)?;
        session.commit().await.map_err(undone)?;
        witness::replace(witness, &heads)?;
        Ok(doubts)
    }
}

async fn write_down(connection: &Connection, registry: &str, acts: impl Iterator<Item = Act>) -> Result<Heads, Failure> {
    heads::enter(connection, registry).await?;
    for act in acts {
        Books { connection, registry }.write_down(&act, None).await?;
    }
    let standing = heads::standing(connection, None).await?;
    let again = || LedgerError::Unavailable("another replica was faster; say it again".to_owned());
    let heads = standing.ok_or_else(again)?.heads.advanced();
    if !heads::append(connection, &heads).await? {
        return Err(again().into());
    }
    Ok(heads)
}
