//! What a tag is for, by its spelling.

use std::cmp::Reverse;

use serde::Serialize;

use crate::oci::Tag;
use crate::policy::Release;

/// The prefixes of tags that name a commit.
const COMMITS: [&str; 2] = ["git-", "sha-"];

/// The fewest letters of a commit's hash.
const SHORTEST: usize = 7;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A version as semver.org says, such as `1.4.0`, `v1.4.0` or `1.4.0-rc.1`.
    Release,
    /// `git-` or `sha-` and seven hexadecimal digits at least.
    Commit,
    /// Everything else, such as `1.4` and `latest`.
    Other,
}

impl Kind {
    pub fn of(tag: &Tag) -> Self {
        let is_commit = COMMITS
            .iter()
            .filter_map(|prefix| tag.as_str().strip_prefix(prefix))
            .any(|hash| hash.len() >= SHORTEST && hash.bytes().all(|letter| letter.is_ascii_hexdigit()));
        match Release::of(tag) {
            Some(_) => Self::Release,
            None if is_commit => Self::Commit,
            None => Self::Other,
        }
    }
}

/// For sorting releases, the newest version first.
pub fn newest_first(tag: &Tag) -> Reverse<(Option<Release>, Tag)> {
    Reverse((Release::of(tag), tag.clone()))
}
