//! Version templates: `semver:x.y.z` and its shorter forms.
//!
//! Numbers and pre-releases are those of semver.org 2.0.0, sections 2 and 9; a
//! leading `v` is accepted. Build metadata (section 10) cannot stand in a tag.

use std::sync::LazyLock;

use regex::Regex;

use super::PatternError;
use super::glob::{Glob, Token};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Template {
    /// `x`
    Major,
    /// `x.y`
    Minor,
    /// `x.y.z`
    Release,
    /// `x.y.z-*`
    PreRelease,
}

const NUMBER: &str = "(?:0|[1-9][0-9]*)";
/// One dot-separated part of a pre-release: a number, or a word that has at least
/// one character that is no digit.
const IDENTIFIER: &str = "(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)";

pub(super) fn parse(text: &str) -> Result<Template, PatternError> {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_letter = |part: &str| ["x", "y", "z"].contains(&part);
    let version = text.strip_suffix("-*").unwrap_or(text).trim_start_matches('v');
    let mixed = version.split('.').all(|part| is_number(part) || is_letter(part)) && version.split('.').any(is_number);
    match Template::parse(text) {
        Some(template) => Ok(template),
        None if mixed => Err(PatternError::NumberInTemplate(text.to_owned())),
        None => Err(PatternError::UnknownTemplate(text.to_owned())),
    }
}

/// The regular expression for a template with literal numbers in it.
pub(super) fn as_regex(text: &str) -> String {
    let (version, is_pre_release) = text.strip_suffix("-*").map_or((text, false), |version| (version, true));
    let number = |part: &str| if ["x", "y", "z"].contains(&part) { NUMBER.replace("?:", "") } else { part.to_owned() };
    let parts: Vec<String> = version.trim_start_matches('v').split('.').map(number).collect();
    format!("regex:v?{}{}", parts.join("\\."), if is_pre_release { "-.+" } else { "" })
}

impl Template {
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "x" => Some(Self::Major),
            "x.y" => Some(Self::Minor),
            "x.y.z" => Some(Self::Release),
            "x.y.z-*" => Some(Self::PreRelease),
            _ => None,
        }
    }

    fn numbers(self) -> usize {
        match self {
            Self::Major => 1,
            Self::Minor => 2,
            Self::Release | Self::PreRelease => 3,
        }
    }

    pub(super) fn expression(self) -> String {
        let numbers = vec![NUMBER; self.numbers()].join(r"\.");
        let pre_release = match self {
            Self::PreRelease => format!(r"-{IDENTIFIER}(?:\.{IDENTIFIER})*"),
            _ => String::new(),
        };
        format!("^v?{numbers}{pre_release}$")
    }

    pub(super) fn matches(self, tag: &str) -> bool {
        static TEMPLATES: LazyLock<Vec<(Template, Regex)>> = LazyLock::new(|| {
            let all = [Template::Major, Template::Minor, Template::Release, Template::PreRelease];
            all.into_iter().filter_map(|template| Some((template, Regex::new(&template.expression()).ok()?))).collect()
        });
        TEMPLATES.iter().any(|(template, regex)| *template == self && regex.is_match(tag))
    }

    /// Globs that together match at least every tag of the template.
    pub(super) fn shapes(self) -> [Glob; 2] {
        let something = [Token::One, Token::Run];
        let mut tokens = something.to_vec();
        for _ in 1..self.numbers() {
            tokens.push(Token::Letter('.'));
            tokens.extend(something);
        }
        if self == Self::PreRelease {
            tokens.push(Token::Letter('-'));
            tokens.extend(something);
        }
        let with_v = [&[Token::Letter('v')], &*tokens].concat();
        [Glob::of(tokens), Glob::of(with_v)]
    }
}
