//! Who may pull a tag that moves, and who has to pull by digest.

use std::sync::Arc;

use regex::Regex;
use thiserror::Error;

use super::pattern::is_referrers_tag;
use super::{Policy, RepositoryPattern, Rule};
use crate::oci::words::words;
use crate::oci::{RepositoryName, Tag};

/// What happens to a pull of a tag that moves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PullAction {
    Allow,
    /// It passes, with the digest to pin in a warning.
    Warn,
    /// It is refused, with the digest to pin.
    Refuse,
}

words!(PullAction { Allow => "allow", Warn => "warn", Refuse => "refuse" });

/// A glob over the names of hosts or users: `*` is any run of characters, `?` is one.
#[derive(Clone, Debug)]
pub struct NamePattern {
    text: String,
    ignores_case: bool,
    regex: Regex,
}

/// Which pulls of tags that move are let through.
#[derive(Clone, Debug)]
pub struct PullRule {
    pub name: Arc<str>,
    /// Empty for every repository.
    pub repositories: Vec<RepositoryPattern>,
    /// Of the host that the client asked, without its port; empty for any.
    pub hosts: Vec<NamePattern>,
    /// Empty for any user, and for nobody.
    pub users: Vec<NamePattern>,
    pub action: PullAction,
    pub help_url: Option<Arc<str>>,
}

/// Why pull rules do not make a policy. Rules are given by their place in the list.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PullError {
    #[error("pull rule {pull} has the name of pull rule {earlier}")]
    DuplicateName { pull: usize, earlier: usize },
    #[error("pull rule {pull} has the name of rule {rule}")]
    NameOfRule { pull: usize, rule: usize },
    #[error("pull rule {pull} can never match: {by} before it takes all its pulls")]
    NeverMatches { pull: usize, by: usize },
}

impl NamePattern {
    /// `None` where the text is empty or holds spaces or control characters. Case counts
    /// for users and not for hosts.
    pub fn parse(text: &str, ignores_case: bool) -> Option<Self> {
        if text.is_empty() || text.len() > 255 || text.chars().any(|letter| letter.is_control() || letter.is_whitespace()) {
            return None;
        }
        Some(Self { text: text.to_owned(), ignores_case, regex: expression(text, ignores_case, ".")? })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether every name that `other` matches is matched here too: `other` is read as a
    /// name whose `*` only a `*` takes.
    fn covers(&self, other: &Self) -> bool {
        expression(&self.text, self.ignores_case, "[^*]").is_some_and(|wide| wide.is_match(&other.text))
    }
}

/// A glob as an expression, with what `?` stands for.
fn expression(glob: &str, ignores_case: bool, one: &str) -> Option<Regex> {
    let part = |letter: char| match letter {
        '*' => ".*".to_owned(),
        '?' => one.to_owned(),
        other => regex::escape(other.encode_utf8(&mut [0; 4])),
    };
    let parts: String = glob.chars().map(part).collect();
    Regex::new(&format!("^(?s{}:{parts})$", if ignores_case { "i" } else { "" })).ok()
}

fn any_of(patterns: &[NamePattern], name: Option<&str>) -> bool {
    patterns.is_empty() || name.is_some_and(|name| patterns.iter().any(|pattern| pattern.regex.is_match(name)))
}

impl PullRule {
    fn matches(&self, repository: &RepositoryName, host: Option<&str>, user: Option<&str>) -> bool {
        any_of(&self.hosts, host) && any_of(&self.users, user) && self.covers_repository(repository)
    }

    fn covers_repository(&self, repository: &RepositoryName) -> bool {
        self.repositories.is_empty() || self.repositories.iter().any(|glob| glob.matches(repository))
    }

    /// Whether it surely takes every pull of `later`.
    fn covers(&self, later: &Self) -> bool {
        let names = |wide: &[NamePattern], narrow: &[NamePattern]| {
            let is_covered = |narrow: &NamePattern| wide.iter().any(|wide| wide.covers(narrow));
            wide.is_empty() || !narrow.is_empty() && narrow.iter().all(is_covered)
        };
        let is_covered = |narrow: &RepositoryPattern| self.repositories.iter().any(|wide| wide.covers(narrow));
        let everywhere = self.repositories.is_empty() || self.repositories.iter().any(RepositoryPattern::is_everything);
        let repositories = everywhere || !later.repositories.is_empty() && later.repositories.iter().all(is_covered);
        repositories && names(&self.hosts, &later.hosts) && names(&self.users, &later.users)
    }
}

/// Every mistake of the pull rules of a policy with these rules for tags.
pub fn pull_mistakes(pulls: &[PullRule], rules: &[Rule]) -> Vec<PullError> {
    let mut mistakes = Vec::new();
    for (index, pull) in pulls.iter().enumerate() {
        let earlier = &pulls[..index];
        if let Some(earlier) = earlier.iter().position(|other| other.name == pull.name) {
            mistakes.push(PullError::DuplicateName { pull: index, earlier });
        }
        if let Some(rule) = rules.iter().position(|rule| rule.name == pull.name) {
            mistakes.push(PullError::NameOfRule { pull: index, rule });
        }
        if let Some(by) = earlier.iter().position(|other| other.covers(pull)) {
            mistakes.push(PullError::NeverMatches { pull: index, by });
        }
    }
    mistakes
}

impl Policy {
    /// Fails with every mistake of the pull rules.
    pub fn with_pulls(mut self, pulls: Vec<PullRule>) -> Result<Self, Vec<PullError>> {
        let mistakes = pull_mistakes(&pulls, &self.rules);
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        self.pulls = pulls;
        Ok(self)
    }

    pub fn pulls(&self) -> &[PullRule] {
        &self.pulls
    }

    /// The pull rule that decides over a tag that moves; `None` where none does. Tags of
    /// referrers and signatures are read by their names, whatever the rules say.
    pub fn pull_rule(&self, repository: &RepositoryName, tag: &Tag, host: Option<&str>, user: Option<&str>) -> Option<&PullRule> {
        if self.pulls.is_empty() || is_referrers_tag(tag) {
            return None;
        }
        self.pulls.iter().find(|rule| rule.matches(repository, host, user))
    }

    /// The pull rules that a tag that moves may meet, in order, up to one that takes
    /// every pull.
    pub fn pulls_of(&self, repository: &RepositoryName, tag: &Tag) -> Vec<&PullRule> {
        if is_referrers_tag(tag) {
            return Vec::new();
        }
        let covering = || self.pulls.iter().filter(|rule| rule.covers_repository(repository));
        let takes_all = |rule: &PullRule| rule.hosts.is_empty() && rule.users.is_empty();
        let last = covering().position(takes_all).map_or(usize::MAX, |last| last + 1);
        covering().take(last).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Mutability;

    fn rule(name: &str, repositories: &[&str], hosts: &[&str], users: &[&str]) -> PullRule {
        PullRule {
            name: Arc::from(name),
            repositories: repositories.iter().map(|glob| RepositoryPattern::parse(glob).expect(glob)).collect(),
            hosts: hosts.iter().map(|glob| NamePattern::parse(glob, true).expect(glob)).collect(),
            users: users.iter().map(|glob| NamePattern::parse(glob, false).expect(glob)).collect(),
            action: PullAction::Refuse,
            help_url: None,
        }
    }

    fn policy(pulls: Vec<PullRule>) -> Result<Policy, Vec<PullError>> {
        let rules = vec![Rule::new("releases", &[], &["semver:x.y.z"], Mutability::Immutable).expect("a rule")];
        Policy::new(rules, Mutability::Mutable).expect("a policy").with_pulls(pulls)
    }

    #[test]
    fn the_first_rule_that_matches_decides() {
        let pulls = vec![
            rule("deployers", &["driftwood/**"], &[], &["deploy-?", "argo*"]),
            rule("production", &[], &["*.prod.example.com"], &[]),
        ];
        let policy = policy(pulls).expect("a policy");
        let decides = |repository: &str, tag: &str, host: Option<&str>, user: Option<&str>| {
            let (repository, tag) = (RepositoryName::parse(repository).expect("a name"), Tag::parse(tag).expect("a tag"));
            policy.pull_rule(&repository, &tag, host, user).map(|rule| rule.name.to_string())
        };
        let prod = Some("registry.PROD.example.com");
        assert_eq!(decides("driftwood/web", "latest", prod, Some("deploy-1")).as_deref(), Some("deployers"));
        assert_eq!(decides("other", "latest", prod, Some("deploy-1")).as_deref(), Some("production"));
        assert_eq!(decides("driftwood/web", "latest", prod, None).as_deref(), Some("production"));
        assert_eq!(decides("driftwood/web", "latest", None, Some("Deploy-1")), None);
        assert_eq!(decides("driftwood/web", "latest", Some("prod.example.com"), None), None);
        let signature = format!("sha256-{}.sig", "a".repeat(64));
        assert_eq!(decides("driftwood/web", &signature, prod, Some("argocd")), None);
    }

    #[test]
    fn every_mistake_is_found() {
        let pulls = vec![
            rule("a", &["driftwood/**"], &[], &["*"]),
            rule("a", &["driftwood/web"], &["x"], &["ann"]),
            rule("releases", &[], &[], &[]),
            rule("b", &["driftwood/web"], &["x"], &[]),
        ];
        let expected = [
            PullError::DuplicateName { pull: 1, earlier: 0 },
            PullError::NeverMatches { pull: 1, by: 0 },
            PullError::NameOfRule { pull: 2, rule: 0 },
            PullError::NeverMatches { pull: 3, by: 2 },
        ];
        assert_eq!(policy(pulls).expect_err("mistakes"), expected);
        for text in ["", "a b", "a\n"] {
            assert!(NamePattern::parse(text, true).is_none(), "{text:?}");
        }
    }

    #[test]
    fn a_wider_glob_takes_the_names_of_a_narrower_one() {
        let covers = |wide: &str, narrow: &str, ignores_case: bool| {
            let pattern = |text: &str| NamePattern::parse(text, ignores_case).expect(text);
            pattern(wide).covers(&pattern(narrow))
        };
        for (wide, narrow) in [("*", "a?"), ("*.example.com", "*.prod.example.com"), ("a?", "aB"), ("a?", "a?"), ("A*", "a")] {
            assert!(covers(wide, narrow, true), "{wide} {narrow}");
        }
        for (wide, narrow) in [("a?", "a*"), ("a", "a?"), ("?*", "*"), ("*.example.com", "example.com"), ("a.b", "axb")] {
            assert!(!covers(wide, narrow, true), "{wide} {narrow}");
        }
        assert!(!covers("A*", "a", false));
    }

    #[test]
    fn only_the_rules_that_a_tag_may_meet_are_named() {
        let pulls = vec![
            rule("deployers", &[], &[], &["deploy-*"]),
            rule("tools", &["tools/**"], &[], &[]),
            rule("production", &[], &["*.prod.example.com"], &[]),
        ];
        let policy = policy(pulls).expect("a policy");
        let named = |repository: &str, tag: &str| -> Vec<String> {
            let (repository, tag) = (RepositoryName::parse(repository).expect("a name"), Tag::parse(tag).expect("a tag"));
            policy.pulls_of(&repository, &tag).iter().map(|rule| rule.name.to_string()).collect()
        };
        assert_eq!(named("web", "latest"), ["deployers", "production"]);
        assert_eq!(named("tools/sh", "latest"), ["deployers", "tools"]);
        assert!(named("web", &format!("sha256-{}", "a".repeat(64))).is_empty());
    }
}
