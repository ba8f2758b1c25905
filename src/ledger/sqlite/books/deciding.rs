//! Decisions of operators, as SQL.

use rusqlite::params;

use super::{Books, record, unavailable};
use crate::ledger::decision::ends_of;
use crate::ledger::event::{Action, Outcome};
use crate::ledger::{Act, LedgerError, Note, Record, TagKey};
use crate::oci::Digest;

const COUNT: &str = "SELECT count(*) FROM acts WHERE registry = ?1";
const ENDED: &str = "SELECT 1 FROM acts WHERE registry = ?1 AND what IN (?2, ?3)";
const IS_SEALED: &str =
    "SELECT 1 FROM tags WHERE registry = ?1 AND repository = ?2 AND tag = ?3 AND state = 'sealed' AND digest = ?4";
const REPLACE: &str = concat!(
    "UPDATE tags SET digest = ?5, origin = 'pushed', changed_at = ?6 \
     WHERE registry = ?1 AND repository = ?2 AND tag = ?3 AND state = 'sealed' AND digest = ?4 RETURNING ",
    record!()
);

impl Books<'_> {
    pub(in crate::ledger::sqlite) fn count_acts(&self) -> Result<u64, LedgerError> {
        let mut statement = self.connection.prepare_cached(COUNT).map_err(unavailable)?;
        let count: i64 = statement.query_row(params![self.registry], |row| row.get(0)).map_err(unavailable)?;
        Ok(count.unsigned_abs())
    }

    pub(in crate::ledger::sqlite) fn spend(&self, id: &str, act: &Act, key: &TagKey) -> Result<bool, LedgerError> {
        let [used, withdrawn] = ends_of(id);
        let mut statement = self.connection.prepare_cached(ENDED).map_err(unavailable)?;
        if statement.exists(params![self.registry, used, withdrawn]).map_err(unavailable)? {
            return Ok(false);
        }
        self.write_down(act, Some(key))?;
        Ok(true)
    }

    pub(in crate::ledger::sqlite) fn replace(
        &self,
        key: &TagKey,
        from: &Digest,
        to: &Digest,
        by: Option<&(String, Act)>,
        note: &Note,
    ) -> Result<Option<Record>, LedgerError> {
        let (repository, tag) = (key.repository.as_str(), key.tag.as_str());
        let mut statement = self.connection.prepare_cached(IS_SEALED).map_err(unavailable)?;
        if !statement.exists(params![self.registry, repository, tag, from.as_str()]).map_err(unavailable)? {
            return Ok(None);
        }
        if let Some((id, act)) = by
            && !self.spend(id, act, key)?
        {
            return Ok(None);
        }
        // The event comes first: the database lets a sealed tag change its digest only
        // where one says so.
        self.write(self.event(key, Action::Push, Outcome::Pushed, note).with(Some(to), Some(from)))?;
        let at = note.at.as_millisecond();
        let parameters = params![self.registry, repository, tag, from.as_str(), to.as_str(), at];
        let record = self.one(REPLACE, key, parameters)?;
        self.is_urgent.set(true);
        Ok(record)
    }
}
