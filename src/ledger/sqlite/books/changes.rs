//! Changes of tags that move, as SQL.

use rusqlite::{OptionalExtension, Row, params};

use super::events::note_row;
use super::{Books, unavailable};
use crate::clock::AttemptId;
use crate::ledger::event::{Action, Outcome};
use crate::ledger::row::Place;
use crate::ledger::row::event::{NoteRow, note_columns, open_change};
use crate::ledger::{Begun, Change, Completed, Followed, LedgerError, Look, Note, OpenChange, TagKey};
use crate::oci::{Digest, Tag};

const KEEP: &str = concat!(
    "INSERT INTO changes (registry, repository, tag, attempt, digest, told, ",
    note_columns!(),
    ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14) ON CONFLICT DO NOTHING"
);
const VERSION: &str = "SELECT version FROM moving WHERE registry = ?1 AND repository = ?2 AND tag = ?3";
const FOLLOWED: &str = "SELECT follows FROM moving WHERE registry = ?1 AND repository = ?2 AND tag = ?3";
const FOLLOW: &str = "UPDATE moving SET follows = ?4, unreleased = ?5 WHERE registry = ?1 AND repository = ?2 AND tag = ?3";
pub(in crate::ledger::sqlite) const UNRELEASED: &str = "SELECT repository, tag, follows FROM moving INDEXED BY moving_unreleased \
     WHERE registry = ?1 AND unreleased = 1 AND (repository, tag) > (?2, ?3) ORDER BY repository, tag LIMIT ?4";
const BUMP: &str = "INSERT INTO moving (registry, repository, tag, version) VALUES (?1, ?2, ?3, 1) \
     ON CONFLICT (registry, repository, tag) DO UPDATE SET version = version + 1 RETURNING version";
const END: &str = "DELETE FROM changes WHERE registry = ?1 AND repository = ?2 AND tag = ?3 AND attempt = ?4";

macro_rules! change_columns {
    () => {
        concat!("repository, tag, attempt, digest, told, ", note_columns!())
    };
}

const OF_TAG: &str =
    concat!("SELECT ", change_columns!(), " FROM changes WHERE registry = ?1 AND repository = ?2 AND tag = ?3 ORDER BY attempt");
const OPEN: &str = concat!(
    "SELECT ",
    change_columns!(),
    " FROM changes WHERE registry = ?1 AND (repository, tag, attempt) > (?2, ?3, ?4) ORDER BY repository, tag, attempt LIMIT ?5"
);

impl Books<'_> {
    pub(in crate::ledger::sqlite) fn begin(
        &self,
        key: TagKey,
        to: Option<Digest>,
        attempt: AttemptId,
        note: &Note,
    ) -> Result<Begun, LedgerError> {
        let lifted = self.lift(&key, note.at)?;
        let before = self.meaning(&key, None)?;
        let others: Vec<OpenChange> = self.changes_of(&key)?.into_iter().filter(|change| !change.is_told).collect();
        let open = OpenChange { key: key.clone(), to: to.clone(), attempt, note: note.clone(), is_told: false };
        self.keep_change(&open)?;
        let after = before.as_ref().map_or(0, |entry| entry.number);
        let followed = self.followed(&key)?;
        Ok(Begun { change: Change { key, to, attempt, after }, lifted, before, others, followed })
    }

    pub(in crate::ledger::sqlite) fn complete(
        &self,
        change: Change,
        outcome: Outcome,
        followed: &Followed,
        note: &Note,
    ) -> Result<Completed, LedgerError> {
        let Change { key, to, attempt, after } = change;
        let before = self.meaning(&key, None)?;
        self.end_change(&key, attempt)?;
        let others: Vec<OpenChange> = self.changes_of(&key)?.into_iter().filter(|change| !change.is_told).collect();
        let has_overlapped = !others.is_empty() || before.as_ref().map_or(0, |entry| entry.number) != after;
        let meant = before.as_ref().and_then(|entry| entry.event.digest.clone());
        let action = if to.is_some() { Action::Push } else { Action::Delete };
        let outcome = if outcome == Outcome::Moved && meant == to { Outcome::Repeated } else { outcome };
        let event = self.event(&key, action, outcome, note).with(to.as_ref(), meant.as_ref());
        let entry = self.write_after(event, before)?;
        let told = OpenChange { key: key.clone(), to, attempt, note: note.clone(), is_told: true };
        let overlapped = has_overlapped.then_some(told);
        if let Some(change) = &overlapped {
            self.keep_change(change)?;
        }
        let version = self.bump(&key)?;
        let release = followed.release.as_ref().map(Tag::as_str);
        self.change(FOLLOW, params![self.registry, key.repository.as_str(), key.tag.as_str(), release, followed.is_unreleased])?;
        Ok(Completed { entry, overlapped, others, version })
    }

    /// The newest release that a tag has followed.
    fn followed(&self, key: &TagKey) -> Result<Option<Tag>, LedgerError> {
        let mut statement = self.connection.prepare_cached(FOLLOWED).map_err(unavailable)?;
        let parameters = params![self.registry, key.repository.as_str(), key.tag.as_str()];
        let found: Option<Option<String>> = statement.query_row(parameters, |row| row.get(0)).optional().map_err(unavailable)?;
        found.flatten().map(|text| Tag::parse(&text).map_err(|error| self.corrupt(key, &error))).transpose()
    }

    pub(in crate::ledger::sqlite) fn unreleased(
        &self,
        after: Option<&TagKey>,
        limit: usize,
    ) -> Result<Vec<(TagKey, Option<Tag>)>, LedgerError> {
        // Every name sorts behind the empty one.
        let (repository, tag) = after.map_or(("", ""), |key| (key.repository.as_str(), key.tag.as_str()));
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut statement = self.connection.prepare_cached(UNRELEASED).map_err(unavailable)?;
        let mut rows = statement.query(params![self.registry, repository, tag, limit]).map_err(unavailable)?;
        let mut keys = Vec::new();
        while let Some(row) = rows.next().map_err(unavailable)? {
            let columns = (|| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))();
            let (repository, tag, follows): (String, String, Option<String>) =
                columns.map_err(|error: rusqlite::Error| self.corrupt(&"a tag that moves", &error))?;
            let place = Place { registry: self.registry, row: &"a tag that moves" };
            keys.push((place.key(&repository, &tag)?, follows.map(|text| place.tag(&text)).transpose()?));
        }
        Ok(keys)
    }

    pub(in crate::ledger::sqlite) fn abandon(&self, change: &Change) -> Result<(), LedgerError> {
        self.end_change(&change.key, change.attempt).map(|_| ())
    }

    pub(in crate::ledger::sqlite) fn open_changes(
        &self,
        after: Option<&OpenChange>,
        limit: usize,
    ) -> Result<Vec<OpenChange>, LedgerError> {
        // Every name sorts behind the empty one.
        let after =
            after.map(|change| (change.key.repository.as_str(), change.key.tag.as_str(), change.attempt.as_bytes().as_slice()));
        let (repository, tag, attempt) = after.unwrap_or(("", "", &[]));
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut statement = self.connection.prepare_cached(OPEN).map_err(unavailable)?;
        let mut rows = statement.query(params![self.registry, repository, tag, attempt, limit]).map_err(unavailable)?;
        let mut changes = Vec::new();
        while let Some(row) = rows.next().map_err(unavailable)? {
            changes.push(self.open_change(row)?);
        }
        Ok(changes)
    }

    pub(in crate::ledger::sqlite) fn settle(&self, change: &OpenChange, look: &Look, note: &Note) -> Result<bool, LedgerError> {
        let found = look.found.as_ref();
        let OpenChange { key, to, attempt, note: begun, .. } = change;
        if self.version(key)? != look.version {
            return Ok(false);
        }
        let Some(standing) = self.changes_of(key)?.into_iter().find(|standing| standing.attempt == *attempt) else {
            return Ok(false);
        };
        self.end_change(key, *attempt)?;
        self.bump(key)?;
        if standing.is_told {
            self.see(key, found, note)?;
            return Ok(true);
        }
        let before = self.meaning(key, None)?;
        let meant = before.as_ref().and_then(|entry| entry.event.digest.clone());
        let (action, outcome) = change.settled(found, meant.as_ref());
        let words = note.in_the_words_of(begun);
        let event = self.event(key, action, outcome, &words).with(to.as_ref(), meant.as_ref());
        self.write_after(event, before)?;
        self.see(key, found, note)?;
        Ok(true)
    }

    pub(in crate::ledger::sqlite) fn observe(&self, key: &TagKey, look: &Look, note: &Note) -> Result<bool, LedgerError> {
        let is_written = self.version(key)? == look.version && self.see(key, look.found.as_ref(), note)?;
        if is_written {
            self.bump(key)?;
        }
        Ok(is_written)
    }

    pub(in crate::ledger::sqlite) fn version(&self, key: &TagKey) -> Result<u64, LedgerError> {
        let mut statement = self.connection.prepare_cached(VERSION).map_err(unavailable)?;
        let parameters = params![self.registry, key.repository.as_str(), key.tag.as_str()];
        let version: Option<i64> = statement.query_row(parameters, |row| row.get(0)).optional().map_err(unavailable)?;
        Ok(version.unwrap_or_default().unsigned_abs())
    }

    fn bump(&self, key: &TagKey) -> Result<u64, LedgerError> {
        let mut statement = self.connection.prepare_cached(BUMP).map_err(unavailable)?;
        let parameters = params![self.registry, key.repository.as_str(), key.tag.as_str()];
        let version: i64 = statement.query_row(parameters, |row| row.get(0)).map_err(unavailable)?;
        Ok(version.unsigned_abs())
    }

    /// Writes down what the registry shows, if the log says anything else and no change is
    /// about to say it.
    fn see(&self, key: &TagKey, found: Option<&Digest>, note: &Note) -> Result<bool, LedgerError> {
        let before = self.meaning(key, None)?;
        let meant = before.as_ref().and_then(|entry| entry.event.digest.clone());
        if meant.as_ref() == found || self.changes_of(key)?.iter().any(|change| !change.is_told) {
            return Ok(false);
        }
        let (action, outcome) = if before.is_none() { (Action::Adopt, Outcome::Adopted) } else { (Action::Look, Outcome::Seen) };
        let event = self.event(key, action, outcome, note).with(found, meant.as_ref());
        self.write_after(event, before)?;
        Ok(true)
    }

    fn keep_change(&self, change: &OpenChange) -> Result<(), LedgerError> {
        let OpenChange { key, to, attempt, note, is_told } = change;
        let row = NoteRow::of(note);
        let parameters = params![
            self.registry,
            key.repository.as_str(),
            key.tag.as_str(),
            attempt.as_bytes(),
            to.as_ref().map(Digest::as_str),
            is_told,
            row.at,
            row.media_type,
            row.size,
            row.who,
            row.client,
            row.rule,
            row.request,
            row.detail
        ];
        self.change(KEEP, parameters).map(|_| ())
    }

    fn end_change(&self, key: &TagKey, attempt: AttemptId) -> Result<bool, LedgerError> {
        let parameters = params![self.registry, key.repository.as_str(), key.tag.as_str(), attempt.as_bytes()];
        Ok(self.change(END, parameters)? > 0)
    }

    fn changes_of(&self, key: &TagKey) -> Result<Vec<OpenChange>, LedgerError> {
        let mut statement = self.connection.prepare_cached(OF_TAG).map_err(unavailable)?;
        let mut rows = statement.query(params![self.registry, key.repository.as_str(), key.tag.as_str()]).map_err(unavailable)?;
        let mut changes = Vec::new();
        while let Some(row) = rows.next().map_err(unavailable)? {
            changes.push(self.open_change(row)?);
        }
        Ok(changes)
    }

    fn open_change(&self, row: &Row<'_>) -> Result<OpenChange, LedgerError> {
        let columns = (|| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, note_row(row, 5)?)))();
        let (repository, tag, attempt, to, told, note): (String, String, [u8; 16], Option<String>, bool, NoteRow) =
            columns.map_err(|error: rusqlite::Error| self.corrupt(&"an open change", &error))?;
        open_change(self.registry, (&repository, &tag), attempt, (to.as_deref(), told), note)
    }
}
