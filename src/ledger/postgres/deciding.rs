//! Decisions of operators, as SQL and as operations.

use async_trait::async_trait;

use super::connection::given;
use super::retry::Failure;
use super::statements::{Books, column, record};
use super::{PostgresLedger, end, end_read, in_time, read, retried, write};
use crate::ledger::decision::{Deciding, ends_of};
use crate::ledger::event::{Action, Outcome};
use crate::ledger::row::Place;
use crate::ledger::{Act, LedgerError, Note, Record, State, TagKey};
use crate::oci::Digest;

const COUNT: &str = "SELECT count(*) FROM acts WHERE registry = $1";
/// Of two who use an exception at once, the second waits for the first.
const ONE_BY_ONE: &str = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))::text";
const ENDED: &str = "SELECT 1 FROM acts WHERE registry = $1 AND what IN ($2, $3)";
const REPLACE: &str = concat!(
    "UPDATE tags SET digest = $5, origin = 'pushed', changed_at = $6 \
     WHERE registry = $1 AND repository = $2 AND tag = $3 AND state = 'sealed' AND digest = $4 RETURNING ",
    record!()
);

type Done<T> = Result<T, Failure>;

impl Books<'_> {
    async fn count_acts(&self) -> Done<u64> {
        let row = self.connection.row(COUNT, &given![self.registry => TEXT]).await?;
        let place = Place { registry: self.registry, row: &"the count of acts" };
        let count: i64 = row.map_or(Ok(0), |row| column(&row, 0, place))?;
        Ok(count.unsigned_abs())
    }

    async fn spend(&self, id: &str, act: &Act, key: &TagKey) -> Done<bool> {
        self.connection.row(ONE_BY_ONE, &given![id => TEXT]).await?;
        let [used, withdrawn] = ends_of(id);
        if self.connection.row(ENDED, &given![self.registry => TEXT, used => TEXT, withdrawn => TEXT]).await?.is_some() {
            return Ok(false);
        }
        self.write_down(act, Some(key)).await?;
        Ok(true)
    }

    async fn replace(
        &self,
        key: &TagKey,
        from: &Digest,
        to: &Digest,
        by: Option<(&str, &Act)>,
        note: &Note,
    ) -> Done<Option<Record>> {
        let standing = self.lock(key).await?;
        if standing.is_none_or(|record| record.state != State::Sealed || record.digest != *from) {
            return Ok(None);
        }
        if let Some((id, act)) = by
            && !self.spend(id, act, key).await?
        {
            return Ok(None);
        }
        // The event comes first: the database lets a sealed tag change its digest only
        // where one says so.
        self.write(self.event(key, Action::Push, Outcome::Pushed, note).with(Some(to), Some(from))).await?;
        let parameters = given![from.as_str() => TEXT, to.as_str() => TEXT, note.at.as_millisecond() => INT8];
        self.one(REPLACE, key, &parameters).await
    }
}

#[async_trait]
impl Deciding for PostgresLedger {
    async fn act(&self, act: &Act, key: Option<&TagKey>) -> Result<(), LedgerError> {
        write!(self, write_down(act, key))
    }

    async fn count_acts(&self) -> Result<u64, LedgerError> {
        read!(self, count_acts())
    }

    async fn spend(&self, id: &str, act: &Act, key: &TagKey) -> Result<bool, LedgerError> {
        write!(self, spend(id, act, key))
    }

    async fn replace(
        &self,
        key: &TagKey,
        from: &Digest,
        to: &Digest,
        by: Option<(&str, &Act)>,
        note: &Note,
    ) -> Result<Option<Record>, LedgerError> {
        let replaced = write!(self, replace(key, from, to, by, note))?;
        if replaced.is_some() {
            self.witness().await?;
        }
        Ok(replaced)
    }
}
