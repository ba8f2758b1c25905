//! The release log as JSON. docs/openapi.json describes it, and is tested against it.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::Admin;
use crate::clock::{Clock, SystemClock};
use crate::ledger::event::Outcome;
use crate::ledger::log::Filter;
use crate::ledger::{LedgerError, TagKey};
use crate::oci::{Digest, RepositoryName, Tag};
use crate::questions::{self, Resolution, when};

/// Entries of a page where none are asked for, and at most.
const USUAL: usize = 50;
const MOST: usize = 1_000;

/// Shorter than the patience of the listener, whose answer would have no words.
const PATIENCE: Duration = Duration::from_secs(9);

pub(super) fn routes() -> Router<Arc<Admin>> {
    let questions = Router::new()
        .route("/resolve", get(resolve))
        .route("/log", get(log))
        .route("/whatis", get(whatis))
        .route("/releases", get(releases))
        .route("/diff", get(diff))
        .fallback(async || {
            Refused(StatusCode::NOT_FOUND, "there are resolve, log, whatis, releases and diff under /api/v1".to_owned())
        })
        .method_not_allowed_fallback(async || Refused(StatusCode::METHOD_NOT_ALLOWED, "questions are asked by GET".to_owned()))
        .layer(from_fn(in_time));
    Router::new().nest("/api/v1", questions)
}

/// A ledger that hangs is no reason to hang as well.
async fn in_time(request: Request, next: Next) -> Response {
    let late =
        |_| Refused::from(LedgerError::Unavailable(format!("no answer within {} seconds", PATIENCE.as_secs()))).into_response();
    tokio::time::timeout(PATIENCE, next.run(request)).await.unwrap_or_else(late)
}

/// Why there is no answer, in words that say what to do.
struct Refused(StatusCode, String);

impl Refused {
    fn mistaken(words: impl ToString) -> Self {
        Self(StatusCode::BAD_REQUEST, words.to_string())
    }
}

impl From<LedgerError> for Refused {
    fn from(cause: LedgerError) -> Self {
        tracing::warn!(%cause, "the release log gave no answer");
        Self(StatusCode::SERVICE_UNAVAILABLE, "the ledger gave no answer; try again, and see the log of pushonce".to_owned())
    }
}

impl From<QueryRejection> for Refused {
    fn from(rejection: QueryRejection) -> Self {
        Self::mistaken(rejection.body_text())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

type Answer = Result<Response, Refused>;
type Asked<T> = Result<Query<T>, QueryRejection>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfTag {
    repository: String,
    tag: String,
    at: Option<String>,
}

async fn resolve(State(admin): State<Arc<Admin>>, asked: Asked<OfTag>) -> Answer {
    let Query(OfTag { repository, tag, at }) = asked?;
    let key = TagKey { repository: name(&repository)?, tag: parsed(&tag, Tag::parse)? };
    let at = at.as_deref().map(moment).transpose()?;
    let missing = |words: String| Err(Refused(StatusCode::NOT_FOUND, words));
    match questions::resolve(&*admin.ledger, &key, at).await? {
        Resolution::Means(resolved) => Ok(Json(resolved).into_response()),
        Resolution::Deleted(since) => missing(format!("{key} was deleted at {since}; /api/v1/log has what it meant before")),
        Resolution::Unknown => missing(match at {
            Some(at) => format!("the log knows nothing of {key} at {at} or before; /api/v1/log has what came later"),
            None => format!("the log knows nothing of {key}; `pushonce adopt` enters what the registry has"),
        }),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfLog {
    repository: Option<String>,
    tag: Option<String>,
    outcome: Option<String>,
    since: Option<String>,
    until: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
}

async fn log(State(admin): State<Arc<Admin>>, asked: Asked<OfLog>) -> Answer {
    let Query(asked) = asked?;
    let word = |word: &str| {
        let all = || Outcome::ALL.iter().map(|outcome| outcome.as_str()).collect::<Vec<_>>().join(", ");
        Outcome::parse(word).ok_or_else(|| Refused::mistaken(format!("`{word}` is no outcome: {}", all())))
    };
    let filter = Filter {
        repository: asked.repository.as_deref().map(name).transpose()?,
        tag: asked.tag.as_deref().map(|tag| parsed(tag, Tag::parse)).transpose()?,
        outcome: asked.outcome.as_deref().map(word).transpose()?,
        since: asked.since.as_deref().map(moment).transpose()?,
        until: asked.until.as_deref().map(moment).transpose()?,
        before: None,
    };
    if filter.tag.is_some() && filter.repository.is_none() {
        return Err(Refused::mistaken("`tag` needs its `repository`"));
    }
    let limit = asked.limit.unwrap_or(USUAL);
    if !(1..=MOST).contains(&limit) {
        return Err(Refused::mistaken(format!("`limit` is 1 to {MOST}, not {limit}; `after` leads to the next page")));
    }
    let after = asked.after.as_deref().map(str::parse).transpose().map_err(|words: String| Refused::mistaken(words))?;
    Ok(Json(questions::history(&*admin.ledger, &filter, after, limit).await?).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfDigest {
    digest: String,
}

async fn whatis(State(admin): State<Arc<Admin>>, asked: Asked<OfDigest>) -> Answer {
    let digest = parsed(&asked?.digest, Digest::parse)?;
    Ok(Json(questions::whatis(&*admin.ledger, &digest).await?).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfRepository {
    repository: String,
}

async fn releases(State(admin): State<Arc<Admin>>, asked: Asked<OfRepository>) -> Answer {
    let repository = name(&asked?.repository)?;
    Ok(Json(questions::releases(&*admin.ledger, &repository).await?).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Between {
    repository: String,
    from: String,
    to: String,
}

async fn diff(State(admin): State<Arc<Admin>>, asked: Asked<Between>) -> Answer {
    let Query(Between { repository, from, to }) = asked?;
    let (repository, from, to) = (name(&repository)?, moment(&from)?, moment(&to)?);
    Ok(Json(questions::diff(&*admin.ledger, &repository, (from.min(to), from.max(to))).await?).into_response())
}

fn name(text: &str) -> Result<RepositoryName, Refused> {
    parsed(text, RepositoryName::parse)
}

fn parsed<T, E: std::fmt::Display>(text: &str, parse: impl Fn(&str) -> Result<T, E>) -> Result<T, Refused> {
    parse(text).map_err(Refused::mistaken)
}

fn moment(text: &str) -> Result<Timestamp, Refused> {
    // The `+` of an offset arrives as a space where it is not written `%2B`.
    let hint = if text.contains(' ') { "; in a query the + of an offset is written %2B" } else { "" };
    when::moment(text, SystemClock.now()).map_err(|words| Refused::mistaken(words + hint))
}
