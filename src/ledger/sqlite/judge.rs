//! Whether a file is the ledger that its witness has seen, and of this registry.

use std::path::Path;

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::chain;
use crate::ledger::witness::{Doubt, Witness, compare, in_file};

/// The schema that has heads.
const WITH_HEADS: i64 = 3;

const CHANGED: &str = "SELECT max(changed_at) FROM tags";
const NAMES: &str = "SELECT name FROM registries ORDER BY name";
/// The same, before there was a table for it.
const OLD_NAMES: &str = "SELECT DISTINCT registry FROM tags ORDER BY registry";
const ENTER: &str = "INSERT OR IGNORE INTO registries (name) VALUES (?1)";

/// Every doubt there is about the file; reads only.
pub(super) fn judge(connection: &Connection, file: &Path, registry: &str, known: Option<Witness>) -> rusqlite::Result<Vec<Doubt>> {
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let mut doubts = Vec::new();
    if let Some(witness) = known.map(Box::new) {
        let found = if version < WITH_HEADS { None } else { chain::standing(connection, &witness.heads)? };
        match found {
            None => doubts.push(Doubt::Gone { ledger: in_file(file), witness }),
            Some(standing) => {
                if let Some(difference) = compare(&witness.heads, &standing) {
                    let changed = changed(connection)?;
                    doubts.push(Doubt::of(difference, in_file(file), standing.heads, changed, witness));
                }
            }
        }
    }
    let registries = match version {
        0 => Vec::new(),
        old if old < WITH_HEADS => names(connection, OLD_NAMES)?,
        _ => names(connection, NAMES)?,
    };
    if !registries.is_empty() && registries.iter().all(|name| name != registry) {
        doubts.push(Doubt::OtherRegistry { ledger: in_file(file), registries, name: registry.to_owned() });
    }
    Ok(doubts)
}

/// Lets the ledger speak of a registry.
pub(super) fn enter(connection: &Connection, registry: &str) -> rusqlite::Result<()> {
    connection.execute(ENTER, params![registry]).map(|_| ())
}

/// When the ledger was changed last; for people.
fn changed(connection: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    let at: Option<i64> = connection.query_row(CHANGED, [], |row| row.get(0))?;
    Ok(at.and_then(|at| Timestamp::from_millisecond(at).ok()))
}

fn names(connection: &Connection, sql: &str) -> rusqlite::Result<Vec<String>> {
    connection.prepare(sql)?.query_map([], |row| row.get(0))?.collect()
}
