//! The release log in memory.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Books, MemoryLedger};
use crate::clock::AttemptId;
use crate::ledger::event::{Action, Entry, Event, Outcome};
use crate::ledger::log::{Count, Filter, Leaf, Span};
use crate::ledger::tree::{Hash, WIDTH, root};
use crate::ledger::{LedgerError, Log, Note, OpenChange, TagKey};
use crate::oci::{Digest, RepositoryName, Tag};

impl Books {
    /// Appends an event. One that changes what its tag means is not older than the one
    /// before it, whatever the clocks say, and names what the tag meant.
    pub(super) fn write(&mut self, mut event: Event) -> Entry {
        if event.outcome.points()
            && let Some(key) = event.key()
            && let Some(before) = self.meaning_of(&key, None)
        {
            event.at = event.at.max(before.event.at);
            event.previous = event.previous.or(before.event.digest);
        }
        self.events.push(event.clone());
        Entry { number: self.events.len() as u64, event }
    }

    fn entries(&self) -> impl DoubleEndedIterator<Item = Entry> {
        self.events.iter().enumerate().map(|(place, event)| Entry { number: place as u64 + 1, event: event.clone() })
    }

    pub(super) fn meaning_of(&self, key: &TagKey, at: Option<Timestamp>) -> Option<Entry> {
        let is_of = |entry: &Entry| {
            entry.event.outcome.points() && entry.event.key().as_ref() == Some(key) && at.is_none_or(|at| entry.event.at <= at)
        };
        self.entries().filter(is_of).max_by_key(|entry| (entry.event.at, entry.number))
    }

    pub(super) fn untold_changes_of(&self, key: &TagKey) -> Vec<OpenChange> {
        self.changes.values().filter(|change| change.key == *key && !change.is_told).cloned().collect()
    }

    /// Writes down what the registry shows, if the log says anything else and no change is
    /// about to say it.
    pub(super) fn see(&mut self, registry: &str, key: &TagKey, found: Option<&Digest>, note: &Note) -> bool {
        let before = self.meaning_of(key, None);
        let meant = before.as_ref().and_then(|entry| entry.event.digest.clone());
        if meant.as_ref() == found || !self.untold_changes_of(key).is_empty() {
            return false;
        }
        let (action, outcome) = if before.is_none() { (Action::Adopt, Outcome::Adopted) } else { (Action::Look, Outcome::Seen) };
        self.write(Event::of(registry, key, action, outcome, note).with(found, meant.as_ref()));
        true
    }

    fn hashes(&self, level: u32) -> Vec<Hash> {
        match level.checked_sub(1) {
            None => self.events.iter().map(|event| Hash::of_leaf(event.text().as_bytes())).collect(),
            Some(below) => self.hashes(below).chunks_exact(WIDTH as usize).map(root).collect(),
        }
    }
}

#[async_trait]
impl Log for MemoryLedger {
    async fn meaning(&self, key: &TagKey, at: Option<Timestamp>) -> Result<Option<Entry>, LedgerError> {
        Ok(self.books().meaning_of(key, at))
    }

    async fn meanings(
        &self,
        repository: &RepositoryName,
        at: Option<Timestamp>,
        after: Option<&Tag>,
        limit: usize,
    ) -> Result<Vec<Entry>, LedgerError> {
        let books = self.books();
        let mut newest: BTreeMap<Tag, Entry> = BTreeMap::new();
        for entry in books.entries() {
            if let Some(key) = entry.event.key()
                && key.repository == *repository
                && after.is_none_or(|after| key.tag > *after)
                && let Some(entry) = books.meaning_of(&key, at)
            {
                newest.insert(key.tag, entry);
            }
        }
        Ok(newest.into_values().take(limit).collect())
    }

    async fn spans(&self, digest: &Digest, limit: usize) -> Result<Vec<Span>, LedgerError> {
        let books = self.books();
        let mut pointing: Vec<Entry> = books.entries().filter(|entry| entry.event.outcome.points()).collect();
        pointing.sort_by_key(|entry| (entry.event.at, entry.number));
        let mut spans = Vec::new();
        for (place, from) in pointing.iter().enumerate().rev() {
            if from.event.digest.as_ref() == Some(digest) {
                let until = pointing[place + 1..].iter().find(|later| later.event.key() == from.event.key());
                spans.push(Span { from: from.clone(), until: until.cloned() });
            }
        }
        spans.truncate(limit);
        Ok(spans)
    }

    async fn entries(&self, filter: &Filter, limit: usize) -> Result<Vec<Entry>, LedgerError> {
        let books = self.books();
        let is_asked = |Entry { number, event }: &Entry| {
            filter.repository.is_none() || filter.repository == event.repository && (filter.tag.is_none() || filter.tag == event.tag)
        } && filter.outcome.is_none_or(|outcome| outcome == event.outcome)
            && filter.since.is_none_or(|since| event.at >= since)
            && filter.until.is_none_or(|until| event.at <= until)
            && filter.before.is_none_or(|before| (event.at, *number) < before);
        let mut found: Vec<Entry> = books.entries().filter(is_asked).collect();
        found.sort_by_key(|entry| std::cmp::Reverse((entry.event.at, entry.number)));
        found.truncate(limit);
        Ok(found)
    }

    async fn repositories(&self, after: Option<&RepositoryName>, limit: usize) -> Result<Vec<RepositoryName>, LedgerError> {
        let books = self.books();
        let all: BTreeSet<&RepositoryName> = books.events.iter().filter_map(|event| event.repository.as_ref()).collect();
        Ok(all.into_iter().filter(|name| after.is_none_or(|after| *name > after)).take(limit).cloned().collect())
    }

    async fn counts(&self, since: Timestamp, until: Timestamp, step: u64) -> Result<Vec<Count>, LedgerError> {
        let step = i64::try_from(step.max(1)).unwrap_or(i64::MAX);
        let mut counts: BTreeMap<(i64, &str), (Outcome, u64)> = BTreeMap::new();
        for event in self.books().events.iter().filter(|event| event.at >= since && event.at < until) {
            let number = (event.at.as_millisecond() - since.as_millisecond()) / step;
            counts.entry((number, event.outcome.as_str())).or_insert((event.outcome, 0)).1 += 1;
        }
        let start = |number: i64| Timestamp::from_millisecond(since.as_millisecond() + number * step).unwrap_or(since);
        Ok(counts.into_iter().map(|((number, _), (outcome, events))| Count { at: start(number), outcome, events }).collect())
    }

    async fn plant(&self) -> Result<u64, LedgerError> {
        Ok(self.books().events.len() as u64)
    }

    async fn leaves(&self, position: u64, limit: usize) -> Result<Vec<Leaf>, LedgerError> {
        let books = self.books();
        let behind = books.entries().skip(usize::try_from(position).unwrap_or(usize::MAX)).take(limit);
        let leaf = |Entry { number, event }: Entry| Leaf {
            position: number - 1,
            hash: Hash::of_leaf(event.text().as_bytes()),
            number,
            event,
        };
        Ok(behind.map(leaf).collect())
    }

    async fn nodes(&self, level: u32, index: u64, limit: usize) -> Result<Vec<Hash>, LedgerError> {
        let hashes = self.books().hashes(level);
        Ok(hashes.into_iter().skip(usize::try_from(index).unwrap_or(usize::MAX)).take(limit).collect())
    }

    async fn take_turn(&self, name: &str, holder: AttemptId, now: Timestamp, until: Timestamp) -> Result<Option<u64>, LedgerError> {
        let mut books = self.books();
        let end = books.events.len() as u64;
        let turn = books.turns.entry(name.to_owned()).or_insert((end, None));
        if turn.1.is_some_and(|(other, until)| other != holder && until > now) {
            return Ok(None);
        }
        turn.1 = Some((holder, until));
        Ok(Some(turn.0))
    }

    async fn end_turn(&self, name: &str, holder: AttemptId, position: u64) -> Result<bool, LedgerError> {
        let mut books = self.books();
        match books.turns.get_mut(name) {
            Some(turn) if turn.1.is_some_and(|(has, _)| has == holder) => {
                *turn = (position, None);
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}
