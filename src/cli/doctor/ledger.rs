//! The ledger, and the disk that it is on.

use std::path::Path;

use super::Finding;
use crate::causes::with_causes;
use crate::cli::Ended;
use crate::cli::operator::ledger_of;
use crate::config::Config;
use crate::ledger::{Engine, directory_of};

/// Less must not be free: a full disk refuses every push.
const LEAST: u64 = 1 << 30;

pub(super) async fn look(config: &Config) -> Vec<Finding> {
    let place = match &config.ledger.engine {
        Engine::Sqlite(file) => file.display().to_string(),
        Engine::Postgres(settings) => settings.address.to_string(),
    };
    match &config.ledger.engine {
        Engine::Sqlite(file) if !file.exists() => vec![new(file), disk(file)],
        Engine::Sqlite(file) => vec![opened(config, &place).await, disk(file)],
        Engine::Postgres(_) => vec![opened(config, &place).await],
    }
}

/// One that `serve` will make.
fn new(file: &Path) -> Finding {
    let directory = directory_of(file);
    let shown = directory.display();
    if !directory.is_dir() {
        let words = format!("{}: the directory {shown} does not exist", file.display());
        return Finding::failed("ledger", words, format!("make it, for the user that pushonce runs as: `install -d {shown}`"));
    }
    Finding::ok("ledger", format!("{}: not there yet, the first start makes it", file.display()))
}

async fn opened(config: &Config, place: &str) -> Finding {
    let ledger = match ledger_of(config).await {
        Ok(ledger) => ledger,
        Err(Ended::Failed(words)) => return Finding::failed("ledger", words, "docs/LEDGER.md says more of each"),
        Err(other) => return Finding::failed("ledger", format!("{other:?}"), "mend the configuration"),
    };
    match ledger.count_open().await {
        Ok(0) => Finding::ok("ledger", format!("{place}: no claim is open")),
        Ok(open) => {
            let remedy =
                "wait a minute, in which the proxy finishes them, or push those tags again; `pushonce release-claim` frees one";
            Finding::warning("ledger", format!("{place}: {open} claims are open"), remedy)
        }
        Err(cause) => Finding::failed("ledger", format!("{place}: {}", with_causes(&cause)), "see to the database or the disk"),
    }
}

fn disk(file: &Path) -> Finding {
    let directory = directory_of(file);
    let shown = directory.display();
    match rustix::fs::statvfs(directory) {
        Ok(found) => {
            let free = found.f_bavail.saturating_mul(found.f_frsize);
            let words = format!("{shown}: {} MiB are free", free >> 20);
            match free {
                LEAST.. => Finding::ok("disk", words),
                _ => Finding::warning("disk", words, "make room: a full disk refuses every push"),
            }
        }
        Err(cause) => Finding::failed("disk", format!("{shown}: {cause}"), "make the directory of the ledger"),
    }
}
