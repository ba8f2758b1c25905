//! Globs over tags and repository names.

use super::PatternError;
use crate::oci::RepositoryName;

pub(super) const TAG: &str = "tag";
pub(super) const REPOSITORY: &str = "repository name";

/// Which names a glob is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Alphabet {
    Tag,
    Repository,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Glob(Vec<Token>);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Token {
    Letter(char),
    /// `?`: one character, not `/`.
    One,
    /// `*`: any run of characters without `/`.
    Run,
    /// `**`: any run of characters.
    Deep,
    /// `**/` where a path component begins: any number of whole components.
    Components,
}

impl Alphabet {
    fn name(self) -> &'static str {
        match self {
            Self::Tag => TAG,
            Self::Repository => REPOSITORY,
        }
    }

    fn longest(self) -> usize {
        match self {
            Self::Tag => 128,
            Self::Repository => 255,
        }
    }

    fn holds(self, character: char) -> bool {
        match self {
            Self::Tag => character.is_ascii_alphanumeric() || "_.-".contains(character),
            Self::Repository => character.is_ascii_lowercase() || character.is_ascii_digit() || "_.-/".contains(character),
        }
    }
}

impl Glob {
    pub(super) fn parse(text: &str, alphabet: Alphabet) -> Result<Self, PatternError> {
        let mut tokens = Vec::new();
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            let begins_component = matches!(tokens.last(), None | Some(Token::Letter('/') | Token::Components));
            let (token, length) = match character {
                '*' if alphabet == Alphabet::Repository && begins_component && rest.starts_with("**/") => (Token::Components, 3),
                '*' if alphabet == Alphabet::Repository && rest.starts_with("**") => (Token::Deep, 2),
                '*' => (Token::Run, 1),
                '?' => (Token::One, 1),
                other if alphabet.holds(other) => (Token::Letter(other), 1),
                other => {
                    let at = text.len() - rest.len();
                    return Err(PatternError::Character { name: alphabet.name(), character: other, at });
                }
            };
            tokens.push(token);
            rest = &rest[length..];
        }
        match (tokens.first(), alphabet) {
            (None, _) => return Err(PatternError::Empty),
            (Some(Token::Letter(first @ ('.' | '-'))), Alphabet::Tag) => return Err(PatternError::FirstCharacter(*first)),
            (Some(Token::Letter('/')), _) => return Err(PatternError::EmptyComponent),
            _ => {}
        }
        // No name ends in `/`, so that the last component is there in any case.
        if tokens.ends_with(&[Token::Components, Token::Run]) {
            tokens.truncate(tokens.len() - 2);
            tokens.push(Token::Deep);
        }
        if matches!(tokens.last(), Some(Token::Letter('/') | Token::Components)) || text.contains("//") {
            return Err(PatternError::EmptyComponent);
        }
        let shortest = tokens.iter().filter(|token| matches!(token, Token::Letter(_) | Token::One)).count();
        if shortest > alphabet.longest() {
            return Err(PatternError::TooLong { name: alphabet.name(), longest: alphabet.longest() });
        }
        let glob = Self(tokens);
        match glob.literal() {
            Some(name) if alphabet == Alphabet::Repository => RepositoryName::parse(&name).map_err(PatternError::Repository)?,
            _ => return Ok(glob),
        };
        Ok(glob)
    }

    pub(super) fn of(tokens: Vec<Token>) -> Self {
        Self(tokens)
    }

    /// Names are ASCII, and a class of ASCII takes a fourteenth of one of Unicode.
    pub(super) fn expression(&self) -> String {
        let parts = self.0.iter().map(|token| match token {
            Token::Letter(letter) => regex::escape(letter.encode_utf8(&mut [0; 4])),
            Token::One => "[!-.0-~]".to_owned(),
            Token::Run => "[!-.0-~]*".to_owned(),
            Token::Deep => "[!-~]*".to_owned(),
            Token::Components => "(?:[!-.0-~]+/)*".to_owned(),
        });
        format!("^(?:{})$", parts.collect::<String>())
    }

    pub(super) fn has_upper_case(&self) -> bool {
        self.0.iter().any(|token| matches!(token, Token::Letter('A'..='Z')))
    }

    /// The letters before the first wildcard.
    pub(super) fn prefix(&self) -> String {
        self.0.iter().map_while(|token| if let Token::Letter(letter) = token { Some(*letter) } else { None }).collect()
    }

    /// The one name that the glob matches, if it has no wildcard.
    pub(super) fn literal(&self) -> Option<String> {
        let letter = |token: &Token| if let Token::Letter(letter) = token { Some(*letter) } else { None };
        self.0.iter().map(letter).collect()
    }

    /// The glob that matches every name of the alphabet.
    pub(super) fn everything(alphabet: Alphabet) -> Self {
        match alphabet {
            Alphabet::Tag => Self(vec![Token::Run]),
            Alphabet::Repository => Self(vec![Token::Deep]),
        }
    }

    /// Whether every name that `narrow` matches is matched here too. Never wrong
    /// when true; may be false where only a closer look would tell.
    pub(super) fn covers(&self, narrow: &Self) -> bool {
        let (wide, narrow) = (&self.0, &narrow.0);
        // Most pairs of patterns already differ in the letters that they begin with.
        let is_letter = |token: &Token| matches!(token, Token::Letter(_));
        let beginning = wide.iter().zip(narrow).take_while(|(wide, narrow)| is_letter(wide) && is_letter(narrow));
        if beginning.clone().any(|(wide, narrow)| wide != narrow) {
            return false;
        }
        // known[i][j]: whether wide[i..] covers narrow[j..].
        let mut known = vec![vec![false; narrow.len() + 1]; wide.len() + 1];
        known[wide.len()][narrow.len()] = true;
        for i in (0..wide.len()).rev() {
            for j in (0..=narrow.len()).rev() {
                let next = narrow.get(j).copied();
                known[i][j] = match wide[i] {
                    Token::Letter(letter) => next == Some(Token::Letter(letter)) && known[i + 1][j + 1],
                    Token::One => next.is_some_and(is_one) && known[i + 1][j + 1],
                    Token::Run => known[i + 1][j] || (next.is_some_and(|t| is_one(t) || t == Token::Run) && known[i][j + 1]),
                    Token::Deep => known[i + 1][j] || (next.is_some() && known[i][j + 1]),
                    // Legal names have no empty component, so that whatever ends in `/`
                    // here is whole components.
                    Token::Components => {
                        let ends_component = |token: Token| matches!(token, Token::Letter('/') | Token::Components);
                        known[i + 1][j] || (j..narrow.len()).any(|k| ends_component(narrow[k]) && known[i][k + 1])
                    }
                };
            }
        }
        known[0][0]
    }
}

/// Whether the token stands for exactly one character that is not `/`.
fn is_one(token: Token) -> bool {
    token == Token::One || matches!(token, Token::Letter(letter) if letter != '/')
}
