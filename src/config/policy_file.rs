//! The policy file: rules in the order they are asked.

use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::DeValue;

use super::diagnostic::{Diagnostic, Place, Source};
use super::raw::{Document, Report, Section};
use super::words::{self, Mistake};
use crate::policy::{Delete, Enforcement, Mutability, PatternError, Policy, PolicyError, RepositoryPattern, Rule, TagPattern};

pub(super) const KEYS: &[&str] = &["default", "rule"];
pub(super) const RULE_KEYS: &[&str] = &["name", "repositories", "tags", "mutability", "enforcement", "delete", "help_url"];

/// A rule as far as it could be read, and its places in the file.
struct Draft {
    rule: Rule,
    header: Place,
    name: Place,
    tags: Place,
}

/// Reads the policy; what comes back is only good if nothing was reported.
pub(super) fn read(source: &Arc<Source>, report: &Report) -> Option<Policy> {
    let document = Document::parse(source, report);
    let top = Section::top(&document, None, report);
    top.refuse_unknown(KEYS);
    let default = mutability(&top, "default").unwrap_or(Mutability::Mutable);
    let drafts: Vec<Draft> =
        top.items("rule", "rules").iter().enumerate().map(|(index, value)| draft(&top, index, value, report)).collect();
    let rules = drafts.iter().map(|draft| draft.rule.clone()).collect();
    match Policy::new(rules, default) {
        Ok(policy) => Some(policy),
        Err(mistakes) => {
            for mistake in &mistakes {
                report.push(show(mistake, &drafts, &document));
            }
            None
        }
    }
}

fn draft<'a>(top: &Section<'a>, index: usize, value: &'a Spanned<DeValue<'a>>, report: &Report) -> Draft {
    let section = top.item("rule", value, RULE_KEYS);
    let name = section.read("name", words::name);
    if name.is_none() {
        section.missing("name", r#"name = "releases""#);
    }
    let mutability = mutability(&section, "mutability");
    if mutability.is_none() {
        section.missing("mutability", r#"mutability = "immutable""#);
    }
    let tags = section.list("tags", |text| TagPattern::parse(text).map_err(pattern_mistake));
    if tags.is_none() {
        section.missing("tags", r#"tags = ["semver:x.y.z"]"#);
    }
    let repositories = section.list("repositories", |text| RepositoryPattern::parse(text).map_err(pattern_mistake));
    let is_mistaken = section.value("repositories").is_some() && repositories.is_none();
    refuse_empty(report, "tags", &tags, "a rule without tag patterns matches nothing: write some, or remove the rule");
    refuse_empty(report, "repositories", &repositories, "remove the key to mean every repository");

    let deletes = [("deny", Delete::Deny), ("allow", Delete::Allow)];
    let delete = section.word("delete", &deletes);
    if delete == Some(Delete::Deny) && mutability == Some(Mutability::Mutable) {
        let place = section.place_of("delete").unwrap_or_else(|| section.header_place());
        let diagnostic = Diagnostic::new(place, "`rule.delete` does not hold a tag that is mutable");
        report.push(diagnostic.label("has no effect here").hint("remove the key, or make the rule immutable"));
    }
    let enforcements = [("enforce", Enforcement::Enforce), ("audit", Enforcement::Audit)];
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
            enforcement: section.word("enforcement", &enforcements).unwrap_or(Enforcement::Enforce),
            delete: delete.unwrap_or(Delete::Deny),
            help_url: section.read("help_url", words::help_url).map(Arc::from),
        },
        header,
    }
}

fn mutability(section: &Section<'_>, key: &str) -> Option<Mutability> {
    let words: Vec<(&str, Mutability)> = Mutability::ALL.iter().map(|mutability| (mutability.as_str(), *mutability)).collect();
    section.read(key, |text| match words::word(text, &words)? {
        Mutability::ForwardOnly | Mutability::AppendOnly => {
            Err(Mistake::new(format!("is `{text}`"), "not available yet", "write `mutable`, so that these tags move freely"))
        }
        available => Ok(available),
    })
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
        report.push(Diagnostic::new(place.clone(), format!("`rule.{key}` is empty")).label("no pattern").hint(hint));
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
