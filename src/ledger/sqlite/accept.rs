//! An operator says that a doubtful ledger counts.

use std::path::Path;

use jiff::Timestamp;

use super::books::Books;
use super::open::{self, OpenError, Wanted};
use super::{SqliteLedger, chain, judge};
use crate::ledger::witness::{self, Doubt};
use crate::ledger::{Act, LedgerError};

impl SqliteLedger {
    /// Takes the ledger in the file `path` as it is, whatever its witness says, and
    /// writes down what is there and what was known, with a new witness. Returns
    /// what was doubtful; nothing is written where nothing was. The ledger must not
    /// be in use.
    pub fn accept(
        path: &Path,
        registry: &str,
        witness: Option<&Path>,
        who: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<Vec<Doubt>, OpenError> {
        let opened = open::open(&Wanted { file: path, registry, witness, is_accepted: true, is_impatient: false })?;
        if opened.doubts.is_empty() {
            return Ok(Vec::new());
        }
        let failed = |source| OpenError::Sqlite { file: opened.file.clone(), source };
        let undone = |error: LedgerError| OpenError::Unaccepted { file: opened.file.clone(), cause: error.to_string() };
        let connection = opened.writer;
        let heads = opened.heads.advanced();
        let transaction = connection.unchecked_transaction().map_err(failed)?;
        judge::enter(&transaction, registry).map_err(failed)?;
        for doubt in &opened.doubts {
            Books::new(&transaction, registry).write_down(&Act::accept(doubt, who, reason, now), None).map_err(undone)?;
        }
        chain::append(&transaction, &heads).map_err(failed)?;
        transaction.commit().map_err(failed)?;
        witness::replace(&opened.witness, &heads)?;
        Ok(opened.doubts)
    }
}
