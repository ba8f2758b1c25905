//! `pushonce ledger backup`: a copy of the embedded ledger, while the proxy runs.

use std::path::Path;

use crate::cli::operator::embedded;
use crate::cli::progress::Bar;
use crate::cli::{Ended, Environment};
use crate::config;
use crate::ledger::sqlite::backup;

pub(super) const ABOUT: &str = "\
Copy the embedded ledger to a new file, while the proxy runs

The copy holds what was committed when it began, and no push waits for it. It is checked and
flushed to the disk before it gets its name; cut off, it leaves no FILE, at most one that ends
in .partial. To restore it, see docs/LEDGER.md. A PostgreSQL ledger is copied with pg_dump.";

pub(super) const EXAMPLE: &str = "\
Example:
  pushonce ledger backup /var/backups/pushonce-2026-11-23.db

Exit codes:
  0  the copy is whole
  1  there is no copy: FILE exists, the disk is full, the ledger cannot be read
  2  mistakes in the command line or the configuration";

pub(super) fn backup_to(to: &Path, file: &Path, environment: &Environment) -> Result<String, Ended> {
    let config = config::load(file, environment)?;
    let ledger = embedded(&config, "copy it with `pg_dump`, or with what your PostgreSQL is backed up by")?;
    let bar = Bar::new("copying", "pages");
    let copied = backup(ledger, to, &mut |done, of| bar.set(done, of));
    drop(bar);
    let copied = copied.map_err(|cause| Ended::failed(&cause))?;
    Ok(format!("{}: {} tags, {} bytes\n", to.display(), copied.tags, copied.bytes))
}
