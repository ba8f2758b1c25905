//! The permission to move a tag.

use super::Policy;
use crate::oci::{RepositoryName, Tag};

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

impl Policy {
    /// The permission to move a tag, unless the gate holds it.
    pub fn movable<'a>(&self, repository: &'a RepositoryName, tag: &'a Tag) -> Option<Movable<'a>> {
        (!self.decide(repository, tag).is_immutable()).then_some(Movable { repository, tag })
    }
}
