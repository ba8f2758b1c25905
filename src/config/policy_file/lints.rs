//! What a policy says that may not be meant, at its place.

use super::Draft;
use crate::config::diagnostic::{Diagnostic, Place};
use crate::config::raw::Report;
use crate::policy::{Lint, LintKind, Policy};

pub(super) fn warn(policy: &Policy, drafts: &[Draft], report: &Report) {
    for Lint { rule, kind } in policy.lints() {
        if let Some(draft) = drafts.get(rule) {
            report.push(show(&kind, draft));
        }
    }
}

fn show(kind: &LintKind, draft: &Draft) -> Diagnostic {
    let name = &draft.rule.name;
    match kind {
        LintKind::PreRelease { release, pre_release } => {
            let message = format!("rule `{name}` holds `{release}`, and pre-releases such as `{pre_release}` move");
            Diagnostic::warning(draft.tags.clone(), message)
                .label(format!("takes `{release}`, and no rule takes `{pre_release}`"))
                .hint("add `semver:x.y.z-*`, or write a rule that says that they are mutable")
        }
        LintKind::Prefixed { release, prefixed } => {
            let message = format!("rule `{name}` holds `{release}`, and `{prefixed}` moves");
            Diagnostic::warning(draft.tags.clone(), message)
                .label(format!("takes `{release}`, and no rule takes `{prefixed}`"))
                .hint("`semver:` templates take both; or write a rule that says what tags with a `v` are")
        }
        LintKind::Simpler { pattern, simpler } => {
            let patterns: Vec<String> = simpler.iter().map(|pattern| format!("\"{pattern}\"")).collect();
            let (patterns, difference) = (patterns.join(", "), template_difference(pattern, simpler));
            Diagnostic::warning(within(&draft.tags, pattern), format!("rule `{name}` has a regular expression that needs none"))
                .label("easier to read as a glob or a template")
                .hint(format!("write `{patterns}`{difference}"))
        }
    }
}

/// A template takes a `v` as well, and no number with a leading zero.
fn template_difference(pattern: &str, simpler: &[String]) -> &'static str {
    match simpler.iter().any(|pattern| pattern.starts_with("semver:")) {
        true if pattern.contains("v?") => ", which leaves out numbers such as `01`",
        true => ", which takes a `v` before it as well, and leaves out numbers such as `01`",
        false => "",
    }
}

/// The place of one pattern of the list, where it stands there as it is.
fn within(list: &Place, pattern: &str) -> Place {
    if let Place::Text { source, span } = list
        && let Some(at) = source.text.get(span.clone()).and_then(|text| text.find(pattern))
    {
        let start = span.start + at;
        return Place::Text { source: source.clone(), span: start..start + pattern.len() };
    }
    list.clone()
}
