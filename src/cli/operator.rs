//! What the commands of an operator share: who they are, and how a ledger is asked.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;

use crate::cli::Ended;
use crate::config::valid::Config;
use crate::ledger::decision::by_hand;
use crate::ledger::{self, Engine, Ledger};

/// The ledger of a configuration, beside the proxy that may be running with it.
pub(super) async fn ledger_of(config: &Config) -> Result<Arc<dyn Ledger>, Ended> {
    let Config { ledger: settings, upstream, .. } = config;
    let ledger = ledger::beside(&settings.engine, &upstream.name, settings.witness.as_deref()).await;
    ledger.map_err(|cause| Ended::failed(&cause))
}

/// The file of the embedded ledger; `remedy` is what to do with one of PostgreSQL instead.
pub(super) fn embedded<'a>(config: &'a Config, remedy: &str) -> Result<&'a Path, Ended> {
    match &config.ledger.engine {
        Engine::Sqlite(file) => Ok(file),
        Engine::Postgres(settings) => Err(Ended::Failed(format!("the ledger is {}, which is no file: {remedy}", settings.address))),
    }
}

/// Runs one command to its end.
pub(super) fn block_on<T>(command: impl Future<Output = Result<T, Ended>>) -> Result<T, Ended> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|cause| Ended::Failed(format!("the operating system refused to start: {cause}")))?.block_on(command)
}

/// One line that says why, for the acts of the ledger.
pub(super) fn reason(text: &str) -> Result<&str, Ended> {
    let missing = || Ended::Mistaken("--reason needs one line that says why, such as \"the build is gone\"".to_owned());
    by_hand::reason(text).ok_or_else(missing)
}

/// Who runs this program, as the operating system knows them. Whoever became root by
/// `sudo` is named by `SUDO_USER`; for everybody else that variable is only a claim.
pub(super) fn who(environment: &super::Environment) -> String {
    let user = rustix::process::getuid();
    let sudo = environment.iter().find(|(name, _)| name == "SUDO_USER").map(|(_, value)| value);
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    named(user.as_raw(), sudo.map(String::as_str), &accounts)
}

fn named(user: u32, sudo: Option<&str>, accounts: &str) -> String {
    if let Some(name) = sudo.filter(|name| user == 0 && !name.is_empty()) {
        return name.to_owned();
    }
    let account = accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == user.to_string()).then_some(name)
    });
    account.map_or_else(|| format!("user {user}"), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sudo_is_believed_of_root_only() {
        let accounts = "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n";
        assert_eq!(named(1000, None, accounts), "ann");
        assert_eq!(named(1000, Some("bob"), accounts), "ann");
        assert_eq!(named(0, Some("bob"), accounts), "bob");
        assert_eq!(named(0, Some(""), accounts), "root");
        assert_eq!(named(65532, None, accounts), "user 65532");
    }
}
