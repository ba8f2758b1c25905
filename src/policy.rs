//! The tag policy: ordered rules, first match decides. Pure: no input or output.
//!
//! Every tag pattern stands in one automaton and every repository pattern in
//! another, so that a decision costs two scans however many rules there are, and then
//! the first rule is looked for that stands in both results.

pub mod append;
pub mod explain;
pub mod forward;
pub mod lint;
mod movable;
pub mod pattern;
mod pulling;
pub mod release;
pub mod rule;
mod set;
mod taken;
pub mod verdict;

use std::sync::Arc;

use thiserror::Error;

pub use append::append;
pub use explain::{Explanation, Reason};
pub use forward::forward;
pub use lint::{Lint, LintKind};
pub use movable::{Motion, Movable};
pub use pattern::{PatternError, RepositoryPattern, TagPattern};
pub use pulling::{NamePattern, PullAction, PullError, PullRule, pull_mistakes};
pub use release::Release;
pub use rule::Rule;
pub use verdict::{Channel, Delete, Enforcement, MultiArch, Mutability, Unreleased, Verdict};

use crate::oci::{RepositoryName, Tag};
use set::{PatternSet, first_in_both};

/// The name that a verdict carries where no rule matched.
pub const DEFAULT_RULE: &str = "default";

/// The name that a verdict carries for a referrers or signature tag that no rule
/// names. Such tags move by design: each new signature is pushed to the same tag
/// (distribution-spec, "Referrers Tag Schema"; cosign's `.sig`, `.att`, `.sbom`).
pub const REFERRERS_RULE: &str = "referrers";

/// What a policy says beside its rules.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct General {
    /// The mutability of tags that no rule matches.
    pub default: Mutability,
    /// Of every rule that is not itself in audit mode, and of `default`.
    pub enforcement: Enforcement,
    /// The mutability of referrers and signature tags that no rule names. `None` where they
    /// are tags like all others, which wide patterns match.
    pub referrers: Option<Mutability>,
}

/// Enforced, and referrers tags move.
impl From<Mutability> for General {
    fn from(default: Mutability) -> Self {
        Self { default, enforcement: Enforcement::Enforce, referrers: Some(Mutability::Mutable) }
    }
}

/// Rules ready to decide.
#[derive(Debug)]
pub struct Policy {
    rules: Vec<Rule>,
    general: General,
    verdicts: Vec<Verdict>,
    default_verdict: Verdict,
    /// `None` where referrers tags are tags like all others.
    referrers_verdict: Option<Verdict>,
    tags: PatternSet,
    /// For each pattern of `tags`, whether it is meant for referrers tags.
    names_referrers: Vec<bool>,
    repositories: PatternSet,
    /// The rules that cover every repository, in ascending order.
    everywhere: Vec<usize>,
    pulls: Vec<PullRule>,
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
    pub fn new(rules: Vec<Rule>, general: impl Into<General>) -> Result<Self, Vec<PolicyError>> {
        let general = general.into();
        let mistakes = rule::mistakes(&rules);
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let tags = rules.iter().map(|rule| rule.tags.iter().map(|pattern| (pattern.as_str(), pattern)));
        let repositories = rules.iter().map(|rule| rule.repositories.iter().map(|glob| (glob.as_str(), glob)));
        let everywhere = (0..rules.len()).filter(|rule| rules[*rule].repositories.is_empty()).collect();
        let (tags, tag_patterns) = PatternSet::new(tags, TagPattern::expression)?;
        let (repositories, _) = PatternSet::new(repositories, RepositoryPattern::expression)?;
        let names_referrers = |pattern: &&TagPattern| general.referrers.is_none() || pattern.names_referrers();
        let names_referrers = tag_patterns.iter().map(names_referrers).collect();
        let built_in = |name: &str, mutability| Verdict {
            rule: Arc::from(name),
            mutability,
            enforcement: general.enforcement,
            delete: Delete::Deny,
            multi_arch: MultiArch::Refuse,
            channel: Channel::All,
            unreleased: Unreleased::Allow,
            help_url: None,
        };
        Ok(Self {
            verdicts: rules.iter().map(|rule| rule.verdict(general.enforcement)).collect(),
            default_verdict: built_in(DEFAULT_RULE, general.default),
            referrers_verdict: general.referrers.map(|mutability| built_in(REFERRERS_RULE, mutability)),
            tags,
            names_referrers,
            repositories,
            everywhere,
            general,
            pulls: Vec::new(),
            rules,
        })
    }

    /// What the first rule that matches says about a tag.
    pub fn decide(&self, repository: &RepositoryName, tag: &Tag) -> Verdict {
        match self.deciding_rule(repository, tag) {
            Some(rule) => self.verdicts[rule].clone(),
            None => match &self.referrers_verdict {
                Some(verdict) if pattern::is_referrers_tag(tag) => verdict.clone(),
                _ => self.default_verdict.clone(),
            },
        }
    }

    /// Whether some tag of the repository may be immutable and enforced. True
    /// where in doubt: an earlier rule may take every tag that a later one names.
    pub fn may_hold_immutable(&self, repository: &RepositoryName) -> bool {
        self.may_have(repository, Verdict::is_immutable)
    }

    /// Whether some tag of the repository may be one that is not to be deleted, in the
    /// same way.
    pub fn may_keep(&self, repository: &RepositoryName) -> bool {
        self.may_have(repository, Verdict::keeps)
    }

    fn may_have(&self, repository: &RepositoryName, has: impl Fn(&Verdict) -> bool) -> bool {
        let built_in = [Some(&self.default_verdict), self.referrers_verdict.as_ref()];
        let covering = self.rules_covering(repository);
        built_in.into_iter().flatten().any(&has) || covering.into_iter().flatten().any(|rule| has(&self.verdicts[*rule]))
    }

    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// What each rule says, and behind them what is said of all other tags.
    pub fn verdicts(&self) -> impl Iterator<Item = &Verdict> {
        self.verdicts.iter().chain([&self.default_verdict])
    }

    /// What the policy says beside its rules.
    pub fn general(&self) -> General {
        self.general
    }

    fn deciding_rule(&self, repository: &RepositoryName, tag: &Tag) -> Option<usize> {
        let covering = self.rules_covering(repository);
        let first_of = |matching| covering.iter().filter_map(move |covering| first_in_both(matching, covering));
        self.rules_matching(tag).flat_map(first_of).min()
    }

    /// Lists of the rules that cover the repository, each in ascending order.
    fn rules_covering(&self, repository: &RepositoryName) -> Vec<&[usize]> {
        self.repositories.matches(repository.as_str()).map(|(_, rules)| rules).chain([&*self.everywhere]).collect()
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
