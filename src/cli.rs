//! The command line. Exit codes: 0 done, 1 failed, 2 mistakes in what was given.

mod serve;

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Makes the release tags of an OCI registry immutable.
#[derive(Parser, Debug)]
#[command(name = "pushonce", version, arg_required_else_help = true, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done · 1 failed · 2 mistakes in the command line, configuration or policy";

const CONFIG: &str = "/etc/pushonce/pushonce.toml";

#[derive(Subcommand, Debug)]
enum Command {
    /// Run the proxy in front of the registry
    Serve {
        /// The server configuration
        #[arg(long, value_name = "FILE", default_value = CONFIG)]
        config: PathBuf,
    },
}

/// The environment, read once. Variables that are no text cannot be ours.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn environment() -> Vec<(String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect()
}

/// Runs one command.
pub fn run(arguments: impl IntoIterator<Item = OsString>, environment: Vec<(String, String)>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(message) => message.exit(),
    };
    let color = std::io::stderr().is_terminal() && !environment.iter().any(|(name, value)| name == "NO_COLOR" && !value.is_empty());
    match arguments.command {
        Command::Serve { config } => serve::serve(&config, &environment, color),
    }
}
