//! The configuration: `raw` reads the file, `valid` is what runs, and
//! `diagnostic` shows every mistake in between.
//!
//! All mistakes are found at once: those of the server file, of the environment,
//! and of the policy file that the server file names.

pub mod diagnostic;
mod environment;
mod policy_file;
mod raw;
mod secrets;
mod server_file;
pub mod valid;
mod webhooks;
mod words;

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use toml::de::DeTable;

use crate::oci::TagCase;
use crate::policy::Policy;
use diagnostic::{Diagnostic, Place, Severity, Source};
use raw::Report;
use server_file::Role;

pub use diagnostic::Diagnostics;
pub use environment::variable_name;
pub use raw::{KEYS, WEBHOOK_KEYS};
pub use valid::Config;

/// Bytes that a configuration file may have.
const LARGEST_FILE: u64 = 1 << 20;

/// What a file configures.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileKind {
    Server,
    Policy,
}

/// Reads the server file, what `environment` overrides in it, and the policy file
/// that it names.
pub fn load(path: &Path, environment: &[(String, String)]) -> Result<Config, Diagnostics> {
    let report = Report::default();
    let source = read_file(path, Role::Configuration, Place::File(path.to_owned()), &report);
    let config = source.and_then(|source| server_file::read(&Arc::new(source), path, environment, &read_file, &report));
    finish(config, report).map(|(config, warnings)| Config { warnings, ..config })
}

/// Reads a server file from its text; every file that it names says `other`.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn parse_server(path: &Path, text: &str, environment: &[(String, String)], other: &str) -> Result<Config, Diagnostics> {
    let report = Report::default();
    let source = |path: &Path, text: &str| Source { name: path.display().to_string(), text: text.to_owned() };
    let read = |path: &Path, _: Role<'_>, _: Place, _: &Report| Some(source(path, other));
    let config = server_file::read(&Arc::new(source(path, text)), path, environment, &read, &report);
    finish(config, report).map(|(config, _)| config)
}

/// Reads a policy file alone, with its warnings. What its registry does with the case of
/// tags is not known.
pub fn load_policy(path: &Path) -> Result<(Policy, Diagnostics), Diagnostics> {
    load_policy_for(path, TagCase::Keep)
}

/// The same for a registry that treats the case of tags so.
pub fn load_policy_for(path: &Path, tag_case: TagCase) -> Result<(Policy, Diagnostics), Diagnostics> {
    let report = Report::default();
    let source = read_file(path, Role::Configuration, Place::File(path.to_owned()), &report);
    let policy = source.and_then(|source| policy_file::read(&Arc::new(source), tag_case, &report));
    finish(policy, report)
}

/// Reads a policy from its text; `name` stands for the file in diagnostics.
pub fn parse_policy(name: &str, text: &str) -> Result<(Policy, Diagnostics), Diagnostics> {
    let report = Report::default();
    let source = Arc::new(Source { name: name.to_owned(), text: text.to_owned() });
    let policy = policy_file::read(&source, TagCase::Keep, &report);
    finish(policy, report)
}

/// Tells a policy file from a server file by what stands in it; fails where the
/// file cannot be read.
pub fn kind_of(path: &Path) -> Result<FileKind, Diagnostics> {
    let report = Report::default();
    let source = read_file(path, Role::Configuration, Place::File(path.to_owned()), &report);
    let kind = source.map(|source| {
        let (table, _) = DeTable::parse_recoverable(&source.text);
        let has = |key: &str| table.get_ref().keys().any(|found| found.get_ref() == key);
        // `rules` is the slip that is made most; the reader says what it should be.
        let is_policy = policy_file::KEYS.iter().copied().chain(["rules"]).any(has) && !has("upstream");
        if is_policy { FileKind::Policy } else { FileKind::Server }
    });
    finish(kind, report).map(|(kind, _)| kind)
}

/// A text as a string of TOML, in quotes.
pub fn toml_string(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// What was read, with its warnings; or all that is wrong with it.
fn finish<T>(value: Option<T>, report: Report) -> Result<(T, Diagnostics), Diagnostics> {
    let diagnostics = report.into_diagnostics();
    match value {
        Some(value) if diagnostics.count(Severity::Mistake) == 0 => Ok((value, diagnostics)),
        _ => Err(diagnostics),
    }
}

/// Reads a text file. What is wrong with it is reported at `place`, which is the
/// file itself or the key that names it.
fn read_file(path: &Path, role: Role<'_>, place: Place, report: &Report) -> Option<Source> {
    let (name, meant) = match role {
        Role::Configuration => (path.display().to_string(), "the rules are named by `policy.file`"),
        Role::Secret(key) => {
            let meant = match key {
                "ledger.password_file" => "a password stands in `ledger.url`, behind the user",
                "upstream.password_file" => "a password stands under `upstream.password`",
                _ => "the secret stands in it, on one line",
            };
            (format!("the file that `{key}` names"), meant)
        }
    };
    let refuse = |message: String, hint: &str| report.push(Diagnostic::new(place.clone(), message).hint(hint));
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LARGEST_FILE + 1).read_to_end(&mut bytes));
    if let Err(error) = read {
        let hint = match error.kind() {
            std::io::ErrorKind::NotFound => &format!("create the file, or name the one that is meant; {meant}"),
            std::io::ErrorKind::PermissionDenied => "let the user that pushonce runs as read the file",
            std::io::ErrorKind::IsADirectory => "name the file, not the directory it is in",
            _ => "name a file that can be read",
        };
        refuse(format!("{name} cannot be read: {error}"), hint);
        return None;
    }
    if bytes.len() as u64 > LARGEST_FILE {
        refuse(format!("{name} is larger than {} MiB", LARGEST_FILE >> 20), "name the configuration file, not a data file");
        return None;
    }
    match String::from_utf8(bytes) {
        Ok(text) => Some(Source { name, text: text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text) }),
        Err(error) => {
            let legal = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = 1 + legal.iter().filter(|byte| **byte == b'\n').count();
            refuse(format!("{name} is not UTF-8: line {line} has other bytes"), "save the file as UTF-8");
            None
        }
    }
}

#[cfg(test)]
mod schema;
#[cfg(test)]
mod tests;
