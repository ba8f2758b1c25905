//! The policy file: rules in the order they are asked.

mod lints;
pub(super) mod pulls;

use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::DeValue;

use super::diagnostic::{Diagnostic, Place, Source};
use super::raw::{Document, Report, Section};
use super::words::{self, Mistake};
use crate::oci::TagCase;
use crate::policy::{
    Channel, Delete, Enforcement, General, MultiArch, Mutability, PatternError, Policy, PolicyError, RepositoryPattern, Rule,
    TagPattern, Unreleased,
};

pub(super) const KEYS: &[&str] = &["default", "enforcement", "referrers", "rule", "pull"];
pub(super) const RULE_KEYS: &[&str] =
    &["name", "repositories", "tags", "mutability", "enforcement", "delete", "multi_arch", "channel", "unreleased", "help_url"];

/// A rule as far as it could be read, and its places in the file.
struct Draft {
    rule: Rule,
    header: Place,
    name: Place,
    tags: Place,
}

/// Reads the policy for a registry that treats the case of tags so; what comes back is
/// only good if nothing was reported.
pub(super) fn read(source: &Arc<Source>, tag_case: TagCase, report: &Report) -> Option<Policy> {
    let document = Document::parse(source, report);
    let top = Section::top(&document, None, report);
    top.refuse_unknown(KEYS);
    let mut general = General::from(word(&top, "default", Mutability::ALL, Mutability::as_str).unwrap_or(Mutability::Mutable));
    general.enforcement = enforcement(&top).unwrap_or(general.enforcement);
    general.referrers = top.word("referrers", &REFERRERS).unwrap_or(general.referrers);
    let drafts: Vec<Draft> =
        top.items("rule", "rules").iter().enumerate().map(|(index, value)| draft(&top, (index, value), tag_case, report)).collect();
    let rules = drafts.iter().map(|draft| draft.rule.clone()).collect();
    let pulls = pulls::drafts(&top, report);
    match Policy::new(rules, general) {
        Ok(policy) => {
            lints::warn(&policy, &drafts, report);
            pulls::add(policy, pulls, &drafts, report)
        }
        Err(mistakes) => {
            for mistake in &mistakes {
                report.push(show(mistake, &drafts, &document));
            }
            pulls::judge(&pulls, &drafts, report);
            None
        }
    }
}

fn draft<'a>(top: &Section<'a>, (index, value): (usize, &'a Spanned<DeValue<'a>>), tag_case: TagCase, report: &Report) -> Draft {
    let section = top.item("rule", value, RULE_KEYS);
    let name = section.read("name", words::name);
    if name.is_none() {
        section.missing("name", r#"name = "releases""#);
    }
    let mutability = word(&section, "mutability", Mutability::ALL, Mutability::as_str);
    if mutability.is_none() {
        section.missing("mutability", r#"mutability = "immutable""#);
    }
    let tags = section.list("tags", |text| tag_pattern(text, tag_case));
    if tags.is_none() {
        section.missing("tags", r#"tags = ["semver:x.y.z"]"#);
    }
    let repositories = section.list("repositories", |text| RepositoryPattern::parse(text).map_err(pattern_mistake));
    let is_mistaken = section.value("repositories").is_some() && repositories.is_none();
    refuse_empty(report, "rule.tags", &tags, "a rule without tag patterns matches nothing: write some, or remove the rule");
    refuse_empty(report, "rule.repositories", &repositories, "remove the key to mean every repository");

    let delete = word(&section, "delete", Delete::ALL, Delete::as_str);
    if delete == Some(Delete::Deny) && mutability == Some(Mutability::Mutable) {
        let message = "`rule.delete` does not hold a tag that is mutable";
        refuse_without_effect(&section, report, "delete", message, "remove the key, or make the rule immutable");
    }
    let multi_arch = word(&section, "multi_arch", MultiArch::ALL, MultiArch::as_str);
    if multi_arch.is_some() && mutability.is_some_and(|mutability| mutability != Mutability::Immutable) {
        let message = "`rule.multi_arch` is about tags that do not move, and those of this rule do";
        refuse_without_effect(&section, report, "multi_arch", message, "remove the key, or make the rule immutable");
    }
    let channel = word(&section, "channel", Channel::ALL, Channel::as_str);
    let unreleased = word(&section, "unreleased", Unreleased::ALL, Unreleased::as_str);
    if mutability.is_some_and(|mutability| mutability != Mutability::ForwardOnly) {
        for key in ["channel", "unreleased"].into_iter().filter(|key| section.value(key).is_some()) {
            let message = format!("`rule.{key}` says what a forward-only tag follows, and this rule is not");
            refuse_without_effect(&section, report, key, &message, "remove the key, or write `mutability = \"forward-only\"`");
        }
    }
    let header = section.header_place();
    Draft {
        name: section.place_of("name").unwrap_or_else(|| header.clone()),
        tags: tags.as_ref().map_or_else(|| header.clone(), |(_, place)| place.clone()),
        rule: Rule {
            // No legal name has a space, so that this one is no other rule's.
            name: name.map_or_else(|| Arc::from(format!("rule {index}")), Arc::from),
            // A rule that could not be read whole neither takes nor loses a tag.
            tags: tags.map(|(tags, _)| tags).filter(|_| !is_mistaken && top.document.is_whole()).unwrap_or_default(),
            repositories: repositories.map(|(globs, _)| globs).unwrap_or_default(),
            mutability: mutability.unwrap_or(Mutability::Mutable),
            enforcement: enforcement(&section).unwrap_or(Enforcement::Enforce),
            delete: delete.unwrap_or(Delete::Deny),
            multi_arch: multi_arch.unwrap_or(MultiArch::Refuse),
            channel: channel.unwrap_or(Channel::All),
            unreleased: unreleased.unwrap_or(Unreleased::Allow),
            help_url: section.read("help_url", words::help_url).map(Arc::from),
        },
        header,
    }
}

/// What `referrers` may say: the mutability of these tags, or that they are tags like all
/// others.
const REFERRERS: [(&str, Option<Mutability>); 3] =
    [("mutable", Some(Mutability::Mutable)), ("append-only", Some(Mutability::AppendOnly)), ("off", None)];

fn word<T: Copy>(section: &Section<'_>, key: &str, all: &[T], spelled: impl Fn(T) -> &'static str) -> Option<T> {
    let words: Vec<(&str, T)> = all.iter().map(|one| (spelled(*one), *one)).collect();
    section.word(key, &words)
}

fn enforcement(section: &Section<'_>) -> Option<Enforcement> {
    word(section, "enforcement", Enforcement::ALL, Enforcement::as_str)
}

/// A key that says nothing here would be believed to.
fn refuse_without_effect(section: &Section<'_>, report: &Report, key: &str, message: &str, hint: &str) {
    let place = section.place_of(key).unwrap_or_else(|| section.header_place());
    report.push(Diagnostic::new(place, message).label("has no effect here").hint(hint));
}

/// A pattern that some tag of the registry can match.
fn tag_pattern(text: &str, tag_case: TagCase) -> Result<TagPattern, Mistake> {
    let pattern = TagPattern::parse(text).map_err(pattern_mistake)?;
    if tag_case == TagCase::Keep || pattern.can_match_lower_case() {
        return Ok(pattern);
    }
    let (span, hint) = match text.strip_prefix("regex:") {
        Some(_) => (None, "write its letters in lower case, or `(?i)` in front of them".to_owned()),
        None => {
            let at = text.find(|letter: char| letter.is_ascii_uppercase());
            (at.map(|at| at..at + 1), format!("write `{}`", text.to_ascii_lowercase()))
        }
    };
    let message = "has a pattern that no tag of this registry matches".to_owned();
    Err(Mistake { message, label: "`upstream.tag_case` is `fold`: tags are in lower case".to_owned(), hint: Some(hint), span })
}

pub(super) fn pattern_mistake(error: PatternError) -> Mistake {
    let message = match &error {
        PatternError::Regex { .. } => "has a regular expression that is not valid".to_owned(),
        _ => "has a pattern that cannot be used".to_owned(),
    };
    let label = match &error {
        PatternError::Regex { message, .. } => message.clone(),
        other => other.to_string(),
    };
    Mistake { message, label, hint: error.hint(), span: error.span() }
}

fn refuse_empty<T>(report: &Report, key: &str, list: &Option<(Vec<T>, Place)>, hint: &str) {
    if let Some((_, place)) = list.as_ref().filter(|(values, _)| values.is_empty()) {
        report.push(Diagnostic::new(place.clone(), format!("`{key}` is empty")).label("no pattern").hint(hint));
    }
}

/// A mistake of the list of rules, at the rules' places.
fn show(mistake: &PolicyError, drafts: &[Draft], document: &Document<'_>) -> Diagnostic {
    match mistake {
        PolicyError::DuplicateName { rule, earlier } => {
            let (rule, earlier) = (&drafts[*rule], &drafts[*earlier]);
            let message = format!("two rules are called `{}`", rule.rule.name);
            let diagnostic = Diagnostic::new(rule.name.clone(), message).label("the second").hint("give every rule its own name");
            also(diagnostic, &earlier.name, "the first".to_owned())
        }
        PolicyError::ReservedName { rule } => {
            let rule = &drafts[*rule];
            let diagnostic = Diagnostic::new(rule.name.clone(), format!("no rule can be called `{}`", rule.rule.name));
            diagnostic.label("kept for tags that no rule matches").hint("choose another name")
        }
        PolicyError::NeverMatches { rule, by } => {
            let rule = &drafts[*rule];
            let takers: Vec<String> = by.iter().map(|taker| format!("`{}`", drafts[*taker].rule.name)).collect();
            let message =
                format!("rule `{}` can never match: {} before it takes all its tags", rule.rule.name, takers.join(" and "));
            let diagnostic = Diagnostic::new(rule.tags.clone(), message)
                .label("taken before this rule is asked")
                .hint("move the narrower rule up, or remove it: the first rule that matches decides");
            by.iter().fold(diagnostic, |diagnostic, taker| {
                let label = format!("`{}` takes them", drafts[*taker].rule.name);
                also(diagnostic, &drafts[*taker].tags, label)
            })
        }
        PolicyError::TooLarge(_) => {
            let place = drafts.first().map_or_else(|| document.place(0..0), |draft| draft.header.clone());
            Diagnostic::new(place, "the patterns of the policy are too large together")
                .hint("write fewer or simpler regular expressions")
        }
    }
}

fn also(diagnostic: Diagnostic, place: &Place, label: String) -> Diagnostic {
    match place {
        Place::Text { span, .. } => diagnostic.also(Range::clone(span), label),
        Place::Variable { .. } | Place::File(_) => diagnostic,
    }
}
