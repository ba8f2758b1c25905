//! Who may see what: the registry's to judge, remembered for a minute.

use std::hash::Hash;
use std::time::Duration;

use aws_lc_rs::hmac;
use moka::sync::Cache;

use super::Gate;
use super::caller::{Caller, Credential};
use super::decision::Decision;
use super::settling::looks_assembled;
use crate::clock::AttemptId;
use crate::ledger::{Record, State, TagKey};
use crate::oci::{Digest, RepositoryName};
use crate::policy::Verdict;
use crate::refusal::{Immutable, Meaning, Refusal};
use crate::upstream::{Content, Fetched};

/// How long a registry's "yes" is kept.
const KEPT: Duration = Duration::from_secs(60);
/// How many are kept.
const MOST: u64 = 10_000;

/// Credentials that the registry has shown a repository to. Only a "yes" is
/// remembered; the credential itself is not, only a keyed hash of it.
#[derive(Debug)]
pub struct Rights {
    key: hmac::Key,
    seen: Cache<(Credential, RepositoryName), ()>,
}

/// What the registry shows a client of what a tag means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Shown {
    Yes,
    /// It is not there, or as good as.
    Absent,
    Hidden,
}

impl Rights {
    pub fn new() -> Self {
        let secret = [AttemptId::random(), AttemptId::random()].map(|id| *id.as_bytes()).concat();
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
        Self { key, seen: memory() }
    }
}

/// A memory of what the registry said "yes" to.
pub(super) fn memory<K, V>() -> Cache<K, V>
where
    K: Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    Cache::builder().max_capacity(MOST).time_to_live(KEPT).build()
}

impl Gate {
    /// The refusal of a push, telling no more than the registry itself would tell
    /// this client: what the tag means is named only to whom the registry shows
    /// it, and that the tag is taken only to whom the registry lets push.
    pub(super) async fn refuse(
        &self,
        caller: &Caller,
        (key, verdict): (&TagKey, &Verdict),
        record: &Record,
        content: &Content,
        decision: &mut Decision,
    ) -> Refusal {
        let meaning = match self.told(caller, &key.repository, &record.digest, content, decision).await {
            Ok(Shown::Yes) => Meaning::from(record),
            // What was deleted is there for nobody, and its refusal names no digest.
            Ok(Shown::Absent) if record.state == State::Burnt => Meaning::from(record),
            Ok(Shown::Absent | Shown::Hidden) => Meaning::Hidden,
            Err(refusal) => return refusal,
        };
        decision.means(&record.digest);
        let is_assembled = looks_assembled(verdict, record, content);
        Refusal::Immutable(Box::new(Immutable { key: key.clone(), verdict: verdict.clone(), meaning, is_assembled }))
    }

    /// How much the refusal of a push may tell this client of a tag that means `digest`.
    /// Whoever may not push gets the registry's own no.
    pub(super) async fn told(
        &self,
        caller: &Caller,
        repository: &RepositoryName,
        digest: &Digest,
        content: &Content,
        decision: &mut Decision,
    ) -> Result<Shown, Refusal> {
        let shown = match self.visible(caller, repository, digest).await {
            Ok(true) => Shown::Yes,
            // A client that may push but not pull can only have got here where the
            // gate signs in by itself.
            Err(Refusal::Relayed(denial)) if !self.upstream.has_service_account() => {
                return Err(self.unless_denied(caller, repository, content, decision, Refusal::Relayed(denial)).await);
            }
            shown @ (Ok(false) | Err(Refusal::Relayed(_))) => {
                self.digest_first(caller, repository, content, decision).await?;
                if shown.is_ok() { Shown::Absent } else { Shown::Hidden }
            }
            Err(refusal) => return Err(refusal),
        };
        decision.accepted();
        Ok(shown)
    }

    /// `refusal`, or the registry's own no to this push. Whoever may not push gets the
    /// same no whatever the ledger knows of the tag, and so learns nothing of it.
    pub(super) async fn unless_denied(
        &self,
        caller: &Caller,
        repository: &RepositoryName,
        content: &Content,
        decision: &mut Decision,
        refusal: Refusal,
    ) -> Refusal {
        match self.digest_first(caller, repository, content, decision).await {
            Err(denial @ Refusal::Relayed(_)) => denial,
            _ => refusal,
        }
    }

    /// Whether a look on behalf of this client, with the gate's own account where there
    /// is one, finds a manifest that was stored just now.
    pub(super) async fn sees_what_is_there(
        &self,
        caller: &Caller,
        repository: &RepositoryName,
        stored: &Digest,
    ) -> Result<bool, Refusal> {
        let asked = (self.credential(caller), repository.clone());
        if self.rights.seen.contains_key(&asked) {
            return Ok(true);
        }
        let is_shown = self.upstream.shows_stored(&caller.headers, repository, stored).await?;
        // What the own account sees says nothing of the client.
        if is_shown && !self.upstream.has_service_account() {
            self.rights.seen.insert(asked, ());
        }
        Ok(is_shown)
    }

    /// Who asks, as the memory of this process knows it.
    pub(super) fn credential(&self, caller: &Caller) -> Credential {
        caller.credential(&self.rights.key)
    }

    /// Whether the registry shows this client a manifest.
    pub(super) async fn visible(&self, caller: &Caller, repository: &RepositoryName, digest: &Digest) -> Result<bool, Refusal> {
        let asked = (self.credential(caller), repository.clone());
        if self.rights.seen.contains_key(&asked) {
            return Ok(true);
        }
        match self.upstream.shows(&caller.headers, repository, digest).await? {
            Fetched::Found(_) => {
                self.rights.seen.insert(asked, ());
                Ok(true)
            }
            Fetched::Absent => Ok(false),
            Fetched::Denied(response) => Err(Refusal::Relayed(response)),
        }
    }
}
