//! The operations of the ledger as SQL, each inside the caller's transaction.
//!
//! The unique key decides who claims. Every other change locks the row of the tag
//! first: what is read after that, in statements of their own, cannot change until
//! the commit. So READ COMMITTED is enough, and a stricter level does no harm: who
//! changes the attempts of a tag changes its row too, so that no two transactions
//! that do are both let through.
//!
//! The lock also makes a transaction that only looks wait, when it commits, for the
//! standbys to have what it saw.

use jiff::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;
use uuid::Uuid;

use super::connection::{Connection, Parameter, given};
use super::retry::Failure;
use crate::clock::AttemptId;
use crate::ledger::event::{Action, Outcome};
use crate::ledger::row::{self, Place};
use crate::ledger::{Act, Claim, Claimed, LedgerError, Note, OpenClaim, Record, State, TagKey};
use crate::oci::{Digest, RepositoryName, Tag};

/// The rows of one registry, seen through one connection.
pub(super) struct Books<'a> {
    pub(super) connection: &'a Connection,
    pub(super) registry: &'a str,
}

/// The key of a row; every statement that uses it has it as its first three
/// parameters.
macro_rules! this_tag {
    () => {
        "registry = $1 AND repository = $2 AND tag = $3"
    };
}

/// That the row is still the open claim of digest $4 that $5 is an attempt of.
macro_rules! awaits {
    () => {
        "state = 'open' AND digest = $4 AND EXISTS (SELECT 1 FROM attempts AS a \
         WHERE a.registry = $1 AND a.repository = $2 AND a.tag = $3 AND a.attempt = $5)"
    };
}

/// What `record` reads.
macro_rules! record {
    () => {
        "digest, state, origin, changed_at"
    };
}

pub(super) use record;

const LOOKUP: &str = concat!("SELECT ", record!(), " FROM tags WHERE ", this_tag!());
const LOCK: &str = concat!("SELECT ", record!(), " FROM tags WHERE ", this_tag!(), " FOR UPDATE");
const RECORDS: &str = concat!("SELECT ", record!(), ", tag FROM tags WHERE registry = $1 AND repository = $2 ORDER BY tag");
const COUNT_OPEN: &str = "SELECT count(*) FROM tags WHERE registry = $1 AND state = 'open'";
const OPEN_CLAIMS: &str = "SELECT repository, tag, digest, claimed_at FROM tags \
     WHERE registry = $1 AND state = 'open' AND (repository, tag) > ($2, $3) ORDER BY repository, tag LIMIT $4";
const RELEASE: &str = concat!("DELETE FROM tags WHERE ", this_tag!(), " AND state = 'open'");
pub(super) const WRITE_DOWN: &str = "INSERT INTO acts (registry, at, who, what, reason) VALUES ($1, $2, $3, $4, $5)";
const ACTS: &str = "SELECT at, who, what, reason FROM acts WHERE registry = $1 ORDER BY number";

/// Inserts, starts a lifted row afresh, or joins. No row back: it is taken, and
/// locked, so that it can be read who took it.
const CLAIM: &str = concat!(
    "INSERT INTO tags AS t (registry, repository, tag, digest, state, origin, claimed_at, changed_at) ",
    "VALUES ($1, $2, $3, $4, 'open', 'pushed', $5, $5) ",
    "ON CONFLICT (registry, repository, tag) DO UPDATE SET digest = excluded.digest, state = 'open', origin = 'pushed', ",
    "claimed_at = CASE t.state WHEN 'lifted' THEN excluded.claimed_at ELSE t.claimed_at END, ",
    "changed_at = CASE t.state WHEN 'lifted' THEN excluded.changed_at ELSE t.changed_at END ",
    "WHERE t.state = 'lifted' OR (t.state = 'open' AND t.digest = excluded.digest) ",
    "RETURNING ",
    record!()
);
const OPEN_ATTEMPT: &str =
    "INSERT INTO attempts (registry, repository, tag, attempt, opened_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
const END_ATTEMPTS: &str = concat!("DELETE FROM attempts WHERE ", this_tag!());

const CONFIRM: &str =
    concat!("UPDATE tags SET state = 'sealed', changed_at = $6 WHERE ", this_tag!(), " AND ", awaits!(), " RETURNING ", record!());

const END_ATTEMPT: &str = concat!("DELETE FROM attempts WHERE ", this_tag!(), " AND attempt = $4");
const FREE: &str = concat!(
    "DELETE FROM tags WHERE ",
    this_tag!(),
    " AND state = 'open' AND NOT EXISTS (SELECT 1 FROM attempts AS a \
     WHERE a.registry = $1 AND a.repository = $2 AND a.tag = $3)"
);
/// Changes nothing, but is a change: by it, a stricter isolation than READ COMMITTED
/// sees that two transactions change the attempts of a tag at once.
const TOUCH: &str = concat!("UPDATE tags SET changed_at = changed_at WHERE ", this_tag!());

const YIELD: &str = concat!(
    "UPDATE tags SET state = 'sealed', changed_at = $6, digest = $7, \
     origin = CASE digest WHEN $7 THEN origin ELSE 'adopted' END WHERE ",
    this_tag!(),
    " AND ",
    awaits!(),
    " RETURNING ",
    record!()
);

/// Inserts, starts a lifted row afresh, or seals an equal open claim. No row
/// back: the row that stands decides, and is locked.
const ADOPT: &str = concat!(
    "INSERT INTO tags AS t (registry, repository, tag, digest, state, origin, claimed_at, changed_at) ",
    "VALUES ($1, $2, $3, $4, 'sealed', 'adopted', $5, $5) ",
    "ON CONFLICT (registry, repository, tag) DO UPDATE SET ",
    "digest = excluded.digest, state = 'sealed', changed_at = excluded.changed_at, ",
    "origin = CASE t.state WHEN 'lifted' THEN 'adopted' ELSE t.origin END, ",
    "claimed_at = CASE t.state WHEN 'lifted' THEN excluded.claimed_at ELSE t.claimed_at END ",
    "WHERE t.state = 'lifted' OR (t.state = 'open' AND t.digest = excluded.digest) ",
    "RETURNING ",
    record!()
);

const BURN: &str = concat!(
    "UPDATE tags SET state = 'burnt', changed_at = $5 WHERE ",
    this_tag!(),
    " AND state IN ('open', 'sealed') AND digest = $4"
);
const LIFT: &str =
    concat!("UPDATE tags SET state = 'lifted', changed_at = $4 WHERE ", this_tag!(), " AND state IN ('open', 'sealed')");

const BEAT: &str = "UPDATE heartbeat SET beats = beats + 1 WHERE id = 1";

type Done<T> = Result<T, Failure>;

impl Books<'_> {
    pub(super) async fn lookup(&self, key: &TagKey) -> Done<Option<Record>> {
        self.one(LOOKUP, key, &[]).await
    }

    pub(super) async fn records(&self, repository: &RepositoryName) -> Done<Vec<(Tag, Record)>> {
        let rows = self.connection.rows(RECORDS, &given![self.registry => TEXT, repository.as_str() => TEXT]).await?;
        let place = Place { registry: self.registry, row: repository };
        let mut records = Vec::new();
        for row in rows {
            let tag = place.tag(&column::<String>(&row, 4, place)?)?;
            let key = TagKey { repository: repository.clone(), tag };
            if let Some(record) = self.record(&key, &row)? {
                records.push((key.tag, record));
            }
        }
        Ok(records)
    }

    pub(super) async fn claim(&self, key: &TagKey, digest: &Digest, attempt: AttemptId, note: &Note) -> Done<Claimed> {
        let milliseconds = note.at.as_millisecond();
        let granted = self.one(CLAIM, key, &given![digest.as_str() => TEXT, milliseconds => INT8]).await?;
        let claim = || Claim { key: key.clone(), digest: digest.clone(), attempt };
        if granted.is_some() {
            let parameters = given![uuid(attempt) => UUID, milliseconds => INT8];
            futures_util::try_join!(self.change(OPEN_ATTEMPT, key, &parameters), self.take_note(key, attempt, note))?;
            return Ok(Claimed::Granted(claim()));
        }
        let standing = self.standing(key).await?;
        if standing.state == State::Sealed && standing.digest == *digest {
            return Ok(Claimed::AlreadySealed(claim(), standing));
        }
        Ok(Claimed::Taken(standing))
    }

    pub(super) async fn join(&self, key: &TagKey, digest: &Digest, attempt: AttemptId, now: Timestamp) -> Done<Option<Claim>> {
        match self.lock(key).await? {
            Some(standing) if standing.state == State::Open && standing.digest == *digest => {
                self.change(TOUCH, key, &[]).await?;
                self.change(OPEN_ATTEMPT, key, &given![uuid(attempt) => UUID, now.as_millisecond() => INT8]).await?;
                Ok(Some(Claim { key: key.clone(), digest: digest.clone(), attempt }))
            }
            _ => Ok(None),
        }
    }

    pub(super) async fn confirm(&self, claim: &Claim, note: &Note) -> Done<Record> {
        let Claim { key, digest, attempt } = claim;
        let standing = self.lock(key).await?;
        let parameters = given![digest.as_str() => TEXT, uuid(*attempt) => UUID, note.at.as_millisecond() => INT8];
        if let Some(sealed) = self.one(CONFIRM, key, &parameters).await? {
            self.seal(key, digest, Some(*attempt), note).await?;
            return Ok(sealed);
        }
        match standing {
            Some(standing) if standing.state == State::Sealed && standing.digest == *digest => {
                self.write(self.event(key, Action::Push, Outcome::Repeated, note).with(Some(digest), None)).await?;
                Ok(standing)
            }
            _ => Err(lost(claim)),
        }
    }

    pub(super) async fn withdraw(&self, claim: &Claim) -> Done<()> {
        let Claim { key, digest, attempt } = claim;
        let is_mine = |standing: &Record| standing.state == State::Open && standing.digest == *digest;
        if self.lock(key).await?.as_ref().is_some_and(is_mine)
            && self.change(END_ATTEMPT, key, &given![uuid(*attempt) => UUID]).await? > 0
            && self.change(FREE, key, &[]).await? == 0
        {
            self.change(TOUCH, key, &[]).await?;
        }
        Ok(())
    }

    pub(super) async fn yield_to(&self, claim: &Claim, found: &Digest, note: &Note) -> Done<Record> {
        let Claim { key, digest, attempt } = claim;
        let standing = self.lock(key).await?;
        let milliseconds = note.at.as_millisecond();
        let parameters = given![digest.as_str() => TEXT, uuid(*attempt) => UUID, milliseconds => INT8, found.as_str() => TEXT];
        if let Some(sealed) = self.one(YIELD, key, &parameters).await? {
            match found == digest {
                true => self.seal(key, digest, Some(*attempt), note).await?,
                false => self.enter(key, found, note).await?,
            }
            return Ok(sealed);
        }
        match standing {
            Some(standing) if standing.state != State::Open => Ok(standing),
            _ => Err(lost(claim)),
        }
    }

    pub(super) async fn adopt(&self, key: &TagKey, digest: &Digest, note: &Note) -> Done<Record> {
        let was_open = self.lock(key).await?.is_some_and(|standing| standing.state == State::Open);
        match self.one(ADOPT, key, &given![digest.as_str() => TEXT, note.at.as_millisecond() => INT8]).await? {
            Some(sealed) => {
                match was_open {
                    true => self.seal(key, digest, None, note).await?,
                    false => self.enter(key, digest, note).await?,
                }
                Ok(sealed)
            }
            None => self.standing(key).await,
        }
    }

    pub(super) async fn burn(&self, key: &TagKey, digest: &Digest, note: &Note) -> Done<bool> {
        let standing = self.lock(key).await?;
        if self.change(BURN, key, &given![digest.as_str() => TEXT, note.at.as_millisecond() => INT8]).await? > 0 {
            self.end_attempts(key).await?;
            self.write(self.event(key, Action::Delete, Outcome::Deleted, note).with(None, Some(digest))).await?;
            return Ok(true);
        }
        Ok(standing.is_some_and(|standing| standing.state == State::Burnt && standing.digest == *digest))
    }

    pub(super) async fn lift(&self, key: &TagKey, now: Timestamp) -> Done<bool> {
        let lifted = self.change(LIFT, key, &given![now.as_millisecond() => INT8]).await? > 0;
        if lifted {
            self.end_attempts(key).await?;
        }
        Ok(lifted)
    }

    pub(super) async fn count_open(&self) -> Done<u64> {
        let row = self.connection.row(COUNT_OPEN, &given![self.registry => TEXT]).await?;
        let place = Place { registry: self.registry, row: &"the count of open claims" };
        let count: i64 = row.map_or(Ok(0), |row| column(&row, 0, place))?;
        Ok(count.unsigned_abs())
    }

    pub(super) async fn open_claims(&self, after: Option<&TagKey>, limit: usize) -> Done<Vec<OpenClaim>> {
        // Every name sorts behind the empty one.
        let (repository, tag) = after.map_or(("", ""), |key| (key.repository.as_str(), key.tag.as_str()));
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let parameters = given![self.registry => TEXT, repository => TEXT, tag => TEXT, limit => INT8];
        let rows = self.connection.rows(OPEN_CLAIMS, &parameters).await?;
        let place = Place { registry: self.registry, row: &"an open claim" };
        let claim = |row: &Row| -> Done<OpenClaim> {
            let text = |number| column::<String>(row, number, place);
            Ok(row::open_claim(self.registry, &text(0)?, &text(1)?, &text(2)?, column(row, 3, place)?)?)
        };
        rows.iter().map(claim).collect()
    }

    pub(super) async fn release(&self, key: &TagKey, who: &str, reason: &str, now: Timestamp) -> Done<Option<Digest>> {
        let Some(Record { digest, state: State::Open, .. }) = self.lock(key).await? else { return Ok(None) };
        self.end_attempts(key).await?;
        self.change(RELEASE, key, &[]).await?;
        self.write_down(&Act::release(key, &digest, who, reason, now), Some(key)).await?;
        Ok(Some(digest))
    }

    /// Writes an act down, and its event: about `key`, or the ledger as a whole.
    pub(super) async fn write_down(&self, act: &Act, key: Option<&TagKey>) -> Done<()> {
        self.write(act.event(self.registry, key)).await?;
        let Act { at, who, what, reason } = act;
        let at = at.as_millisecond();
        let parameters = given![self.registry => TEXT, at => INT8, who => TEXT, what => TEXT, reason => TEXT];
        self.connection.change(WRITE_DOWN, &parameters).await?;
        Ok(())
    }

    pub(super) async fn acts(&self) -> Done<Vec<Act>> {
        let rows = self.connection.rows(ACTS, &given![self.registry => TEXT]).await?;
        let place = Place { registry: self.registry, row: &"an act" };
        let act = |row: &Row| -> Done<Act> {
            let text = |number| column::<String>(row, number, place);
            Ok(row::act(self.registry, column(row, 0, place)?, text(1)?, text(2)?, text(3)?)?)
        };
        rows.iter().map(act).collect()
    }

    /// Writes without growing the database, to see whether writing works.
    pub(super) async fn beat(&self) -> Done<()> {
        match self.connection.change(BEAT, &[]).await? {
            1 => Ok(()),
            _ => Err(LedgerError::Corrupt("the row of `heartbeat` is missing".to_owned()).into()),
        }
    }

    pub(super) async fn end_attempts(&self, key: &TagKey) -> Done<u64> {
        self.change(END_ATTEMPTS, key, &[]).await
    }

    /// Keeps everybody else from changing the row, or its attempts, until the
    /// commit. A lifted row is locked and counts as none.
    pub(super) async fn lock(&self, key: &TagKey) -> Done<Option<Record>> {
        self.one(LOCK, key, &[]).await
    }

    /// The row that kept another statement from changing anything.
    async fn standing(&self, key: &TagKey) -> Done<Record> {
        let found = self.lookup(key).await?;
        let place = Place { registry: self.registry, row: key };
        found.ok_or_else(|| place.corrupt(&"it is neither free nor taken").into())
    }

    pub(super) async fn one(&self, sql: &str, key: &TagKey, more: &[Parameter<'_>]) -> Done<Option<Record>> {
        let keys = given![self.registry => TEXT, key.repository.as_str() => TEXT, key.tag.as_str() => TEXT];
        let row = self.connection.row(sql, &[&keys, more].concat()).await?;
        Ok(row.map(|row| self.record(key, &row)).transpose()?.flatten())
    }

    pub(super) async fn change(&self, sql: &str, key: &TagKey, more: &[Parameter<'_>]) -> Done<u64> {
        let keys = given![self.registry => TEXT, key.repository.as_str() => TEXT, key.tag.as_str() => TEXT];
        Ok(self.connection.change(sql, &[&keys, more].concat()).await?)
    }

    /// Parses the columns of `record!`; `None` is a lifted row.
    fn record(&self, key: &TagKey, row: &Row) -> Result<Option<Record>, LedgerError> {
        let place = Place { registry: self.registry, row: key };
        let text = |number| column::<String>(row, number, place);
        place.record(&text(0)?, &text(1)?, &text(2)?, column(row, 3, place)?)
    }
}

pub(super) fn column<'a, T: FromSql<'a>>(row: &'a Row, number: usize, place: Place<'_>) -> Result<T, LedgerError> {
    row.try_get(number).map_err(|error| place.corrupt(&error))
}

fn lost(claim: &Claim) -> Failure {
    let (key, digest) = (claim.key.clone(), claim.digest.clone());
    LedgerError::ClaimLost { key, digest }.into()
}

fn uuid(attempt: AttemptId) -> Uuid {
    Uuid::from_bytes(*attempt.as_bytes())
}
