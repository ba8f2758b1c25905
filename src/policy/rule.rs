//! One rule, and what is wrong with a list of them.

use std::collections::HashMap;
use std::sync::Arc;

use super::taken::Taken;
use super::verdict::Verdict;
use super::{
    Channel, DEFAULT_RULE, Delete, Enforcement, MultiArch, Mutability, PatternError, PolicyError, REFERRERS_RULE,
    RepositoryPattern, TagPattern, Unreleased,
};

/// Which tags of which repositories change how.
#[derive(Clone, Debug)]
pub struct Rule {
    pub name: Arc<str>,
    /// Empty for every repository.
    pub repositories: Vec<RepositoryPattern>,
    /// One of them has to match.
    pub tags: Vec<TagPattern>,
    pub mutability: Mutability,
    pub enforcement: Enforcement,
    pub delete: Delete,
    pub multi_arch: MultiArch,
    pub channel: Channel,
    pub unreleased: Unreleased,
    pub help_url: Option<Arc<str>>,
}

impl Rule {
    /// An enforced rule without deletes. No `repositories` means every one.
    pub fn new(name: &str, repositories: &[&str], tags: &[&str], mutability: Mutability) -> Result<Self, PatternError> {
        Ok(Self {
            name: Arc::from(name),
            repositories: repositories.iter().map(|glob| RepositoryPattern::parse(glob)).collect::<Result<_, _>>()?,
            tags: tags.iter().map(|pattern| TagPattern::parse(pattern)).collect::<Result<_, _>>()?,
            mutability,
            enforcement: Enforcement::Enforce,
            delete: Delete::Deny,
            multi_arch: MultiArch::Refuse,
            channel: Channel::All,
            unreleased: Unreleased::Allow,
            help_url: None,
        })
    }

    /// What the rule says, where the whole policy has this enforcement.
    pub(super) fn verdict(&self, general: Enforcement) -> Verdict {
        Verdict {
            rule: self.name.clone(),
            mutability: self.mutability,
            enforcement: if general == Enforcement::Audit { general } else { self.enforcement },
            delete: self.delete,
            multi_arch: self.multi_arch,
            channel: self.channel,
            unreleased: self.unreleased,
            help_url: self.help_url.clone(),
        }
    }

    /// Whether every repository of `later` is surely one of this rule's.
    pub(super) fn covers_repositories(&self, later: &Self) -> bool {
        let everywhere = self.repositories.is_empty() || self.repositories.iter().any(RepositoryPattern::is_everything);
        let covered = |glob: &RepositoryPattern| self.repositories.iter().any(|earlier| earlier.covers(glob));
        everywhere || (!later.repositories.is_empty() && later.repositories.iter().all(covered))
    }
}

/// Every mistake of a list of rules.
pub(super) fn mistakes(rules: &[Rule]) -> Vec<PolicyError> {
    let mut mistakes = Vec::new();
    let mut names = HashMap::new();
    let mut taken = Taken::default();
    for (index, rule) in rules.iter().enumerate() {
        if [DEFAULT_RULE, REFERRERS_RULE].contains(&&*rule.name) {
            mistakes.push(PolicyError::ReservedName { rule: index });
        }
        let first = *names.entry(&*rule.name).or_insert(index);
        if first != index {
            mistakes.push(PolicyError::DuplicateName { rule: index, earlier: first });
        }
        if let Some(by) = taken.by(rule, &rules[..index]) {
            mistakes.push(PolicyError::NeverMatches { rule: index, by });
        }
        taken.add(index, rule);
    }
    mistakes
}
