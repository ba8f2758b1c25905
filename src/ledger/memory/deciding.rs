//! Decisions of operators, carried out in memory.

use async_trait::async_trait;

use super::{Books, MemoryLedger};
use crate::ledger::decision::{Deciding, ends_of};
use crate::ledger::event::{Action, Event, Outcome};
use crate::ledger::{Act, LedgerError, Note, Origin, Record, State, TagKey};
use crate::oci::Digest;

impl Books {
    fn write_act(&mut self, registry: &str, act: &Act, key: Option<&TagKey>) {
        self.write(act.event(registry, key));
        self.acts.push(act.clone());
    }

    fn has_ended(&self, id: &str) -> bool {
        self.acts.iter().any(|act| ends_of(id).contains(&act.what))
    }
}

#[async_trait]
impl Deciding for MemoryLedger {
    async fn act(&self, act: &Act, key: Option<&TagKey>) -> Result<(), LedgerError> {
        self.books().write_act(&self.registry, act, key);
        Ok(())
    }

    async fn count_acts(&self) -> Result<u64, LedgerError> {
        Ok(self.books().acts.len() as u64)
    }

    async fn spend(&self, id: &str, act: &Act, key: &TagKey) -> Result<bool, LedgerError> {
        let mut books = self.books();
        let is_spent = !books.has_ended(id);
        if is_spent {
            books.write_act(&self.registry, act, Some(key));
        }
        Ok(is_spent)
    }

    async fn replace(
        &self,
        key: &TagKey,
        from: &Digest,
        to: &Digest,
        by: Option<(&str, &Act)>,
        note: &Note,
    ) -> Result<Option<Record>, LedgerError> {
        let mut books = self.books();
        if by.is_some_and(|(id, _)| books.has_ended(id)) {
            return Ok(None);
        }
        let standing = books.rows.get_mut(key).map(|row| &mut row.record);
        let Some(record) = standing.filter(|record| record.state == State::Sealed && record.digest == *from) else {
            return Ok(None);
        };
        *record = Record { digest: to.clone(), state: State::Sealed, origin: Origin::Pushed, since: note.at };
        let record = record.clone();
        books.write(Event::of(&self.registry, key, Action::Push, Outcome::Pushed, note).with(Some(to), Some(from)));
        if let Some((_, act)) = by {
            books.write_act(&self.registry, act, Some(key));
        }
        Ok(Some(record))
    }
}
