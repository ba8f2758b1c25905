//! The operations of the ledger as SQL, each inside the caller's transaction.
//!
//! One statement decides each of them, by the state and the digest that the row
//! has at that moment; where it changes nothing, the row is read to say why.

mod changes;
mod deciding;
mod events;
mod questions;
pub(super) mod tree;

pub(super) use self::events::{event_row, note_row};

use std::cell::Cell;
use std::fmt::Display;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Params, Row, params};

use crate::clock::AttemptId;
use crate::ledger::event::{Action, Outcome};
use crate::ledger::row::{self, Place};
use crate::ledger::{Act, Claim, Claimed, LedgerError, Note, OpenClaim, Record, State, TagKey};
use crate::oci::{Digest, RepositoryName, Tag};

/// The rows of one registry, seen through one connection.
pub(super) struct Books<'a> {
    pub(super) connection: &'a Connection,
    pub(super) registry: &'a str,
    /// Rows that were changed and say nothing of any tag.
    pub(super) beats: Cell<u64>,
    /// Whether the witness must know of a change before it is answered: nothing
    /// but the ledger can tell that the tag was let go.
    pub(super) is_urgent: Cell<bool>,
}

/// The key of a row; every statement that uses it has it as its first three
/// parameters.
macro_rules! this_tag {
    () => {
        "registry = ?1 AND repository = ?2 AND tag = ?3"
    };
}

/// That the row is still the open claim of digest ?4 that ?5 is an attempt of.
macro_rules! awaits {
    () => {
        "state = 'open' AND digest = ?4 AND EXISTS (SELECT 1 FROM attempts AS a \
         WHERE a.registry = ?1 AND a.repository = ?2 AND a.tag = ?3 AND a.attempt = ?5)"
    };
}

/// What [`record`] reads.
macro_rules! record {
    () => {
        "digest, state, origin, changed_at"
    };
}

use record;

const LOOKUP: &str = concat!("SELECT ", record!(), " FROM tags WHERE ", this_tag!());
const RECORDS: &str = concat!("SELECT ", record!(), ", tag FROM tags WHERE registry = ?1 AND repository = ?2 ORDER BY tag");
const COUNT_OPEN: &str = "SELECT count(*) FROM tags WHERE registry = ?1 AND state = 'open'";
const OPEN_CLAIMS: &str = "SELECT repository, tag, digest, claimed_at FROM tags \
     WHERE registry = ?1 AND state = 'open' AND (repository, tag) > (?2, ?3) ORDER BY repository, tag LIMIT ?4";
const RELEASE: &str = concat!("DELETE FROM tags WHERE ", this_tag!(), " AND state = 'open'");
const WRITE_DOWN: &str = "INSERT INTO acts (registry, at, who, what, reason) VALUES (?1, ?2, ?3, ?4, ?5)";
const ACTS: &str = "SELECT at, who, what, reason FROM acts WHERE registry = ?1 ORDER BY number";

/// Inserts, starts a lifted row afresh, or joins. No row back: it is taken.
const CLAIM: &str = concat!(
    "INSERT INTO tags (registry, repository, tag, digest, state, origin, claimed_at, changed_at) ",
    "VALUES (?1, ?2, ?3, ?4, 'open', 'pushed', ?5, ?5) ",
    "ON CONFLICT (registry, repository, tag) DO UPDATE SET digest = excluded.digest, state = 'open', origin = 'pushed', ",
    "claimed_at = CASE tags.state WHEN 'lifted' THEN excluded.claimed_at ELSE tags.claimed_at END, ",
    "changed_at = CASE tags.state WHEN 'lifted' THEN excluded.changed_at ELSE tags.changed_at END ",
    "WHERE tags.state = 'lifted' OR (tags.state = 'open' AND tags.digest = excluded.digest) ",
    "RETURNING ",
    record!()
);
const OPEN_ATTEMPT: &str =
    "INSERT INTO attempts (registry, repository, tag, attempt, opened_at) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";
const END_ATTEMPTS: &str = concat!("DELETE FROM attempts WHERE ", this_tag!());

const CONFIRM: &str =
    concat!("UPDATE tags SET state = 'sealed', changed_at = ?6 WHERE ", this_tag!(), " AND ", awaits!(), " RETURNING ", record!());

const END_ATTEMPT: &str = concat!(
    "DELETE FROM attempts WHERE ",
    this_tag!(),
    " AND attempt = ?5 AND EXISTS (SELECT 1 FROM tags AS t \
     WHERE t.registry = ?1 AND t.repository = ?2 AND t.tag = ?3 AND t.state = 'open' AND t.digest = ?4)"
);
const FREE: &str = concat!(
    "DELETE FROM tags WHERE ",
    this_tag!(),
    " AND state = 'open' AND NOT EXISTS (SELECT 1 FROM attempts AS a \
     WHERE a.registry = ?1 AND a.repository = ?2 AND a.tag = ?3)"
);

const YIELD: &str = concat!(
    "UPDATE tags SET state = 'sealed', changed_at = ?6, digest = ?7, \
     origin = CASE digest WHEN ?7 THEN origin ELSE 'adopted' END WHERE ",
    this_tag!(),
    " AND ",
    awaits!(),
    " RETURNING ",
    record!()
);

/// Inserts, starts a lifted row afresh, or seals an equal open claim. No row
/// back: the row that stands decides.
const ADOPT: &str = concat!(
    "INSERT INTO tags (registry, repository, tag, digest, state, origin, claimed_at, changed_at) ",
    "VALUES (?1, ?2, ?3, ?4, 'sealed', 'adopted', ?5, ?5) ",
    "ON CONFLICT (registry, repository, tag) DO UPDATE SET ",
    "digest = excluded.digest, state = 'sealed', changed_at = excluded.changed_at, ",
    "origin = CASE tags.state WHEN 'lifted' THEN 'adopted' ELSE tags.origin END, ",
    "claimed_at = CASE tags.state WHEN 'lifted' THEN excluded.claimed_at ELSE tags.claimed_at END ",
    "WHERE tags.state = 'lifted' OR (tags.state = 'open' AND tags.digest = excluded.digest) ",
    "RETURNING ",
    record!()
);

const BURN: &str = concat!(
    "UPDATE tags SET state = 'burnt', changed_at = ?5 WHERE ",
    this_tag!(),
    " AND state IN ('open', 'sealed') AND digest = ?4"
);
const LIFT: &str =
    concat!("UPDATE tags SET state = 'lifted', changed_at = ?4 WHERE ", this_tag!(), " AND state IN ('open', 'sealed')");

const PROBE: &str = "SELECT EXISTS (SELECT 1 FROM tags WHERE registry = ?1)";
const BEAT: &str = "UPDATE heartbeat SET beats = beats + 1 WHERE id = 1";

impl<'a> Books<'a> {
    pub(super) fn new(connection: &'a Connection, registry: &'a str) -> Self {
        Self { connection, registry, beats: Cell::new(0), is_urgent: Cell::new(false) }
    }

    pub(super) fn lookup(&self, key: &TagKey) -> Result<Option<Record>, LedgerError> {
        self.one(LOOKUP, key, params![self.registry, key.repository.as_str(), key.tag.as_str()])
    }

    pub(super) fn records(&self, repository: &RepositoryName) -> Result<Vec<(Tag, Record)>, LedgerError> {
        let mut statement = self.connection.prepare_cached(RECORDS).map_err(unavailable)?;
        let mut rows = statement.query(params![self.registry, repository.as_str()]).map_err(unavailable)?;
        let mut records = Vec::new();
        while let Some(row) = rows.next().map_err(unavailable)? {
            let text: String = row.get(4).map_err(|error| self.corrupt(repository, &error))?;
            let tag = Tag::parse(&text).map_err(|error| self.corrupt(repository, &error))?;
            let key = TagKey { repository: repository.clone(), tag };
            if let Some(record) = self.record(&key, row)? {
                records.push((key.tag, record));
            }
        }
        Ok(records)
    }

    pub(super) fn claim(&self, key: TagKey, digest: Digest, attempt: AttemptId, note: &Note) -> Result<Claimed, LedgerError> {
        let (repository, tag, now) = (key.repository.as_str(), key.tag.as_str(), note.at.as_millisecond());
        let granted = self.one(CLAIM, &key, params![self.registry, repository, tag, digest.as_str(), now])?;
        if granted.is_some() {
            self.change(OPEN_ATTEMPT, params![self.registry, repository, tag, attempt.as_bytes(), now])?;
            self.take_note(&key, attempt, note)?;
            return Ok(Claimed::Granted(Claim { key, digest, attempt }));
        }
        let standing = self.standing(&key)?;
        if standing.state == State::Sealed && standing.digest == digest {
            return Ok(Claimed::AlreadySealed(Claim { key, digest, attempt }, standing));
        }
        Ok(Claimed::Taken(standing))
    }

    pub(super) fn join(
        &self,
        key: TagKey,
        digest: Digest,
        attempt: AttemptId,
        now: Timestamp,
    ) -> Result<Option<Claim>, LedgerError> {
        let (repository, tag, now) = (key.repository.as_str(), key.tag.as_str(), now.as_millisecond());
        match self.lookup(&key)? {
            Some(standing) if standing.state == State::Open && standing.digest == digest => {
                self.change(OPEN_ATTEMPT, params![self.registry, repository, tag, attempt.as_bytes(), now])?;
                Ok(Some(Claim { key, digest, attempt }))
            }
            _ => Ok(None),
        }
    }

    pub(super) fn confirm(&self, claim: Claim, note: &Note) -> Result<Record, LedgerError> {
        let Claim { key, digest, attempt } = &claim;
        let (repository, tag, now) = (key.repository.as_str(), key.tag.as_str(), note.at.as_millisecond());
        let parameters = params![self.registry, repository, tag, digest.as_str(), attempt.as_bytes(), now];
        if let Some(sealed) = self.one(CONFIRM, key, parameters)? {
            self.seal(key, digest, Some(*attempt), note)?;
            return Ok(sealed);
        }
        match self.lookup(key)? {
            Some(standing) if standing.state == State::Sealed && standing.digest == *digest => {
                self.write(self.event(key, Action::Push, Outcome::Repeated, note).with(Some(digest), None))?;
                Ok(standing)
            }
            _ => Err(claim.lost()),
        }
    }

    pub(super) fn withdraw(&self, claim: &Claim) -> Result<(), LedgerError> {
        let Claim { key, digest, attempt } = claim;
        let (repository, tag) = (key.repository.as_str(), key.tag.as_str());
        let parameters = params![self.registry, repository, tag, digest.as_str(), attempt.as_bytes()];
        if self.change(END_ATTEMPT, parameters)? > 0 {
            self.change(FREE, params![self.registry, repository, tag])?;
        }
        Ok(())
    }

    pub(super) fn yield_to(&self, claim: Claim, found: &Digest, note: &Note) -> Result<Record, LedgerError> {
        let Claim { key, digest, attempt } = &claim;
        let (repository, tag, now) = (key.repository.as_str(), key.tag.as_str(), note.at.as_millisecond());
        let parameters = params![self.registry, repository, tag, digest.as_str(), attempt.as_bytes(), now, found.as_str()];
        if let Some(sealed) = self.one(YIELD, key, parameters)? {
            match found == digest {
                true => self.seal(key, digest, Some(*attempt), note)?,
                false => self.enter(key, found, note)?,
            }
            return Ok(sealed);
        }
        match self.lookup(key)? {
            Some(standing) if standing.state != State::Open => Ok(standing),
            _ => Err(claim.lost()),
        }
    }

    pub(super) fn adopt(&self, key: &TagKey, digest: &Digest, note: &Note) -> Result<Record, LedgerError> {
        let (repository, tag, now) = (key.repository.as_str(), key.tag.as_str(), note.at.as_millisecond());
        let was_open = self.lookup(key)?.is_some_and(|standing| standing.state == State::Open);
        match self.one(ADOPT, key, params![self.registry, repository, tag, digest.as_str(), now])? {
            Some(sealed) => {
                match was_open {
                    true => self.seal(key, digest, None, note)?,
                    false => self.enter(key, digest, note)?,
                }
                Ok(sealed)
            }
            None => self.standing(key),
        }
    }

    pub(super) fn burn(&self, key: &TagKey, digest: &Digest, note: &Note) -> Result<bool, LedgerError> {
        let (repository, tag, now) = (key.repository.as_str(), key.tag.as_str(), note.at.as_millisecond());
        if self.change(BURN, params![self.registry, repository, tag, digest.as_str(), now])? > 0 {
            self.end_attempts(key)?;
            self.write(self.event(key, Action::Delete, Outcome::Deleted, note).with(None, Some(digest)))?;
            self.is_urgent.set(true);
            return Ok(true);
        }
        let is_burnt = self.lookup(key)?.is_some_and(|standing| standing.state == State::Burnt && standing.digest == *digest);
        if is_burnt {
            // Its own burning may have been answered with an error for want of it.
            self.is_urgent.set(true);
        }
        Ok(is_burnt)
    }

    fn lift(&self, key: &TagKey, now: Timestamp) -> Result<bool, LedgerError> {
        let (repository, tag) = (key.repository.as_str(), key.tag.as_str());
        let lifted = self.change(LIFT, params![self.registry, repository, tag, now.as_millisecond()])? > 0;
        if lifted {
            self.end_attempts(key)?;
        }
        Ok(lifted)
    }

    pub(super) fn count_open(&self) -> Result<u64, LedgerError> {
        let mut statement = self.connection.prepare_cached(COUNT_OPEN).map_err(unavailable)?;
        let count: i64 = statement.query_row(params![self.registry], |row| row.get(0)).map_err(unavailable)?;
        Ok(count.unsigned_abs())
    }

    pub(super) fn open_claims(&self, after: Option<&TagKey>, limit: usize) -> Result<Vec<OpenClaim>, LedgerError> {
        // Every name sorts behind the empty one.
        let (repository, tag) = after.map_or(("", ""), |key| (key.repository.as_str(), key.tag.as_str()));
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut statement = self.connection.prepare_cached(OPEN_CLAIMS).map_err(unavailable)?;
        let mut rows = statement.query(params![self.registry, repository, tag, limit]).map_err(unavailable)?;
        let mut claims = Vec::new();
        while let Some(row) = rows.next().map_err(unavailable)? {
            claims.push(self.open_claim(row)?);
        }
        Ok(claims)
    }

    fn open_claim(&self, row: &Row<'_>) -> Result<OpenClaim, LedgerError> {
        let columns = (|| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))();
        let (repository, tag, digest, since): (String, String, String, i64) =
            columns.map_err(|error: rusqlite::Error| self.corrupt(&"an open claim", &error))?;
        row::open_claim(self.registry, &repository, &tag, &digest, since)
    }

    pub(super) fn release(&self, key: &TagKey, who: &str, reason: &str, now: Timestamp) -> Result<Option<Digest>, LedgerError> {
        let Some(Record { digest, state: State::Open, .. }) = self.lookup(key)? else { return Ok(None) };
        self.end_attempts(key)?;
        self.change(RELEASE, params![self.registry, key.repository.as_str(), key.tag.as_str()])?;
        self.write_down(&Act::release(key, &digest, who, reason, now), Some(key))?;
        self.is_urgent.set(true);
        Ok(Some(digest))
    }

    /// Writes an act down, and its event: about `key`, or the ledger as a whole.
    pub(super) fn write_down(&self, act: &Act, key: Option<&TagKey>) -> Result<(), LedgerError> {
        self.write(act.event(self.registry, key))?;
        let Act { at, who, what, reason } = act;
        self.change(WRITE_DOWN, params![self.registry, at.as_millisecond(), who, what, reason]).map(|_| ())
    }

    pub(super) fn acts(&self) -> Result<Vec<Act>, LedgerError> {
        let mut statement = self.connection.prepare_cached(ACTS).map_err(unavailable)?;
        let mut rows = statement.query(params![self.registry]).map_err(unavailable)?;
        let mut acts = Vec::new();
        while let Some(row) = rows.next().map_err(unavailable)? {
            let columns = (|| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))();
            let (at, who, what, reason): (i64, String, String, String) =
                columns.map_err(|error: rusqlite::Error| self.corrupt(&"an act", &error))?;
            acts.push(row::act(self.registry, at, who, what, reason)?);
        }
        Ok(acts)
    }

    /// Reads whatever there is, to see whether reading works.
    pub(super) fn probe(&self) -> Result<(), LedgerError> {
        let mut statement = self.connection.prepare_cached(PROBE).map_err(unavailable)?;
        statement.query_row(params![self.registry], |_| Ok(())).map_err(unavailable)
    }

    /// Writes without growing the file, to see whether writing works.
    pub(super) fn beat(&self) -> Result<(), LedgerError> {
        match self.change(BEAT, [])? {
            1 => {
                self.beats.set(self.beats.get() + 1);
                Ok(())
            }
            _ => Err(LedgerError::Corrupt("the row of `heartbeat` is missing".to_owned())),
        }
    }

    fn end_attempts(&self, key: &TagKey) -> Result<(), LedgerError> {
        self.change(END_ATTEMPTS, params![self.registry, key.repository.as_str(), key.tag.as_str()]).map(|_| ())
    }

    /// The row that kept another statement from changing anything.
    fn standing(&self, key: &TagKey) -> Result<Record, LedgerError> {
        self.lookup(key)?.ok_or_else(|| self.corrupt(key, &"it is neither free nor taken"))
    }

    fn one(&self, sql: &str, key: &TagKey, parameters: impl Params) -> Result<Option<Record>, LedgerError> {
        let mut statement = self.connection.prepare_cached(sql).map_err(unavailable)?;
        let record = statement.query_row(parameters, |row| Ok(self.record(key, row))).optional().map_err(unavailable)?;
        record.transpose().map(Option::flatten)
    }

    fn change(&self, sql: &str, parameters: impl Params) -> Result<usize, LedgerError> {
        let mut statement = self.connection.prepare_cached(sql).map_err(unavailable)?;
        statement.execute(parameters).map_err(unavailable)
    }

    /// Parses the columns of `record!`; `None` is a lifted row.
    fn record(&self, key: &TagKey, row: &Row<'_>) -> Result<Option<Record>, LedgerError> {
        let columns = (|| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))();
        let (digest, state, origin, since): (String, String, String, i64) =
            columns.map_err(|error: rusqlite::Error| self.corrupt(key, &error))?;
        Place { registry: self.registry, row: key }.record(&digest, &state, &origin, since)
    }

    fn corrupt(&self, row: &(dyn Display + Sync), why: &dyn Display) -> LedgerError {
        Place { registry: self.registry, row }.corrupt(why)
    }
}

fn unavailable(error: rusqlite::Error) -> LedgerError {
    LedgerError::Unavailable(error.to_string())
}

/// The statements of questions, for the test of their plans.
#[cfg(test)]
pub(super) mod plans {
    pub(in crate::ledger::sqlite) use super::changes::UNRELEASED;
    pub(in crate::ledger::sqlite) use super::events::MEANING;
    pub(in crate::ledger::sqlite) use super::questions::{COUNTS, END_OF_SPAN, NEXT_REPOSITORY, NEXT_TAG, SPANS, page};
}
