//! The tags of a repository, every page of them.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::header::LINK;
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Response, StatusCode};
use serde::Deserialize;

use super::body::RequestBody;
use super::{Access, Outgoing, Upstream, UpstreamError, headers, is_denied};
use crate::oci::{RepositoryName, Tag, TagCase};

/// The most pages that are followed; a registry that sends more is broken.
pub(super) const MOST_PAGES: usize = 10_000;

/// The registry's list of tags.
#[derive(Debug)]
pub enum Listed {
    Tags(Vec<Tag>),
    /// The registry knows no such repository, or no tag in it, or hides it.
    Unknown(Response<Bytes>),
    /// 401 or 403, to be relayed.
    Denied(Response<Bytes>),
}

#[derive(Deserialize)]
struct Page {
    tags: Option<Vec<String>>,
}

impl Upstream {
    /// Lists tags to decide with, each by the one name that pushonce has for it.
    pub async fn tags(&self, caller: &HeaderMap, repository: &RepositoryName) -> Result<Listed, UpstreamError> {
        let listed = self.tags_as_listed(caller, repository).await?;
        Ok(match (listed, self.tag_case()) {
            (Listed::Tags(tags), TagCase::Fold) => {
                let folded: BTreeSet<Tag> = tags.into_iter().map(|tag| TagCase::Fold.of(tag)).collect();
                Listed::Tags(folded.into_iter().collect())
            }
            (listed, _) => listed,
        })
    }

    /// Lists tags as the registry writes them (distribution-spec, end-8a), following
    /// `Link: …; rel="next"`.
    pub(super) async fn tags_as_listed(&self, caller: &HeaderMap, repository: &RepositoryName) -> Result<Listed, UpstreamError> {
        let mut tags = Vec::new();
        let mut asking = headers::for_check(caller);
        let mut service = self.service.as_ref();
        let mut query = String::new();
        // What the registry says to the client; to some it hides what is there.
        let mut unknown = None;
        for _ in 0..MOST_PAGES {
            let target = format!("/v2/{repository}/tags/list{query}");
            let target = PathAndQuery::try_from(target.as_str()).map_err(|_| UpstreamError::Target(target))?;
            let page = Outgoing { method: Method::GET, target, headers: &asking, body: RequestBody::empty(), repeatable: true };
            let response = self.forward_whole(page).await?;
            match response.status() {
                StatusCode::OK => {}
                status if is_denied(status) || status == StatusCode::NOT_FOUND => {
                    if let Some(service) = service.take() {
                        asking = headers::for_service(caller);
                        service.sign(&mut asking, repository, Access::Pull).await?;
                        unknown = (status == StatusCode::NOT_FOUND).then_some(response);
                        continue;
                    }
                    return match unknown {
                        Some(unknown) => Ok(Listed::Unknown(unknown)),
                        None if status == StatusCode::NOT_FOUND => Ok(Listed::Unknown(response)),
                        None if self.service.is_some() => Err(UpstreamError::ServiceDenied(status.as_u16())),
                        None => Ok(Listed::Denied(response)),
                    };
                }
                status => {
                    return Err(UpstreamError::Unexpected { method: Method::GET, what: format!("{repository} tags/list"), status });
                }
            }
            // What is wrong is not repeated: it could be anything.
            let page: Page = serde_json::from_slice(response.body())
                .map_err(|_| UpstreamError::Unusable(format!("no list of the tags of {repository}")))?;
            // What is no tag by the grammar cannot be named in a request either.
            let legal = page.tags.unwrap_or_default();
            tags.extend(legal.iter().filter_map(|tag| Tag::parse(tag).ok()).map(|tag| self.config.tag_case.of(tag)));
            match next_query(&response) {
                Some(next) => query = next,
                None => return Ok(Listed::Tags(tags)),
            }
        }
        Err(UpstreamError::Unusable(format!("the list of tags of {repository} has more than {MOST_PAGES} pages")))
    }
}

/// The query of the next page, with its `?`.
pub(super) fn next_query(response: &Response<Bytes>) -> Option<String> {
    let links = response.headers().get_all(LINK).iter().filter_map(|link| link.to_str().ok());
    let next = links.flat_map(|link| link.split(',')).find(|link| link.contains("rel=\"next\"") || link.contains("rel=next"))?;
    let (url, _) = next.split_once('<')?.1.split_once('>')?;
    let (_, query) = url.split_once('?')?;
    Some(format!("?{query}"))
}
