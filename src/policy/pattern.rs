//! The patterns of a rule: which tags, which repositories.
//!
//! A pattern is read strictly: one that no legal name can match is a mistake, not
//! a rule that silently protects nothing. Every pattern covers the whole name.

mod expression;
mod glob;
mod semver;
mod simpler;

use std::ops::Range;
use std::sync::Arc;

use thiserror::Error;

use crate::oci::name::NameError;
use crate::oci::{RepositoryName, Tag};
use expression::Expression;
use glob::{Alphabet, Glob};
use semver::Template;

/// A pattern for tags, as the policy file writes it.
#[derive(Clone, Debug)]
pub struct TagPattern {
    text: Arc<str>,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Glob(Glob),
    Semver(Template),
    Regex(Expression),
}

/// A glob for repository names.
#[derive(Clone, Debug)]
pub struct RepositoryPattern {
    text: Arc<str>,
    glob: Glob,
    is_everything: bool,
}

/// Why a text is not a pattern.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PatternError {
    #[error("the pattern is empty")]
    Empty,
    #[error("no {name} contains `{character}`")]
    Character { name: &'static str, character: char, at: usize },
    #[error("no tag begins with `{0}`")]
    FirstCharacter(char),
    #[error("no repository name begins or ends with `/`, or has two in a row")]
    EmptyComponent,
    #[error(transparent)]
    Repository(NameError),
    #[error("no {name} is this long: the longest has {longest} characters")]
    TooLong { name: &'static str, longest: usize },
    #[error("`{0}` is a version template, but stands here as plain text")]
    BareTemplate(String),
    #[error("`{0}:` is not a kind of pattern")]
    UnknownKind(String),
    #[error("`{0}` is not a version template")]
    UnknownTemplate(String),
    #[error("`{0}` mixes numbers into a version template")]
    NumberInTemplate(String),
    #[error("the regular expression is not valid: {message}")]
    Regex { message: String, span: Range<usize> },
    #[error("the regular expression does not stay whole inside `^(?:…)$`")]
    NotAnchorable,
    #[error("the regular expression takes more than {} KiB when compiled", expression::LARGEST >> 10)]
    RegexTooLarge,
    #[error("the regular expression matches no legal tag")]
    MatchesNoTag,
}

impl PatternError {
    /// What to write instead.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Character { character: '[' | ']' | '{' | '}' | '(' | ')' | '|' | '^' | '$' | '\\' | ',' | '!', .. } => {
                "a glob knows `*` and `?` only; for tags, `regex:` takes a regular expression".to_owned()
            }
            Self::Character { character: '+', .. } => {
                "registries take no build metadata: a tag is written with `-` or `_`".to_owned()
            }
            Self::Character { name: glob::TAG, character: ':' | '/', .. } => {
                "a tag pattern has no repository: write that under `repositories`".to_owned()
            }
            Self::Character { name: glob::REPOSITORY, character: ':', .. } => {
                "a repository pattern has neither registry host nor tag".to_owned()
            }
            Self::Character { name: glob::REPOSITORY, character: 'A'..='Z', .. } => "repository names are lower-case".to_owned(),
            Self::BareTemplate(text) => format!("write `semver:{}`", text.trim_start_matches('v')),
            Self::UnknownKind(_) => "a pattern is a glob, or begins with `semver:` or `regex:`".to_owned(),
            Self::UnknownTemplate(text) if Template::parse(text.trim_start_matches('v')).is_some() => {
                "leave out the `v`: every template accepts tags with and without it".to_owned()
            }
            Self::UnknownTemplate(_) => "the templates are `x.y.z`, `x.y.z-*`, `x.y` and `x`".to_owned(),
            Self::NumberInTemplate(text) => format!("write `{}`", semver::as_regex(text)),
            Self::NotAnchorable => "close every group, and write no `(?x)` comment".to_owned(),
            Self::RegexTooLarge => "shorten the repetitions, or write several patterns".to_owned(),
            Self::MatchesNoTag => "a tag is 1 to 128 of the characters A-Z a-z 0-9 _ . -".to_owned(),
            Self::Empty => "`*` matches every name".to_owned(),
            Self::EmptyComponent => "`driftwood/**` matches every repository below `driftwood`".to_owned(),
            Self::Character { .. } | Self::FirstCharacter(_) | Self::Repository(_) | Self::TooLong { .. } | Self::Regex { .. } => {
                return None;
            }
        };
        Some(hint)
    }

    /// The bytes of the pattern that are wrong, where only some are.
    pub fn span(&self) -> Option<Range<usize>> {
        match self {
            Self::Character { character, at, .. } => Some(*at..*at + character.len_utf8()),
            Self::FirstCharacter(character) => Some(0..character.len_utf8()),
            Self::Regex { span, .. } => Some(span.clone()),
            _ => None,
        }
    }
}

impl TagPattern {
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        // A tag holds no `:`, so a prefix is never mistaken for one.
        let kind = match text.split_once(':') {
            Some(("semver", template)) => Kind::Semver(semver::parse(template)?),
            Some(("regex", expression)) => Kind::Regex(Expression::parse(expression, "regex:".len())?),
            Some((prefix, _)) if prefix.bytes().all(|byte| byte.is_ascii_alphabetic()) && !prefix.is_empty() => {
                return Err(PatternError::UnknownKind(prefix.to_owned()));
            }
            _ if Template::parse(text.trim_start_matches('v')).is_some() => {
                return Err(PatternError::BareTemplate(text.to_owned()));
            }
            _ => Kind::Glob(Glob::parse(text, Alphabet::Tag)?),
        };
        Ok(Self { text: Arc::from(text), kind })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a tag without upper-case letters can match. True where in doubt.
    pub fn can_match_lower_case(&self) -> bool {
        match &self.kind {
            Kind::Glob(glob) => !glob.has_upper_case(),
            Kind::Semver(_) => true,
            Kind::Regex(expression) => expression.can_match_lower_case(),
        }
    }

    /// Patterns without a regular expression that say the same as this one, which has one.
    pub(super) fn simpler(&self) -> Option<Vec<String>> {
        let Kind::Regex(expression) = &self.kind else { return None };
        let patterns = expression.simpler()?;
        patterns.iter().all(|pattern| Self::parse(pattern).is_ok()).then_some(patterns)
    }

    /// The anchored regular expression that says the same.
    pub(super) fn expression(&self) -> String {
        match &self.kind {
            Kind::Glob(glob) => glob.expression(),
            Kind::Semver(template) => template.expression(),
            Kind::Regex(expression) => expression.anchored().to_owned(),
        }
    }

    /// Whether the pattern is meant for referrers and signature tags: wide ones
    /// such as `*` must not freeze tags that move by design.
    pub(super) fn names_referrers(&self) -> bool {
        let body = self.text.strip_prefix("regex:").unwrap_or(&self.text);
        body.starts_with("sha256-") || body.starts_with("sha512-")
    }

    /// The letters that every tag begins with that it matches, as far as they are plain.
    /// A pattern that covers another has a prefix with which the other's begins.
    pub(super) fn prefix(&self) -> String {
        match &self.kind {
            Kind::Glob(glob) => glob.prefix(),
            Kind::Semver(_) | Kind::Regex(_) => String::new(),
        }
    }

    /// Whether this pattern surely takes every tag that `other` takes.
    pub(super) fn covers(&self, other: &Self) -> bool {
        if self.text == other.text {
            return true;
        }
        if other.names_referrers() && !self.names_referrers() {
            return false;
        }
        match (&self.kind, &other.kind) {
            (Kind::Regex(expression), _) if expression.is_everything() => true,
            (Kind::Glob(wide), Kind::Glob(narrow)) => wide.covers(narrow),
            (Kind::Glob(wide), Kind::Semver(template)) => template.shapes().iter().all(|shape| wide.covers(shape)),
            (Kind::Glob(wide), Kind::Regex(_)) => wide.covers(&Glob::everything(Alphabet::Tag)),
            (Kind::Regex(expression), Kind::Glob(narrow)) => narrow.literal().is_some_and(|literal| expression.matches(&literal)),
            (Kind::Semver(template), Kind::Glob(narrow)) => narrow.literal().is_some_and(|literal| template.matches(&literal)),
            _ => false,
        }
    }
}

impl RepositoryPattern {
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let glob = Glob::parse(text, Alphabet::Repository)?;
        let is_everything = glob.covers(&Glob::everything(Alphabet::Repository));
        Ok(Self { text: Arc::from(text), glob, is_everything })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it matches this name; the policy asks many patterns at once instead.
    pub fn matches(&self, name: &RepositoryName) -> bool {
        Glob::parse(name.as_str(), Alphabet::Repository).is_ok_and(|literal| self.glob.covers(&literal))
    }

    pub(super) fn expression(&self) -> String {
        self.glob.expression()
    }

    /// As [`TagPattern::prefix`].
    pub(super) fn prefix(&self) -> String {
        self.glob.prefix()
    }

    /// Whether it matches every repository.
    pub(super) fn is_everything(&self) -> bool {
        self.is_everything
    }

    pub(super) fn covers(&self, other: &Self) -> bool {
        self.glob.covers(&other.glob)
    }
}

/// Whether the tag is one that tools keep for the referrers of a digest.
pub(super) fn is_referrers_tag(tag: &Tag) -> bool {
    let text = tag.as_str();
    let Some(rest) = text.strip_prefix("sha256-").or_else(|| text.strip_prefix("sha512-")) else { return false };
    let is_hex = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
    rest.as_bytes()
        .split_at_checked(64)
        .is_some_and(|(digits, suffix)| digits.iter().all(is_hex) && [b"".as_slice(), b".sig", b".att", b".sbom"].contains(&suffix))
}

#[cfg(test)]
mod tests;
