//! `pushonce check`: every mistake of a configuration, or that there is none.

use std::path::{Path, PathBuf};

use super::walk::Output;
use super::{CONFIG, Ended};
use crate::config::diagnostic::Severity;
use crate::config::{self, Diagnostics, FileKind};
use crate::policy::Policy;

pub(super) const ABOUT: &str = "\
Show every mistake in a configuration and its policy

FILE is a server configuration, which is checked together with the policy that it names, or a
policy file alone.

Warnings are about what is no mistake and may not be meant: releases with a `v` before them, or
pre-releases, that no rule decides over; a regular expression that a glob says as well.

With --online the registry is asked as well, and nothing is written to it. Some registries, such
as Gitea's, take V1.4.0 and v1.4.0 for one tag. In front of one of those `upstream.tag_case` must
be \"fold\", or whoever pushes V1.4.0 gets around the rule for v1.4.0. A few tags that are there
are asked for by another name, such as LATEST for latest: a registry that folds the case of tags
answers both with the same digest, one that keeps it does not know the other name. It is asked
with `upstream.username`, or as nobody where that is not set. Globs under `repositories` that
match none of the registry's are warned of.

With --against registry it is asked for all its tags, to say how many each rule would decide
over; nothing is written to it. With --diff and the policy in force, the tags are named that
would change.";

pub(super) const EXAMPLES: &str = "\
Example:
  pushonce check config/policy.toml
  pushonce check --config config/pushonce.toml
  pushonce check --online --config config/pushonce.toml
  pushonce check --deny-warnings config/policy.toml      for the pipeline that reviews it
  pushonce check --online --repository driftwood/web     for a registry without /v2/_catalog
  pushonce check --against registry --diff policy.toml.old

Exit codes:
  0  no mistakes; with --online, the registry does what `upstream.tag_case` says, or it could not
     be told, and the words say why and what to do
  1  --online, --against: the registry could not be reached, or its answer cannot be used
  2  mistakes, with --deny-warnings also warnings; and where the registry does not do what `upstream.tag_case` says";

/// What a policy is held against.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(super) enum Against {
    /// The tags that the registry has
    Registry,
}

#[derive(clap::Args, Debug)]
#[command(group = clap::ArgGroup::new("asks").multiple(true))]
pub(super) struct Arguments {
    /// The file to check
    #[arg(value_name = "FILE", conflicts_with = "config")]
    file: Option<PathBuf>,
    /// Ask the registry as well what it does with the case of tags, and whether the
    /// `repositories` of each rule match any
    #[arg(long, group = "asks")]
    pub(super) online: bool,
    /// Exit with 2 where there is a warning, as for a mistake
    #[arg(long)]
    pub(super) deny_warnings: bool,
    /// Say how many of the registry's tags each rule would decide over
    #[arg(long, value_enum, group = "asks")]
    pub(super) against: Option<Against>,
    /// With --against, the configuration or policy in force: say which tags would change
    #[arg(long, value_name = "FILE", requires = "against")]
    pub(super) diff: Option<PathBuf>,
    /// With --online or --against, the repository to look at; may be given several times.
    /// Without, all that the registry lists, or the first for --online
    #[arg(long, value_name = "REPOSITORY", requires = "asks")]
    pub(super) repository: Vec<String>,
    /// How the answer of --against is written
    #[arg(long, value_enum, default_value_t = Output::Table, requires = "against")]
    pub(super) output: Output,
    /// The file to check, as for the other commands
    #[arg(long, value_name = "FILE", default_value = CONFIG)]
    config: PathBuf,
}

impl Arguments {
    pub(super) fn file(&self) -> &Path {
        self.file.as_ref().unwrap_or(&self.config)
    }

    /// Whether the registry is asked for anything.
    pub(super) fn asks(&self) -> bool {
        self.online || self.against.is_some()
    }

    /// The server configuration, which names the registry.
    pub(super) fn server_file(&self, option: &str) -> Result<&Path, Ended> {
        let file = self.file();
        if config::kind_of(file)? == FileKind::Policy {
            let words = "is a policy, which names no registry: give the server configuration to";
            return Err(Ended::Mistaken(format!("{} {words} {option}", file.display())));
        }
        Ok(file)
    }
}

/// Checks a server file with its policy, or a policy file alone: which of the two
/// it is, its content says. Returns what to print and whether all is well; warnings are
/// well unless they are denied.
pub fn check(path: &Path, environment: &[(String, String)], color: bool, deny_warnings: bool) -> (String, bool) {
    let outcome = config::kind_of(path).and_then(|kind| match kind {
        FileKind::Server => config::load(path, environment).map(|config| {
            let policy = summary(&config.policy_file, &config.policy, &config.warnings);
            (format!("{}: no mistakes\n{policy}", path.display()), config.warnings)
        }),
        FileKind::Policy => config::load_policy(path).map(|(policy, warnings)| (summary(path, &policy, &warnings), warnings)),
    });
    match outcome {
        Ok((summary, warnings)) if warnings.is_empty() => (summary, true),
        Ok((summary, warnings)) => (format!("{}\n\n{summary}", warnings.render(color)), !deny_warnings),
        Err(diagnostics) => {
            let mistakes = count(diagnostics.count(Severity::Mistake), "mistake");
            (format!("{}\n\n{mistakes}\n", diagnostics.render(color)), false)
        }
    }
}

fn summary(path: &Path, policy: &Policy, warnings: &Diagnostics) -> String {
    let rules = count(policy.rules().len(), "rule");
    let pulls = match policy.pulls().len() {
        0 => String::new(),
        number => format!(", {}", count(number, "pull rule")),
    };
    let warnings = match warnings.len() {
        0 => String::new(),
        number => format!(", {}", count(number, "warning")),
    };
    format!("{}: {rules}{pulls}, no mistakes{warnings}\n", path.display())
}

pub(super) fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_files_have_no_mistakes() {
        let (text, is_well) = check(Path::new("config/pushonce.toml"), &[], false, false);
        assert_eq!(text, "config/pushonce.toml: no mistakes\nconfig/policy.toml: 4 rules, no mistakes\n");
        assert!(is_well);
        assert_eq!(
            check(Path::new("config/policy.toml"), &[], false, false),
            ("config/policy.toml: 4 rules, no mistakes\n".to_owned(), true)
        );
    }

    #[test]
    fn mistakes_are_counted() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("rules.toml");
        std::fs::write(&path, "rules = []\ndefault = \"imutable\"\n").expect("written");
        let (text, is_well) = check(&path, &[], false, false);
        assert!(text.contains("did you mean `immutable`?") && text.contains("did you mean `rule`?"), "{text}");
        assert!(text.ends_with("\n\n2 mistakes\n") && !is_well, "{text}");
    }

    #[test]
    fn a_policy_is_known_by_any_of_its_keys() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("pulls.toml");
        for (text, said) in [
            ("[[pull]]\nname = \"production\"\naction = \"refuse\"\n", "0 rules, 1 pull rule, no mistakes"),
            ("referrers = \"append-only\"\n", "0 rules, no mistakes"),
            ("enforcement = \"audit\"\n", "0 rules, no mistakes"),
        ] {
            std::fs::write(&path, text).expect("written");
            assert_eq!(check(&path, &[], false, false), (format!("{}: {said}\n", path.display()), true));
        }
    }

    #[test]
    fn a_warning_is_shown_and_fails_where_it_is_denied() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("policy.toml");
        let rule = "[[rule]]\nname = \"builds\"\ntags = [\"git-*\", \"regex:ci-.*\"]\nmutability = \"immutable\"\n";
        std::fs::write(&path, rule).expect("written");
        let (text, is_well) = check(&path, &[], false, false);
        let says = format!("write `\"ci-*\"`\n\n{}: 1 rule, no mistakes, 1 warning\n", path.display());
        assert!(text.starts_with("warning: rule `builds`") && text.ends_with(&says) && is_well, "{text}");
        assert_eq!(check(&path, &[], false, true), (text, false));
    }

    #[test]
    fn a_missing_file_is_one_mistake() {
        let (text, is_well) = check(Path::new("none.toml"), &[], false, false);
        assert!(text.starts_with("error: none.toml cannot be read") && text.ends_with("\n\n1 mistake\n") && !is_well, "{text}");
    }
}
