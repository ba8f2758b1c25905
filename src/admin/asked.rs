//! What the pages and the JSON are asked, and how a mistake in it is refused.

use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;

use crate::clock::{Clock, SystemClock};
use crate::ledger::event::Outcome;
use crate::ledger::log::Filter;
use crate::ledger::{LedgerError, TagKey};
use crate::oci::{Digest, RepositoryName, Tag};
use crate::questions::{Cursor, when};

/// Entries of a page where none are asked for, and at most.
const USUAL: usize = 50;
const MOST: usize = 1_000;

/// Shorter than the patience of the listener, whose answer would have no words.
pub(super) const PATIENCE: Duration = Duration::from_secs(9);

/// Why there is no answer, in words that say what to do.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) status: StatusCode,
    pub(super) words: String,
}

impl Refused {
    pub(super) fn mistaken(words: impl ToString) -> Self {
        Self { status: StatusCode::BAD_REQUEST, words: words.to_string() }
    }

    pub(super) fn unknown(words: String) -> Self {
        Self { status: StatusCode::NOT_FOUND, words }
    }

    /// The ledger took longer than anybody waits for.
    pub(super) fn late() -> Self {
        LedgerError::Unavailable(format!("no answer within {} seconds", PATIENCE.as_secs())).into()
    }
}

impl From<LedgerError> for Refused {
    fn from(cause: LedgerError) -> Self {
        tracing::warn!(%cause, "the release log gave no answer");
        let words = "the ledger gave no answer; try again, and see the log of pushonce".to_owned();
        Self { status: StatusCode::SERVICE_UNAVAILABLE, words }
    }
}

impl From<QueryRejection> for Refused {
    fn from(rejection: QueryRejection) -> Self {
        Self::mistaken(rejection.body_text())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfTag {
    pub(super) repository: String,
    pub(super) tag: String,
    pub(super) at: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct OfLog {
    pub(super) repository: Option<String>,
    pub(super) tag: Option<String>,
    pub(super) outcome: Option<String>,
    pub(super) since: Option<String>,
    pub(super) until: Option<String>,
    pub(super) after: Option<String>,
    pub(super) limit: Option<usize>,
}

impl OfLog {
    /// The entries that are meant, where they begin, and how many.
    pub(super) fn read(&self) -> Result<(Filter, Option<Cursor>, usize), Refused> {
        let word = |word: &str| {
            let all = || Outcome::ALL.iter().map(|outcome| outcome.as_str()).collect::<Vec<_>>().join(", ");
            Outcome::parse(word).ok_or_else(|| Refused::mistaken(format!("`{word}` is no outcome: {}", all())))
        };
        let filter = Filter {
            repository: self.repository.as_deref().map(name).transpose()?,
            tag: self.tag.as_deref().map(|tag| parsed(tag, Tag::parse)).transpose()?,
            outcome: self.outcome.as_deref().map(word).transpose()?,
            since: self.since.as_deref().map(moment).transpose()?,
            until: self.until.as_deref().map(moment).transpose()?,
            before: None,
        };
        if filter.tag.is_some() && filter.repository.is_none() {
            return Err(Refused::mistaken("`tag` needs its `repository`"));
        }
        let limit = self.limit.unwrap_or(USUAL);
        if !(1..=MOST).contains(&limit) {
            return Err(Refused::mistaken(format!("`limit` is 1 to {MOST}, not {limit}; `after` leads to the next page")));
        }
        Ok((filter, self.after.as_deref().map(cursor).transpose()?, limit))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfDigest {
    pub(super) digest: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfRepository {
    pub(super) repository: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InTime {
    pub(super) since: Option<String>,
    pub(super) until: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Between {
    pub(super) repository: String,
    pub(super) from: String,
    pub(super) to: String,
}

pub(super) fn name(text: &str) -> Result<RepositoryName, Refused> {
    parsed(text, RepositoryName::parse)
}

pub(super) fn digest(text: &str) -> Result<Digest, Refused> {
    parsed(text, Digest::parse)
}

pub(super) fn key(repository: &str, tag: &str) -> Result<TagKey, Refused> {
    Ok(TagKey { repository: name(repository)?, tag: parsed(tag, Tag::parse)? })
}

pub(super) fn cursor(text: &str) -> Result<Cursor, Refused> {
    text.parse().map_err(|words: String| Refused::mistaken(words))
}

fn parsed<T, E: std::fmt::Display>(text: &str, parse: impl Fn(&str) -> Result<T, E>) -> Result<T, Refused> {
    parse(text).map_err(Refused::mistaken)
}

pub(super) fn moment(text: &str) -> Result<Timestamp, Refused> {
    // The `+` of an offset arrives as a space where it is not written `%2B`.
    let hint = if text.contains(' ') { "; in a query the + of an offset is written %2B" } else { "" };
    when::moment(text, SystemClock.now()).map_err(|words| Refused::mistaken(words + hint))
}
