//! A tag that names a version (semver.org 2.0.0), compared by precedence.

use std::cmp::Ordering;
use std::fmt;

use semver::Version;

use crate::oci::Tag;

/// A release: its tag and the version that the tag names. Equal are two of the same
/// precedence, such as `1.4.0` and `v1.4.0`; a pre-release comes before its release
/// (section 11).
#[derive(Clone, Debug)]
pub struct Release {
    tag: Tag,
    version: Version,
}

impl Release {
    /// `None` where the tag names no version. A leading `v` is not part of it.
    pub fn of(tag: &Tag) -> Option<Self> {
        let version = Version::parse(tag.as_str().strip_prefix('v').unwrap_or(tag.as_str())).ok()?;
        Some(Self { tag: tag.clone(), version })
    }

    pub fn tag(&self) -> &Tag {
        &self.tag
    }

    pub fn version(&self) -> &Version {
        &self.version
    }

    pub fn is_pre_release(&self) -> bool {
        !self.version.pre.is_empty()
    }
}

impl Ord for Release {
    fn cmp(&self, other: &Self) -> Ordering {
        self.version.cmp_precedence(&other.version)
    }
}

impl PartialOrd for Release {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Release {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Release {}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.tag, f)
    }
}
