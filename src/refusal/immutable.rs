//! What a developer reads whose push of an immutable tag is refused.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::ledger::{Record, State, TagKey};
use crate::oci::{Digest, Tag};
use crate::policy::Verdict;

/// A refused push of an immutable tag.
#[derive(Debug)]
pub struct Immutable {
    pub key: TagKey,
    pub verdict: Verdict,
    pub meaning: Meaning,
    /// Whether it looks as if a client pushes the platforms of an image to the tag, and then
    /// the image.
    pub is_assembled: bool,
}

/// What may be said of an immutable tag.
#[derive(Debug)]
pub enum Meaning {
    Bytes {
        digest: Digest,
        since: Timestamp,
    },
    Deleted {
        since: Timestamp,
    },
    /// The registry does not show this client what the tag means.
    Hidden,
}

impl From<&Record> for Meaning {
    fn from(record: &Record) -> Self {
        match record.state {
            State::Burnt => Self::Deleted { since: record.since },
            State::Open | State::Sealed => Self::Bytes { digest: record.digest.clone(), since: record.since },
        }
    }
}

impl Immutable {
    /// The one line that a developer reads.
    pub fn message(&self) -> String {
        let Self { key, verdict, meaning, is_assembled } = self;
        let rule = &verdict.rule;
        let is_assembled = *is_assembled && !matches!(meaning, Meaning::Hidden);
        let meaning = match meaning {
            Meaning::Bytes { digest, since } => format!("it means {}… since {}", digest.short(), day(*since)),
            Meaning::Deleted { since } => format!("it was deleted on {} and is never used again", day(*since)),
            Meaning::Hidden => "it was pushed before".to_owned(),
        };
        let advice = match next_tag(&key.tag) {
            Some(next) => format!("push a new tag, such as {next}"),
            None => "push a new tag".to_owned(),
        };
        let advice = match is_assembled {
            true => {
                format!("{advice}; for clients that push each platform to the tag first, set multi_arch = \"settle\" in the rule")
            }
            false => advice,
        };
        let help = verdict.help_url.as_ref().map(|url| format!(" ({url})")).unwrap_or_default();
        format!("tag {key} is immutable (rule \"{rule}\"): {meaning}; {advice}{help}")
    }
}

/// The date in UTC.
pub fn day(time: Timestamp) -> String {
    time.to_zoned(TimeZone::UTC).date().to_string()
}

/// The tag with its last number raised by one, where it is a version.
fn next_tag(tag: &Tag) -> Option<String> {
    let text = tag.as_str();
    let version = text.strip_prefix('v').unwrap_or(text);
    let core = version.split('-').next()?;
    let is_version = core.split('.').count() == 3 && core.split('.').all(|number| number.parse::<u64>().is_ok());
    if !is_version {
        return None;
    }
    let stem = text.trim_end_matches(|last: char| last.is_ascii_digit());
    match text[stem.len()..].parse::<u64>() {
        Ok(number) => Some(format!("{stem}{}", number.checked_add(1)?)),
        Err(_) => Some(format!("{text}.1")),
    }
    .filter(|next| Tag::parse(next).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_tag_is_suggested_for_versions_only() {
        for (tag, next) in [
            ("1.4.0", Some("1.4.1")),
            ("v1.4.9", Some("v1.4.10")),
            ("1.4.0-rc.1", Some("1.4.0-rc.2")),
            ("1.4.0-beta", Some("1.4.0-beta.1")),
            ("git-9f3c2a1", None),
            ("1.4", None),
            ("latest", None),
            ("1.4.18446744073709551615", None),
        ] {
            assert_eq!(next_tag(&Tag::parse(tag).expect(tag)).as_deref(), next, "{tag}");
        }
    }
}
