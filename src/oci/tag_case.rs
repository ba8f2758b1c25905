//! Whether tags that differ in the case of their letters alone are one tag.

use super::{Reference, Tag};

/// What the registry does with the case of tags. The distribution-spec tells tags apart by
/// every letter; Gitea, for one, stores them in lower case.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TagCase {
    /// `V1.4.0` and `v1.4.0` are two tags.
    Keep,
    /// They are one, which is called `v1.4.0`.
    Fold,
}

impl TagCase {
    pub const ALL: [Self; 2] = [Self::Keep, Self::Fold];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Fold => "fold",
        }
    }

    /// The tag by the name that the registry has it under.
    pub fn of(self, tag: Tag) -> Tag {
        match self {
            Self::Keep => tag,
            Self::Fold => tag.in_lower_case(),
        }
    }

    /// The same for what stands behind `manifests/`; digests have one form only.
    pub fn of_reference(self, reference: Reference) -> Reference {
        match reference {
            Reference::Tag(tag) => Reference::Tag(self.of(tag)),
            digest @ Reference::Digest(_) => digest,
        }
    }

    /// Whether the registry has tags by this name. One that does not was written down before
    /// it was known to fold.
    pub fn has_name(self, tag: &Tag) -> bool {
        self == Self::Keep || !tag.has_upper_case()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_that_differ_in_case_alone_are_one_where_they_are_folded() {
        let tag = |text: &str| Tag::parse(text).expect(text);
        for (asked, folded) in [("V1.4.0-RC.1", "v1.4.0-rc.1"), ("v1.4.0", "v1.4.0"), ("_A.b-C", "_a.b-c"), ("1.4", "1.4")] {
            assert_eq!(TagCase::Fold.of(tag(asked)).as_str(), folded);
            assert_eq!(TagCase::Keep.of(tag(asked)).as_str(), asked);
            assert!(TagCase::Keep.has_name(&tag(asked)) && TagCase::Fold.has_name(&tag(folded)));
            assert_eq!(TagCase::Fold.has_name(&tag(asked)), asked == folded);
        }
    }

    #[test]
    fn a_digest_stays_as_it_is() {
        let digest = Reference::parse(&format!("sha256:{}", "a".repeat(64))).expect("a digest");
        assert_eq!(TagCase::Fold.of_reference(digest.clone()), digest);
        let tag = Reference::parse("V1").expect("a tag");
        assert_eq!(TagCase::Fold.of_reference(tag).as_str(), "v1");
    }
}
