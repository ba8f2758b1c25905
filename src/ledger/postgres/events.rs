//! Events as SQL: one is appended in the transaction of the change that it records.

use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::connection::given;
use super::retry::Failure;
use super::statements::{Books, column};
use crate::clock::AttemptId;
use crate::ledger::event::{Action, Entry, Event, Outcome};
use crate::ledger::row::Place;
use crate::ledger::row::event::{EventRow, NoteRow, event_columns, note_columns};
use crate::ledger::{LedgerError, Note, TagKey};
use crate::oci::Digest;

macro_rules! append {
    ($at:literal, $previous:literal) => {
        concat!(
            "INSERT INTO events (registry, at, repository, tag, action, outcome, digest, previous, \
             media_type, size, who, client, rule, request, detail, points) SELECT $1, ",
            $at,
            ", $3, $4, $5, $6, $7, ",
            $previous,
            ", $9, $10, $11, $12, $13, $14, $15, $16 RETURNING number, at, previous"
        )
    };
}

const APPEND: &str = append!("$2", "$8");

/// One that changes what its tag means is not older than the one before it, whatever the
/// clocks say, and names what the tag meant.
const APPEND_POINTING: &str = concat!(
    "WITH before AS (SELECT at, digest FROM events WHERE registry = $1 AND repository = $3 AND tag = $4 AND points \
     ORDER BY at DESC, number DESC LIMIT 1) ",
    append!("GREATEST($2, (SELECT at FROM before))", "COALESCE($8, (SELECT digest FROM before))")
);

/// The newest event at or before $4 that says what a tag means.
pub(super) const MEANING: &str = concat!(
    "SELECT ",
    event_columns!(),
    " FROM events WHERE registry = $1 AND repository = $2 AND tag = $3 AND points AND at <= $4 \
     ORDER BY at DESC, number DESC LIMIT 1"
);

const TAKE_NOTE: &str = concat!(
    "INSERT INTO notes (registry, repository, tag, attempt, ",
    note_columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING"
);
/// That of attempt $4, else the oldest.
const NOTE: &str = concat!(
    "SELECT attempt, ",
    note_columns!(),
    " FROM notes WHERE registry = $1 AND repository = $2 AND tag = $3 ORDER BY attempt = $4 DESC, at, attempt LIMIT 1"
);

type Done<T> = Result<T, Failure>;

impl Books<'_> {
    pub(super) async fn write(&self, event: Event) -> Done<Entry> {
        let row = EventRow::of(0, &event);
        let points = event.outcome.points();
        let sql = if points { APPEND_POINTING } else { APPEND };
        let parameters = given![
            row.registry => TEXT, row.at => INT8, row.repository => TEXT, row.tag => TEXT, row.action => TEXT,
            row.outcome => TEXT, row.digest => TEXT, row.previous => TEXT, row.media_type => TEXT, row.size => INT8,
            row.who => TEXT, row.client => TEXT, row.rule => TEXT, row.request => TEXT, row.detail => TEXT, points => BOOL,
        ];
        let place = Place { registry: self.registry, row: &"an event" };
        let written = self.connection.row(sql, &parameters).await?.ok_or_else(|| place.corrupt(&"it was not written"))?;
        let (at, previous) = (place.time(column(&written, 1, place)?)?, column::<Option<String>>(&written, 2, place)?);
        let previous = previous.map(|text| place.digest(&text)).transpose()?;
        Ok(Entry { number: column::<i64>(&written, 0, place)?.cast_unsigned(), event: Event { at, previous, ..event } })
    }

    pub(super) async fn write_all(&self, events: &[Event]) -> Done<()> {
        for event in events {
            self.write(event.clone()).await?;
        }
        Ok(())
    }

    pub(super) fn event(&self, key: &TagKey, action: Action, outcome: Outcome, note: &Note) -> Event {
        Event::of(self.registry, key, action, outcome, note)
    }

    pub(super) async fn meaning(&self, key: &TagKey, at: Option<Timestamp>) -> Done<Option<Entry>> {
        let at = at.map_or(i64::MAX, Timestamp::as_millisecond);
        let parameters = given![
            self.registry => TEXT, key.repository.as_str() => TEXT, key.tag.as_str() => TEXT, at => INT8,
        ];
        let row = self.connection.row(MEANING, &parameters).await?;
        row.map(|row| self.entry(&row, 0)).transpose()
    }

    pub(super) async fn take_note(&self, key: &TagKey, attempt: AttemptId, note: &Note) -> Done<u64> {
        let note = NoteRow::of(note);
        let attempt = Uuid::from_bytes(*attempt.as_bytes());
        let parameters = given![
            attempt => UUID, note.at => INT8, note.media_type => TEXT, note.size => INT8, note.who => TEXT,
            note.client => TEXT, note.rule => TEXT, note.request => TEXT, note.detail => TEXT,
        ];
        self.change(TAKE_NOTE, key, &parameters).await
    }

    /// The words for the event of whoever seals a tag with this attempt: its own where it
    /// was made by a claim, else those of the oldest claim.
    pub(super) async fn words(&self, key: &TagKey, attempt: Option<AttemptId>, note: &Note) -> Done<Note> {
        let own = attempt.map_or(Uuid::nil(), |attempt| Uuid::from_bytes(*attempt.as_bytes()));
        let place = Place { registry: self.registry, row: key };
        let parameters = given![
            self.registry => TEXT, key.repository.as_str() => TEXT, key.tag.as_str() => TEXT, own => UUID,
        ];
        let Some(row) = self.connection.row(NOTE, &parameters).await? else { return Ok(note.clone()) };
        if attempt.is_some() && column::<Uuid>(&row, 0, place)? == own {
            return Ok(note.clone());
        }
        Ok(note.in_the_words_of(&note_row(&row, 1, place)?.read(&place)?))
    }

    /// The tag is sealed, with the words of who pushed it; every attempt ends.
    pub(super) async fn seal(&self, key: &TagKey, digest: &Digest, attempt: Option<AttemptId>, note: &Note) -> Done<()> {
        let (words, _) = futures_util::try_join!(self.words(key, attempt, note), self.end_attempts(key))?;
        self.write(self.event(key, Action::Push, Outcome::Pushed, &words).with(Some(digest), None)).await?;
        Ok(())
    }

    /// The tag is sealed with what the registry held; every attempt ends.
    pub(super) async fn enter(&self, key: &TagKey, digest: &Digest, note: &Note) -> Done<()> {
        let event = self.event(key, Action::Adopt, Outcome::Adopted, note).with(Some(digest), None);
        futures_util::try_join!(self.end_attempts(key), self.write(event))?;
        Ok(())
    }

    /// The columns of an event from the one with this number on.
    pub(super) fn entry(&self, row: &Row, first: usize) -> Done<Entry> {
        Ok(event_row(row, first, Place { registry: self.registry, row: &"an event" })?.read()?)
    }
}

/// The columns of an event from the one with this number on.
pub(super) fn event_row(row: &Row, first: usize, place: Place<'_>) -> Result<EventRow, LedgerError> {
    let text = |number: usize| column::<Option<String>>(row, first + number, place);
    Ok(EventRow {
        number: column(row, first, place)?,
        registry: column(row, first + 1, place)?,
        at: column(row, first + 2, place)?,
        repository: text(3)?,
        tag: text(4)?,
        action: column(row, first + 5, place)?,
        outcome: column(row, first + 6, place)?,
        digest: text(7)?,
        previous: text(8)?,
        media_type: text(9)?,
        size: column(row, first + 10, place)?,
        who: text(11)?,
        client: text(12)?,
        rule: text(13)?,
        request: text(14)?,
        detail: text(15)?,
    })
}

/// The columns of a note from the one with this number on.
pub(super) fn note_row(row: &Row, first: usize, place: Place<'_>) -> Result<NoteRow, LedgerError> {
    let text = |number: usize| column::<Option<String>>(row, first + number, place);
    Ok(NoteRow {
        at: column(row, first, place)?,
        media_type: text(1)?,
        size: column(row, first + 2, place)?,
        who: text(3)?,
        client: text(4)?,
        rule: text(5)?,
        request: text(6)?,
        detail: text(7)?,
    })
}
