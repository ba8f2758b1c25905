//! The tree over the log, and who hands the log on.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::events::event_row;
use super::{Books, unavailable};
use crate::clock::AttemptId;
use crate::ledger::LedgerError;
use crate::ledger::event::Entry;
use crate::ledger::log::Leaf;
use crate::ledger::row::event::{EventRow, event_columns};
use crate::ledger::tree::{Hash, WIDTH, root};

/// The most events that one transaction makes leaves of.
pub(in crate::ledger::sqlite) const BATCH: u64 = 2_000;

const SIZE: &str = "SELECT coalesce(max(number), -1) + 1 FROM tree WHERE level = 0";
const UNPLANTED: &str = concat!("SELECT ", event_columns!(), " FROM events WHERE number > ?1 ORDER BY number LIMIT ?2");
const PLANT: &str = "INSERT INTO tree (level, number, hash) VALUES (?1, ?2, ?3)";
pub(in crate::ledger::sqlite) const NODES: &str =
    "SELECT hash FROM tree WHERE level = ?1 AND number >= ?2 ORDER BY number LIMIT ?3";
pub(in crate::ledger::sqlite) const LEAVES: &str = concat!(
    "SELECT tree.number, tree.hash, ",
    "e.number, registry, at, repository, tag, action, outcome, digest, previous, \
     media_type, size, who, client, rule, request, detail ",
    "FROM tree JOIN events AS e ON e.number = tree.number + 1 WHERE level = 0 AND tree.number >= ?1 ORDER BY tree.number LIMIT ?2"
);

const NEW_TURN: &str = "INSERT INTO turns (name, position) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
const TAKE_TURN: &str = "UPDATE turns SET holder = ?2, until = ?4 WHERE name = ?1 AND (holder IS NULL OR holder = ?2 OR until <= ?3) \
     RETURNING position";
const END_TURN: &str = "UPDATE turns SET position = ?3, holder = NULL, until = NULL WHERE name = ?1 AND holder = ?2";

impl Books<'_> {
    pub(in crate::ledger::sqlite) fn size(&self) -> Result<u64, LedgerError> {
        size(self.connection).map_err(unavailable)
    }

    pub(in crate::ledger::sqlite) fn leaves(&self, position: u64, limit: usize) -> Result<Vec<Leaf>, LedgerError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut statement = self.connection.prepare_cached(LEAVES).map_err(unavailable)?;
        let rows = statement.query_map(params![position.cast_signed(), limit], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, [u8; 32]>(1)?, super::events::event_row_from(row, 2)?))
        });
        let leaf = |(position, hash, row): (i64, [u8; 32], EventRow)| {
            let Entry { number, event } = row.read()?;
            Ok(Leaf { position: position.cast_unsigned(), hash: Hash(hash), number, event })
        };
        rows.map_err(unavailable)?.map(|row| leaf(row.map_err(unavailable)?)).collect()
    }

    pub(in crate::ledger::sqlite) fn nodes(&self, level: u32, index: u64, limit: usize) -> Result<Vec<Hash>, LedgerError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        nodes(self.connection, level, index, limit).map_err(unavailable)
    }

    pub(in crate::ledger::sqlite) fn take_turn(
        &self,
        name: &str,
        holder: AttemptId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<u64>, LedgerError> {
        let end = self.connection.query_row(
            "SELECT count(*) FROM events WHERE number > ?1",
            params![self.size()?.cast_signed()],
            |row| row.get::<_, i64>(0),
        );
        let end = self.size()? + end.map_err(unavailable)?.unsigned_abs();
        self.change(NEW_TURN, params![name, end.cast_signed()])?;
        let mut statement = self.connection.prepare_cached(TAKE_TURN).map_err(unavailable)?;
        let parameters = params![name, holder.as_bytes(), now.as_millisecond(), until.as_millisecond()];
        let position: Option<i64> = statement.query_row(parameters, |row| row.get(0)).optional().map_err(unavailable)?;
        Ok(position.map(i64::cast_unsigned))
    }

    pub(in crate::ledger::sqlite) fn end_turn(&self, name: &str, holder: AttemptId, position: u64) -> Result<bool, LedgerError> {
        Ok(self.change(END_TURN, params![name, holder.as_bytes(), position.cast_signed()])? > 0)
    }
}

pub(in crate::ledger::sqlite) fn size(connection: &Connection) -> rusqlite::Result<u64> {
    connection.prepare_cached(SIZE)?.query_row([], |row| row.get(0)).map(i64::cast_unsigned)
}

fn nodes(connection: &Connection, level: u32, index: u64, limit: i64) -> rusqlite::Result<Vec<Hash>> {
    let mut statement = connection.prepare_cached(NODES)?;
    let rows = statement.query_map(params![level, index.cast_signed(), limit], |row| row.get(0).map(Hash))?;
    rows.collect()
}

/// Makes leaves of events that are none yet, in the order of their numbers, and the nodes
/// above them that are whole by now. Returns how many there were.
pub(in crate::ledger::sqlite) fn plant(connection: &Connection) -> Result<u64, LedgerError> {
    let first = size(connection).map_err(unavailable)?;
    let mut statement = connection.prepare_cached(UNPLANTED).map_err(unavailable)?;
    let rows = statement.query_map(params![first.cast_signed(), BATCH.cast_signed()], event_row).map_err(unavailable)?;
    let mut planted = 0;
    for row in rows {
        let text = row.map_err(unavailable)?.read()?.event.text();
        add(connection, 0, first + planted, Hash::of_leaf(text.as_bytes())).map_err(unavailable)?;
        planted += 1;
    }
    Ok(planted)
}

fn add(connection: &Connection, level: u32, number: u64, hash: Hash) -> rusqlite::Result<()> {
    connection.prepare_cached(PLANT)?.execute(params![level, number.cast_signed(), hash.0])?;
    if (number + 1).is_multiple_of(WIDTH) {
        let above = nodes(connection, level, number + 1 - WIDTH, WIDTH.cast_signed())?;
        add(connection, level + 1, number / WIDTH, root(&above))?;
    }
    Ok(())
}
