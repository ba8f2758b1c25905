//! The tag policy: ordered rules, first match decides. Pure: no input or output.
//!
//! Every tag pattern stands in one [`RegexSet`] and every repository pattern in
//! another, so that a decision costs two scans however many rules there are.

pub mod explain;
mod movable;
pub mod pattern;
pub mod rule;
pub mod verdict;

use std::sync::Arc;

use regex::{RegexSet, RegexSetBuilder};
use thiserror::Error;

pub use explain::{Explanation, Reason};
pub use movable::Movable;
pub use pattern::{PatternError, RepositoryPattern, TagPattern};
pub use rule::Rule;
pub use verdict::{Delete, Enforcement, Mutability, Verdict};

use crate::oci::{RepositoryName, Tag};

/// The name that a verdict carries where no rule matched.
pub const DEFAULT_RULE: &str = "default";

/// The name that a verdict carries for a referrers or signature tag that no rule
/// names. Such tags move by design: each new signature is pushed to the same tag
/// (distribution-spec, "Referrers Tag Schema"; cosign's `.sig`, `.att`, `.sbom`).
pub const REFERRERS_RULE: &str = "referrers";

/// Bytes that the compiled patterns of a whole policy may take.
const LARGEST_SET: usize = 16 << 20;

/// Rules ready to decide.
#[derive(Debug)]
pub struct Policy {
    rules: Vec<Rule>,
    default: Mutability,
    verdicts: Vec<Verdict>,
    default_verdict: Verdict,
    referrers_verdict: Verdict,
    /// One regular expression per tag pattern, in the order of the rules.
    tags: RegexSet,
    tag_owners: Vec<TagOwner>,
    repositories: RegexSet,
    /// The rule that each repository pattern belongs to.
    repository_owners: Vec<usize>,
}

#[derive(Debug)]
struct TagOwner {
    rule: usize,
    names_referrers: bool,
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
    #[error("the patterns of the policy take more than {LARGEST_SET} bytes together: {0}")]
    TooLarge(String),
}

impl Policy {
    /// Fails with every mistake of the rules, never only the first.
    pub fn new(rules: Vec<Rule>, default: Mutability) -> Result<Self, Vec<PolicyError>> {
        let mistakes = rule::mistakes(&rules);
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let enumerated = || rules.iter().enumerate();
        let tag_patterns = || enumerated().flat_map(|(index, rule)| rule.tags.iter().map(move |pattern| (index, pattern)));
        let tag_owner = |(rule, pattern): (usize, &TagPattern)| TagOwner { rule, names_referrers: pattern.names_referrers() };
        let repository_patterns = || enumerated().flat_map(|(index, rule)| rule.repositories.iter().map(move |glob| (index, glob)));

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
            tags: set_of(tag_patterns().map(|(_, pattern)| pattern.expression()))?,
            tag_owners: tag_patterns().map(tag_owner).collect(),
            repositories: set_of(repository_patterns().map(|(_, glob)| glob.expression()))?,
            repository_owners: repository_patterns().map(|(index, _)| index).collect(),
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
        // The patterns stand in the order of the rules, so the first is the one.
        self.rules_matching(tag).find(|rule| covers[*rule])
    }

    /// For each rule, whether it covers the repository.
    fn rules_for(&self, repository: &RepositoryName) -> Vec<bool> {
        let mut covers: Vec<bool> = self.rules.iter().map(|rule| rule.repositories.is_empty()).collect();
        for glob in &self.repositories.matches(repository.as_str()) {
            covers[self.repository_owners[glob]] = true;
        }
        covers
    }

    /// The rules with a pattern for the tag, in order; a rule may come twice.
    fn rules_matching(&self, tag: &Tag) -> impl Iterator<Item = usize> {
        let is_referrers_tag = pattern::is_referrers_tag(tag);
        let owners = self.tags.matches(tag.as_str()).into_iter().map(|pattern| &self.tag_owners[pattern]);
        owners.filter(move |owner| owner.names_referrers || !is_referrers_tag).map(|owner| owner.rule)
    }
}

fn set_of(expressions: impl Iterator<Item = String>) -> Result<RegexSet, Vec<PolicyError>> {
    let built = RegexSetBuilder::new(expressions).size_limit(LARGEST_SET).build();
    built.map_err(|error| vec![PolicyError::TooLarge(error.to_string())])
}

#[cfg(test)]
mod tests;
