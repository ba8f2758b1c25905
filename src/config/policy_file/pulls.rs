//! The pull rules of the policy file.

use std::sync::Arc;

use toml::Spanned;
use toml::de::DeValue;

use super::{pattern_mistake, refuse_empty, word};
use crate::config::diagnostic::{Diagnostic, Place};
use crate::config::raw::{Report, Section};
use crate::config::words::{self, Mistake};
use crate::policy::{NamePattern, Policy, PullAction, PullError, PullRule, RepositoryPattern};

pub(in crate::config) const KEYS: &[&str] = &["name", "repositories", "hosts", "users", "action", "help_url"];

/// A pull rule as far as it could be read, and the place of its name.
pub(super) struct Draft {
    rule: PullRule,
    name: Place,
    /// Whether all of it could be read.
    is_whole: bool,
}

pub(super) fn drafts(top: &Section<'_>, report: &Report) -> Vec<Draft> {
    top.items("pull", "pull rules").iter().enumerate().map(|(index, value)| draft(top, index, value, report)).collect()
}

fn draft<'a>(top: &Section<'a>, index: usize, value: &'a Spanned<DeValue<'a>>, report: &Report) -> Draft {
    let section = top.item("pull", value, KEYS);
    let name = section.read("name", words::name);
    if name.is_none() {
        section.missing("name", r#"name = "production""#);
    }
    let action = word(&section, "action", PullAction::ALL, PullAction::as_str);
    if action.is_none() {
        section.missing("action", r#"action = "refuse""#);
    }
    let repositories = section.list("repositories", |text| RepositoryPattern::parse(text).map_err(pattern_mistake));
    let hosts = section.list("hosts", |text| pattern(text, true));
    let users = section.list("users", |text| pattern(text, false));
    refuse_empty(report, "pull.repositories", &repositories, "remove the key to mean every repository");
    refuse_empty(report, "pull.hosts", &hosts, "remove the key to mean any host");
    refuse_empty(report, "pull.users", &users, "remove the key to mean anybody");
    let is_given = |key: &str| section.value(key).is_some();
    let is_whole = (!is_given("repositories") || repositories.is_some())
        && (!is_given("hosts") || hosts.is_some())
        && (!is_given("users") || users.is_some());
    Draft {
        name: section.place_of("name").unwrap_or_else(|| section.header_place()),
        rule: PullRule {
            // No legal name has a space, so that this one is no other rule's.
            name: name.map_or_else(|| Arc::from(format!("pull {index}")), Arc::from),
            repositories: repositories.map(|(globs, _)| globs).unwrap_or_default(),
            hosts: hosts.map(|(globs, _)| globs).unwrap_or_default(),
            users: users.map(|(globs, _)| globs).unwrap_or_default(),
            action: action.unwrap_or(PullAction::Allow),
            help_url: section.read("help_url", words::help_url).map(Arc::from),
        },
        is_whole: is_whole && top.document.is_whole(),
    }
}

fn pattern(text: &str, is_host: bool) -> Result<NamePattern, Mistake> {
    let (what, example) = if is_host { ("host", "`*.prod.example.com`") } else { ("user", "`deploy-*`") };
    if is_host && text.contains([':', '/']) {
        let hint = "write the name alone, such as `registry.prod.example.com`, without scheme and port";
        return Err(Mistake::new("has a pattern that matches no host", "more than a name", hint));
    }
    let mistake = || {
        Mistake::new(
            format!("has a pattern that matches no {what}"),
            "empty, or with spaces",
            format!("write a glob such as {example}"),
        )
    };
    NamePattern::parse(text, is_host).ok_or_else(mistake)
}

/// The policy with its pull rules.
pub(super) fn add(policy: Policy, drafts: Vec<Draft>, report: &Report) -> Option<Policy> {
    let rules = drafts.iter().filter(|draft| draft.is_whole).map(|draft| draft.rule.clone()).collect();
    let drafts: Vec<&Draft> = drafts.iter().filter(|draft| draft.is_whole).collect();
    match policy.with_pulls(rules) {
        Ok(policy) => Some(policy),
        Err(mistakes) => {
            for mistake in &mistakes {
                report.push(show(mistake, &drafts));
            }
            None
        }
    }
}

fn show(mistake: &PullError, drafts: &[&Draft]) -> Diagnostic {
    match mistake {
        PullError::DuplicateName { pull } => {
            let draft = drafts[*pull];
            let diagnostic = Diagnostic::new(draft.name.clone(), format!("two rules are called `{}`", draft.rule.name));
            diagnostic.label("not the first").hint("give every rule its own name, those of pulls as well")
        }
        PullError::NeverMatches { pull, by } => {
            let (draft, earlier) = (drafts[*pull], drafts[*by]);
            let (name, taker) = (&draft.rule.name, &earlier.rule.name);
            let message = format!("pull rule `{name}` can never match: `{taker}` before it takes all its pulls");
            let diagnostic = Diagnostic::new(draft.name.clone(), message).label("never asked");
            diagnostic.hint("move the narrower rule up, or remove it: the first rule that matches decides")
        }
    }
}
