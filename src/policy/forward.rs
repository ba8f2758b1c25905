//! Forward-only tags: each follows the newest release of its line, and never goes back.

use std::fmt;

use super::movable::Motion;
use super::{Channel, Release, Unreleased, Verdict};
use crate::oci::Tag;

/// The releases that a tag may follow, by its own spelling.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Line {
    /// Every release of the repository: `latest`.
    Every,
    /// `1`: the releases 1.x.y.
    Major(u64),
    /// `1.4`: the releases 1.4.x.
    Minor(u64, u64),
}

/// Why a forward-only tag may not move.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Backward {
    /// It follows a newer release.
    Older { offered: Release, followed: Release },
    /// The release is none of its line.
    OtherLine { offered: Release, line: Line, followed: Option<Release> },
    /// It follows stable releases, and this is none.
    PreRelease { offered: Release, followed: Option<Release> },
    /// The bytes are no known release.
    Unreleased { followed: Option<Release> },
}

impl Line {
    pub fn of(tag: &Tag) -> Self {
        let text = tag.as_str().strip_prefix('v').unwrap_or(tag.as_str());
        let number = |text: &str| {
            let is_plain = text == "0" || !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|_| is_plain)
        };
        match text.split_once('.') {
            None => number(text).map_or(Self::Every, Self::Major),
            Some((major, minor)) => {
                number(major).zip(number(minor)).map_or(Self::Every, |(major, minor)| Self::Minor(major, minor))
            }
        }
    }

    pub fn holds(self, release: &Release) -> bool {
        let version = release.version();
        match self {
            Self::Every => true,
            Self::Major(major) => version.major == major,
            Self::Minor(major, minor) => (version.major, version.minor) == (major, minor),
        }
    }
}

/// Whether a forward-only tag may move to bytes that are the `offered` releases; `followed`
/// is the newest release that it has followed.
pub fn forward(tag: &Tag, verdict: &Verdict, followed: Option<&Release>, offered: &[Release]) -> Result<Motion, Backward> {
    let line = Line::of(tag);
    let Some(newest) = offered.iter().max() else {
        return match verdict.unreleased {
            Unreleased::Refuse => Err(Backward::Unreleased { followed: followed.cloned() }),
            Unreleased::Allow | Unreleased::Warn => Ok(Motion::unreleased(followed.cloned())),
        };
    };
    let of_line: Vec<&Release> = offered.iter().filter(|release| line.holds(release)).collect();
    let Some(newest_of_line) = of_line.iter().max() else {
        return Err(Backward::OtherLine { offered: newest.clone(), line, followed: followed.cloned() });
    };
    let of_channel = of_line.iter().filter(|release| verdict.channel == Channel::All || !release.is_pre_release()).max();
    match (of_channel, followed) {
        (None, _) => Err(Backward::PreRelease { offered: (*newest_of_line).clone(), followed: followed.cloned() }),
        (Some(offered), Some(followed)) if *offered < followed => {
            Err(Backward::Older { offered: (*offered).clone(), followed: followed.clone() })
        }
        (Some(offered), _) => Ok(Motion::to((*offered).clone())),
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every => f.write_str("every release"),
            Self::Major(major) => write!(f, "the releases {major}.x.y"),
            Self::Minor(major, minor) => write!(f, "the releases {major}.{minor}.x"),
        }
    }
}

impl fmt::Display for Backward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Older { offered, followed } => {
                write!(
                    f,
                    "it follows {followed}, and these bytes are {offered}, which is older; push a release newer than {followed}"
                )
            }
            Self::OtherLine { offered, line, followed } => {
                write!(
                    f,
                    "it follows {line}{}, and these bytes are {offered}; push them to the tag of their own line",
                    now(followed)
                )
            }
            Self::PreRelease { offered, followed } => {
                write!(
                    f,
                    "it follows stable releases{}, and these bytes are the pre-release {offered}; push a release",
                    now(followed)
                )
            }
            Self::Unreleased { followed: Some(followed) } => {
                write!(f, "it follows {followed}, and these bytes are no known release; push their release tag first")
            }
            Self::Unreleased { followed: None } => f.write_str("these bytes are no known release; push their release tag first"),
        }
    }
}

/// Which release a tag follows at the moment.
fn now(followed: &Option<Release>) -> String {
    followed.as_ref().map(|followed| format!(" ({followed} now)")).unwrap_or_default()
}

#[cfg(test)]
mod tests;
