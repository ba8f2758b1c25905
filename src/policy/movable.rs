//! The permission to move a tag.

use super::{Policy, Release};
use crate::oci::{Digest, RepositoryName, Tag};

/// A tag that the policy lets move. Only [`Policy::movable`] makes one, and the
/// upstream moves no tag without it.
#[derive(Clone, Copy, Debug)]
pub struct Movable<'a> {
    repository: &'a RepositoryName,
    tag: &'a Tag,
}

impl Movable<'_> {
    pub fn repository(&self) -> &RepositoryName {
        self.repository
    }

    pub fn tag(&self) -> &Tag {
        self.tag
    }
}

/// A move that was judged, and may be made: by [`super::forward`] or [`super::append`],
/// since it is none, or since an operator let it.
#[derive(Clone, Debug)]
pub struct Motion {
    followed: Option<Release>,
    is_unreleased: bool,
}

impl Motion {
    pub(super) fn to(release: Release) -> Self {
        Self { followed: Some(release), is_unreleased: false }
    }

    pub(super) fn unreleased(followed: Option<Release>) -> Self {
        Self { followed, is_unreleased: true }
    }

    /// The bytes that the tag means already pass, whatever it has followed.
    pub fn again(means: &Digest, bytes: &[u8], followed: Option<Release>, is_unreleased: bool) -> Option<Self> {
        means.names(bytes).then_some(Self { followed, is_unreleased })
    }

    /// What an operator let happen once, whatever the tag has followed.
    pub fn excepted(followed: Option<Release>) -> Self {
        Self { is_unreleased: followed.is_none(), followed }
    }

    pub(super) fn appended() -> Self {
        Self { followed: None, is_unreleased: false }
    }

    /// The newest release that the tag has followed, with this move.
    pub fn followed(&self) -> Option<&Release> {
        self.followed.as_ref()
    }

    /// Whether a tag that follows releases moves to bytes that are none.
    pub fn is_unreleased(&self) -> bool {
        self.is_unreleased
    }
}

impl Policy {
    /// The permission to move a tag, unless the gate holds it, or has to judge the move
    /// and did not.
    pub fn movable<'a>(&self, repository: &'a RepositoryName, tag: &'a Tag, motion: Option<&Motion>) -> Option<Movable<'a>> {
        let verdict = self.decide(repository, tag);
        let may_move = !verdict.is_immutable() && (!verdict.is_guarded() || motion.is_some());
        may_move.then_some(Movable { repository, tag })
    }
}
