//! The heads in the database, read and appended.
//!
//! Every replica appends: not in the transaction of a change, where all of them would
//! wait for each other, but in one of its own after it. So a database that lacks a
//! change, and everything after it, lacks the head that was appended after it.

use jiff::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::address::Address;
use super::connection::Connection;
use crate::ledger::witness::{Difference, Doubt, Head, Heads, MILESTONE, Mark, Standing, Witness, compare};

/// The schema that has heads.
const WITH_HEADS: i64 = 2;

const HEADS: &str = "SELECT number, mark FROM heads WHERE number IN (0, $1, $2, (SELECT max(number) FROM heads), \
     (SELECT max(number) - max(number) % $3 FROM heads)) ORDER BY number";
const APPEND: &str = "INSERT INTO heads (number, mark) VALUES ($1, $2) ON CONFLICT (number) DO NOTHING";
const FORGET: &str = "DELETE FROM heads WHERE number = $1";
const CHANGED: &str = "SELECT max(changed_at) FROM tags";
const NAMES: &str = "SELECT name FROM registries ORDER BY name";
/// The same, where nobody was entered yet.
const NAMES_OF_TAGS: &str = "SELECT DISTINCT registry FROM tags ORDER BY registry";
/// A ledger that was carried here brought its registries with its rows.
const HAS_TAGS: &str = "SELECT 1 FROM tags WHERE registry = $1 LIMIT 1";
const ENTER: &str = "INSERT INTO registries (name) VALUES ($1) ON CONFLICT (name) DO NOTHING";

type Outcome<T> = Result<T, tokio_postgres::Error>;

/// What the database remembers of itself, and what it says to `known`; `None` where its
/// heads are incomplete.
pub(super) async fn standing(connection: &Connection, known: Option<&Heads>) -> Outcome<Option<Standing>> {
    let numbers = known.map_or((0, 0), |known| (known.newest.number, known.milestone.number));
    let (newest, milestone) = (numbers.0.cast_signed(), numbers.1.cast_signed());
    let every = MILESTONE.cast_signed();
    let rows = connection.rows(HEADS, &[(&newest, Type::INT8), (&milestone, Type::INT8), (&every, Type::INT8)]).await?;
    let heads: Vec<Head> = rows.iter().map(head).collect::<Outcome<Option<_>>>()?.unwrap_or_default();
    let at = |number: u64| heads.iter().find(|head| head.number == number).copied();
    let Some(newest) = heads.last().copied() else { return Ok(None) };
    let whole = at(0).zip(at(Heads::milestone_of(newest.number)));
    Ok(whole.map(|(first, milestone)| Standing {
        heads: Heads { ledger: first.mark, newest, milestone },
        at_newest: at(numbers.0).map(|head| head.mark),
        at_milestone: at(numbers.1).map(|head| head.mark),
    }))
}

fn head(row: &Row) -> Outcome<Option<Head>> {
    let (number, mark): (i64, Vec<u8>) = (row.try_get(0)?, row.try_get(1)?);
    Ok(Mark::from_bytes(&mark).map(|mark| Head { number: number.cast_unsigned(), mark }))
}

/// Appends the newest of `heads`; false where another replica has that number.
pub(super) async fn append(connection: &Connection, heads: &Heads) -> Outcome<bool> {
    let (number, mark) = (heads.newest.number.cast_signed(), heads.newest.mark.as_bytes().as_slice());
    if connection.change(APPEND, &[(&number, Type::INT8), (&mark, Type::BYTEA)]).await? == 0 {
        return Ok(false);
    }
    if let Some(number) = heads.dispensable() {
        connection.change(FORGET, &[(&number.cast_signed(), Type::INT8)]).await?;
    }
    Ok(true)
}

/// Every doubt there is about a database with this version of the schema; reads only.
pub(super) async fn judge(
    connection: &Connection,
    place: &Address,
    registry: &str,
    known: Option<Witness>,
    version: i64,
) -> Outcome<Vec<Doubt>> {
    let mut doubts = Vec::new();
    let ledger = || format!("the ledger {place}");
    if let Some(witness) = known.map(Box::new) {
        let found = if version < WITH_HEADS { None } else { standing(connection, Some(&witness.heads)).await? };
        match found {
            None => doubts.push(Doubt::Gone { ledger: ledger(), witness }),
            Some(standing) => {
                if let Some(difference) = compare(&witness.heads, &standing) {
                    doubts.push(differs(connection, place, difference, standing.heads, witness).await?);
                }
            }
        }
    }
    let mut registries = if version < WITH_HEADS { Vec::new() } else { names(connection, NAMES).await? };
    if registries.is_empty() && version > 0 {
        registries = names(connection, NAMES_OF_TAGS).await?;
    }
    let is_entered = registries.is_empty() || registries.iter().any(|name| name == registry);
    if !is_entered && connection.row(HAS_TAGS, &[(&registry, Type::TEXT)]).await?.is_none() {
        doubts.push(Doubt::OtherRegistry { ledger: ledger(), registries, name: registry.to_owned() });
    }
    Ok(doubts)
}

/// The doubt, with the time of the last change for people.
pub(super) async fn differs(
    connection: &Connection,
    place: &Address,
    difference: Difference,
    found: Heads,
    witness: Box<Witness>,
) -> Outcome<Doubt> {
    let changed = connection.row(CHANGED, &[]).await?.and_then(|row| row.try_get::<_, Option<i64>>(0).ok().flatten());
    let changed = changed.and_then(|at| Timestamp::from_millisecond(at).ok());
    Ok(Doubt::of(difference, format!("the ledger {place}"), found, changed, witness))
}

/// Lets the ledger speak of a registry.
pub(super) async fn enter(connection: &Connection, registry: &str) -> Outcome<()> {
    connection.change(ENTER, &[(&registry, Type::TEXT)]).await.map(|_| ())
}

async fn names(connection: &Connection, sql: &str) -> Outcome<Vec<String>> {
    connection.rows(sql, &[]).await?.iter().map(|row| row.try_get(0)).collect()
}
