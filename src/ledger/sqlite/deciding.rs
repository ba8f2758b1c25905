//! Decisions of operators, carried out in the embedded ledger.

use async_trait::async_trait;

use super::SqliteLedger;
use crate::ledger::decision::Deciding;
use crate::ledger::{Act, LedgerError, Note, Record, TagKey};
use crate::oci::Digest;

#[async_trait]
impl Deciding for SqliteLedger {
    async fn act(&self, act: &Act, key: Option<&TagKey>) -> Result<(), LedgerError> {
        let (act, key) = (act.clone(), key.cloned());
        self.writer.write(move |books| books.write_down(&act, key.as_ref())).await
    }

    async fn count_acts(&self) -> Result<u64, LedgerError> {
        self.look(|books| books.count_acts())
    }

    async fn spend(&self, id: &str, act: &Act, key: &TagKey) -> Result<bool, LedgerError> {
        let (id, act, key) = (id.to_owned(), act.clone(), key.clone());
        self.writer.write(move |books| books.spend(&id, &act, &key)).await
    }

    async fn replace(
        &self,
        key: &TagKey,
        from: &Digest,
        to: &Digest,
        by: Option<(&str, &Act)>,
        note: &Note,
    ) -> Result<Option<Record>, LedgerError> {
        let (key, from, to, note) = (key.clone(), from.clone(), to.clone(), note.clone());
        let by = by.map(|(id, act)| (id.to_owned(), act.clone()));
        self.writer.write(move |books| books.replace(&key, &from, &to, by.as_ref(), &note)).await
    }
}
