//! `pushonce doctor`: whether everything is in place that the proxy needs, and what to do
//! where it is not. Nothing is written, to the registry or to the ledger.

mod certificates;
mod ledger;
mod registry;

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::check::count;
use super::operator::block_on;
use super::walk::{Output, json};
use super::{CONFIG, Ended, Environment};
use crate::config::{self, Config};

pub(super) const ABOUT: &str = "\
Look whether everything is in place that the proxy needs

Looks at the policy, the registry, its clock, pushonce's own user, the ledger, the disk and the
certificates, and says of each what is wrong and what to do. Nothing is written. It may be run
beside the proxy, and before its first start.";

pub(super) const EXAMPLES: &str = "\
Examples:
  pushonce doctor
  pushonce doctor --config config/pushonce.toml --output json

Exit codes:
  0  all is well, or there are warnings only
  1  something has failed
  2  mistakes in the configuration or the policy";

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// The server configuration
    #[arg(long, value_name = "FILE", default_value = CONFIG)]
    config: PathBuf,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Debug)]
#[serde(rename_all = "lowercase")]
enum Health {
    Ok,
    Warning,
    Failed,
}

/// What one look found.
#[derive(Serialize, Debug)]
struct Finding {
    health: Health,
    /// What was looked at.
    what: &'static str,
    words: String,
    /// What to do; nothing where all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

impl Finding {
    fn ok(what: &'static str, words: impl Into<String>) -> Self {
        Self { health: Health::Ok, what, words: words.into(), remedy: None }
    }

    fn warning(what: &'static str, words: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { health: Health::Warning, what, words: words.into(), remedy: Some(remedy.into()) }
    }

    fn failed(what: &'static str, words: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { health: Health::Failed, what, words: words.into(), remedy: Some(remedy.into()) }
    }

    fn line(&self) -> String {
        let health = match self.health {
            Health::Ok => "ok",
            Health::Warning => "warning",
            Health::Failed => "failed",
        };
        let remedy = self.remedy.as_ref().map(|remedy| format!("{:21}{remedy}\n", "")).unwrap_or_default();
        format!("{health:7}  {:11} {}\n{remedy}", self.what, self.words)
    }
}

pub(super) fn doctor(arguments: &Arguments, environment: &Environment) -> Result<String, Ended> {
    let config = config::load(&arguments.config, environment)?;
    let findings = block_on(async {
        let mut findings = vec![policy(&config, &arguments.config)];
        findings.extend(registry::look(&config).await);
        findings.extend(ledger::look(&config).await);
        findings.extend(certificates::look(&config));
        Ok(findings)
    })?;
    let text = match arguments.output {
        Output::Table => findings.iter().map(Finding::line).collect(),
        Output::Json => json(&findings)?,
    };
    match findings.iter().filter(|finding| finding.health == Health::Failed).count() {
        0 => Ok(text),
        _ => Err(Ended::Told { text, words: String::new(), code: 1 }),
    }
}

fn policy(config: &Config, file: &Path) -> Finding {
    let (rules, policy) = (count(config.policy.rules().len(), "rule"), config.policy_file.display());
    let words = format!("{policy}: {rules}, no mistakes");
    match config.warnings.len() {
        0 => Finding::ok("policy", words),
        warnings => {
            let remedy = format!("`pushonce check --config {}` shows them", file.display());
            Finding::warning("policy", format!("{words}, {}", count(warnings, "warning")), remedy)
        }
    }
}
