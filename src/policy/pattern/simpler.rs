//! Regular expressions that globs and version templates say as well.

use regex_syntax::hir::{Class, Hir, HirKind, Look, Repetition};

/// A part of an expression that a glob or a template has a word for.
#[derive(Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// `.`
    One,
    /// `.*`
    Run,
    /// `[0-9]+`
    Number,
    /// `v?`
    Prefix,
    /// `^` and `$`, which say nothing at the ends: the whole tag is matched in any case.
    Begin,
    End,
}

/// The patterns that take the same tags between them; `None` where there are none.
pub(super) fn simpler(tree: &Hir) -> Option<Vec<String>> {
    let alternatives = match without_groups(tree).kind() {
        HirKind::Alternation(alternatives) => alternatives.iter().collect(),
        _ => vec![tree],
    };
    alternatives.into_iter().map(|alternative| spelled(&parts(alternative)?)).collect()
}

/// As a template, or as a glob.
fn spelled(parts: &[Part]) -> Option<String> {
    let parts = parts.strip_prefix(&[Part::Begin]).unwrap_or(parts);
    let parts = parts.strip_suffix(&[Part::End]).unwrap_or(parts);
    let numbers = parts.strip_prefix(&[Part::Prefix]).unwrap_or(parts);
    let dot = Part::Text(".".to_owned());
    for (length, template) in [(1, "semver:x"), (3, "semver:x.y"), (5, "semver:x.y.z")] {
        let is_it = |(at, part): (usize, &Part)| *part == if at % 2 == 0 { Part::Number } else { dot.clone() };
        if numbers.len() == length && numbers.iter().enumerate().all(is_it) {
            return Some(template.to_owned());
        }
    }
    let glob = parts.iter().map(|part| match part {
        Part::Text(text) => Some(text.as_str()),
        Part::One => Some("?"),
        Part::Run => Some("*"),
        Part::Number | Part::Prefix | Part::Begin | Part::End => None,
    });
    glob.collect()
}

fn parts(tree: &Hir) -> Option<Vec<Part>> {
    let is_text = |text: &str| text.bytes().all(super::expression::in_tag);
    Some(match without_groups(tree).kind() {
        HirKind::Empty => Vec::new(),
        HirKind::Look(Look::Start) => vec![Part::Begin],
        HirKind::Look(Look::End) => vec![Part::End],
        HirKind::Literal(literal) => {
            vec![Part::Text(std::str::from_utf8(&literal.0).ok().filter(|text| is_text(text))?.to_owned())]
        }
        HirKind::Concat(all) => all.iter().map(parts).collect::<Option<Vec<_>>>()?.concat(),
        HirKind::Class(class) if holds_all(class) => vec![Part::One],
        HirKind::Repetition(Repetition { min, max, sub, .. }) => {
            let sub = without_groups(sub);
            match (min, max, sub.kind()) {
                (0, None, HirKind::Class(class)) if holds_all(class) => vec![Part::Run],
                (1, None, HirKind::Class(class)) if holds_all(class) => vec![Part::One, Part::Run],
                (1, None, HirKind::Class(class)) if holds_digits(class) => vec![Part::Number],
                (0, Some(1), HirKind::Literal(literal)) if *literal.0 == *b"v" => vec![Part::Prefix],
                _ => return None,
            }
        }
        _ => return None,
    })
}

fn without_groups(tree: &Hir) -> &Hir {
    match tree.kind() {
        HirKind::Capture(capture) => without_groups(&capture.sub),
        _ => tree,
    }
}

/// Whether the class holds every character that a tag can have.
fn holds_all(class: &Class) -> bool {
    in_tags(class).eq(tag_characters())
}

fn holds_digits(class: &Class) -> bool {
    in_tags(class).eq(b'0'..=b'9')
}

fn tag_characters() -> impl Iterator<Item = u8> {
    (0..128).filter(|byte| super::expression::in_tag(*byte))
}

/// The characters of the class that a tag can have.
fn in_tags(class: &Class) -> impl Iterator<Item = u8> {
    tag_characters().filter(move |byte| super::expression::holds(class, *byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::policy::TagPattern;

    proptest! {
        /// What is proposed takes the same tags, but for templates, which say what they do
        /// otherwise.
        #[test]
        fn simpler_patterns_take_the_same_tags(
            expression in "(\\^?[a-c.]{0,3}(\\.\\*|\\.\\+|[ab]|\\(b\\)|[ab]\\|c\\.|\\[ab\\]|b\\?)){1,3}\\$?",
            tags in proptest::collection::vec("[a-c][a-c.]{0,4}", 20),
        ) {
            let Ok(pattern) = TagPattern::parse(&format!("regex:{expression}")) else { return Ok(()) };
            let Some(simpler) = pattern.simpler() else { return Ok(()) };
            let matcher = |pattern: &TagPattern| regex::Regex::new(&pattern.expression()).expect("valid");
            let simpler: Vec<_> = simpler.iter().map(|text| matcher(&TagPattern::parse(text).expect("a pattern"))).collect();
            for tag in tags {
                let expected = matcher(&pattern).is_match(&tag);
                prop_assert_eq!(simpler.iter().any(|one| one.is_match(&tag)), expected, "{} and {}", expression, tag);
            }
        }
    }
}
