//! The tables of a file, whole and page by page in the order of their keys.

use rusqlite::{Connection, Row, params};

use super::books::{event_row, note_row};
use crate::ledger::carry::{ActRow, AttemptRow, Place, TagRow, TurnRow, Waiting, WaitingRow};
use crate::ledger::row::event::{EventRow, event_columns, note_columns};

const TAGS: &str = "SELECT registry, repository, tag, digest, state, origin, claimed_at, changed_at FROM tags \
     WHERE (registry, repository, tag) > (?1, ?2, ?3) ORDER BY registry, repository, tag LIMIT ?4";
const ATTEMPTS: &str = "SELECT registry, repository, tag, attempt, opened_at FROM attempts \
     WHERE (registry, repository, tag, attempt) > (?1, ?2, ?3, ?4) ORDER BY registry, repository, tag, attempt LIMIT ?5";
const ACTS: &str = "SELECT number, registry, at, who, what, reason FROM acts WHERE number > ?1 ORDER BY number LIMIT ?2";

const EVENTS: &str = concat!("SELECT ", event_columns!(), " FROM events WHERE number > ?1 ORDER BY number LIMIT ?2");
const NOTES: &str = concat!(
    "SELECT registry, repository, tag, attempt, NULL, 0, ",
    note_columns!(),
    " FROM notes ORDER BY registry, repository, tag, attempt"
);
const CHANGES: &str = concat!(
    "SELECT registry, repository, tag, attempt, digest, told, ",
    note_columns!(),
    " FROM changes ORDER BY registry, repository, tag, attempt"
);

const TURNS: &str = "SELECT name, position FROM turns ORDER BY name";
const ACTS_OF: &str = "SELECT number, registry, at, who, what, reason FROM acts WHERE registry = ?1 ORDER BY number";
const REGISTRIES: &str = "SELECT name FROM registries UNION SELECT registry FROM tags UNION SELECT registry FROM acts \
     UNION SELECT registry FROM changes ORDER BY 1";
const COUNT: &str = "SELECT (SELECT count(*) FROM tags) + (SELECT count(*) FROM attempts) + (SELECT count(*) FROM acts) \
     + (SELECT count(*) FROM events)";

/// Tags behind `after`; with the default of it, from the first on.
pub(super) fn tags(connection: &Connection, after: &Place, limit: u32) -> rusqlite::Result<Vec<TagRow>> {
    let mut statement = connection.prepare_cached(TAGS)?;
    let rows = statement.query_map(params![after.registry, after.repository, after.tag, limit], |row| {
        Ok(TagRow {
            place: place(row)?,
            digest: row.get(3)?,
            state: row.get(4)?,
            origin: row.get(5)?,
            claimed_at: row.get(6)?,
            changed_at: row.get(7)?,
        })
    })?;
    rows.collect()
}

/// Attempts behind `after`; `None` for the first.
pub(super) fn attempts(connection: &Connection, after: Option<&AttemptRow>, limit: u32) -> rusqlite::Result<Vec<AttemptRow>> {
    let first = AttemptRow { place: Place::default(), attempt: [0; 16], opened_at: 0 };
    let AttemptRow { place: Place { registry, repository, tag }, attempt, .. } = after.unwrap_or(&first);
    let mut statement = connection.prepare_cached(ATTEMPTS)?;
    let rows = statement.query_map(params![registry, repository, tag, attempt, limit], |row| {
        Ok(AttemptRow { place: place(row)?, attempt: row.get(3)?, opened_at: row.get(4)? })
    })?;
    rows.collect()
}

/// Events behind this number.
pub(super) fn events(connection: &Connection, after: i64, limit: u32) -> rusqlite::Result<Vec<EventRow>> {
    let mut statement = connection.prepare_cached(EVENTS)?;
    statement.query_map(params![after, limit], event_row)?.collect()
}

/// Everything that waits for its end; few rows do.
pub(super) fn waiting(connection: &Connection, kind: Waiting) -> rusqlite::Result<Vec<WaitingRow>> {
    let sql = match kind {
        Waiting::Notes => NOTES,
        Waiting::Changes => CHANGES,
    };
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| {
        Ok(WaitingRow { place: place(row)?, attempt: row.get(3)?, digest: row.get(4)?, told: row.get(5)?, note: note_row(row, 6)? })
    })?;
    rows.collect()
}

/// How far the log was handed on; there are a few names.
pub(super) fn turns(connection: &Connection) -> rusqlite::Result<Vec<TurnRow>> {
    let mut statement = connection.prepare_cached(TURNS)?;
    statement.query_map([], |row| Ok(TurnRow { name: row.get(0)?, position: row.get(1)? }))?.collect()
}

/// Acts behind this number.
pub(super) fn acts(connection: &Connection, after: i64, limit: u32) -> rusqlite::Result<Vec<ActRow>> {
    let mut statement = connection.prepare_cached(ACTS)?;
    statement.query_map(params![after, limit], act)?.collect()
}

/// Every act of a registry; they are few.
pub(super) fn acts_of(connection: &Connection, registry: &str) -> rusqlite::Result<Vec<ActRow>> {
    let mut statement = connection.prepare_cached(ACTS_OF)?;
    statement.query_map(params![registry], act)?.collect()
}

/// Every registry that the ledger speaks of, in this version's schema.
pub(super) fn registries(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare_cached(REGISTRIES)?;
    statement.query_map([], |row| row.get(0))?.collect()
}

/// Rows of all three tables.
pub(super) fn count(connection: &Connection) -> rusqlite::Result<u64> {
    connection.query_row(COUNT, [], |row| row.get(0)).map(i64::unsigned_abs)
}

fn act(row: &Row<'_>) -> rusqlite::Result<ActRow> {
    let (number, registry, at) = (row.get(0)?, row.get(1)?, row.get(2)?);
    Ok(ActRow { number, registry, at, who: row.get(3)?, what: row.get(4)?, reason: row.get(5)? })
}

fn place(row: &Row<'_>) -> rusqlite::Result<Place> {
    Ok(Place { registry: row.get(0)?, repository: row.get(1)?, tag: row.get(2)? })
}
