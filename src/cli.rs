//! The command line. Exit codes: 0 done, 1 failed, 2 mistakes in what was given, 3 an audit
//! found differences.

mod adopt;
mod against;
mod audit;
pub mod check;
mod doctor;
pub mod explain;
mod exception;
mod init;
mod ledger;
mod log;
mod manual;
mod online;
mod operator;
mod progress;
mod question;
mod references;
mod release;
mod report;
mod serve;
mod table;
mod walk;

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::causes::with_causes;
use crate::config::{self, Diagnostics, FileKind};
use crate::failpoint;
use crate::oci::TagCase;
use crate::policy::Policy;

/// Where the packages put the configuration.
const CONFIG: &str = "/etc/pushonce/pushonce.toml";

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed while running, such as a port that is taken
  2  mistakes in the command line, the configuration or the policy
  3  `audit` found that something differs";

const EXPLAIN_EXAMPLES: &str = "\
Example:
  pushonce explain driftwood/web:1.4.0 driftwood/web:latest --config config/pushonce.toml
  pushonce explain - --short --config config/policy.toml < tags.txt";

/// Makes the release tags of an OCI registry immutable.
///
/// pushonce stands in front of a registry. A tag that the policy calls immutable,
/// such as 1.4.0, is pushed once; tags such as latest go on moving.
#[derive(Parser, Debug)]
#[command(name = "pushonce", version, arg_required_else_help = true, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

type Environment = [(String, String)];

#[derive(Subcommand, Debug)]
enum Command {
    #[command(long_about = init::ABOUT, after_help = init::EXAMPLES)]
    Init(init::Arguments),
    /// Run the proxy in front of the registry
    #[command(after_help = "Example:\n  pushonce serve --config config/pushonce.toml")]
    Serve {
        /// The server configuration
        #[arg(long, value_name = "FILE", default_value = CONFIG)]
        config: PathBuf,
    },
    #[command(long_about = check::ABOUT, after_help = check::EXAMPLES)]
    Check(check::Arguments),
    /// Say which rule decides over a tag, and why the others do not
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain {
        /// Tags, each as REPOSITORY:TAG without a registry host; `-` for a list on standard
        /// input, one on each line
        #[arg(value_name = "REPOSITORY:TAG", required = true)]
        references: Vec<String>,
        /// One line for each tag: the tag, what it is, and the rule that decides, with tabs
        /// between them
        #[arg(long)]
        short: bool,
        /// The server configuration, or a policy file
        #[arg(long, value_name = "FILE", default_value = CONFIG)]
        config: PathBuf,
    },
    #[command(long_about = doctor::ABOUT, after_help = doctor::EXAMPLES)]
    Doctor(doctor::Arguments),
    #[command(long_about = adopt::ABOUT, after_help = adopt::EXAMPLES)]
    Adopt(adopt::Arguments),
    #[command(long_about = audit::ABOUT, after_help = audit::EXAMPLES)]
    Audit(audit::Arguments),
    #[command(flatten)]
    Question(question::Question),
    /// Free a tag whose push was cut off and cannot be finished
    #[command(long_about = release::ABOUT, after_help = release::EXAMPLE)]
    ReleaseClaim {
        /// The tag, as REPOSITORY:TAG without a registry host
        #[arg(value_name = "REPOSITORY:TAG")]
        reference: String,
        /// Why, in one line; it is kept with the act for good
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// The server configuration, which names the ledger and the registry
        #[arg(long, value_name = "FILE", default_value = CONFIG)]
        config: PathBuf,
    },
    #[command(long_about = report::ABOUT, after_help = report::EXAMPLES)]
    Report(report::Arguments),
    /// Let the rule of one tag be broken once
    Exception {
        #[command(subcommand)]
        command: exception::ExceptionCommand,
    },
    #[command(long_about = exception::YANK, after_help = exception::YANK_EXAMPLES)]
    Yank(exception::YankArguments),
    #[command(flatten)]
    Manual(manual::Manual),
    /// Look at the ledger, copy it, check it, move it
    Ledger {
        #[command(subcommand)]
        command: ledger::LedgerCommand,
    },
}

/// The environment, read once. Variables that are no text cannot be ours.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn environment() -> Vec<(String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect()
}

/// Runs one command.
pub fn run(arguments: impl IntoIterator<Item = OsString>, environment: &Environment) -> ExitCode {
    let _failpoints = failpoint::listen();
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(message) => message.exit(),
    };
    let no_color = environment.iter().any(|(name, value)| name == "NO_COLOR" && !value.is_empty());
    let color = io::stderr().is_terminal() && !no_color;
    match arguments.command {
        Command::Serve { config } => serve::serve(&config, environment, color),
        Command::Init(arguments) => ended(init::init(arguments, environment), color),
        Command::Check(arguments) => match check::check(arguments.file(), environment, color, arguments.deny_warnings) {
            (summary, true) if arguments.asks() => {
                let asked = online::ask(&arguments, summary, environment);
                ended(asked.and_then(|summary| against::ask(&arguments, summary, environment)), color)
            }
            (summary, true) => done(&summary),
            (mistakes, false) => mistaken(&mistakes),
        },
        Command::Explain { references, short, config } => match policy_of(&config, environment) {
            Ok((policy, file, tag_case)) => match references::read(&references, io::stdin().lock()) {
                Ok(tags) if short => done(&explain::list(&policy, tag_case, &tags)),
                Ok(tags) => done(&explain::explain(&policy, &file, tag_case, &tags)),
                Err(mistakes) => mistaken(&format!("{mistakes}\n")),
            },
            Err(mistakes) => mistaken(&format!("{}\n", mistakes.render(color))),
        },
        Command::ReleaseClaim { reference, reason, config } => {
            ended(release::release(&reference, &reason, &config, environment), color)
        }
        Command::Doctor(arguments) => ended(doctor::doctor(&arguments, environment), color),
        Command::Adopt(arguments) => ended(adopt::adopt(&arguments, environment), color),
        Command::Audit(arguments) => ended(audit::audit(&arguments, environment), color),
        Command::Question(question) => ended(question::answer(question, environment), color),
        Command::Report(arguments) => ended(report::report(&arguments, environment), color),
        Command::Exception { command } => ended(exception::run(command, environment), color),
        Command::Yank(arguments) => ended(exception::yank(&arguments, environment), color),
        Command::Manual(manual) => ended(manual::run(manual), color),
        Command::Ledger { command } => ended(ledger::run(command, environment), color),
    }
}

/// Why a command of an operator ended without being done.
#[derive(Debug)]
enum Ended {
    /// The configuration has mistakes.
    Misconfigured(Diagnostics),
    /// The command line has a mistake, in words.
    Mistaken(String),
    /// It failed, for reasons that the words give, with the remedy.
    Failed(String),
    /// It has an answer, and its own exit code; words for standard error may come behind.
    Told { text: String, words: String, code: u8 },
}

impl From<Diagnostics> for Ended {
    fn from(mistakes: Diagnostics) -> Self {
        Self::Misconfigured(mistakes)
    }
}

impl Ended {
    fn failed(cause: &(dyn std::error::Error + 'static)) -> Self {
        Self::Failed(with_causes(cause))
    }
}

/// Prints what a command of an operator came to.
fn ended(outcome: Result<String, Ended>, color: bool) -> ExitCode {
    match outcome {
        Ok(text) => done(&text),
        Err(Ended::Misconfigured(mistakes)) => mistaken(&format!("{}\n", mistakes.render(color))),
        Err(Ended::Mistaken(words)) => mistaken(&format!("{words}\n")),
        Err(Ended::Failed(words)) => {
            eprintln!("pushonce: {words}");
            ExitCode::FAILURE
        }
        Err(Ended::Told { text, words, code }) => {
            let printed = done(&text);
            if !words.is_empty() {
                eprintln!("pushonce: {words}");
            }
            if printed == ExitCode::SUCCESS { ExitCode::from(code) } else { printed }
        }
    }
}

/// The policy of a server configuration, or of a policy file, its file, and what the
/// registry does with the case of tags, of which a policy alone says nothing.
fn policy_of(file: &Path, environment: &Environment) -> Result<(Policy, PathBuf, TagCase), Diagnostics> {
    match config::kind_of(file)? {
        FileKind::Server => {
            config::load(file, environment).map(|config| (config.policy, config.policy_file, config.upstream.tag_case))
        }
        FileKind::Policy => config::load_policy(file).map(|(policy, _)| (policy, file.to_owned(), TagCase::Keep)),
    }
}

/// Prints a result. A reader that went away, such as `head`, is no failure.
fn done(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Err(cause) if cause.kind() != io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    }
}

fn mistaken(text: &str) -> ExitCode {
    eprint!("{text}");
    ExitCode::from(2)
}
