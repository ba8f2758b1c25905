//! `pushonce ledger …`: what an operator does to the ledger itself.

mod acts;
mod backup;
mod verify;

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
    /// Copy the embedded ledger to a new file, while the proxy runs
    #[command(long_about = backup::ABOUT, after_help = backup::EXAMPLE)]
    Backup {
        /// The file to make
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The server configuration, which names the ledger
        #[arg(long, value_name = "FILE", default_value = CONFIG)]
        config: PathBuf,
    },
    /// Check the embedded ledger, or a backup of it
    #[command(long_about = verify::ABOUT, after_help = verify::EXAMPLE)]
    Verify {
        /// The file to check; without it, the ledger of the configuration
        #[arg(value_name = "FILE", conflicts_with = "config")]
        file: Option<PathBuf>,
        /// The server configuration, which names the ledger
        #[arg(long, value_name = "FILE", default_value = CONFIG)]
        config: PathBuf,
    },
}

/// Runs one command and returns what to print.
pub(super) fn run(command: LedgerCommand, environment: &Environment) -> Result<String, Ended> {
    match command {
        LedgerCommand::Acts { config } => acts::acts(&config, environment),
        LedgerCommand::Backup { file, config } => backup::backup_to(&file, &config, environment),
        LedgerCommand::Verify { file, config } => verify::verify_file(file.as_deref(), &config, environment),
    }
}
