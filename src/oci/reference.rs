//! Tags and digests.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest;
use data_encoding::HEXLOWER;
use thiserror::Error;

/// The longest tag, in bytes (distribution-spec, "Pulling manifests").
const LONGEST_TAG: usize = 128;

/// A tag: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(Arc<str>);

/// A digest of a registered algorithm, `sha256:` with 64 or `sha512:` with 128
/// lower-case hexadecimal digits (image-spec, "Digests"). Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    algorithm: Algorithm,
    text: Arc<str>,
}

/// The registered digest algorithms (image-spec, "Registered algorithms").
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Algorithm {
    Sha256,
    Sha512,
}

/// What stands behind `manifests/`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Reference {
    Tag(Tag),
    Digest(Digest),
}

/// Why a text is neither a tag nor a digest.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ReferenceError {
    #[error("`{0}` is not a tag: 1 to {LONGEST_TAG} letters, digits, `_`, `.` or `-`, and neither `.` nor `-` first")]
    Tag(String),
    #[error("`{0}` is not a digest: `sha256:` with 64 or `sha512:` with 128 lower-case hexadecimal digits")]
    Digest(String),
}

impl Tag {
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let fits = match text.as_bytes() {
            [] => false,
            [first, rest @ ..] => {
                is_word(*first) && text.len() <= LONGEST_TAG && rest.iter().all(|byte| is_word(*byte) || b".-".contains(byte))
            }
        };
        if fits { Ok(Self(Arc::from(text))) } else { Err(ReferenceError::Tag(text.to_owned())) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn has_upper_case(&self) -> bool {
        self.0.bytes().any(|byte| byte.is_ascii_uppercase())
    }

    /// With every letter in lower case; what is so already is not copied.
    pub(super) fn in_lower_case(self) -> Self {
        if self.has_upper_case() { Self(Arc::from(self.0.to_ascii_lowercase())) } else { self }
    }
}

impl Algorithm {
    pub const ALL: [Self; 2] = [Self::Sha256, Self::Sha512];

    fn of_prefix(prefix: &str) -> Option<Self> {
        match prefix {
            "sha256" => Some(Self::Sha256),
            "sha512" => Some(Self::Sha512),
            _ => None,
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    fn implementation(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha512 => &digest::SHA512,
        }
    }
}

impl Digest {
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        let parsed = text.split_once(':').and_then(|(prefix, encoded)| {
            let algorithm = Algorithm::of_prefix(prefix)?;
            let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            let fits = encoded.len() == 2 * algorithm.implementation().output_len() && encoded.bytes().all(is_hex);
            fits.then(|| Self { algorithm, text: Arc::from(text) })
        });
        parsed.ok_or_else(|| ReferenceError::Digest(text.to_owned()))
    }

    /// The digest of `bytes` under `algorithm`.
    pub fn of(algorithm: Algorithm, bytes: &[u8]) -> Self {
        let hash = digest::digest(algorithm.implementation(), bytes);
        let text = format!("{}:{}", algorithm.prefix(), HEXLOWER.encode(hash.as_ref()));
        Self { algorithm, text: Arc::from(text) }
    }

    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether `bytes` are what this digest names, in its own algorithm.
    pub fn names(&self, bytes: &[u8]) -> bool {
        *self == Self::of(self.algorithm, bytes)
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The digest cut for a person to read: the algorithm and twelve digits.
    pub fn short(&self) -> &str {
        &self.text[..self.algorithm.prefix().len() + 1 + 12]
    }
}

impl Reference {
    /// A text with a `:` can only be a digest, since a tag has none.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        if text.contains(':') { Digest::parse(text).map(Self::Digest) } else { Tag::parse(text).map(Self::Tag) }
    }

    pub fn as_str(&self) -> &str {
        match self {
            Self::Tag(tag) => tag.as_str(),
            Self::Digest(digest) => digest.as_str(),
        }
    }
}

impl From<Tag> for Reference {
    fn from(tag: Tag) -> Self {
        Self::Tag(tag)
    }
}

impl From<Digest> for Reference {
    fn from(digest: Digest) -> Self {
        Self::Digest(digest)
    }
}

macro_rules! shows_its_text {
    ($($kind:ty),*) => {$(
        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    )*};
}
shows_its_text!(Tag, Digest, Reference);

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_follow_the_grammar() {
        let longest = "a".repeat(128);
        for tag in ["1.4.0", "latest", "git-9f3c2a1", "_", "A.b-C_d", "v1.4.0", &longest] {
            assert_eq!(Tag::parse(tag).expect(tag).as_str(), tag);
        }
        let too_long = "a".repeat(129);
        for tag in ["", ".a", "-a", "a b", "a:b", "a/b", "a%2e", "a+b", "é", "1.4.0\n", &too_long] {
            assert!(Tag::parse(tag).is_err(), "{tag:?} was accepted");
        }
    }

    #[test]
    fn a_digest_names_exact_bytes_in_its_own_algorithm() {
        for algorithm in Algorithm::ALL {
            let digest = Digest::of(algorithm, b"abc");
            assert_eq!(Digest::parse(digest.as_str()).expect("own rendering"), digest);
            assert!(digest.names(b"abc"));
            assert!(!digest.names(b"abd"));
        }
        // FIPS 180-2, appendix B.1.
        assert_eq!(
            Digest::of(Algorithm::Sha256, b"abc").as_str(),
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(Digest::of(Algorithm::Sha256, b"abc").short(), "sha256:ba7816bf8f01");
    }

    #[test]
    fn other_shapes_are_no_digests() {
        let hex = "a".repeat(64);
        for text in [
            format!("sha256:{}", &hex[1..]),
            format!("sha256:{hex}a"),
            format!("sha256:{}", hex.to_uppercase()),
            format!("SHA256:{hex}"),
            format!("sha512:{hex}"),
            format!("md5:{hex}"),
            format!("sha256:{hex}:"),
            ":".to_owned(),
            format!("sha256:{}g", &hex[1..]),
        ] {
            assert!(Reference::parse(&text).is_err(), "{text:?} was accepted");
        }
    }
}
