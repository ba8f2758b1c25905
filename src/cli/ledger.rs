//! `pushonce ledger …`: what an operator does to the ledger itself.

mod accept;
mod acts;
mod backup;
mod move_to;
mod verify;

use std::path::PathBuf;

use clap::Subcommand;

use super::{CONFIG, Ended, Environment};

#[derive(Subcommand, Debug)]
pub(super) enum LedgerCommand {
    /// Take a ledger as it is, although its witness says that it went back
    #[command(long_about = accept::ABOUT, after_help = accept::EXAMPLE)]
    Accept {
        /// Why, in one line; it is kept with the act for good
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// The server configuration, which names the ledger and the registry
        #[arg(long, value_name = "FILE", default_value = CONFIG)]
        config: PathBuf,
    },
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
    /// Carry the embedded ledger over to PostgreSQL
    #[command(long_about = move_to::ABOUT, after_help = move_to::EXAMPLE)]
    Move {
        /// The target, as in `ledger.url`: postgres://USER@HOST/DATABASE
        #[arg(long, value_name = "URL")]
        to: String,
        /// The file with the password of the target
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
        /// The server configuration, which names the embedded ledger
        #[arg(long, value_name = "FILE", default_value = CONFIG)]
        config: PathBuf,
    },
}

/// Runs one command and returns what to print.
pub(super) fn run(command: LedgerCommand, environment: &Environment) -> Result<String, Ended> {
    match command {
        LedgerCommand::Accept { reason, config } => accept::accept(&reason, &config, environment),
        LedgerCommand::Acts { config } => acts::acts(&config, environment),
        LedgerCommand::Backup { file, config } => backup::backup_to(&file, &config, environment),
        LedgerCommand::Move { to, password_file, config } => move_to::move_to(&to, password_file.as_deref(), &config, environment),
        LedgerCommand::Verify { file, config } => verify::verify_file(file.as_deref(), &config, environment),
    }
}
