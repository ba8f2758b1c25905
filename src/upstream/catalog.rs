//! The repositories of the registry, every page of them.

use http::uri::PathAndQuery;
use http::{Method, StatusCode};
use serde::Deserialize;

use super::body::RequestBody;
use super::tags::{MOST_PAGES, next_query};
use super::{Outgoing, Upstream, UpstreamError};
use crate::oci::RepositoryName;

/// How many names a page is to have.
const PAGE: usize = 1_000;

#[derive(Deserialize)]
struct Page {
    repositories: Option<Vec<String>>,
}

impl Upstream {
    /// Lists the repositories (docker-registry's API, "Listing Repositories"; the
    /// distribution-spec has no such list), with the gate's own account where it has one.
    pub async fn catalog(&self) -> Result<Vec<RepositoryName>, UpstreamError> {
        self.first_repositories(usize::MAX).await
    }

    /// The first of them, `most` at most.
    pub(super) async fn first_repositories(&self, most: usize) -> Result<Vec<RepositoryName>, UpstreamError> {
        let mut headers = self.nobodys_headers();
        if let Some(service) = &self.service {
            service.sign_for_catalog(&mut headers).await?;
        }
        let (mut names, mut query) = (Vec::new(), format!("?n={}", PAGE.min(most)));
        for _ in 0..MOST_PAGES {
            let target = format!("/v2/_catalog{query}");
            let target = PathAndQuery::try_from(target.as_str()).map_err(|_| UpstreamError::Target(target))?;
            let body = RequestBody::empty();
            let page = Outgoing { method: Method::GET, target, headers: &headers, body, repeatable: true };
            let response = self.forward_whole(page).await?;
            if response.status() != StatusCode::OK {
                return Err(UpstreamError::NoCatalog(response.status().as_u16()));
            }
            let page: Page = serde_json::from_slice(response.body())
                .map_err(|_| UpstreamError::Unusable("no list of repositories".to_owned()))?;
            // What is no name by the grammar cannot be asked for either.
            names.extend(page.repositories.unwrap_or_default().iter().filter_map(|name| RepositoryName::parse(name).ok()));
            match next_query(&response) {
                Some(next) if names.len() < most => query = next,
                _ => {
                    names.truncate(most);
                    return Ok(names);
                }
            }
        }
        Err(UpstreamError::Unusable(format!("the list of repositories has more than {MOST_PAGES} pages")))
    }
}
