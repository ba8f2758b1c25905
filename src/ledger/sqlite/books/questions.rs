//! Questions to the release log, as SQL. Each walks along one index.

use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{OptionalExtension, params, params_from_iter};

use super::events::event_row_from;
use super::{Books, unavailable};
use crate::ledger::LedgerError;
use crate::ledger::event::{Entry, Outcome};
use crate::ledger::log::{Count, Filter, Span};
use crate::ledger::row::event::event_columns;
use crate::oci::{Digest, RepositoryName, Tag};

/// The tags of a repository that mean anything, from one to the next: a walk that skips
/// all events but one of each.
pub(in crate::ledger::sqlite) const NEXT_TAG: &str = "SELECT tag FROM events \
     WHERE registry = ?1 AND repository = ?2 AND points = 1 AND tag > ?3 ORDER BY tag LIMIT 1";
pub(in crate::ledger::sqlite) const NEXT_REPOSITORY: &str =
    "SELECT repository FROM events WHERE registry = ?1 AND repository > ?2 ORDER BY repository LIMIT 1";

pub(in crate::ledger::sqlite) const SPANS: &str = concat!(
    "SELECT ",
    event_columns!(),
    " FROM events WHERE registry = ?1 AND digest = ?2 AND points = 1 ORDER BY at DESC, number DESC LIMIT ?3"
);
pub(in crate::ledger::sqlite) const END_OF_SPAN: &str = concat!(
    "SELECT ",
    event_columns!(),
    " FROM events WHERE registry = ?1 AND repository = ?2 AND tag = ?3 AND points = 1 AND (at, number) > (?4, ?5) \
     ORDER BY at, number LIMIT 1"
);

pub(in crate::ledger::sqlite) const COUNTS: &str = "SELECT (at - ?2) / ?4 AS step, outcome, count(*) FROM events \
     WHERE registry = ?1 AND at >= ?2 AND at < ?3 GROUP BY step, outcome ORDER BY step, outcome";

impl Books<'_> {
    pub(in crate::ledger::sqlite) fn meanings(
        &self,
        repository: &RepositoryName,
        at: Option<Timestamp>,
        after: Option<&Tag>,
        limit: usize,
    ) -> Result<Vec<Entry>, LedgerError> {
        let mut next = self.connection.prepare_cached(NEXT_TAG).map_err(unavailable)?;
        let mut last = after.map_or(String::new(), |tag| tag.as_str().to_owned());
        let mut meanings = Vec::new();
        while meanings.len() < limit {
            let parameters = params![self.registry, repository.as_str(), last];
            let Some(tag) = next.query_row(parameters, |row| row.get::<_, String>(0)).optional().map_err(unavailable)? else {
                break;
            };
            let key = crate::ledger::TagKey {
                repository: repository.clone(),
                tag: Tag::parse(&tag).map_err(|error| self.corrupt(&"an event", &error))?,
            };
            meanings.extend(self.meaning(&key, at)?);
            last = tag;
        }
        Ok(meanings)
    }

    pub(in crate::ledger::sqlite) fn repositories(
        &self,
        after: Option<&RepositoryName>,
        limit: usize,
    ) -> Result<Vec<RepositoryName>, LedgerError> {
        let mut next = self.connection.prepare_cached(NEXT_REPOSITORY).map_err(unavailable)?;
        let mut last = after.map_or(String::new(), |name| name.as_str().to_owned());
        let mut names = Vec::new();
        while names.len() < limit {
            let found = next.query_row(params![self.registry, last], |row| row.get::<_, String>(0)).optional();
            let Some(name) = found.map_err(unavailable)? else { break };
            names.push(RepositoryName::parse(&name).map_err(|error| self.corrupt(&"an event", &error))?);
            last = name;
        }
        Ok(names)
    }

    pub(in crate::ledger::sqlite) fn spans(&self, digest: &Digest, limit: usize) -> Result<Vec<Span>, LedgerError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let begun = self.events(SPANS, params![self.registry, digest.as_str(), limit])?;
        let span = |from: Entry| {
            let (repository, tag) = (from.event.repository.as_ref(), from.event.tag.as_ref());
            let (at, number) = (from.event.at.as_millisecond(), from.number.cast_signed());
            let parameters = params![self.registry, repository.map(RepositoryName::as_str), tag.map(Tag::as_str), at, number];
            let mut statement = self.connection.prepare_cached(END_OF_SPAN).map_err(unavailable)?;
            let until = statement.query_row(parameters, |row| event_row_from(row, 0)).optional().map_err(unavailable)?;
            Ok(Span { from, until: until.map(|row| row.read()).transpose()? })
        };
        begun.into_iter().map(span).collect()
    }

    pub(in crate::ledger::sqlite) fn entries(&self, filter: &Filter, limit: usize) -> Result<Vec<Entry>, LedgerError> {
        let (sql, mut parameters) = page(self.registry, filter);
        parameters.push(Value::Integer(i64::try_from(limit).unwrap_or(i64::MAX)));
        self.events(&sql, params_from_iter(parameters))
    }

    pub(in crate::ledger::sqlite) fn counts(
        &self,
        since: Timestamp,
        until: Timestamp,
        step: u64,
    ) -> Result<Vec<Count>, LedgerError> {
        let (first, step) = (since.as_millisecond(), i64::try_from(step.max(1)).unwrap_or(i64::MAX));
        let mut statement = self.connection.prepare_cached(COUNTS).map_err(unavailable)?;
        let mut rows = statement.query(params![self.registry, first, until.as_millisecond(), step]).map_err(unavailable)?;
        let mut counts = Vec::new();
        while let Some(row) = rows.next().map_err(unavailable)? {
            let columns = (|| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))();
            let (number, outcome, events): (i64, String, i64) =
                columns.map_err(|error: rusqlite::Error| self.corrupt(&"a count", &error))?;
            let outcome =
                Outcome::parse(&outcome).ok_or_else(|| self.corrupt(&"a count", &format!("`{outcome}` is no outcome")))?;
            let at = Timestamp::from_millisecond(first.saturating_add(number.saturating_mul(step))).unwrap_or(since);
            counts.push(Count { at, outcome, events: events.unsigned_abs() });
        }
        Ok(counts)
    }
}

/// The statement for a page, whose last parameter is its length. A statement for each set
/// of conditions, so that each has the index that fits.
pub(in crate::ledger::sqlite) fn page(registry: &str, filter: &Filter) -> (String, Vec<Value>) {
    let mut conditions = vec!["registry = ?".to_owned()];
    let mut parameters = vec![Value::Text(registry.to_owned())];
    let mut add = |condition: &str, values: Vec<Value>| {
        conditions.push(condition.to_owned());
        parameters.extend(values);
    };
    let moment = |at: Timestamp| Value::Integer(at.as_millisecond());
    if let Some(repository) = &filter.repository {
        add("repository = ?", vec![Value::Text(repository.as_str().to_owned())]);
        if let Some(tag) = &filter.tag {
            add("tag = ?", vec![Value::Text(tag.as_str().to_owned())]);
        }
    }
    if let Some(outcome) = filter.outcome {
        // A tag has few events beside those that point it; elsewhere the outcome has an index.
        add("outcome = ?", vec![Value::Text(outcome.as_str().to_owned())]);
        if outcome.points() && filter.tag.is_some() {
            add("points = 1", Vec::new());
        }
    }
    if let Some(since) = filter.since {
        add("at >= ?", vec![moment(since)]);
    }
    if let Some(until) = filter.until {
        add("at <= ?", vec![moment(until)]);
    }
    if let Some((at, number)) = filter.before {
        add("(at, number) < (?, ?)", vec![moment(at), Value::Integer(number.cast_signed())]);
    }
    let conditions = conditions.join(" AND ");
    let sql =
        format!(concat!("SELECT ", event_columns!(), " FROM events WHERE {} ORDER BY at DESC, number DESC LIMIT ?"), conditions);
    (sql, parameters)
}
