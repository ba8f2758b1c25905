//! What lets a taken immutable tag take other bytes: an exception that an operator granted,
//! or the index of an image whose platform was pushed to the tag before it.
//!
//! Old buildx and dockerd push the manifest of each platform to the tag, and then the index
//! (moby/moby#49949). Where the rule settles them, the tag keeps the first manifest, the
//! others are stored by their digests alone, and the index that lists the first one takes
//! the tag: once, since no index is followed by another.

use jiff::{SignedDuration, Timestamp};

use super::Gate;
use super::caller::Caller;
use super::push::Judged;
use crate::ledger::decision::{Allows, Exception};
use crate::ledger::event::Outcome;
use crate::ledger::{Note, Record, State, TagKey};
use crate::oci::Digest;
use crate::oci::manifest::{Manifest, is_image_manifest, is_index};
use crate::policy::{MultiArch, Verdict};
use crate::refusal::Refusal;
use crate::upstream::Content;

/// How long after the first platform the index may come.
const SOON: SignedDuration = SignedDuration::from_mins(15);

/// Why a taken tag may take other bytes.
#[derive(Clone, Debug)]
pub(super) enum Leave {
    /// An operator let it, once.
    Exception(Exception),
    /// The index of the image whose platform it means.
    Index,
    /// One more platform: it is stored, and the tag stays as it is.
    Part,
}

/// Whether a tag may still go to the index of its image.
pub(super) fn may_settle(verdict: &Verdict, record: &Record, now: Timestamp) -> bool {
    verdict.multi_arch == MultiArch::Settle && is_soon(record.since, now)
}

fn is_soon(since: Timestamp, now: Timestamp) -> bool {
    now.duration_since(since).abs() <= SOON
}

impl Gate {
    pub(super) async fn leave(
        &self,
        caller: &Caller,
        judged: &Judged,
        record: &Record,
        content: &Content,
    ) -> Result<Option<Leave>, Refusal> {
        if record.state != State::Sealed {
            return Ok(None);
        }
        if let Some(exception) = self.exception(&judged.key, Allows::Push).await? {
            return Ok(Some(Leave::Exception(exception)));
        }
        let settles = may_settle(&judged.verdict, record, self.clock.now());
        match part_of(content, &record.digest).filter(|_| settles) {
            Some(leave) if self.is_same_pusher(caller, &judged.key, record).await? => Ok(Some(leave)),
            _ => Ok(None),
        }
    }

    /// Whether the tag was pushed as the manifest of one platform, by the same user with
    /// the same client.
    async fn is_same_pusher(&self, caller: &Caller, key: &TagKey, record: &Record) -> Result<bool, Refusal> {
        let entry = self.metrics.ledger("meaning", self.ledger.meaning(key, None)).await?;
        let Some(event) = entry.map(|entry| entry.event) else { return Ok(false) };
        let Note { who, client, .. } = self.note_of(caller, None);
        let is_platform = event.media_type.as_deref().is_some_and(is_image_manifest);
        Ok(event.outcome == Outcome::Pushed
            && event.digest.as_ref() == Some(&record.digest)
            && is_platform
            && event.who == who
            && client.is_some()
            && event.client == client)
    }

    /// Lets a sealed tag mean other bytes, which are stored by their digest already. Where
    /// somebody was first, nothing is changed, and the claim that follows sees it.
    pub(super) async fn replace(
        &self,
        caller: &Caller,
        key: &TagKey,
        leave: &Leave,
        record: &Record,
        content: &Content,
    ) -> Result<(), Refusal> {
        let mut note = self.note(caller, key, Some(content));
        let (from, to) = (&record.digest, &content.digest);
        let replaced = match leave {
            Leave::Exception(exception) => {
                let Exception { id, who, reason, .. } = exception;
                note.detail = Some(format!("by exception {id} of {who}: {reason}"));
                let act = self.used(caller, exception);
                self.metrics.ledger("replace", self.ledger.replace(key, from, to, Some((id, &act)), &note)).await?
            }
            Leave::Index | Leave::Part => {
                note.detail = Some("the index of an image whose platform the tag meant before".to_owned());
                self.metrics.ledger("replace", self.ledger.replace(key, from, to, None, &note)).await?
            }
        };
        self.keep_up().await?;
        match replaced {
            Some(record) => {
                self.known.replaced(key, &record);
                self.drift.settled(key);
                tracing::info!(request = caller.request_id, tag = %key, from = %from, to = %to, "an immutable tag means other bytes, as it was let");
            }
            None => self.known.forget(key),
        }
        Ok(())
    }
}

/// Whether a refused push looks like one that `multi_arch = "settle"` would let through: an
/// index that lists what the tag means.
pub(super) fn looks_assembled(verdict: &Verdict, record: &Record, content: &Content) -> bool {
    let may_be = verdict.multi_arch == MultiArch::Refuse && record.state == State::Sealed;
    may_be && matches!(part_of(content, &record.digest), Some(Leave::Index))
}

/// What the content may be to a tag that means the manifest of a platform.
fn part_of(content: &Content, platform: &Digest) -> Option<Leave> {
    let media_type = content.media_type.as_ref()?.to_str().ok()?;
    let lists = |manifest: &Manifest| manifest.children().iter().any(|child| child.digest == *platform);
    match Manifest::parse_stored(&content.bytes) {
        Ok(manifest) if is_index(media_type) && lists(&manifest) => Some(Leave::Index),
        Ok(_) if is_image_manifest(media_type) => Some(Leave::Part),
        _ => None,
    }
}
