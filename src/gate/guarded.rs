//! Tags that move, and whose every move is judged first: forward-only and append-only.
//!
//! A move is written down, alone, before it is judged: of two pushes at once, on whichever
//! replica, one waits until the other has ended, and is judged by what that one left.

use std::collections::BTreeSet;

use super::Gate;
use super::caller::Caller;
use super::decision::Decision;
use super::locks::Turn;
use super::push::Judged;
use super::rights::Shown;
use crate::ledger::decision::Allows;
use crate::ledger::event::Entry;
use crate::ledger::log::Filter;
use crate::ledger::{Begun, Change, TagKey};
use crate::oci::manifest;
use crate::oci::{Algorithm, Digest, RepositoryName, Tag};
use crate::policy::forward::Line;
use crate::policy::{self, Motion, Mutability, Release, Unreleased};
use crate::refusal::{Refusal, Unmoved, Why};
use crate::upstream::{Content, Trust};

/// A move that was written down and judged, and not sent yet.
pub(super) struct Announced {
    pub judged: Judged,
    pub change: Change,
    pub motion: Motion,
    pub turn: Turn,
}

/// What a push brings: bytes, and the tags that it sets beside the one that is judged.
#[derive(Clone, Copy)]
pub(super) struct Brought<'a> {
    pub content: &'a Content,
    pub tags: &'a [Tag],
}

impl Gate {
    /// Announces every move, or none.
    pub(super) async fn announce_all(
        &self,
        caller: &Caller,
        mut guarded: Vec<Judged>,
        brought: Brought<'_>,
        decision: &mut Decision,
    ) -> Result<Vec<Announced>, Refusal> {
        // All pushes take their turns in one order, so that no two wait for each other.
        guarded.sort_by(|one, other| one.key.cmp(&other.key));
        let mut announced = Vec::with_capacity(guarded.len());
        for judged in guarded {
            match self.announce(caller, judged, brought, decision).await {
                Ok(one) => announced.push(one),
                Err(refusal) => {
                    self.abandon_moves(announced).await;
                    return Err(refusal);
                }
            }
        }
        Ok(announced)
    }

    pub(super) async fn abandon_moves(&self, announced: impl IntoIterator<Item = Announced>) {
        self.abandon_all(announced.into_iter().map(|announced| announced.change)).await;
    }

    async fn announce(
        &self,
        caller: &Caller,
        judged: Judged,
        brought: Brought<'_>,
        decision: &mut Decision,
    ) -> Result<Announced, Refusal> {
        let turn = self.turns.wait(&judged.key).await;
        let begun = self.begin_alone(caller, &judged.key, brought.content).await?;
        let refusal = match self.judge_move(caller, &judged, &begun, brought, decision).await {
            Ok(motion) => return Ok(Announced { judged, change: begun.change, motion, turn }),
            Err(refusal) => refusal,
        };
        match self.excepted(caller, &judged.key, &refusal, brought, decision).await {
            Ok(Some(motion)) => Ok(Announced { judged, change: begun.change, motion, turn }),
            Ok(None) => {
                self.abandon(begun.change).await;
                Err(self.unless_hidden(caller, refusal, meant(begun.before.as_ref()), brought.content, decision).await)
            }
            Err(cause) => {
                self.abandon(begun.change).await;
                Err(cause)
            }
        }
    }

    /// The move that an exception lets be made, which is used up by it. From then on the tag
    /// has followed what it brings.
    async fn excepted(
        &self,
        caller: &Caller,
        key: &TagKey,
        refusal: &Refusal,
        brought: Brought<'_>,
        decision: &mut Decision,
    ) -> Result<Option<Motion>, Refusal> {
        let Refusal::Move(_) = refusal else { return Ok(None) };
        let Some(exception) = self.exception(key, Allows::Push).await? else { return Ok(None) };
        // Whoever may not push uses nothing up.
        self.digest_first(caller, &key.repository, brought.content, decision).await?;
        let offered = self.offered(key, brought).await?;
        let act = self.used(caller, &exception);
        let is_spent = self.metrics.ledger("spend", self.ledger.spend(&exception.id, &act, key)).await?;
        self.keep_up().await?;
        Ok(is_spent.then(|| Motion::excepted(offered.into_iter().max())))
    }

    /// Whether a tag may move to what is brought, by what it has followed or holds.
    pub(super) async fn judge_move(
        &self,
        caller: &Caller,
        judged: &Judged,
        begun: &Begun,
        brought: Brought<'_>,
        decision: &mut Decision,
    ) -> Result<Motion, Refusal> {
        let Judged { key, verdict, .. } = judged;
        let refused = |why| Refusal::Move(Box::new(Unmoved { key: key.clone(), verdict: verdict.clone(), why: Some(why) }));
        match verdict.mutability {
            Mutability::AppendOnly => {
                let old = match self.standing(caller, key, brought.content, decision).await? {
                    Some(digest) => match Motion::again(&digest, &brought.content.bytes, None, false) {
                        Some(motion) => return Ok(motion),
                        None => entries(&self.held(caller, key, &digest).await?)?,
                    },
                    None => Vec::new(),
                };
                policy::append(&old, &entries(brought.content)?).map_err(|lost| refused(Why::Lost(lost)))
            }
            _ => {
                let means = match meant(begun.before.as_ref()) {
                    Some(digest) => Some(digest.clone()),
                    None => self.standing(caller, key, brought.content, decision).await?,
                };
                let followed = self.followed(key, begun.followed.as_ref(), means.as_ref()).await?;
                let offered = self.offered(key, brought).await?;
                let again = |digest: &Digest| Motion::again(digest, &brought.content.bytes, followed.clone(), offered.is_empty());
                if let Some(motion) = means.as_ref().and_then(again) {
                    return Ok(motion);
                }
                policy::forward(&key.tag, verdict, followed.as_ref(), &offered).map_err(|back| refused(Why::Backward(back)))
            }
        }
    }

    /// Where the registry points the tag. "Nowhere" is believed only of who is shown what was
    /// stored just now, as for immutable tags.
    async fn standing(
        &self,
        caller: &Caller,
        key: &TagKey,
        content: &Content,
        decision: &mut Decision,
    ) -> Result<Option<Digest>, Refusal> {
        if let Some(found) = self.pointer(caller, key, Trust::OrService).await? {
            return Ok(Some(found));
        }
        self.digest_first(caller, &key.repository, content, decision).await?;
        match self.sees_what_is_there(caller, &key.repository, &content.digest).await? {
            true => Ok(None),
            false => Err(Refusal::Blind(key.clone())),
        }
    }

    /// The newest release that a tag has followed: as it was written down with its last
    /// move, or what the bytes that it means were released as since. What was yanked does
    /// not count; then, and where nothing was written down, its history tells.
    async fn followed(&self, key: &TagKey, written: Option<&Tag>, means: Option<&Digest>) -> Result<Option<Release>, Refusal> {
        let Some(means) = means else { return Ok(written.and_then(Release::of)) };
        let decisions = self.decisions().await?;
        let is_bad = |digest: &Digest| decisions.yanked(&key.repository, |yanked| yanked == digest).is_some();
        let is_yanked = |release: &Release| {
            let key = TagKey { repository: key.repository.clone(), tag: release.tag().clone() };
            decisions.yank(&key).is_some()
        };
        let mut releases = self.releases_on(&key.repository, means).await?;
        let mut written = written.and_then(Release::of);
        if is_bad(means) {
            written = written.filter(|written| releases.iter().all(|release| release.tag() != written.tag()));
            releases.clear();
        }
        releases.extend(written.filter(|written| !is_yanked(written)));
        if releases.is_empty() {
            for digest in self.meant_lately(key).await?.iter().filter(|digest| !is_bad(digest)) {
                releases.extend(self.releases_on(&key.repository, digest).await?);
            }
        }
        let line = Line::of(&key.tag);
        Ok(releases.into_iter().filter(|release| line.holds(release) && release.tag() != &key.tag && !is_yanked(release)).max())
    }

    /// What a tag meant lately, since it was deleted last.
    async fn meant_lately(&self, key: &TagKey) -> Result<BTreeSet<Digest>, Refusal> {
        let filter = Filter { repository: Some(key.repository.clone()), tag: Some(key.tag.clone()), ..Filter::default() };
        let entries = self.metrics.ledger("entries", self.ledger.entries(&filter, LATELY)).await?;
        Ok(entries.into_iter().filter(|entry| entry.event.outcome.points()).map_while(|entry| entry.event.digest).collect())
    }

    /// The releases that the bytes are, with those that the same push makes of them.
    async fn offered(&self, key: &TagKey, brought: Brought<'_>) -> Result<Vec<Release>, Refusal> {
        let Content { digest, bytes, .. } = brought.content;
        let mut releases: Vec<Release> = brought.tags.iter().filter_map(Release::of).collect();
        for algorithm in Algorithm::ALL {
            let digest = if digest.algorithm() == algorithm { digest.clone() } else { Digest::of(algorithm, bytes) };
            releases.extend(self.releases_on(&key.repository, &digest).await?);
        }
        releases.retain(|release| release.tag() != &key.tag);
        Ok(releases)
    }

    /// The releases of a repository that mean a digest now.
    async fn releases_on(&self, repository: &RepositoryName, digest: &Digest) -> Result<Vec<Release>, Refusal> {
        let spans = self.metrics.ledger("spans", self.ledger.spans(digest, MOST)).await?;
        let standing = spans.into_iter().filter(|span| span.until.is_none()).filter_map(|span| span.from.event.key());
        Ok(standing.filter(|key| key.repository == *repository).filter_map(|key| Release::of(&key.tag)).collect())
    }

    /// Refuses a tag that moves the bytes of a yanked release.
    pub(super) async fn refuse_if_yanked(
        &self,
        caller: &Caller,
        judged: &Judged,
        content: &Content,
        decision: &mut Decision,
    ) -> Result<(), Refusal> {
        match self.judge_yank(&judged.key, &judged.verdict, content).await {
            Err(refusal) => Err(self.unless_hidden(caller, refusal, None, content, decision).await),
            Ok(()) => Ok(()),
        }
    }

    /// The refusal of a move, telling no more than the registry would show this client.
    pub(super) async fn unless_hidden(
        &self,
        caller: &Caller,
        refusal: Refusal,
        means: Option<&Digest>,
        content: &Content,
        decision: &mut Decision,
    ) -> Refusal {
        let Refusal::Move(mut unmoved) = refusal else { return refusal };
        match self.told(caller, &unmoved.key.repository, means.unwrap_or(&content.digest), content, decision).await {
            Ok(Shown::Yes) => {}
            Ok(Shown::Absent | Shown::Hidden) => unmoved.why = None,
            Err(refusal) => return refusal,
        }
        if let Some(digest) = means {
            decision.means(digest);
        }
        Refusal::Move(unmoved)
    }
}

/// How many events of a tag are looked through for what it has followed.
const LATELY: usize = 50;

/// The most times that are looked through for the releases of a digest.
const MOST: usize = 10_000;

/// What the log said of a tag when its change began.
pub(super) fn meant(before: Option<&Entry>) -> Option<&Digest> {
    before?.event.digest.as_ref()
}

fn entries(content: &Content) -> Result<Vec<String>, Refusal> {
    manifest::entries(&content.bytes).map_err(Refusal::Manifest)
}

/// What a client is told whose bytes are no known release.
pub(super) fn unreleased_warning(judged: &Judged, motion: &Motion) -> Option<String> {
    let Judged { key, verdict, .. } = judged;
    let is_due = motion.is_unreleased() && verdict.unreleased == Unreleased::Warn;
    let advice = "push their release tag as well";
    is_due
        .then(|| format!("tag {key} follows releases (rule \"{}\"), and these bytes are no known release; {advice}", verdict.rule))
}
