//! `pushonce ledger …`: what an operator does to the ledger itself.

mod acts;

use std::path::PathBuf;

use clap::Subcommand;

use super::{CONFIG, Ended, Environment};

#[derive(Subcommand, Debug)]
pub(super) enum LedgerCommand {
    /// Show what operators changed by hand, the oldest first
    #[command(after_help = "Example:\n  pushonce ledger acts --config config/pushonce.toml")]
    Acts {
        /// The server configuration, which names the ledger and the registry
        #[arg(long, value_name = "FILE", default_value = CONFIG)]
        config: PathBuf,
    },
}

/// Runs one command and returns what to print.
pub(super) fn run(command: LedgerCommand, environment: &Environment) -> Result<String, Ended> {
    match command {
        LedgerCommand::Acts { config } => acts::acts(&config, environment),
    }
}
