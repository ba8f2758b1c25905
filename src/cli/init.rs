//! `pushonce init`: a first configuration and policy, after a few questions.

mod asking;

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::{Ended, Environment};
use crate::config::{self, toml_string};

const SERVER: &str = include_str!("../../config/pushonce.toml");
const SERVER_SCHEMA: &str = "#:schema pushonce.schema.json\n";

pub(super) const ABOUT: &str = "\
Write a first configuration and a first policy

Asks where the registry is, which tags are pushed once and which move, and writes pushonce.toml
and policy.toml with every key and what it means. What is given as an option is not asked; where
there is no terminal, nothing is asked and the defaults count. A file that exists is never
written over.

The policy begins in audit mode: nothing is refused, and `pushonce report` says what would have
been. Begin at once with --enforce.";

pub(super) const EXAMPLES: &str = "\
Examples:
  pushonce init
  pushonce init --upstream https://registry.example.com --directory /etc/pushonce
  pushonce init --upstream http://127.0.0.1:5001 --once 'semver:x.y.z' --once 'build-*' --enforce

Exit codes:
  0  both files are written
  1  they could not be written
  2  mistakes in what was given, or a file that exists";

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// Where the files are written; it has to exist
    #[arg(long, value_name = "DIRECTORY", default_value = ".")]
    directory: PathBuf,
    /// The registry, such as https://registry.example.com
    #[arg(long, value_name = "URL")]
    upstream: Option<String>,
    /// What the tags mean is kept here: sqlite:FILE, or postgres://USER@HOST/DATABASE for
    /// several replicas
    #[arg(long, value_name = "URL")]
    ledger: Option<String>,
    /// Tags that are pushed once, as a pattern of the policy; may be given several times
    #[arg(long, value_name = "PATTERN")]
    once: Vec<String>,
    /// Tags that move; may be given several times
    #[arg(long, value_name = "PATTERN")]
    moving: Vec<String>,
    /// Let those that move go forward only, to newer releases
    #[arg(long)]
    forward_only: bool,
    /// Refuse from the first day on
    #[arg(long)]
    enforce: bool,
}

/// What is to be written.
#[derive(Debug)]
struct Answers {
    upstream: String,
    ledger: String,
    once: Vec<String>,
    moving: Vec<String>,
    forward_only: bool,
    enforce: bool,
}

pub(super) fn init(arguments: Arguments, environment: &Environment) -> Result<String, Ended> {
    let directory = arguments.directory.clone();
    let [server, policy] = ["pushonce.toml", "policy.toml"].map(|name| directory.join(name));
    for file in [&server, &policy] {
        if file.exists() {
            let words = "exists and is not written over: name another --directory, or edit it";
            return Err(Ended::Mistaken(format!("{} {words}", file.display())));
        }
    }
    let answers = asking::answers(arguments)?;
    // Both are checked where they stand, since one names the other.
    write(&policy, &policy_of(&answers))?;
    let checked = write(&server, &server_of(&answers)).and_then(|()| Ok(config::load(&server, environment)?));
    let config = match checked {
        Ok(config) => config,
        Err(ended) => {
            for file in [&server, &policy] {
                if let Err(cause) = std::fs::remove_file(file)
                    && cause.kind() != ErrorKind::NotFound
                {
                    return Err(cannot(file, &cause));
                }
            }
            return Err(ended);
        }
    };
    Ok(next_steps(&server, &policy, &config, answers.enforce))
}

/// A new file.
fn write(file: &Path, text: &str) -> Result<(), Ended> {
    let written = OpenOptions::new().write(true).create_new(true).open(file).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|cause| cannot(file, &cause))
}

fn cannot(file: &Path, cause: &io::Error) -> Ended {
    Ended::Failed(format!("{} cannot be written: {cause}", file.display()))
}

/// The file with every key, and the answers in it.
fn server_of(answers: &Answers) -> String {
    let line = |key: &str, value: &str| format!("{key} = {}", toml_string(value));
    let mut text = String::new();
    for kept in SERVER.strip_prefix(SERVER_SCHEMA).unwrap_or(SERVER).lines() {
        if kept.starts_with("url = ") {
            text += &line("url", &answers.upstream);
        } else if kept.starts_with("# url = \"sqlite:") {
            text += &line("url", &answers.ledger);
        } else {
            text += kept;
        }
        text.push('\n');
    }
    text
}

fn policy_of(answers: &Answers) -> String {
    let list = |patterns: &[String]| patterns.iter().map(|pattern| toml_string(pattern)).collect::<Vec<_>>().join(", ");
    let audit = if answers.enforce {
        "# \"audit\" lets every push and delete pass, warns and records, whatever the rules say.\n# enforcement = \"enforce\""
    } else {
        "# Nothing is refused yet: `pushonce report` says what would have been. Remove the line to begin.\nenforcement = \"audit\""
    };
    let mut text = format!(
        "# The tag policy: which tags mean the same bytes forever.\n#\n\
         # Rules are asked from top to bottom; the first that matches decides.\n\
         # `pushonce check` finds mistakes, `pushonce explain REPOSITORY:TAG` shows which\n\
         # rule decides over a tag.\n\n\
         # For tags that no rule matches: \"mutable\", \"immutable\", \"forward-only\" or \"append-only\".\n\
         default = \"mutable\"\n\n{audit}\n\n"
    );
    if !answers.moving.is_empty() {
        let (mutability, meant) = if answers.forward_only {
            ("forward-only", "to a newer release, never back")
        } else {
            ("mutable", "to each new release")
        };
        text += &format!(
            "# These move {meant}.\n[[rule]]\nname = \"moving\"\ntags = [{}]\nmutability = \"{mutability}\"\n\n",
            list(&answers.moving)
        );
    }
    text += &format!(
        "# These are pushed once.\n[[rule]]\nname = \"once\"                               # shown to whoever is refused\n\
         # repositories = [\"driftwood/**\"]             # globs; without the key, every repository\n\
         tags = [{}]\nmutability = \"immutable\"\n\
         # delete = \"deny\"                             # \"allow\" lets the tag go, but never mean other bytes\n\
         # help_url = \"https://wiki.example.com/tags\"  # added to a refusal\n",
        list(&answers.once)
    );
    text
}

fn next_steps(server: &Path, policy: &Path, config: &config::Config, enforce: bool) -> String {
    let (server, policy) = (server.display(), policy.display());
    let warnings = match config.warnings.is_empty() {
        true => String::new(),
        false => format!("{}\n\n", config.warnings.render(false)),
    };
    let last =
        if enforce { "" } else { "\n  pushonce report --config CONFIG                     what enforcing would have refused" };
    format!(
        "{warnings}{server} and {policy} are written. What comes next:\n\
         \n  pushonce check --online --config CONFIG             ask the registry\
         \n  pushonce check --against registry --config CONFIG   count the tags that each rule decides over\
         \n  pushonce explain web:1.4.0 --config CONFIG          see which rule decides over a tag\
         \n  pushonce serve --config CONFIG                      run it{last}\n"
    )
    .replace("CONFIG", &server.to_string())
}

#[cfg(test)]
mod tests;
