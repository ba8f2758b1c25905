//! Decisions of operators as replicas carry them out.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::FutureExt;

use super::RemoteLedger;
use crate::ledger::{Act, Deciding, Ledger, LedgerError, Note, Record, TagKey};
use crate::oci::Digest;

#[async_trait]
impl Deciding for RemoteLedger {
    async fn act(&self, act: &Act, key: Option<&TagKey>) -> Result<(), LedgerError> {
        let (act, key) = (act.clone(), key.cloned());
        let ask = move |ledger: Arc<dyn Ledger>| async move { ledger.act(&act, key.as_ref()).await }.boxed();
        self.call("act", String::new(), ask).await
    }

    async fn count_acts(&self) -> Result<u64, LedgerError> {
        let ask = move |ledger: Arc<dyn Ledger>| async move { ledger.count_acts().await }.boxed();
        self.call("count_acts", String::new(), ask).await
    }

    async fn spend(&self, id: &str, act: &Act, key: &TagKey) -> Result<bool, LedgerError> {
        let (id, act, key) = (id.to_owned(), act.clone(), key.clone());
        let ask = move |ledger: Arc<dyn Ledger>| async move { ledger.spend(&id, &act, &key).await }.boxed();
        self.call("spend", String::new(), ask).await
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
        let ask = move |ledger: Arc<dyn Ledger>| {
            async move {
                let by = by.as_ref().map(|(id, act)| (id.as_str(), act));
                ledger.replace(&key, &from, &to, by, &note).await
            }
            .boxed()
        };
        self.call("replace", String::new(), ask).await
    }
}
