//! A walk over the tags of many repositories, a bounded number at once.

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt, stream};

use super::Gate;
use super::caller::Caller;
use crate::ledger::TagKey;
use crate::oci::{RepositoryName, Tag};
use crate::refusal::Refusal;
use crate::upstream::{Listed, UpstreamError};

/// How many repositories are listed ahead of the tags that are looked at.
const AHEAD: usize = 4;

/// One step of a walk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step<T> {
    /// So many tags of a repository are to be looked at.
    Listed(RepositoryName, usize),
    /// What came of one of them, or why nothing did.
    Looked(TagKey, Result<T, String>),
    /// The tags of a repository could not be listed, and why.
    Unlisted(RepositoryName, String),
}

/// Which tags of a repository a walk looks at, and what it does with each.
pub(super) trait Walk: Sync {
    type Found: Send;

    /// What log lines and events carry in place of a request's id.
    const NAME: &'static str;

    fn tags(&self, gate: &Gate, repository: &RepositoryName) -> impl Future<Output = Result<Vec<Tag>, String>> + Send;

    fn look(&self, gate: &Gate, own: &Caller, key: &TagKey) -> impl Future<Output = Result<Self::Found, Refusal>> + Send;
}

impl Gate {
    /// Every repository that the registry lists.
    pub async fn repositories(&self) -> Result<Vec<RepositoryName>, UpstreamError> {
        self.upstream.catalog().await
    }

    /// Walks, `concurrency` tags at once. The tags of the repositories at hand are held
    /// in memory.
    pub(super) fn walk<'a, W: Walk + 'a>(
        &'a self,
        walk: &'a W,
        repositories: Vec<RepositoryName>,
        concurrency: usize,
    ) -> BoxStream<'a, Step<W::Found>> {
        let listings = stream::iter(repositories).map(move |repository| {
            let listing = async move {
                let tags = walk.tags(self, &repository).await;
                (repository, tags)
            };
            listing.boxed()
        });
        let steps = listings.buffered(AHEAD).flat_map(move |(repository, tags)| {
            let steps: Vec<BoxFuture<'a, Step<W::Found>>> = match tags {
                Err(cause) => vec![std::future::ready(Step::Unlisted(repository, cause)).boxed()],
                Ok(tags) => {
                    let listed = std::future::ready(Step::Listed(repository.clone(), tags.len())).boxed();
                    let keys = tags.into_iter().map(move |tag| TagKey { repository: repository.clone(), tag });
                    std::iter::once(listed).chain(keys.map(|key| self.step(walk, key).boxed())).collect()
                }
            };
            stream::iter(steps)
        });
        steps.buffer_unordered(concurrency.max(1)).boxed()
    }

    async fn step<W: Walk>(&self, walk: &W, key: TagKey) -> Step<W::Found> {
        // Each for itself, since a token may be older than a long walk lets it become.
        let found = match self.itself(W::NAME, &key.repository).await {
            Ok(own) => walk.look(self, &own, &key).await,
            Err(cause) => Err(cause.into()),
        };
        Step::Looked(key, found.map_err(|refusal| refusal.cause()))
    }

    /// Every tag that the registry lists in a repository; `None` where it knows none, or
    /// hides it.
    pub(super) async fn listed(&self, name: &str, repository: &RepositoryName) -> Result<Option<Vec<Tag>>, String> {
        let own = self.itself(name, repository).await.map_err(|cause| cause.to_string())?;
        match self.upstream.tags(&own.headers, repository).await {
            Ok(Listed::Tags(tags)) => Ok(Some(tags)),
            Ok(Listed::Unknown(_)) => Ok(None),
            Ok(Listed::Denied(answer)) => {
                let status = answer.status().as_u16();
                Err(format!("the registry lets nobody list its tags: it answered {status}; set `upstream.username`"))
            }
            Err(cause) => Err(cause.to_string()),
        }
    }
}
