//! Rows of the release log, as both engines store them.

use super::Place;
use crate::clock::AttemptId;
use crate::ledger::event::{Action, Entry, Event, Outcome};
use crate::ledger::{LedgerError, Note, OpenChange};

/// The columns of `events` but for `points`, in the order of [`EventRow`].
macro_rules! event_columns {
    () => {
        "number, registry, at, repository, tag, action, outcome, digest, previous, \
         media_type, size, who, client, rule, request, detail"
    };
}

/// The columns of a note, in the order of [`NoteRow`].
macro_rules! note_columns {
    () => {
        "at, media_type, size, who, client, rule, request, detail"
    };
}

pub(in crate::ledger) use {event_columns, note_columns};

/// A row of `events`. Times are milliseconds since 1970.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct EventRow {
    pub number: i64,
    pub registry: String,
    pub at: i64,
    pub repository: Option<String>,
    pub tag: Option<String>,
    pub action: String,
    pub outcome: String,
    pub digest: Option<String>,
    pub previous: Option<String>,
    pub media_type: Option<String>,
    pub size: Option<i64>,
    pub who: Option<String>,
    pub client: Option<String>,
    pub rule: Option<String>,
    pub request: Option<String>,
    pub detail: Option<String>,
}

impl EventRow {
    pub(in crate::ledger) fn of(number: u64, event: &Event) -> Self {
        let event = event.clone();
        Self {
            number: number.cast_signed(),
            registry: event.registry,
            at: event.at.as_millisecond(),
            repository: event.repository.map(|name| name.as_str().to_owned()),
            tag: event.tag.map(|tag| tag.as_str().to_owned()),
            action: event.action.as_str().to_owned(),
            outcome: event.outcome.as_str().to_owned(),
            digest: event.digest.map(|digest| digest.as_str().to_owned()),
            previous: event.previous.map(|digest| digest.as_str().to_owned()),
            media_type: event.media_type,
            size: event.size.map(u64::cast_signed),
            who: event.who,
            client: event.client,
            rule: event.rule,
            request: event.request,
            detail: event.detail,
        }
    }

    /// The event, or words that name the row.
    pub fn read(self) -> Result<Entry, LedgerError> {
        let name = format!("event {}", self.number);
        let place = Place { registry: &self.registry.clone(), row: &name };
        let word = |kind: &str, word: &str| place.corrupt(&format!("`{word}` is no {kind}"));
        let event = Event {
            at: place.time(self.at)?,
            repository: self.repository.as_deref().map(|text| place.repository(text)).transpose()?,
            tag: self.tag.as_deref().map(|text| place.tag(text)).transpose()?,
            action: Action::parse(&self.action).ok_or_else(|| word("action", &self.action))?,
            outcome: Outcome::parse(&self.outcome).ok_or_else(|| word("outcome", &self.outcome))?,
            digest: self.digest.as_deref().map(|text| place.digest(text)).transpose()?,
            previous: self.previous.as_deref().map(|text| place.digest(text)).transpose()?,
            media_type: self.media_type,
            size: self.size.map(i64::cast_unsigned),
            who: self.who,
            client: self.client,
            rule: self.rule,
            request: self.request,
            detail: self.detail,
            registry: self.registry,
        };
        Ok(Entry { number: self.number.cast_unsigned(), event })
    }
}

/// The columns of a note.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct NoteRow {
    pub at: i64,
    pub media_type: Option<String>,
    pub size: Option<i64>,
    pub who: Option<String>,
    pub client: Option<String>,
    pub rule: Option<String>,
    pub request: Option<String>,
    pub detail: Option<String>,
}

impl NoteRow {
    pub(in crate::ledger) fn of(note: &Note) -> Self {
        let Note { at, media_type, size, who, client, rule, request, detail } = note.clone();
        Self { at: at.as_millisecond(), media_type, size: size.map(u64::cast_signed), who, client, rule, request, detail }
    }

    pub(in crate::ledger) fn read(self, place: &Place<'_>) -> Result<Note, LedgerError> {
        let Self { at, media_type, size, who, client, rule, request, detail } = self;
        Ok(Note { at: place.time(at)?, media_type, size: size.map(i64::cast_unsigned), who, client, rule, request, detail })
    }
}

/// An open change as its columns say it.
pub(in crate::ledger) fn open_change(
    registry: &str,
    (repository, tag): (&str, &str),
    attempt: [u8; 16],
    (to, is_told): (Option<&str>, bool),
    note: NoteRow,
) -> Result<OpenChange, LedgerError> {
    let name = format!("the open change of {repository}:{tag}");
    let place = Place { registry, row: &name };
    let key = place.key(repository, tag)?;
    let to = to.map(|text| place.digest(text)).transpose()?;
    Ok(OpenChange { key, to, attempt: AttemptId::from_bytes(attempt), note: note.read(&place)?, is_told })
}
