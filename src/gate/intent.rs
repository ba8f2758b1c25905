//! What a request wants, in the words of the specification.

use http::Method;
use http::uri::PathAndQuery;

use crate::ledger::TagKey;
use crate::oci::{Digest, RepositoryName, Tag};

/// The one reading of a request. Everything that goes upstream is rendered from
/// it; the raw target is not kept.
#[derive(Debug, PartialEq, Eq)]
pub enum Intent {
    /// Passed on and streamed both ways; names no tag that could be protected.
    Pass(Pass),
    /// GET or HEAD of a manifest by tag.
    Pull(Pull),
    /// PUT of a manifest by tag, or by digest with any number of `tag` parameters.
    Push(Push),
    DeleteTag(Delete<TagKey>),
    DeleteManifest(Delete<(RepositoryName, Digest)>),
    DeleteBlob(Delete<RepositoryName>),
}

/// A request that needs no decision.
#[derive(Debug, PartialEq, Eq)]
pub struct Pass {
    pub kind: Kind,
    pub method: Method,
    pub target: PathAndQuery,
    pub repository: Option<RepositoryName>,
}

/// The kinds of requests, as metrics and logs name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Base,
    Manifest,
    Blob,
    Upload,
    Tags,
    Referrers,
    Extension,
    Passthrough,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Manifest => "manifest",
            Self::Blob => "blob",
            Self::Upload => "upload",
            Self::Tags => "tags",
            Self::Referrers => "referrers",
            Self::Extension => "extension",
            Self::Passthrough => "passthrough",
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub struct Pull {
    pub key: TagKey,
    /// GET or HEAD.
    pub method: Method,
    /// The request as it came, for tags that are not pinned.
    pub target: PathAndQuery,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Push {
    pub repository: RepositoryName,
    /// The digest that the body must have, where the manifest is pushed by digest.
    pub digest: Option<Digest>,
    /// The tags to set, each once; exactly one where the manifest is pushed by tag.
    pub tags: Vec<Tag>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Delete<T> {
    pub what: T,
    pub target: PathAndQuery,
}
