//! The tag policy: ordered rules, first match decides. Pure: no input or output.
//!
//! Every tag pattern stands in one automaton and every repository pattern in
//! another, so that a decision costs two scans however many rules there are.

pub mod explain;
mod movable;
pub mod pattern;
pub mod rule;
mod set;
pub mod verdict;

use std::sync::Arc;

use thiserror::Error;

pub use explain::{Explanation, Reason};
pub use movable::Movable;
pub use pattern::{PatternError, RepositoryPattern, TagPattern};
pub use rule::Rule;
pub use verdict::{Delete, Enforcement, Mutability, Verdict};

use crate::oci::{RepositoryName, Tag};
use set::PatternSet;

/// The name that a verdict carries where no rule matched.
pub const DEFAULT_RULE: &str = "default";

/// The name that a verdict carries for a referrers or signature tag that no rule
/// names. Such tags move by design: each new signature is pushed to the same tag
/// (distribution-spec, "Referrers Tag Schema"; cosign's `.sig`, `.att`, `.sbom`).
pub const REFERRERS_RULE: &str = "referrers";

/// Rules ready to decide.
#[derive(Debug)]
pub struct Policy {
    rules: Vec<Rule>,
    default: Mutability,
    verdicts: Vec<Verdict>,
    default_verdict: Verdict,
    referrers_verdict: Verdict,
    tags: PatternSet,
    /// For each pattern of `tags`, whether it is meant for referrers tags.
    names_referrers: Vec<bool>,
    repositories: PatternSet,
}

/// Why rules do not make a policy. Rules are given by their place in the list.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PolicyError {
    #[error("rule {rule} has the name of rule {earlier}")]
    DuplicateName { rule: usize, earlier: usize },
    #[error("rule {rule} has a name that is kept for pushonce itself")]
    ReservedName { rule: usize },
    #[error("rule {rule} can never match: the rules {by:?} before it take all its tags")]
    NeverMatches { rule: usize, by: Vec<usize> },
    #[error("the patterns of the policy are too large together: {0}")]
    TooLarge(String),
}

impl Policy {
    /// Fails with every mistake of the rules, never only the first.
    pub fn new(rules: Vec<Rule>, default: Mutability) -> Result<Self, Vec<PolicyError>> {
        let mistakes = rule::mistakes(&rules);
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let tags = rules.iter().map(|rule| rule.tags.iter().map(|pattern| (pattern.as_str(), pattern)));
        let repositories = rules.iter().map(|rule| rule.repositories.iter().map(|glob| (glob.as_str(), glob)));
        let (tags, tag_patterns) = PatternSet::new(tags, TagPattern::expression)?;
        let (repositories, _) = PatternSet::new(repositories, RepositoryPattern::expression)?;
        let names_referrers = tag_patterns.iter().map(|pattern| pattern.names_referrers()).collect();
        let built_in = |name: &str, mutability| Verdict {
            rule: Arc::from(name),
            mutability,
            enforcement: Enforcement::Enforce,
            delete: Delete::Deny,
            help_url: None,
        };
        Ok(Self {
            verdicts: rules.iter().map(Rule::verdict).collect(),
            default_verdict: built_in(DEFAULT_RULE, default),
            referrers_verdict: built_in(REFERRERS_RULE, Mutability::Mutable),
            tags,
            names_referrers,
            repositories,
            default,
            rules,
        })
    }

    /// What the first rule that matches says about a tag.
    pub fn decide(&self, repository: &RepositoryName, tag: &Tag) -> Verdict {
        match self.deciding_rule(repository, tag) {
            Some(rule) => self.verdicts[rule].clone(),
            None if pattern::is_referrers_tag(tag) => self.referrers_verdict.clone(),
            None => self.default_verdict.clone(),
        }
    }

    /// Whether some tag of the repository may be immutable and enforced. True
    /// where in doubt: an earlier rule may take every tag that a later one names.
    pub fn may_hold_immutable(&self, repository: &RepositoryName) -> bool {
        let covers = self.rules_for(repository);
        let is_immutable = |(verdict, covers): (&Verdict, bool)| covers && verdict.is_immutable();
        self.default_verdict.is_immutable() || self.verdicts.iter().zip(covers).any(is_immutable)
    }

    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The mutability of tags that no rule matches.
    pub fn default_mutability(&self) -> Mutability {
        self.default
    }

    fn deciding_rule(&self, repository: &RepositoryName, tag: &Tag) -> Option<usize> {
        let covers = self.rules_for(repository);
        self.rules_matching(tag).filter_map(|rules| rules.iter().copied().find(|rule| covers[*rule])).min()
    }

    /// For each rule, whether it covers the repository.
    fn rules_for(&self, repository: &RepositoryName) -> Vec<bool> {
        let mut covers: Vec<bool> = self.rules.iter().map(|rule| rule.repositories.is_empty()).collect();
        for (_, rules) in self.repositories.matches(repository.as_str()) {
            rules.iter().for_each(|rule| covers[*rule] = true);
        }
        covers
    }

    /// For each pattern that matches the tag, the rules that have it.
    fn rules_matching(&self, tag: &Tag) -> impl Iterator<Item = &[usize]> {
        let is_referrers_tag = pattern::is_referrers_tag(tag);
        let matches = self.tags.matches(tag.as_str());
        matches.filter(move |(pattern, _)| self.names_referrers[*pattern] || !is_referrers_tag).map(|(_, rules)| rules)
    }
}

#[cfg(test)]
mod tests;
