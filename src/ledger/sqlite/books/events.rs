//! Events as SQL: one is appended in the transaction of the change that it records.

use jiff::Timestamp;
use rusqlite::types::ToSql;
use rusqlite::{OptionalExtension, Params, Row, params};

use super::{Books, unavailable};
use crate::clock::AttemptId;
use crate::ledger::event::{Action, Entry, Event, Outcome};
use crate::ledger::row::Place;
use crate::ledger::row::event::{EventRow, NoteRow, event_columns, note_columns};
use crate::ledger::{LedgerError, Note, TagKey};
use crate::oci::Digest;

/// The number is the next one: SQLite gives it, and no event ever goes.
const APPEND: &str = concat!(
    "INSERT INTO events (",
    event_columns!(),
    ", points) VALUES ((SELECT coalesce(max(number), 0) + 1 FROM events), \
     ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16) RETURNING number"
);

/// The newest event at or before ?4 that says what a tag means.
pub(in crate::ledger::sqlite) const MEANING: &str = concat!(
    "SELECT ",
    event_columns!(),
    " FROM events WHERE registry = ?1 AND repository = ?2 AND tag = ?3 AND points = 1 AND at <= ?4 \
     ORDER BY at DESC, number DESC LIMIT 1"
);

const TAKE_NOTE: &str = concat!(
    "INSERT INTO notes (registry, repository, tag, attempt, ",
    note_columns!(),
    ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) ON CONFLICT DO NOTHING"
);
const IS_NOTED: &str = "SELECT 1 FROM notes WHERE registry = ?1 AND repository = ?2 AND tag = ?3 AND attempt = ?4";
const OLDEST_NOTE: &str = concat!(
    "SELECT ",
    note_columns!(),
    " FROM notes WHERE registry = ?1 AND repository = ?2 AND tag = ?3 ORDER BY at, attempt LIMIT 1"
);

impl Books<'_> {
    /// Appends an event. One that changes what its tag means is not older than the one
    /// before it, whatever the clocks say, and names what the tag meant.
    pub(in crate::ledger::sqlite) fn write(&self, event: Event) -> Result<Entry, LedgerError> {
        let before = match event.key().filter(|_| event.outcome.points()) {
            Some(key) => self.meaning(&key, None)?,
            None => None,
        };
        self.write_after(event, before)
    }

    /// The same where it is known what the tag meant before.
    pub(super) fn write_after(&self, mut event: Event, before: Option<Entry>) -> Result<Entry, LedgerError> {
        if let Some(before) = before.filter(|_| event.outcome.points()) {
            event.at = event.at.max(before.event.at);
            event.previous = event.previous.or(before.event.digest);
        }
        let row = EventRow::of(0, &event);
        let points = event.outcome.points();
        let parameters: [&dyn ToSql; 16] = [
            &row.registry,
            &row.at,
            &row.repository,
            &row.tag,
            &row.action,
            &row.outcome,
            &row.digest,
            &row.previous,
            &row.media_type,
            &row.size,
            &row.who,
            &row.client,
            &row.rule,
            &row.request,
            &row.detail,
            &points,
        ];
        let mut statement = self.connection.prepare_cached(APPEND).map_err(unavailable)?;
        let number: i64 = statement.query_row(parameters, |row| row.get(0)).map_err(unavailable)?;
        Ok(Entry { number: number.cast_unsigned(), event })
    }

    /// An event of `key`, whose digest and what the tag meant are given.
    pub(super) fn event(&self, key: &TagKey, action: Action, outcome: Outcome, note: &Note) -> Event {
        Event::of(self.registry, key, action, outcome, note)
    }

    pub(in crate::ledger::sqlite) fn meaning(&self, key: &TagKey, at: Option<Timestamp>) -> Result<Option<Entry>, LedgerError> {
        let at = at.map_or(i64::MAX, Timestamp::as_millisecond);
        let parameters = params![self.registry, key.repository.as_str(), key.tag.as_str(), at];
        let mut statement = self.connection.prepare_cached(MEANING).map_err(unavailable)?;
        let row = statement.query_row(parameters, event_row).optional().map_err(unavailable)?;
        row.map(EventRow::read).transpose()
    }

    pub(super) fn take_note(&self, key: &TagKey, attempt: AttemptId, note: &Note) -> Result<(), LedgerError> {
        let note = NoteRow::of(note);
        let parameters = params![
            self.registry,
            key.repository.as_str(),
            key.tag.as_str(),
            attempt.as_bytes(),
            note.at,
            note.media_type,
            note.size,
            note.who,
            note.client,
            note.rule,
            note.request,
            note.detail
        ];
        self.change(TAKE_NOTE, parameters).map(|_| ())
    }

    /// The words for the event of whoever seals a tag with this attempt: its own where it
    /// was made by a claim, else those of the oldest claim.
    pub(super) fn words(&self, key: &TagKey, attempt: Option<AttemptId>, note: &Note) -> Result<Note, LedgerError> {
        let (repository, tag) = (key.repository.as_str(), key.tag.as_str());
        if let Some(attempt) = attempt {
            let mut statement = self.connection.prepare_cached(IS_NOTED).map_err(unavailable)?;
            if statement.exists(params![self.registry, repository, tag, attempt.as_bytes()]).map_err(unavailable)? {
                return Ok(note.clone());
            }
        }
        let mut statement = self.connection.prepare_cached(OLDEST_NOTE).map_err(unavailable)?;
        let found = statement.query_row(params![self.registry, repository, tag], |row| note_row(row, 0)).optional();
        match found.map_err(unavailable)? {
            Some(row) => Ok(note.in_the_words_of(&row.read(&Place { registry: self.registry, row: key })?)),
            None => Ok(note.clone()),
        }
    }

    /// The tag is sealed, with the words of who pushed it; every attempt ends.
    pub(super) fn seal(&self, key: &TagKey, digest: &Digest, attempt: Option<AttemptId>, note: &Note) -> Result<(), LedgerError> {
        let words = self.words(key, attempt, note)?;
        self.end_attempts(key)?;
        self.write(self.event(key, Action::Push, Outcome::Pushed, &words).with(Some(digest), None)).map(|_| ())
    }

    /// The tag is sealed with what the registry held; every attempt ends.
    pub(super) fn enter(&self, key: &TagKey, digest: &Digest, note: &Note) -> Result<(), LedgerError> {
        self.end_attempts(key)?;
        self.write(self.event(key, Action::Adopt, Outcome::Adopted, note).with(Some(digest), None)).map(|_| ())
    }

    pub(in crate::ledger::sqlite) fn write_all(&self, events: Vec<Event>) -> Result<(), LedgerError> {
        events.into_iter().try_for_each(|event| self.write(event).map(|_| ()))
    }

    /// Reads rows of [`event_columns`].
    pub(super) fn events(&self, sql: &str, parameters: impl Params) -> Result<Vec<Entry>, LedgerError> {
        let mut statement = self.connection.prepare_cached(sql).map_err(unavailable)?;
        let rows = statement.query_map(parameters, event_row).map_err(unavailable)?;
        rows.map(|row| row.map_err(unavailable)?.read()).collect()
    }
}

pub(in crate::ledger::sqlite) fn event_row(row: &Row<'_>) -> rusqlite::Result<EventRow> {
    event_row_from(row, 0)
}

/// The columns of an event from the one with this number on.
pub(super) fn event_row_from(row: &Row<'_>, first: usize) -> rusqlite::Result<EventRow> {
    Ok(EventRow {
        number: row.get(first)?,
        registry: row.get(first + 1)?,
        at: row.get(first + 2)?,
        repository: row.get(first + 3)?,
        tag: row.get(first + 4)?,
        action: row.get(first + 5)?,
        outcome: row.get(first + 6)?,
        digest: row.get(first + 7)?,
        previous: row.get(first + 8)?,
        media_type: row.get(first + 9)?,
        size: row.get(first + 10)?,
        who: row.get(first + 11)?,
        client: row.get(first + 12)?,
        rule: row.get(first + 13)?,
        request: row.get(first + 14)?,
        detail: row.get(first + 15)?,
    })
}

/// The columns of a note from the one with this number on.
pub(in crate::ledger::sqlite) fn note_row(row: &Row<'_>, first: usize) -> rusqlite::Result<NoteRow> {
    Ok(NoteRow {
        at: row.get(first)?,
        media_type: row.get(first + 1)?,
        size: row.get(first + 2)?,
        who: row.get(first + 3)?,
        client: row.get(first + 4)?,
        rule: row.get(first + 5)?,
        request: row.get(first + 6)?,
        detail: row.get(first + 7)?,
    })
}
