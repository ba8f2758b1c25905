//! What a rule says about a tag.

use std::sync::Arc;

use crate::oci::words::words;

/// How a tag may change after its first push (the word is Amazon ECR's).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mutability {
    /// One digest ever.
    Immutable,
    /// Moves only to a newer matching release, never back.
    ForwardOnly,
    /// The new manifest keeps every entry of the old one.
    AppendOnly,
    Mutable,
}

/// What happens to a push that the mutability does not allow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Enforcement {
    /// It is refused.
    Enforce,
    /// It passes, with a warning and a record.
    Audit,
}

/// Whether an immutable tag may be deleted. Deleted tags stay burnt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delete {
    Deny,
    Allow,
}

/// What happens to an immutable tag that means one platform's manifest, where the index of
/// the whole image comes after it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MultiArch {
    /// It is refused like all other bytes.
    Refuse,
    /// The tag goes to the index, once and soon, if it is the same pusher's.
    Settle,
}

/// Which releases a forward-only tag follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Channel {
    All,
    /// Those that are no pre-release.
    Stable,
}

/// What happens to a push of bytes that are no known release to a forward-only tag.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unreleased {
    Allow,
    Warn,
    Refuse,
}

/// What the policy says about one tag.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// The name of the rule that decided.
    pub rule: Arc<str>,
    pub mutability: Mutability,
    pub enforcement: Enforcement,
    pub delete: Delete,
    pub multi_arch: MultiArch,
    pub channel: Channel,
    pub unreleased: Unreleased,
    /// Appended to a refusal; one line of printable ASCII.
    pub help_url: Option<Arc<str>>,
}

impl Verdict {
    /// Whether the tag is held: claimed at its first push, pinned, refused after.
    pub fn is_immutable(&self) -> bool {
        self.mutability == Mutability::Immutable && self.enforcement == Enforcement::Enforce
    }

    /// Whether the tag moves, and every move is judged.
    pub fn is_guarded(&self) -> bool {
        matches!(self.mutability, Mutability::ForwardOnly | Mutability::AppendOnly) && self.enforcement == Enforcement::Enforce
    }

    /// Whether the tag would be held or guarded if the rule were enforced.
    pub fn is_audited(&self) -> bool {
        self.mutability != Mutability::Mutable && self.enforcement == Enforcement::Audit
    }

    /// Whether the tag may be deleted.
    pub fn keeps(&self) -> bool {
        (self.is_immutable() || self.is_guarded()) && self.delete == Delete::Deny
    }

    /// The mutability in words, with what is only audited.
    pub fn standing(&self) -> String {
        match self {
            _ if self.is_audited() => format!("{}, audited only", self.mutability),
            _ => self.mutability.to_string(),
        }
    }

    /// What a first push, the same again, other bytes and a delete would get.
    pub fn consequence(&self) -> &'static str {
        match (self.mutability, self.delete) {
            _ if self.is_audited() => {
                "every push and delete passes; one that enforcement would refuse is warned about and recorded"
            }
            (Mutability::Immutable, Delete::Deny) => {
                "a first push passes, the same bytes again pass, other bytes are refused (409), a delete is refused (405)"
            }
            (Mutability::Immutable, Delete::Allow) => {
                "a first push passes, the same bytes again pass, other bytes are refused (409), \
                 a delete passes and burns the tag: it takes no other bytes afterwards"
            }
            (Mutability::ForwardOnly, delete) => match (self.unreleased, delete) {
                (Unreleased::Refuse, Delete::Deny) => {
                    "a newer release of its line passes, the same bytes again pass, an older release, one of another line and \
                     bytes that are no known release are refused (409), a delete is refused (405)"
                }
                (Unreleased::Refuse, Delete::Allow) => {
                    "a newer release of its line passes, the same bytes again pass, an older release, one of another line and \
                     bytes that are no known release are refused (409), a delete passes"
                }
                (_, Delete::Deny) => {
                    "a newer release of its line and bytes that are no known release pass, the same bytes again pass, an older \
                     release and one of another line are refused (409), a delete is refused (405)"
                }
                (_, Delete::Allow) => {
                    "a newer release of its line and bytes that are no known release pass, the same bytes again pass, an older \
                     release and one of another line are refused (409), a delete passes"
                }
            },
            (Mutability::AppendOnly, Delete::Deny) => {
                "a first push passes, a manifest that keeps every entry of the one before passes, any other is refused (409), \
                 a delete is refused (405)"
            }
            (Mutability::AppendOnly, Delete::Allow) => {
                "a first push passes, a manifest that keeps every entry of the one before passes, any other is refused (409), \
                 a delete passes"
            }
            (Mutability::Mutable, _) => {
                "a first push, the same bytes again, other bytes and a delete all pass, and every move is recorded"
            }
        }
    }
}

words!(Mutability { Immutable => "immutable", ForwardOnly => "forward-only", AppendOnly => "append-only", Mutable => "mutable" });
words!(Enforcement { Enforce => "enforce", Audit => "audit" });
words!(Delete { Deny => "deny", Allow => "allow" });
words!(MultiArch { Refuse => "refuse", Settle => "settle" });
words!(Channel { All => "all", Stable => "stable" });
words!(Unreleased { Allow => "allow", Warn => "warn", Refuse => "refuse" });
