//! The tree over the log, and who hands the log on.
//!
//! Leaves are planted in a transaction of their own, behind one lock, so that positions
//! have no gap; pushes never wait for it.

use jiff::Timestamp;
use uuid::Uuid;

use super::connection::{Connection, given};
use super::events::event_row;
use super::pool::Pool;
use super::questions::most;
use super::retry::Failure;
use super::statements::{Books, column};
use crate::clock::AttemptId;
use crate::ledger::LedgerError;
use crate::ledger::event::Entry;
use crate::ledger::log::Leaf;
use crate::ledger::row::Place;
use crate::ledger::row::event::event_columns;
use crate::ledger::tree::{Hash, WIDTH, root};

/// The most leaves that one transaction plants.
const BATCH: i64 = 1_000;

/// One at a time. A change, so that at a stricter isolation than READ COMMITTED whoever
/// waited for it is rolled back, and sees what was planted when it tries again.
const LOCK: &str = "UPDATE heartbeat SET beats = beats + 1 WHERE id = 1";
const WAITING: &str = "SELECT 1 FROM arrivals LIMIT 1";
const ARRIVED: &str = concat!("SELECT ", event_columns!(), " FROM arrivals JOIN events ON number = event ORDER BY event LIMIT $1");
const SIZE: &str = "SELECT coalesce(max(number), -1) + 1 FROM tree WHERE level = 0";
const PLANT: &str =
    "INSERT INTO tree (level, number, hash, event) SELECT 0, * FROM unnest($1::bigint[], $2::bytea[], $3::bigint[])";
const ABOVE: &str = "INSERT INTO tree (level, number, hash) VALUES ($1, $2, $3)";
const ARE_PLANTED: &str = "DELETE FROM arrivals WHERE event = ANY($1)";
pub(super) const NODES: &str = "SELECT hash FROM tree WHERE level = $1 AND number >= $2 ORDER BY number LIMIT $3";
pub(super) const LEAVES: &str = concat!(
    "SELECT tree.number, tree.hash, e.* FROM tree JOIN (SELECT ",
    event_columns!(),
    " FROM events) AS e ON e.number = tree.event WHERE level = 0 AND tree.number >= $1 ORDER BY tree.number LIMIT $2"
);

const NEW_TURN: &str = "INSERT INTO turns (name, position) SELECT $1, count(*) + (SELECT coalesce(max(number), -1) + 1 FROM tree \
     WHERE level = 0) FROM arrivals ON CONFLICT (name) DO NOTHING";
const TAKE_TURN: &str = "UPDATE turns SET holder = $2, until = $4 WHERE name = $1 AND (holder IS NULL OR holder = $2 OR until <= $3) \
     RETURNING position";
const END_TURN: &str = "UPDATE turns SET position = $3, holder = NULL, until = NULL WHERE name = $1 AND holder = $2";

type Done<T> = Result<T, Failure>;

impl Books<'_> {
    pub(super) async fn size(&self) -> Done<u64> {
        size(self.connection).await
    }

    pub(super) async fn leaves(&self, position: u64, limit: usize) -> Done<Vec<Leaf>> {
        let parameters = given![position.cast_signed() => INT8, most(limit) => INT8];
        let place = Place { registry: self.registry, row: &"a leaf" };
        let rows = self.connection.rows(LEAVES, &parameters).await?;
        let leaf = |row| {
            let Entry { number, event } = event_row(row, 2, place)?.read()?;
            let position = column::<i64>(row, 0, place)?.cast_unsigned();
            Ok(Leaf { position, hash: hash(&column::<Vec<u8>>(row, 1, place)?)?, number, event })
        };
        rows.iter().map(leaf).collect()
    }

    pub(super) async fn nodes(&self, level: u32, index: u64, limit: usize) -> Done<Vec<Hash>> {
        nodes(self.connection, level, index, most(limit)).await
    }

    pub(super) async fn take_turn(&self, name: &str, holder: AttemptId, now: Timestamp, until: Timestamp) -> Done<Option<u64>> {
        self.connection.change(NEW_TURN, &given![name => TEXT]).await?;
        let holder = Uuid::from_bytes(*holder.as_bytes());
        let parameters = given![name => TEXT, holder => UUID, now.as_millisecond() => INT8, until.as_millisecond() => INT8];
        let row = self.connection.row(TAKE_TURN, &parameters).await?;
        let place = Place { registry: self.registry, row: &"a turn" };
        Ok(row.map(|row| column::<i64>(&row, 0, place)).transpose()?.map(i64::cast_unsigned))
    }

    pub(super) async fn end_turn(&self, name: &str, holder: AttemptId, position: u64) -> Done<bool> {
        let holder = Uuid::from_bytes(*holder.as_bytes());
        let parameters = given![name => TEXT, holder => UUID, position.cast_signed() => INT8];
        Ok(self.connection.change(END_TURN, &parameters).await? > 0)
    }
}

async fn size(connection: &Connection) -> Done<u64> {
    let row = connection.row(SIZE, &[]).await?;
    let size: i64 = row.map_or(Ok(0), |row| row.try_get(0))?;
    Ok(size.cast_unsigned())
}

async fn nodes(connection: &Connection, level: u32, index: u64, limit: i64) -> Done<Vec<Hash>> {
    let level = i32::try_from(level).unwrap_or(i32::MAX);
    let parameters = given![level => INT4, index.cast_signed() => INT8, limit => INT8];
    let rows = connection.rows(NODES, &parameters).await?;
    rows.iter().map(|row| Ok(hash(&row.try_get::<_, Vec<u8>>(0)?)?)).collect()
}

fn hash(bytes: &[u8]) -> Result<Hash, LedgerError> {
    Hash::from_bytes(bytes).ok_or_else(|| LedgerError::Corrupt(format!("a hash of the log's tree has {} bytes", bytes.len())))
}

/// Makes leaves of everything that has arrived, a batch in each transaction.
pub(super) async fn plant_all(pool: &Pool) -> Done<()> {
    loop {
        let mut session = pool.get().await.map_err(Failure::Pool)?;
        session.begin_read();
        let is_waiting = session.row(WAITING, &[]).await?.is_some();
        session.end_read();
        if !is_waiting {
            return Ok(());
        }
        session.begin().await?;
        match plant(&session).await {
            Ok(()) => session.commit().await?,
            Err(failure) => {
                session.roll_back().await;
                return Err(failure);
            }
        }
    }
}

/// Makes leaves of what has arrived, in the order of their numbers, and the nodes above
/// them that are whole by now.
async fn plant(connection: &Connection) -> Done<()> {
    connection.change(LOCK, &[]).await?;
    let rows = connection.rows(ARRIVED, &given![BATCH => INT8]).await?;
    if rows.is_empty() {
        return Ok(());
    }
    let first = size(connection).await?;
    let place = Place { registry: "*", row: &"an event" };
    let (mut numbers, mut hashes, mut events) = (Vec::new(), Vec::new(), Vec::new());
    for (row, position) in rows.iter().zip(first..) {
        let Entry { number, event } = event_row(row, 0, place)?.read()?;
        numbers.push(position.cast_signed());
        hashes.push(Hash::of_leaf(event.text().as_bytes()).0.to_vec());
        events.push(number.cast_signed());
    }
    let parameters = given![numbers => INT8_ARRAY, hashes => BYTEA_ARRAY, events => INT8_ARRAY];
    connection.change(PLANT, &parameters).await?;
    let last = first + rows.len() as u64;
    let (mut level, mut from, mut to) = (0, first, last);
    // What became whole at one level are the new nodes of the next.
    while from / WIDTH < to / WIDTH {
        for above in from / WIDTH..to / WIDTH {
            let below = nodes(connection, level, above * WIDTH, WIDTH.cast_signed()).await?;
            let higher = i32::try_from(level + 1).unwrap_or(i32::MAX);
            let parameters = given![higher => INT4, above.cast_signed() => INT8, root(&below).0.to_vec() => BYTEA];
            connection.change(ABOVE, &parameters).await?;
        }
        (level, from, to) = (level + 1, from / WIDTH, to / WIDTH);
    }
    connection.change(ARE_PLANTED, &given![events => INT8_ARRAY]).await?;
    Ok(())
}
