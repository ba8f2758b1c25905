//! Why a tag gets the verdict it gets.

use std::fmt;

use super::{Policy, Rule, Verdict, pattern};
use crate::oci::{RepositoryName, Tag};

/// A verdict, and what every other rule has to do with it.
#[derive(Debug)]
pub struct Explanation<'a> {
    pub verdict: Verdict,
    /// The rule that decided; `None` where none matched.
    pub deciding: Option<&'a Rule>,
    /// The other rules in the order of the policy.
    pub others: Vec<(&'a Rule, Reason)>,
}

/// Why a rule did not decide.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reason {
    /// None of these globs matches the repository.
    Repository(Vec<String>),
    /// None of these patterns matches the tag.
    Tag(Vec<String>),
    /// A pattern matches, but is not meant for tags of referrers and signatures.
    Referrers(Vec<String>),
    /// It matches as well, but a rule before it decided.
    MatchesLater,
}

impl Policy {
    /// Explains what [`Policy::decide`] answers.
    pub fn explain(&self, repository: &RepositoryName, tag: &Tag) -> Explanation<'_> {
        let deciding = self.deciding_rule(repository, tag);
        let covering = self.rules_covering(repository);
        let covers = |index: usize| covering.iter().any(|rules| rules.binary_search(&index).is_ok());
        let matching: Vec<usize> = self.rules_matching(tag).flatten().copied().collect();
        let reason = |index: usize, rule: &Rule| {
            let tags = || rule.tags.iter().map(|pattern| pattern.as_str().to_owned()).collect();
            if !covers(index) {
                Reason::Repository(rule.repositories.iter().map(|glob| glob.as_str().to_owned()).collect())
            } else if matching.contains(&index) {
                Reason::MatchesLater
            } else if self.general.referrers.is_some() && pattern::is_referrers_tag(tag) {
                Reason::Referrers(tags())
            } else {
                Reason::Tag(tags())
            }
        };
        let others = self.rules.iter().enumerate().filter(|(index, _)| Some(*index) != deciding);
        Explanation {
            verdict: self.decide(repository, tag),
            deciding: deciding.map(|index| &self.rules[index]),
            others: others.map(|(index, rule)| (rule, reason(index, rule))).collect(),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repository(globs) => write!(f, "does not cover the repository: {}", list(globs)),
            Self::Tag(patterns) => write!(f, "does not match the tag: {}", list(patterns)),
            Self::Referrers(patterns) => {
                write!(f, "names no referrers or signature tags: {} does not begin with `sha256-` or `sha512-`", list(patterns))
            }
            Self::MatchesLater => f.write_str("matches as well, but comes after the rule that decides"),
        }
    }
}

fn list(patterns: &[String]) -> String {
    let quoted: Vec<String> = patterns.iter().map(|pattern| format!("`{pattern}`")).collect();
    quoted.join(", ")
}
