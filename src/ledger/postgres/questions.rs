//! Questions to the release log, as SQL. Each walks along one index.

use jiff::Timestamp;
use tokio_postgres::types::{ToSql, Type};

use super::connection::{Parameter, given};
use super::retry::Failure;
use super::statements::{Books, column};
use crate::ledger::event::{Entry, Outcome};
use crate::ledger::log::{Count, Filter, Span};
use crate::ledger::row::Place;
use crate::ledger::row::event::event_columns;
use crate::oci::{Digest, RepositoryName, Tag};

/// The tags of a repository that mean anything, from one to the next: a walk that skips
/// all events but one of each; and of each the newest event at or before $4.
pub(super) const MEANINGS: &str = concat!(
    "WITH RECURSIVE names (name) AS ( \
       (SELECT tag FROM events WHERE registry = $1 AND repository = $2 AND points AND tag > $3 ORDER BY tag LIMIT 1) \
       UNION ALL \
       SELECT (SELECT tag FROM events WHERE registry = $1 AND repository = $2 AND points AND tag > names.name ORDER BY tag LIMIT 1) \
       FROM names WHERE names.name IS NOT NULL) \
     SELECT e.* FROM names, LATERAL (SELECT ",
    event_columns!(),
    " FROM events WHERE registry = $1 AND repository = $2 AND tag = names.name AND points AND at <= $4 \
      ORDER BY at DESC, number DESC LIMIT 1) AS e WHERE names.name IS NOT NULL LIMIT $5"
);

pub(super) const REPOSITORIES: &str = "WITH RECURSIVE names (name) AS ( \
       (SELECT repository FROM events WHERE registry = $1 AND repository > $2 ORDER BY repository LIMIT 1) \
       UNION ALL \
       SELECT (SELECT repository FROM events WHERE registry = $1 AND repository > names.name ORDER BY repository LIMIT 1) \
       FROM names WHERE names.name IS NOT NULL) \
     SELECT name FROM names WHERE name IS NOT NULL LIMIT $3";

/// Each event that pointed a tag at the digest, and the next that pointed that tag.
pub(super) const SPANS: &str = concat!(
    "WITH begun AS (SELECT ",
    event_columns!(),
    " FROM events WHERE registry = $1 AND digest = $2 AND points ORDER BY at DESC, number DESC LIMIT $3) \
     SELECT begun.*, ended.* FROM begun LEFT JOIN LATERAL (SELECT ",
    event_columns!(),
    " FROM events AS e WHERE e.registry = $1 AND e.repository = begun.repository AND e.tag = begun.tag AND e.points \
      AND (e.at, e.number) > (begun.at, begun.number) ORDER BY e.at, e.number LIMIT 1) AS ended ON TRUE \
     ORDER BY begun.at DESC, begun.number DESC"
);
/// Columns of one event.
const EVENT: usize = 16;

pub(super) const COUNTS: &str = "SELECT (at - $2) / $4 AS step, outcome, count(*) FROM events \
     WHERE registry = $1 AND at >= $2 AND at < $3 GROUP BY step, outcome ORDER BY step, outcome";

type Done<T> = Result<T, Failure>;

impl Books<'_> {
    pub(super) async fn meanings(
        &self,
        repository: &RepositoryName,
        at: Option<Timestamp>,
        after: Option<&Tag>,
        limit: usize,
    ) -> Done<Vec<Entry>> {
        let at = at.map_or(i64::MAX, Timestamp::as_millisecond);
        let after = after.map_or("", Tag::as_str);
        let parameters = given![
            self.registry => TEXT, repository.as_str() => TEXT, after => TEXT, at => INT8, most(limit) => INT8,
        ];
        self.entries_of(MEANINGS, &parameters).await
    }

    pub(super) async fn repositories(&self, after: Option<&RepositoryName>, limit: usize) -> Done<Vec<RepositoryName>> {
        let after = after.map_or("", RepositoryName::as_str);
        let parameters = given![self.registry => TEXT, after => TEXT, most(limit) => INT8];
        let rows = self.connection.rows(REPOSITORIES, &parameters).await?;
        let place = Place { registry: self.registry, row: &"an event" };
        rows.iter().map(|row| Ok(place.repository(&column::<String>(row, 0, place)?)?)).collect()
    }

    pub(super) async fn spans(&self, digest: &Digest, limit: usize) -> Done<Vec<Span>> {
        let parameters = given![self.registry => TEXT, digest.as_str() => TEXT, most(limit) => INT8];
        let rows = self.connection.rows(SPANS, &parameters).await?;
        let place = Place { registry: self.registry, row: &"an event" };
        let span = |row| {
            let is_over = column::<Option<i64>>(row, EVENT, place)?.is_some();
            let until = is_over.then(|| self.entry(row, EVENT)).transpose()?;
            Ok(Span { from: self.entry(row, 0)?, until })
        };
        rows.iter().map(span).collect()
    }

    pub(super) async fn entries(&self, filter: &Filter, limit: usize) -> Done<Vec<Entry>> {
        let page = Page::of(self.registry, filter, limit);
        let parameters: Vec<Parameter<'_>> =
            page.values.iter().map(|(value, kind)| (&**value as &(dyn ToSql + Sync), kind.clone())).collect();
        self.entries_of(&page.sql, &parameters).await
    }

    pub(super) async fn counts(&self, since: Timestamp, until: Timestamp, step: u64) -> Done<Vec<Count>> {
        let (first, step) = (since.as_millisecond(), i64::try_from(step.max(1)).unwrap_or(i64::MAX));
        let parameters = given![self.registry => TEXT, first => INT8, until.as_millisecond() => INT8, step => INT8];
        let rows = self.connection.rows(COUNTS, &parameters).await?;
        let place = Place { registry: self.registry, row: &"a count" };
        let count = |row| {
            let (number, outcome): (i64, String) = (column(row, 0, place)?, column(row, 1, place)?);
            let word = || place.corrupt(&format!("`{outcome}` is no outcome"));
            let at = Timestamp::from_millisecond(first.saturating_add(number.saturating_mul(step))).unwrap_or(since);
            let events = column::<i64>(row, 2, place)?.unsigned_abs();
            Ok(Count { at, outcome: Outcome::parse(&outcome).ok_or_else(word)?, events })
        };
        rows.iter().map(count).collect()
    }

    async fn entries_of(&self, sql: &str, parameters: &[Parameter<'_>]) -> Done<Vec<Entry>> {
        let rows = self.connection.rows(sql, parameters).await?;
        rows.iter().map(|row| self.entry(row, 0)).collect()
    }
}

pub(super) fn most(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

type Value = (Box<dyn ToSql + Sync + Send>, Type);

/// The statement for a page. One for each set of conditions, so that each has the index
/// that fits.
pub(super) struct Page {
    pub(super) sql: String,
    pub(super) values: Vec<Value>,
}

impl Page {
    pub(super) fn of(registry: &str, filter: &Filter, limit: usize) -> Self {
        let mut values: Vec<Value> = vec![(Box::new(registry.to_owned()), Type::TEXT)];
        // A placeholder for the value.
        let mut place = |value: Value| {
            values.push(value);
            format!("${}", values.len())
        };
        let text = |text: &str| -> Value { (Box::new(text.to_owned()), Type::TEXT) };
        let number = |number: i64| -> Value { (Box::new(number), Type::INT8) };
        let mut conditions = vec!["registry = $1".to_owned()];
        if let Some(repository) = &filter.repository {
            conditions.push(format!("repository = {}", place(text(repository.as_str()))));
            if let Some(tag) = &filter.tag {
                conditions.push(format!("tag = {}", place(text(tag.as_str()))));
            }
        }
        if let Some(outcome) = filter.outcome {
            conditions.push(format!("outcome = {}", place(text(outcome.as_str()))));
            if outcome.points() && filter.tag.is_some() {
                conditions.push("points".to_owned());
            }
        }
        if let Some(since) = filter.since {
            conditions.push(format!("at >= {}", place(number(since.as_millisecond()))));
        }
        if let Some(until) = filter.until {
            conditions.push(format!("at <= {}", place(number(until.as_millisecond()))));
        }
        if let Some((at, before)) = filter.before {
            let (at, before) = (place(number(at.as_millisecond())), place(number(before.cast_signed())));
            conditions.push(format!("(at, number) < ({at}, {before})"));
        }
        values.push(number(most(limit)));
        let (last, conditions) = (values.len(), conditions.join(" AND "));
        let sql = format!(
            concat!("SELECT ", event_columns!(), " FROM events WHERE {} ORDER BY at DESC, number DESC LIMIT ${}"),
            conditions, last
        );
        Self { sql, values }
    }
}
