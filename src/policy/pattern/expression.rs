//! Regular expressions, always matched against the whole tag.

use std::ops::Range;
use std::sync::Arc;

use regex::{Regex, RegexBuilder};
use regex_syntax::hir::{Class, Hir, HirKind};

use super::PatternError;
use super::simpler::simpler;

/// Bytes that one compiled expression may take.
pub(super) const LARGEST: usize = 256 << 10;

#[derive(Clone, Debug)]
pub(super) struct Expression {
    text: Arc<str>,
    anchored: Regex,
    can_match_lower_case: bool,
}

impl Expression {
    /// Reads what stands behind `regex:`, which begins `offset` bytes into the
    /// pattern.
    pub(super) fn parse(text: &str, offset: usize) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        // Read alone first: `a)|(?:b` is only valid between the anchors, and breaks them.
        let tree = regex_syntax::parse(text).map_err(|error| syntax_error(&error, offset))?;
        let longest = 128;
        let shortest = tree.properties().minimum_len().unwrap_or(usize::MAX);
        if shortest > longest || tree.properties().maximum_len() == Some(0) || !can_match(&tree, in_tag) {
            return Err(PatternError::MatchesNoTag);
        }
        // Flags such as `(?m)` end with the group, so that the anchors stay those of
        // the whole tag.
        let anchored = RegexBuilder::new(&format!("^(?:{text})$")).size_limit(LARGEST).build();
        let anchored = anchored.map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => PatternError::RegexTooLarge,
            _ => PatternError::NotAnchorable,
        })?;
        let in_lower_case = |byte: u8| in_tag(byte) && !byte.is_ascii_uppercase();
        Ok(Self { text: Arc::from(text), anchored, can_match_lower_case: can_match(&tree, in_lower_case) })
    }

    pub(super) fn anchored(&self) -> &str {
        self.anchored.as_str()
    }

    /// Patterns of another kind that take the same tags.
    pub(super) fn simpler(&self) -> Option<Vec<String>> {
        simpler(&regex_syntax::parse(&self.text).ok()?)
    }

    pub(super) fn can_match_lower_case(&self) -> bool {
        self.can_match_lower_case
    }

    pub(super) fn matches(&self, tag: &str) -> bool {
        self.anchored.is_match(tag)
    }

    /// Whether it plainly matches every tag.
    pub(super) fn is_everything(&self) -> bool {
        [".*", ".+", "^.*$", "^.+$", "^.*", ".*$", "^.+", ".+$"].contains(&&*self.text)
    }
}

/// The message and the place inside the pattern.
fn syntax_error(error: &regex_syntax::Error, offset: usize) -> PatternError {
    let (message, span) = match error {
        regex_syntax::Error::Parse(error) => (error.kind().to_string(), *error.span()),
        regex_syntax::Error::Translate(error) => (error.kind().to_string(), *error.span()),
        other => return PatternError::Regex { message: other.to_string(), span: 0..offset },
    };
    let range: Range<usize> = offset + span.start.offset..offset + span.end.offset;
    PatternError::Regex { message, span: range }
}

pub(super) fn in_tag(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)
}

/// Whether a class has this character of ASCII.
pub(super) fn holds(class: &Class, byte: u8) -> bool {
    match class {
        Class::Unicode(class) => class.iter().any(|range| (range.start()..=range.end()).contains(&char::from(byte))),
        Class::Bytes(class) => class.iter().any(|range| (range.start()..=range.end()).contains(&byte)),
    }
}

/// Whether the characters it needs are among those that `is_legal` takes. True where in
/// doubt.
fn can_match(tree: &Hir, is_legal: impl Fn(u8) -> bool + Copy) -> bool {
    match tree.kind() {
        HirKind::Empty | HirKind::Look(_) => true,
        HirKind::Literal(literal) => literal.0.iter().all(|byte| is_legal(*byte)),
        HirKind::Class(class) => (0..128).any(|byte| is_legal(byte) && holds(class, byte)),
        HirKind::Repetition(repetition) => repetition.min == 0 || can_match(&repetition.sub, is_legal),
        HirKind::Capture(capture) => can_match(&capture.sub, is_legal),
        HirKind::Concat(parts) => parts.iter().all(|part| can_match(part, is_legal)),
        HirKind::Alternation(parts) => parts.iter().any(|part| can_match(part, is_legal)),
    }
}
