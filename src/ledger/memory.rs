//! The ledger in memory: the plainest statement of what every engine does.
//!
//! For tests; it forgets everything when it is dropped. A clone shows the same
//! rows. Lifting a tag forgets its row, since a lifted row counts as no row.

mod deciding;
mod log;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;

use super::event::{Action, Event, Outcome};
use super::{
    Act, Begun, Change, Claim, Claimed, Completed, Followed, Ledger, LedgerError, Look, Note, OpenChange, OpenClaim, Origin,
    Record, State, TagKey,
};
use crate::clock::AttemptId;
use crate::oci::{Digest, RepositoryName, Tag};

#[derive(Clone, Debug)]
pub struct MemoryLedger {
    registry: Arc<str>,
    books: Arc<Mutex<Books>>,
}

#[derive(Debug, Default)]
struct Books {
    /// Ordered by repository and tag, as [`Ledger::records`] promises.
    rows: BTreeMap<TagKey, Row>,
    acts: Vec<Act>,
    changes: BTreeMap<(TagKey, AttemptId), OpenChange>,
    versions: BTreeMap<TagKey, u64>,
    followed: BTreeMap<TagKey, Followed>,
    /// The number of an event is its place, from 1 on.
    events: Vec<Event>,
    /// Who hands the log on, by name: the position, and who has the turn until when.
    turns: BTreeMap<String, (u64, Option<(AttemptId, Timestamp)>)>,
}

#[derive(Debug)]
struct Row {
    record: Record,
    claimed_at: Timestamp,
    /// The oldest first; empty unless the row is open. Those that joined have no note.
    attempts: Vec<(AttemptId, Option<Note>)>,
}

impl Row {
    fn new(digest: &Digest, state: State, origin: Origin, now: Timestamp) -> Self {
        Self { record: Record { digest: digest.clone(), state, origin, since: now }, claimed_at: now, attempts: Vec::new() }
    }

    fn tries(&self, attempt: AttemptId) -> bool {
        self.attempts.iter().any(|(tried, _)| *tried == attempt)
    }

    fn try_with(&mut self, attempt: AttemptId, note: Option<&Note>) {
        if !self.tries(attempt) {
            self.attempts.push((attempt, note.cloned()));
        }
    }

    /// Whether the row is still the open claim that `claim` is an attempt of.
    fn awaits(&self, claim: &Claim) -> bool {
        self.record.state == State::Open && self.record.digest == claim.digest && self.tries(claim.attempt)
    }

    /// Leaves the open state, or the sealed one, and ends every attempt.
    fn enter(&mut self, state: State, now: Timestamp) {
        self.record.state = state;
        self.record.since = now;
        self.attempts.clear();
    }

    /// The words for the event of whoever seals the row.
    fn words(&self, attempt: Option<AttemptId>, note: &Note) -> Note {
        let made = self.attempts.iter().find(|(tried, _)| Some(*tried) == attempt);
        let is_own = made.is_some_and(|(_, words)| words.is_some());
        let words = self.attempts.iter().filter_map(|(attempt, words)| Some((*attempt, words.as_ref()?)));
        let pusher = words.min_by_key(|(attempt, words)| (words.at, *attempt)).map(|(_, words)| words).filter(|_| !is_own);
        pusher.map_or_else(|| note.clone(), |words| note.in_the_words_of(words))
    }
}

impl MemoryLedger {
    /// The ledger of the registry `default`.
    pub fn new() -> Self {
        Self::of("default")
    }

    pub fn of(registry: &str) -> Self {
        Self { registry: Arc::from(registry), books: Arc::default() }
    }

    /// Every method changes its rows in one step, so they are sound even where a
    /// thread panicked with the lock held.
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryLedger {
    fn default() -> Self {
        Self::new()
    }
}

impl Books {
    fn version_of(&self, key: &TagKey) -> u64 {
        self.versions.get(key).copied().unwrap_or_default()
    }

    fn bump(&mut self, key: &TagKey) -> u64 {
        let version = self.versions.entry(key.clone()).or_default();
        *version += 1;
        *version
    }

    /// Lifts an open or sealed row.
    fn lift(&mut self, key: &TagKey) -> bool {
        let is_held = self.rows.get(key).is_some_and(|row| row.record.state != State::Burnt);
        is_held && self.rows.remove(key).is_some()
    }
}

#[async_trait]
impl Ledger for MemoryLedger {
    async fn lookup(&self, key: &TagKey) -> Result<Option<Record>, LedgerError> {
        Ok(self.books().rows.get(key).map(|row| row.record.clone()))
    }

    async fn records(&self, repository: &RepositoryName) -> Result<Vec<(Tag, Record)>, LedgerError> {
        let books = self.books();
        let of_repository = books.rows.iter().filter(|(key, _)| key.repository == *repository);
        Ok(of_repository.map(|(key, row)| (key.tag.clone(), row.record.clone())).collect())
    }

    async fn claim(&self, key: &TagKey, digest: &Digest, attempt: AttemptId, note: &Note) -> Result<Claimed, LedgerError> {
        let mut books = self.books();
        let row = books.rows.entry(key.clone()).or_insert_with(|| Row::new(digest, State::Open, Origin::Pushed, note.at));
        let claim = Claim { key: key.clone(), digest: digest.clone(), attempt };
        Ok(match row.record.state {
            State::Open if row.record.digest == *digest => {
                row.try_with(attempt, Some(note));
                Claimed::Granted(claim)
            }
            State::Sealed if row.record.digest == *digest => Claimed::AlreadySealed(claim, row.record.clone()),
            _ => Claimed::Taken(row.record.clone()),
        })
    }

    async fn join(&self, key: &TagKey, digest: &Digest, attempt: AttemptId, _now: Timestamp) -> Result<Option<Claim>, LedgerError> {
        match self.books().rows.get_mut(key) {
            Some(row) if row.record.state == State::Open && row.record.digest == *digest => {
                row.try_with(attempt, None);
                Ok(Some(Claim { key: key.clone(), digest: digest.clone(), attempt }))
            }
            _ => Ok(None),
        }
    }

    async fn confirm(&self, claim: Claim, note: &Note) -> Result<Record, LedgerError> {
        let mut books = self.books();
        let (record, words, outcome) = match books.rows.get_mut(&claim.key) {
            Some(row) if row.awaits(&claim) => {
                let words = row.words(Some(claim.attempt), note);
                row.enter(State::Sealed, note.at);
                (row.record.clone(), words, Outcome::Pushed)
            }
            Some(row) if row.record.state == State::Sealed && row.record.digest == claim.digest => {
                (row.record.clone(), note.clone(), Outcome::Repeated)
            }
            _ => return Err(claim.lost()),
        };
        books.write(Event::of(&self.registry, &claim.key, Action::Push, outcome, &words).with(Some(&claim.digest), None));
        Ok(record)
    }

    async fn withdraw(&self, claim: Claim) -> Result<(), LedgerError> {
        let mut books = self.books();
        if let Some(row) = books.rows.get_mut(&claim.key)
            && row.awaits(&claim)
        {
            row.attempts.retain(|(attempt, _)| *attempt != claim.attempt);
            if row.attempts.is_empty() {
                books.rows.remove(&claim.key);
            }
        }
        Ok(())
    }

    async fn yield_to(&self, claim: Claim, found: &Digest, note: &Note) -> Result<Record, LedgerError> {
        let mut books = self.books();
        match books.rows.get_mut(&claim.key) {
            Some(row) if row.awaits(&claim) => {
                let is_ours = row.record.digest == *found;
                if !is_ours {
                    row.record.digest = found.clone();
                    row.record.origin = Origin::Adopted;
                }
                let words = if is_ours { row.words(Some(claim.attempt), note) } else { note.clone() };
                row.enter(State::Sealed, note.at);
                let record = row.record.clone();
                let (action, outcome) = if is_ours { (Action::Push, Outcome::Pushed) } else { (Action::Adopt, Outcome::Adopted) };
                books.write(Event::of(&self.registry, &claim.key, action, outcome, &words).with(Some(found), None));
                Ok(record)
            }
            Some(row) if row.record.state != State::Open => Ok(row.record.clone()),
            _ => Err(claim.lost()),
        }
    }

    async fn adopt(&self, key: &TagKey, digest: &Digest, note: &Note) -> Result<Record, LedgerError> {
        let mut books = self.books();
        let is_new = !books.rows.contains_key(key);
        let row = books.rows.entry(key.clone()).or_insert_with(|| Row::new(digest, State::Sealed, Origin::Adopted, note.at));
        let event = if is_new {
            Some((Action::Adopt, Outcome::Adopted, note.clone()))
        } else if row.record.state == State::Open && row.record.digest == *digest {
            let words = row.words(None, note);
            row.enter(State::Sealed, note.at);
            Some((Action::Push, Outcome::Pushed, words))
        } else {
            None
        };
        let record = row.record.clone();
        if let Some((action, outcome, words)) = event {
            books.write(Event::of(&self.registry, key, action, outcome, &words).with(Some(digest), None));
        }
        Ok(record)
    }

    async fn burn(&self, key: &TagKey, digest: &Digest, note: &Note) -> Result<bool, LedgerError> {
        let mut books = self.books();
        let Some(row) = books.rows.get_mut(key).filter(|row| row.record.digest == *digest) else { return Ok(false) };
        if row.record.state != State::Burnt {
            row.enter(State::Burnt, note.at);
            books.write(Event::of(&self.registry, key, Action::Delete, Outcome::Deleted, note).with(None, Some(digest)));
        }
        Ok(true)
    }

    async fn begin(&self, key: &TagKey, to: Option<&Digest>, attempt: AttemptId, note: &Note) -> Result<Begun, LedgerError> {
        let mut books = self.books();
        let lifted = books.lift(key);
        let before = books.meaning_of(key, None);
        let others = books.untold_changes_of(key);
        let open = OpenChange { key: key.clone(), to: to.cloned(), attempt, note: note.clone(), is_told: false };
        books.changes.insert((key.clone(), attempt), open);
        let after = before.as_ref().map_or(0, |entry| entry.number);
        let followed = books.followed.get(key).and_then(|followed| followed.release.clone());
        Ok(Begun { change: Change { key: key.clone(), to: to.cloned(), attempt, after }, lifted, before, others, followed })
    }

    async fn complete(&self, change: Change, outcome: Outcome, followed: &Followed, note: &Note) -> Result<Completed, LedgerError> {
        let mut books = self.books();
        let Change { key, to, attempt, after } = change;
        books.changes.remove(&(key.clone(), attempt));
        let before = books.meaning_of(&key, None);
        let others = books.untold_changes_of(&key);
        let has_overlapped = !others.is_empty() || before.as_ref().map_or(0, |entry| entry.number) != after;
        let meant = before.and_then(|entry| entry.event.digest);
        let action = if to.is_some() { Action::Push } else { Action::Delete };
        let outcome = if outcome == Outcome::Moved && meant == to { Outcome::Repeated } else { outcome };
        let entry = books.write(Event::of(&self.registry, &key, action, outcome, note).with(to.as_ref(), meant.as_ref()));
        let told = OpenChange { key: key.clone(), to, attempt, note: note.clone(), is_told: true };
        let overlapped = has_overlapped.then_some(told);
        if let Some(change) = &overlapped {
            books.changes.insert((key.clone(), attempt), change.clone());
        }
        let version = books.bump(&key);
        books.followed.insert(key, followed.clone());
        Ok(Completed { entry, overlapped, others, version })
    }

    async fn unreleased(&self, after: Option<&TagKey>, limit: usize) -> Result<Vec<(TagKey, Option<Tag>)>, LedgerError> {
        let behind = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let books = self.books();
        let unreleased = books.followed.range::<TagKey, _>(behind).filter(|(_, followed)| followed.is_unreleased);
        Ok(unreleased.take(limit).map(|(key, followed)| (key.clone(), followed.release.clone())).collect())
    }

    async fn abandon(&self, change: Change) -> Result<(), LedgerError> {
        self.books().changes.remove(&(change.key, change.attempt));
        Ok(())
    }

    async fn open_changes(&self, after: Option<&OpenChange>, limit: usize) -> Result<Vec<OpenChange>, LedgerError> {
        let after = after.map(|change| (change.key.clone(), change.attempt));
        let behind = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        Ok(self.books().changes.range(behind).take(limit).map(|(_, change)| change.clone()).collect())
    }

    async fn version(&self, key: &TagKey) -> Result<u64, LedgerError> {
        Ok(self.books().version_of(key))
    }

    async fn settle(&self, change: &OpenChange, look: &Look, note: &Note) -> Result<bool, LedgerError> {
        let mut books = self.books();
        let OpenChange { key, to, attempt, note: begun, .. } = change;
        let found = look.found.as_ref();
        if books.version_of(key) != look.version {
            return Ok(false);
        }
        let Some(standing) = books.changes.remove(&(key.clone(), *attempt)) else { return Ok(false) };
        books.bump(key);
        if standing.is_told {
            books.see(&self.registry, key, found, note);
            return Ok(true);
        }
        let meant = books.meaning_of(key, None).and_then(|entry| entry.event.digest);
        let (action, outcome) = change.settled(found, meant.as_ref());
        let words = note.in_the_words_of(begun);
        books.write(Event::of(&self.registry, key, action, outcome, &words).with(to.as_ref(), meant.as_ref()));
        books.see(&self.registry, key, found, note);
        Ok(true)
    }

    async fn observe(&self, key: &TagKey, look: &Look, note: &Note) -> Result<bool, LedgerError> {
        let mut books = self.books();
        let is_written = books.version_of(key) == look.version && books.see(&self.registry, key, look.found.as_ref(), note);
        if is_written {
            books.bump(key);
        }
        Ok(is_written)
    }

    async fn record(&self, events: &[Event]) -> Result<(), LedgerError> {
        let mut books = self.books();
        events.iter().for_each(|event| drop(books.write(event.clone())));
        Ok(())
    }

    async fn count_open(&self) -> Result<u64, LedgerError> {
        Ok(self.books().rows.values().filter(|row| row.record.state == State::Open).map(|_| 1).sum())
    }

    async fn open_claims(&self, after: Option<&TagKey>, limit: usize) -> Result<Vec<OpenClaim>, LedgerError> {
        let books = self.books();
        let behind = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let open = books.rows.range::<TagKey, _>(behind).filter(|(_, row)| row.record.state == State::Open).take(limit);
        let claim =
            |(key, row): (&TagKey, &Row)| OpenClaim { key: key.clone(), digest: row.record.digest.clone(), since: row.claimed_at };
        Ok(open.map(claim).collect())
    }

    async fn release(&self, key: &TagKey, who: &str, reason: &str, now: Timestamp) -> Result<Option<Digest>, LedgerError> {
        let mut books = self.books();
        let is_open = books.rows.get(key).is_some_and(|row| row.record.state == State::Open);
        let Some(row) = is_open.then(|| books.rows.remove(key)).flatten() else { return Ok(None) };
        let digest = row.record.digest;
        let act = Act::release(key, &digest, who, reason, now);
        books.write(act.event(&self.registry, Some(key)));
        books.acts.push(act);
        Ok(Some(digest))
    }

    async fn acts(&self) -> Result<Vec<Act>, LedgerError> {
        Ok(self.books().acts.clone())
    }

    async fn ping(&self) -> Result<(), LedgerError> {
        Ok(())
    }
}
