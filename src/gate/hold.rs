//! The tags of a push that the gate holds: claimed, looked at, pointed, confirmed.
//!
//! Whatever goes wrong before a tag was pointed withdraws the attempt. Whatever
//! goes wrong after leaves the claim open, and whoever comes next finishes it.

use bytes::Bytes;
use futures_util::future::join_all;
use http::Response;

use super::Gate;
use super::caller::Caller;
use super::decision::Decision;
use super::push::Judged;
use super::settling::Leave;
use crate::clock::AttemptId;
use crate::failpoint::failpoint;
use crate::ledger::{Claim, Claimed, Record, State};
use crate::oci::Digest;
use crate::refusal::Refusal;
use crate::upstream::{Content, Trust, is_definite_rejection};

/// A claimed tag, and how the registry's pointer stands to it.
pub(super) struct Claimant {
    judged: Judged,
    claim: Claim,
    /// Whether the ledger had sealed the tag for these bytes before.
    sealed: bool,
    pub(super) needs_pointing: bool,
}

impl Gate {
    /// Refuses a push of other bytes before anything is stored upstream. An open
    /// claim for other bytes is finished first: its bytes win.
    pub(super) async fn refuse_if_taken(
        &self,
        caller: &Caller,
        judged: &mut Judged,
        content: &Content,
        decision: &mut Decision,
    ) -> Result<(), Refusal> {
        match self.record(&judged.key, &judged.verdict).await? {
            Some(record) => self.accept_or_refuse(caller, judged, record, content, decision).await,
            None => Ok(()),
        }
    }

    async fn accept_or_refuse(
        &self,
        caller: &Caller,
        judged: &mut Judged,
        mut record: Record,
        content: &Content,
        decision: &mut Decision,
    ) -> Result<(), Refusal> {
        if record.state == State::Open && !record.digest.names(&content.bytes) {
            record = match self.roll_forward(caller, &judged.key, &record.digest).await {
                Ok(Some(record)) => record,
                Ok(None) => return Ok(()),
                Err(unfinished) => {
                    let refusal = unfinished.into();
                    return Err(self.unless_denied(caller, &judged.key.repository, content, decision, refusal).await);
                }
            };
        }
        if means(&record, content) {
            return Ok(());
        }
        judged.leave = self.leave(caller, judged, &record, content).await?;
        if judged.leave.is_some() {
            return Ok(());
        }
        Err(self.refuse(caller, (&judged.key, &judged.verdict), &record, content, decision).await)
    }

    /// Claims every tag, or none.
    pub(super) async fn claim_all(
        &self,
        caller: &Caller,
        held: Vec<Judged>,
        content: &Content,
        decision: &mut Decision,
    ) -> Result<Vec<Claimant>, Refusal> {
        let mut claimants = Vec::with_capacity(held.len());
        for mut judged in held {
            match self.claim(caller, &mut judged, content, decision).await {
                Ok(Some((claim, sealed))) => claimants.push(Claimant { judged, claim, sealed, needs_pointing: false }),
                Ok(None) => decision.verdict("stored"),
                Err(refusal) => {
                    self.withdraw_all(claimants).await;
                    return Err(refusal);
                }
            }
        }
        if !claimants.is_empty() && claimants.iter().all(|claimant| claimant.sealed && claimant.judged.leave.is_none()) {
            decision.verdict("repeated");
        }
        Ok(claimants)
    }

    /// `None` where the content is stored, and the tag waits for the image that it is part
    /// of.
    async fn claim(
        &self,
        caller: &Caller,
        judged: &mut Judged,
        content: &Content,
        decision: &mut Decision,
    ) -> Result<Option<(Claim, bool)>, Refusal> {
        // The row may name the same bytes in another algorithm, and may change under
        // our eyes: a few rounds settle it.
        let mut digest = content.digest.clone();
        for _ in 0..4 {
            let note = self.note(caller, &judged.key, Some(content));
            let claiming = self.ledger.claim(&judged.key, &digest, AttemptId::random(), &note);
            match self.metrics.ledger("claim", claiming).await? {
                Claimed::Granted(claim) => return Ok(Some((claim, false))),
                Claimed::AlreadySealed(claim, _) => return Ok(Some((claim, true))),
                Claimed::Taken(record) => {
                    if means(&record, content) {
                        digest = record.digest;
                        continue;
                    }
                    self.accept_or_refuse(caller, judged, record.clone(), content, decision).await?;
                    match &judged.leave {
                        Some(Leave::Part) => return Ok(None),
                        Some(leave) => self.replace(caller, &judged.key, leave, &record, content).await?,
                        None => {}
                    }
                }
            }
        }
        Err(Refusal::changing(&judged.key))
    }

    /// Looks where the registry points each tag, after the claim: a tag that was
    /// there before the gate is adopted, and then this push may be refused.
    pub(super) async fn look_all(
        &self,
        caller: &Caller,
        claimants: Vec<Claimant>,
        content: &Content,
        decision: &mut Decision,
    ) -> Result<Vec<Claimant>, Refusal> {
        let pointers = self.pointers(caller, &claimants, content).await;
        let mut looked = Vec::with_capacity(claimants.len());
        let mut waiting = claimants.into_iter();
        for found in pointers {
            let Some(mut claimant) = waiting.next() else { break };
            let found = match found {
                Ok(found) => found,
                Err(refusal) => {
                    looked.push(claimant);
                    self.withdraw_all(looked.into_iter().chain(waiting)).await;
                    return Err(refusal);
                }
            };
            match found {
                Some(found) if found.names(&content.bytes) => {}
                Some(found) if !claimant.sealed => {
                    if let Err(refusal) = self.adopt_instead(caller, claimant, &found, content, decision).await {
                        self.withdraw_all(looked.into_iter().chain(waiting)).await;
                        return Err(refusal);
                    }
                    continue;
                }
                elsewhere => {
                    // What it meant until now is no drift.
                    if claimant.sealed && claimant.judged.leave.is_none() {
                        self.report_drift(caller, &claimant.judged.key, claimant.claim.digest(), elsewhere.as_ref());
                    }
                    claimant.needs_pointing = true;
                }
            }
            looked.push(claimant);
        }
        Ok(looked)
    }

    /// Where the registry points every claimed tag, asked at once. "Nowhere" is believed
    /// only of who is shown what was stored just now: some registries hide what is there
    /// from who may push and not pull, and hide it with the same 404. That is asked at the
    /// same time, once for all tags.
    async fn pointers(&self, caller: &Caller, claimants: &[Claimant], content: &Content) -> Vec<Result<Option<Digest>, Refusal>> {
        let pointers = claimants.iter().map(|claimant| self.pointer(caller, claimant.claim.key(), Trust::OrService));
        let new = claimants.iter().find(|claimant| !claimant.sealed);
        let sees = async {
            match new {
                Some(new) => self.sees_what_is_there(caller, &new.claim.key().repository, &content.digest).await,
                None => Ok(true),
            }
        };
        let (mut pointers, sees) = tokio::join!(join_all(pointers), sees);
        // The first doubt ends the push, so one is enough.
        let nowhere = |(claimant, found): &(&Claimant, &mut Result<_, _>)| !claimant.sealed && matches!(found, Ok(None));
        if let (Ok(false) | Err(_), Some((claimant, found))) = (&sees, claimants.iter().zip(&mut pointers).find(nowhere)) {
            *found = Err(sees.err().unwrap_or_else(|| Refusal::Blind(claimant.claim.key().clone())));
        }
        pointers
    }

    /// The registry held the tag before anyone claimed it: it means what is there.
    async fn adopt_instead(
        &self,
        caller: &Caller,
        claimant: Claimant,
        found: &Digest,
        content: &Content,
        decision: &mut Decision,
    ) -> Result<(), Refusal> {
        let Claimant { mut judged, claim, .. } = claimant;
        let record = self.yield_to(caller, claim, found).await?;
        self.accept_or_refuse(caller, &mut judged, record, content, decision).await?;
        // What lets it take other bytes holds for the next try, which finds it sealed.
        if judged.leave.is_some() { Err(Refusal::changing(&judged.key)) } else { Ok(()) }
    }

    /// Returns the registry's answer to the last tag that was pointed.
    pub(super) async fn point_and_confirm_all(
        &self,
        caller: &Caller,
        claimants: Vec<Claimant>,
        content: &Content,
    ) -> Result<Option<Response<Bytes>>, Refusal> {
        let mut pointed = None;
        let mut waiting = claimants.into_iter();
        while let Some(claimant) = waiting.next() {
            match self.point_and_confirm(caller, claimant, content).await {
                Ok(response) => pointed = response.or(pointed),
                Err(refusal) => {
                    self.withdraw_all(waiting).await;
                    return Err(refusal);
                }
            }
        }
        Ok(pointed)
    }

    async fn point_and_confirm(
        &self,
        caller: &Caller,
        claimant: Claimant,
        content: &Content,
    ) -> Result<Option<Response<Bytes>>, Refusal> {
        let Claimant { judged, claim, sealed, needs_pointing } = claimant;
        let mut pointed = None;
        if needs_pointing {
            let response = self.upstream.point(&caller.headers, &claim, content).await?;
            if !response.status().is_success() {
                if is_definite_rejection(&response) {
                    self.withdraw(claim).await;
                }
                return Err(Refusal::of_registry(response));
            }
            self.drift.settled(&judged.key);
            pointed = Some(response);
        }
        failpoint!("gate-pointed");
        // What was sealed and pointed again may have been deleted meanwhile.
        if !sealed || needs_pointing {
            self.confirm(caller, claim, Some(content)).await?;
        } else {
            self.record_repeated(caller, &judged.key, content);
        }
        failpoint!("gate-confirmed");
        self.remember_stored(caller, &judged.key, content);
        Ok(pointed)
    }

    pub(super) async fn withdraw_all(&self, claimants: impl IntoIterator<Item = Claimant>) {
        for claimant in claimants {
            self.withdraw(claimant.claim).await;
        }
    }

    /// Gives an attempt up that pointed nothing. If the ledger cannot be told, the
    /// claim stays open, which is safe.
    pub(super) async fn withdraw(&self, claim: Claim) {
        failpoint!("gate-withdrawing");
        let key = claim.key().clone();
        if let Err(cause) = self.metrics.ledger("withdraw", self.ledger.withdraw(claim)).await {
            tracing::warn!(tag = %key, %cause, "an attempt could not be withdrawn; its claim stays open and is rolled forward later");
        }
    }
}

/// Whether the row stands for these very bytes.
fn means(record: &Record, content: &Content) -> bool {
    record.state != State::Burnt && record.digest.names(&content.bytes)
}
