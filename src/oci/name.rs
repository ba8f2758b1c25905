//! Repository names.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

/// The longest name accepted, in bytes. The specification advises 255 for host
/// and name together; docker-registry applies it to the name alone.
const LONGEST: usize = 255;

/// A repository name such as `driftwood/web`.
///
/// Grammar (distribution-spec, "Pulling manifests"): components of
/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*` joined by `/`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepositoryName(Arc<str>);

/// Why a text is not a repository name.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum NameError {
    #[error("a repository name has 1 to {LONGEST} characters, not {0}")]
    Length(usize),
    #[error(
        "`{0}` is not a path component of a repository name: lower-case letters and digits, \
         separated by one `.`, one or two `_`, or any number of `-`"
    )]
    Component(String),
}

impl RepositoryName {
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.is_empty() || text.len() > LONGEST {
            return Err(NameError::Length(text.len()));
        }
        match text.split('/').find(|component| !is_component(component.as_bytes())) {
            Some(bad) => Err(NameError::Component(bad.to_owned())),
            None => Ok(Self(Arc::from(text))),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Runs of letters and digits with exactly one separator between two runs.
fn is_component(text: &[u8]) -> bool {
    let is_alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let mut rest = text;
    loop {
        let run = rest.iter().take_while(|byte| is_alphanumeric(byte)).count();
        if run == 0 {
            return false;
        }
        rest = &rest[run..];
        let separator = match rest {
            [] => return true,
            [b'.', ..] => 1,
            [b'_', b'_', ..] => 2,
            [b'_', ..] => 1,
            [b'-', ..] => rest.iter().take_while(|byte| **byte == b'-').count(),
            _ => return false,
        };
        rest = &rest[separator..];
    }
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_the_specification_names() {
        for name in ["web", "driftwood/web", "a.b/c_d/e__f/g---h", "0", "manifests/blobs/uploads/tags/list", "a/b/c/d/e"] {
            assert_eq!(RepositoryName::parse(name).expect(name).as_str(), name);
        }
    }

    #[test]
    fn refuses_everything_else() {
        let too_long = "a".repeat(256);
        for name in [
            "", "/", "a/", "/a", "a//b", "A", "a/B", "a..b", "a___b", "a._b", "-a", "a-", "a_", ".a", "a.", "a b", "a%2fb", "a\\b",
            "a:b", "a/../b", "a/./b", "ä", &too_long,
        ] {
            assert!(RepositoryName::parse(name).is_err(), "{name:?} was accepted");
        }
    }
}
