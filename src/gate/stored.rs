//! What a client has pushed a moment ago: the further tags of a build bring the same
//! manifest, and need not bring it under its digest once more.
//!
//! That a manifest was stored says nothing of a minute later. So one is believed to be
//! there only while a tag is certainly sealed for it, which keeps it from being deleted.

use moka::sync::Cache;

use super::Gate;
use super::caller::{Account, Caller, Credential};
use super::rights::memory;
use crate::ledger::{State, TagKey};
use crate::oci::{Digest, RepositoryName};
use crate::upstream::Content;

/// Manifests that the registry took from a credential, each with a tag that means it.
#[derive(Debug)]
pub struct Stored(Cache<(Credential, RepositoryName, Digest), TagKey>);

impl Stored {
    pub fn new() -> Self {
        Self(memory())
    }
}

impl Gate {
    /// Whether the registry has taken this manifest from this client, and holds it still.
    pub(super) fn is_stored(&self, caller: &Caller, repository: &RepositoryName, content: &Content) -> bool {
        let pushed = (self.credential(caller), repository.clone(), content.digest.clone());
        self.stored.0.get(&pushed).is_some_and(|tag| {
            let verdict = self.policy.decide(&tag.repository, &tag.tag);
            let row = verdict.is_immutable().then(|| self.known.certain(&tag, &verdict, self.clock.now())).flatten();
            row.is_some_and(|row| row.state == State::Sealed && row.digest == content.digest)
        })
    }

    /// The registry took the manifest from this client, and the tag is sealed for it.
    pub(super) fn remember_stored(&self, caller: &Caller, key: &TagKey, content: &Content) {
        if caller.account == Account::Client {
            let pushed = (self.credential(caller), key.repository.clone(), content.digest.clone());
            self.stored.0.insert(pushed, key.clone());
        }
    }
}
