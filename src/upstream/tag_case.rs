//! Finds out, by reads alone, whether the registry keeps the case of tags.

use http::HeaderMap;

use super::manifests::Resolved;
use super::tags::Listed;
use super::{Access, Trust, Upstream, UpstreamError};
use crate::ledger::TagKey;
use crate::oci::{Tag, TagCase};

/// How many repositories are looked through, and how many tags are tried.
const REPOSITORIES: usize = 50;
const TAGS: usize = 5;

/// What tags that are there tell of the registry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    /// The same for each tag that was tried, such as the one that is named.
    Case(TagCase, TagKey),
    /// No tag with letters was found among the repositories that were looked through.
    Nothing { repositories: usize },
}

impl Upstream {
    /// Asks for tags that are there in the other case: who finds the same manifest there
    /// has a registry that folds.
    pub async fn find_tag_case(&self) -> Result<Found, UpstreamError> {
        let repositories = self.catalog().await?;
        let (mut tried, mut folded) = (0, None);
        for repository in repositories.iter().take(REPOSITORIES) {
            let headers = self.own_headers(repository, Access::Pull).await?;
            let Listed::Tags(tags) = self.tags(&headers, repository).await? else { continue };
            for tag in tags.into_iter().take(TAGS) {
                let Some(other) = tag.in_other_case() else { continue };
                let key = TagKey { repository: repository.clone(), tag };
                if !self.is_one_tag(&headers, &key, other).await? {
                    return Ok(Found::Case(TagCase::Keep, key));
                }
                folded.get_or_insert(key);
                tried += 1;
            }
            if tried >= TAGS {
                break;
            }
        }
        let nothing = Found::Nothing { repositories: repositories.len().min(REPOSITORIES) };
        Ok(folded.map_or(nothing, |key| Found::Case(TagCase::Fold, key)))
    }

    async fn is_one_tag(&self, headers: &HeaderMap, key: &TagKey, other: Tag) -> Result<bool, UpstreamError> {
        let other = TagKey { repository: key.repository.clone(), tag: other };
        let one = self.resolve(headers, key, Trust::Client).await?;
        let two = self.resolve(headers, &other, Trust::Client).await?;
        Ok(matches!((one, two), (Resolved::Found(one), Resolved::Found(two)) if one == two))
    }
}
