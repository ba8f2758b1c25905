//! What a manifest needs to stay whole: itself, and all that its index lists.

use std::sync::Arc;

use moka::sync::Cache;

use super::Gate;
use super::caller::Caller;
use crate::oci::manifest::Manifest;
use crate::oci::{Algorithm, Digest, RepositoryName};
use crate::refusal::Refusal;
use crate::upstream::Fetched;

/// How many manifests are remembered. Content under a digest never changes, so
/// what is remembered is never wrong.
const MOST_REMEMBERED: u64 = 100_000;

/// How many manifests one tag may reach; more is not decided.
const MOST_REACHED: usize = 4_096;

/// The names of one manifest, and the manifests that it lists.
#[derive(Debug)]
struct Links {
    /// The manifest's digest in every algorithm.
    names: Vec<Digest>,
    leaves: Vec<Digest>,
    indexes: Vec<Digest>,
}

#[derive(Debug)]
pub struct NeedsCache(Cache<Digest, Arc<Links>>);

impl NeedsCache {
    pub fn new() -> Self {
        Self(Cache::new(MOST_REMEMBERED))
    }
}

impl Gate {
    /// Whether the manifest `root` is, or reaches through indexes, `wanted`.
    pub(super) async fn needs(
        &self,
        caller: &Caller,
        repository: &RepositoryName,
        root: &Digest,
        wanted: &Digest,
    ) -> Result<bool, Refusal> {
        let mut waiting = vec![root.clone()];
        let mut reached = 0;
        while let Some(digest) = waiting.pop() {
            let links = self.links(caller, repository, &digest).await?;
            if links.names.contains(wanted) || links.leaves.contains(wanted) {
                return Ok(true);
            }
            reached += 1;
            if reached > MOST_REACHED {
                return Err(Refusal::Undecided(format!("the index {root} reaches more than {MOST_REACHED} manifests")));
            }
            waiting.extend(links.indexes.iter().cloned());
        }
        Ok(false)
    }

    async fn links(&self, caller: &Caller, repository: &RepositoryName, digest: &Digest) -> Result<Arc<Links>, Refusal> {
        if let Some(links) = self.needs.0.get(digest) {
            return Ok(links);
        }
        let content = match self.upstream.fetch(&caller.headers, repository, digest).await? {
            Fetched::Found(content) => content,
            // Gone, so there is nothing left to keep whole but the name; not
            // remembered, since it may be pushed again.
            Fetched::Absent => return Ok(Arc::new(Links { names: vec![digest.clone()], leaves: Vec::new(), indexes: Vec::new() })),
            Fetched::Denied(response) => return Err(Refusal::Relayed(response)),
        };
        let manifest = Manifest::parse_stored(&content.bytes)
            .map_err(|cause| Refusal::Undecided(format!("{repository}@{digest} cannot be read: {cause}")))?;
        let names = Algorithm::ALL.iter().map(|algorithm| Digest::of(*algorithm, &content.bytes)).collect();
        let (indexes, leaves): (Vec<_>, Vec<_>) = manifest.children().iter().cloned().partition(|child| child.may_be_index);
        let digests = |children: Vec<crate::oci::manifest::Child>| children.into_iter().map(|child| child.digest).collect();
        let links = Arc::new(Links { names, leaves: digests(leaves), indexes: digests(indexes) });
        self.needs.0.insert(digest.clone(), Arc::clone(&links));
        Ok(links)
    }
}
