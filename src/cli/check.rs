//! `pushonce check`: every mistake of a configuration, or that there is none.

use std::path::{Path, PathBuf};

use super::CONFIG;
use crate::config::{self, Diagnostics, FileKind};
use crate::policy::Policy;

pub(super) const ABOUT: &str = "\
Show every mistake in a configuration and its policy

FILE is a server configuration, which is checked together with the policy that it names, or a
policy file alone.

With --online the registry is asked as well, and nothing is written to it. Some registries, such
as Gitea's, take V1.4.0 and v1.4.0 for one tag. In front of one of those `upstream.tag_case` must
be \"fold\", or whoever pushes V1.4.0 gets around the rule for v1.4.0. A few tags that are there
are asked for by another name, such as LATEST for latest: a registry that folds the case of tags
answers both with the same digest, one that keeps it does not know the other name. It is asked
with `upstream.username`, or as nobody where that is not set.";

pub(super) const EXAMPLES: &str = "\
Example:
  pushonce check config/policy.toml
  pushonce check --config config/pushonce.toml
  pushonce check --online --config config/pushonce.toml
  pushonce check --online --repository driftwood/web     for a registry without /v2/_catalog

Exit codes:
  0  no mistakes; with --online, the registry does what `upstream.tag_case` says, or it could not
     be told, and the words say why and what to do
  1  --online: the registry could not be reached, or its answer cannot be used
  2  mistakes, also where the registry does not do what `upstream.tag_case` says";

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// The file to check
    #[arg(value_name = "FILE", conflicts_with = "config")]
    file: Option<PathBuf>,
    /// Ask the registry as well what it does with the case of tags
    #[arg(long)]
    pub(super) online: bool,
    /// With --online, the repository to look at; may be given several times. Without, the
    /// first ones that the registry lists
    #[arg(long, value_name = "REPOSITORY", requires = "online")]
    pub(super) repository: Vec<String>,
    /// The file to check, as for the other commands
    #[arg(long, value_name = "FILE", default_value = CONFIG)]
    config: PathBuf,
}

impl Arguments {
    pub(super) fn file(&self) -> &Path {
        self.file.as_ref().unwrap_or(&self.config)
    }
}

/// Checks a server file with its policy, or a policy file alone: which of the two
/// it is, its content says. Returns what to print and whether all is well.
pub fn check(path: &Path, environment: &[(String, String)], color: bool) -> (String, bool) {
    let outcome = config::kind_of(path).and_then(|kind| match kind {
        FileKind::Server => config::load(path, environment).map(|config| {
            let policy = summary(&config.policy_file, &config.policy);
            format!("{}: no mistakes\n{policy}", path.display())
        }),
        FileKind::Policy => config::load_policy(path).map(|policy| summary(path, &policy)),
    });
    match outcome {
        Ok(summary) => (summary, true),
        Err(diagnostics) => (format!("{}\n\n{}\n", diagnostics.render(color), count(&diagnostics)), false),
    }
}

fn summary(path: &Path, policy: &Policy) -> String {
    let count = |number: usize, what: &str| if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") };
    let rules = count(policy.rules().len(), "rule");
    let pulls = match policy.pulls().len() {
        0 => String::new(),
        number => format!(", {}", count(number, "pull rule")),
    };
    format!("{}: {rules}{pulls}, no mistakes\n", path.display())
}

fn count(diagnostics: &Diagnostics) -> String {
    match diagnostics.len() {
        1 => "1 mistake".to_owned(),
        number => format!("{number} mistakes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_files_have_no_mistakes() {
        let (text, is_well) = check(Path::new("config/pushonce.toml"), &[], false);
        assert_eq!(text, "config/pushonce.toml: no mistakes\nconfig/policy.toml: 4 rules, no mistakes\n");
        assert!(is_well);
        assert_eq!(
            check(Path::new("config/policy.toml"), &[], false),
            ("config/policy.toml: 4 rules, no mistakes\n".to_owned(), true)
        );
    }

    #[test]
    fn mistakes_are_counted() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("rules.toml");
        std::fs::write(&path, "rules = []\ndefault = \"imutable\"\n").expect("written");
        let (text, is_well) = check(&path, &[], false);
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
            assert_eq!(check(&path, &[], false), (format!("{}: {said}\n", path.display()), true));
        }
    }

    #[test]
    fn a_missing_file_is_one_mistake() {
        let (text, is_well) = check(Path::new("none.toml"), &[], false);
        assert!(text.starts_with("error: none.toml cannot be read") && text.ends_with("\n\n1 mistake\n") && !is_well, "{text}");
    }
}
