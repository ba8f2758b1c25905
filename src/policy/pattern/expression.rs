//! Regular expressions, always matched against the whole tag.

use std::ops::Range;
use std::sync::Arc;

use regex::{Regex, RegexBuilder};
use regex_syntax::hir::{Class, Hir, HirKind};

use super::PatternError;

/// Bytes that one compiled expression may take.
pub(super) const LARGEST: usize = 256 << 10;

#[derive(Clone, Debug)]
pub(super) struct Expression {
    text: Arc<str>,
    anchored: Regex,
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
        if shortest > longest || tree.properties().maximum_len() == Some(0) || !can_match_a_tag(&tree) {
            return Err(PatternError::MatchesNoTag);
        }
        // Flags such as `(?m)` end with the group, so that the anchors stay those of
        // the whole tag.
        let anchored = RegexBuilder::new(&format!("^(?:{text})$")).size_limit(LARGEST).build();
        let anchored = anchored.map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => PatternError::RegexTooLarge,
            _ => PatternError::NotAnchorable,
        })?;
        Ok(Self { text: Arc::from(text), anchored })
    }

    pub(super) fn anchored(&self) -> &str {
        self.anchored.as_str()
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

/// Whether the characters it needs can stand in a tag. True where in doubt.
fn can_match_a_tag(tree: &Hir) -> bool {
    let in_tag = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    match tree.kind() {
        HirKind::Empty | HirKind::Look(_) => true,
        HirKind::Literal(literal) => literal.0.iter().all(|byte| in_tag(*byte)),
        HirKind::Class(Class::Unicode(class)) => {
            let holds = |byte: u8| class.iter().any(|range| (range.start()..=range.end()).contains(&char::from(byte)));
            (0..128).any(|byte| in_tag(byte) && holds(byte))
        }
        HirKind::Class(Class::Bytes(class)) => {
            let holds = |byte: u8| class.iter().any(|range| (range.start()..=range.end()).contains(&byte));
            (0..128).any(|byte| in_tag(byte) && holds(byte))
        }
        HirKind::Repetition(repetition) => repetition.min == 0 || can_match_a_tag(&repetition.sub),
        HirKind::Capture(capture) => can_match_a_tag(&capture.sub),
        HirKind::Concat(parts) => parts.iter().all(can_match_a_tag),
        HirKind::Alternation(parts) => parts.iter().any(can_match_a_tag),
    }
}
