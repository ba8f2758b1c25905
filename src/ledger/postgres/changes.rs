//! Changes of tags that move, as SQL.
//!
//! Whoever begins, ends or settles a change of a tag first locks the tag's row in
//! `moving`, which nobody else can until the commit, and changes it with what it writes. So of two changes at once the later
//! one sees the other, as open or by its event: at READ COMMITTED because each statement
//! behind the lock reads what was committed before it, and at a stricter isolation
//! because the one that waited is rolled back, and tried again. What does not depend on
//! each other goes to the server at once, in order.

use tokio_postgres::Row;
use uuid::Uuid;

use super::connection::given;
use super::events::note_row;
use super::retry::Failure;
use super::statements::{Books, column};
use crate::clock::AttemptId;
use crate::ledger::event::{Action, Entry, Outcome};
use crate::ledger::row::Place;
use crate::ledger::row::event::{NoteRow, note_columns, open_change};
use crate::ledger::{Begun, Change, Completed, Followed, Look, Note, OpenChange, TagKey};
use crate::oci::{Digest, Tag};

const ENTER: &str = "INSERT INTO moving (registry, repository, tag, version) VALUES ($1, $2, $3, 0) ON CONFLICT (registry, repository, tag) DO NOTHING";
const LOCK: &str = "SELECT version FROM moving WHERE registry = $1 AND repository = $2 AND tag = $3 FOR UPDATE";
const FOLLOWED: &str = "SELECT follows FROM moving WHERE registry = $1 AND repository = $2 AND tag = $3";
pub(super) const UNRELEASED: &str = "SELECT repository, tag, follows FROM moving \
     WHERE registry = $1 AND unreleased AND (repository, tag) > ($2, $3) ORDER BY repository, tag LIMIT $4";
const VERSION: &str = "SELECT version FROM moving WHERE registry = $1 AND repository = $2 AND tag = $3";
const BUMP: &str = "UPDATE moving SET version = version + 1 WHERE registry = $1 AND repository = $2 AND tag = $3";
const FOLLOW: &str = "UPDATE moving SET version = version + 1, follows = $4, unreleased = $5 \
     WHERE registry = $1 AND repository = $2 AND tag = $3";
const KEEP: &str = concat!(
    "INSERT INTO changes (registry, repository, tag, attempt, digest, told, ",
    note_columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) ON CONFLICT DO NOTHING"
);
const END: &str = "DELETE FROM changes WHERE registry = $1 AND repository = $2 AND tag = $3 AND attempt = $4";

macro_rules! change_columns {
    () => {
        concat!("repository, tag, attempt, digest, told, ", note_columns!())
    };
}

const OF_TAG: &str =
    concat!("SELECT ", change_columns!(), " FROM changes WHERE registry = $1 AND repository = $2 AND tag = $3 ORDER BY attempt");
const OPEN: &str = concat!(
    "SELECT ",
    change_columns!(),
    " FROM changes WHERE registry = $1 AND (repository, tag, attempt) > ($2, $3, $4) ORDER BY repository, tag, attempt LIMIT $5"
);

type Done<T> = Result<T, Failure>;

impl Books<'_> {
    pub(super) async fn begin(&self, key: &TagKey, to: Option<&Digest>, attempt: AttemptId, note: &Note) -> Done<Begun> {
        let open = OpenChange { key: key.clone(), to: to.cloned(), attempt, note: note.clone(), is_told: false };
        let (_, lifted, before, mut others, followed, _) = futures_util::try_join!(
            self.take_tag(key),
            self.lift(key, note.at),
            self.meaning(key, None),
            self.changes_of(key),
            self.followed(key),
            self.keep_change(&open)
        )?;
        others.retain(|other| !other.is_told);
        let after = before.as_ref().map_or(0, |entry| entry.number);
        Ok(Begun { change: Change { key: key.clone(), to: to.cloned(), attempt, after }, lifted, before, others, followed })
    }

    pub(super) async fn complete(&self, change: &Change, outcome: Outcome, followed: &Followed, note: &Note) -> Done<Completed> {
        let Change { key, to, attempt, after } = change;
        let (version, _, standing, before) = futures_util::try_join!(
            self.take_tag(key),
            self.end_change(key, *attempt),
            self.changes_of(key),
            self.meaning(key, None)
        )?;
        let others: Vec<OpenChange> = standing.into_iter().filter(|change| !change.is_told).collect();
        let has_overlapped = !others.is_empty() || before.as_ref().map_or(0, |entry| entry.number) != *after;
        let meant = before.and_then(|entry| entry.event.digest);
        let action = if to.is_some() { Action::Push } else { Action::Delete };
        let outcome = if outcome == Outcome::Moved && meant == *to { Outcome::Repeated } else { outcome };
        let event = self.event(key, action, outcome, note).with(to.as_ref(), meant.as_ref());
        let (entry, _) = futures_util::try_join!(self.write(event), self.follow(key, followed))?;
        let told = OpenChange { key: key.clone(), to: to.clone(), attempt: *attempt, note: note.clone(), is_told: true };
        let overlapped = has_overlapped.then_some(told);
        if let Some(change) = &overlapped {
            self.keep_change(change).await?;
        }
        Ok(Completed { entry, overlapped, others, version: version + 1 })
    }

    /// The newest release that a tag has followed.
    async fn followed(&self, key: &TagKey) -> Done<Option<Tag>> {
        let parameters = given![self.registry => TEXT, key.repository.as_str() => TEXT, key.tag.as_str() => TEXT];
        let row = self.connection.row(FOLLOWED, &parameters).await?;
        let place = Place { registry: self.registry, row: key };
        let text = row.map(|row| column::<Option<String>>(&row, 0, place)).transpose()?.flatten();
        Ok(text.map(|text| place.tag(&text)).transpose()?)
    }

    async fn follow(&self, key: &TagKey, followed: &Followed) -> Done<u64> {
        let release = followed.release.as_ref().map(Tag::as_str);
        self.change(FOLLOW, key, &given![release => TEXT, followed.is_unreleased => BOOL]).await
    }

    pub(super) async fn unreleased(&self, after: Option<&TagKey>, limit: usize) -> Done<Vec<(TagKey, Option<Tag>)>> {
        // Every name sorts behind the empty one.
        let (repository, tag) = after.map_or(("", ""), |key| (key.repository.as_str(), key.tag.as_str()));
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let parameters = given![self.registry => TEXT, repository => TEXT, tag => TEXT, limit => INT8];
        let place = Place { registry: self.registry, row: &"a tag that moves" };
        let read = |row: &Row| -> Done<(TagKey, Option<Tag>)> {
            let follows: Option<String> = column(row, 2, place)?;
            let key = place.key(&column::<String>(row, 0, place)?, &column::<String>(row, 1, place)?)?;
            Ok((key, follows.map(|text| place.tag(&text)).transpose()?))
        };
        self.connection.rows(UNRELEASED, &parameters).await?.iter().map(read).collect()
    }

    pub(super) async fn abandon(&self, change: &Change) -> Done<()> {
        self.end_change(&change.key, change.attempt).await.map(|_| ())
    }

    pub(super) async fn open_changes(&self, after: Option<&OpenChange>, limit: usize) -> Done<Vec<OpenChange>> {
        // Every name sorts behind the empty one.
        let (repository, tag) = after.map_or(("", ""), |change| (change.key.repository.as_str(), change.key.tag.as_str()));
        let attempt = after.map_or(Uuid::nil(), |change| Uuid::from_bytes(*change.attempt.as_bytes()));
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let parameters = given![self.registry => TEXT, repository => TEXT, tag => TEXT, attempt => UUID, limit => INT8];
        let rows = self.connection.rows(OPEN, &parameters).await?;
        rows.iter().map(|row| self.open_change(row)).collect()
    }

    pub(super) async fn settle(&self, change: &OpenChange, look: &Look, note: &Note) -> Done<bool> {
        let found = look.found.as_ref();
        let OpenChange { key, to, attempt, note: begun, .. } = change;
        let (version, standing, before) =
            futures_util::try_join!(self.take_tag(key), self.changes_of(key), self.meaning(key, None))?;
        let (own, mut others): (Vec<_>, Vec<_>) = standing.into_iter().partition(|standing| standing.attempt == *attempt);
        others.retain(|other| !other.is_told);
        let Some(own) = own.into_iter().next().filter(|_| version == look.version) else { return Ok(false) };
        futures_util::try_join!(self.end_change(key, *attempt), self.bump(key))?;
        if own.is_told {
            self.see_after(key, before, &others, found, note).await?;
            return Ok(true);
        }
        let meant = before.as_ref().and_then(|entry| entry.event.digest.as_ref());
        let (action, outcome) = change.settled(found, meant);
        let words = note.in_the_words_of(begun);
        let written = self.write(self.event(key, action, outcome, &words).with(to.as_ref(), meant)).await?;
        let before = if outcome.points() { Some(written) } else { before };
        self.see_after(key, before, &others, found, note).await?;
        Ok(true)
    }

    pub(super) async fn observe(&self, key: &TagKey, look: &Look, note: &Note) -> Done<bool> {
        let (version, mut others, before) =
            futures_util::try_join!(self.take_tag(key), self.changes_of(key), self.meaning(key, None))?;
        others.retain(|other| !other.is_told);
        let is_written = version == look.version && self.see_after(key, before, &others, look.found.as_ref(), note).await?;
        if is_written {
            self.bump(key).await?;
        }
        Ok(is_written)
    }

    pub(super) async fn version(&self, key: &TagKey) -> Done<u64> {
        self.version_by(VERSION, key).await
    }

    async fn version_by(&self, sql: &str, key: &TagKey) -> Done<u64> {
        let parameters = given![self.registry => TEXT, key.repository.as_str() => TEXT, key.tag.as_str() => TEXT];
        let row = self.connection.row(sql, &parameters).await?;
        let place = Place { registry: self.registry, row: key };
        Ok(row.map(|row| column::<i64>(&row, 0, place)).transpose()?.unwrap_or_default().unsigned_abs())
    }

    /// Writes down what the registry shows, if the log says anything else and no change is
    /// about to say it.
    async fn see_after(
        &self,
        key: &TagKey,
        before: Option<Entry>,
        others: &[OpenChange],
        found: Option<&Digest>,
        note: &Note,
    ) -> Done<bool> {
        let meant = before.as_ref().and_then(|entry| entry.event.digest.as_ref());
        if meant == found || !others.is_empty() {
            return Ok(false);
        }
        let (action, outcome) = if before.is_none() { (Action::Adopt, Outcome::Adopted) } else { (Action::Look, Outcome::Seen) };
        self.write(self.event(key, action, outcome, note).with(found, meant)).await?;
        Ok(true)
    }

    /// Locks the tag, and returns its version.
    async fn take_tag(&self, key: &TagKey) -> Done<u64> {
        let (_, version) = futures_util::try_join!(self.change(ENTER, key, &[]), self.version_by(LOCK, key))?;
        Ok(version)
    }

    async fn bump(&self, key: &TagKey) -> Done<u64> {
        self.change(BUMP, key, &[]).await
    }

    async fn end_change(&self, key: &TagKey, attempt: AttemptId) -> Done<u64> {
        self.change(END, key, &given![Uuid::from_bytes(*attempt.as_bytes()) => UUID]).await
    }

    async fn keep_change(&self, change: &OpenChange) -> Done<u64> {
        let OpenChange { key, to, attempt, note, is_told } = change;
        let (note, to) = (NoteRow::of(note), to.as_ref().map(Digest::as_str));
        let parameters = given![
            Uuid::from_bytes(*attempt.as_bytes()) => UUID, to => TEXT, is_told => BOOL, note.at => INT8, note.media_type => TEXT,
            note.size => INT8, note.who => TEXT, note.client => TEXT, note.rule => TEXT, note.request => TEXT,
            note.detail => TEXT,
        ];
        self.change(KEEP, key, &parameters).await
    }

    async fn changes_of(&self, key: &TagKey) -> Done<Vec<OpenChange>> {
        let parameters = given![self.registry => TEXT, key.repository.as_str() => TEXT, key.tag.as_str() => TEXT];
        let rows = self.connection.rows(OF_TAG, &parameters).await?;
        rows.iter().map(|row| self.open_change(row)).collect()
    }

    fn open_change(&self, row: &Row) -> Done<OpenChange> {
        let place = Place { registry: self.registry, row: &"an open change" };
        let (repository, tag): (String, String) = (column(row, 0, place)?, column(row, 1, place)?);
        let (attempt, to): (Uuid, Option<String>) = (column(row, 2, place)?, column(row, 3, place)?);
        let (told, note) = (column(row, 4, place)?, note_row(row, 5, place)?);
        Ok(open_change(self.registry, (&repository, &tag), attempt.into_bytes(), (to.as_deref(), told), note)?)
    }
}
