//! Deletes of tags whose every move is judged: to delete one and push it again would be a
//! way around, so its rule has to let it go.

use super::Gate;
use super::caller::Caller;
use super::decision::Decision;
use super::delete::Told;
use crate::ledger::TagKey;
use crate::oci::{Digest, RepositoryName};
use crate::policy::Verdict;
use crate::refusal::Refusal;
use crate::upstream::Trust;

impl Gate {
    /// The refusal of a delete by name; of whom the registry shows no such tag, its own.
    pub(super) async fn refuse_delete_of_guarded(
        &self,
        caller: &Caller,
        key: &TagKey,
        verdict: &Verdict,
        decision: &mut Decision,
    ) -> Refusal {
        let told = match self.pointer(caller, key, Trust::OrService).await {
            Ok(Some(found)) => {
                decision.digest(&found);
                self.may_be_told(caller, key, &found).await
            }
            Ok(None) => Err(Refusal::ManifestUnknown(key.clone())),
            Err(refusal) => Err(refusal),
        };
        match told {
            Ok(_) => {
                decision.accepted();
                let (rule, mutability) = (verdict.rule.clone(), verdict.mutability);
                Refusal::Delete { message: format!("tag {key} is {mutability} (rule \"{rule}\") and cannot be deleted"), rule }
            }
            Err(refusal @ Refusal::ManifestUnknown(_)) => self.or_no_delete(caller, &key.repository, refusal).await,
            Err(refusal) => refusal,
        }
    }

    /// Refuses the delete of a manifest that such a tag means.
    pub(super) async fn refuse_if_guarded(
        &self,
        caller: &Caller,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<(), Refusal> {
        for key in self.moving_tags_on(repository, digest).await? {
            let verdict = self.verdict_of_delete(&key).await?;
            if !(verdict.is_guarded() && verdict.keeps()) {
                continue;
            }
            let (rule, mutability, manifest) = (verdict.rule.clone(), verdict.mutability, digest.short());
            let message = match self.may_be_told(caller, &key, digest).await? {
                Told::All => {
                    format!(
                        "manifest {manifest}… is what tag {key} means, which is {mutability} (rule \"{rule}\") and cannot be deleted"
                    )
                }
                Told::NoName => format!("manifest {manifest}… is what a {mutability} tag means and cannot be deleted"),
            };
            return Err(Refusal::Delete { message, rule });
        }
        Ok(())
    }
}
