//! The release log as JSON. docs/openapi.json describes it, and is tested against it.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

use super::asked::{Between, InTime, Nothing, OfDigest, OfLog, OfRepository, OfTag, PATIENCE, Refused, digest, moment, name};
use super::{Admin, granting};
use crate::clock::{Clock, SystemClock};
use crate::questions::{self, Resolution};

pub(super) fn routes() -> Router<Arc<Admin>> {
    let questions = Router::new()
        .route("/resolve", get(resolve))
        .route("/log", get(log))
        .route("/whatis", get(whatis))
        .route("/releases", get(releases))
        .route("/diff", get(diff))
        .route("/report", get(report))
        .route("/decisions", get(decisions))
        .merge(granting::routes())
        .fallback(async || {
            let all = "resolve, log, whatis, releases, diff, report, decisions and exceptions";
            Refused::unknown(format!("there are {all} under /api/v1"))
        })
        .method_not_allowed_fallback(async || Refused {
            status: StatusCode::METHOD_NOT_ALLOWED,
            words: "questions are asked by GET, and exceptions are granted by POST".to_owned(),
        })
        .layer(from_fn(in_time));
    Router::new().nest("/api/v1", questions)
}

/// A ledger that hangs is no reason to hang as well.
async fn in_time(request: Request, next: Next) -> Response {
    tokio::time::timeout(PATIENCE, next.run(request)).await.unwrap_or_else(|_| Refused::late().into_response())
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "error": self.words }))).into_response()
    }
}

type Answer = Result<Response, Refused>;
type Asked<T> = Result<Query<T>, QueryRejection>;

async fn resolve(State(admin): State<Arc<Admin>>, asked: Asked<OfTag>) -> Answer {
    let Query(OfTag { repository, tag, at }) = asked?;
    let key = admin.key(&repository, &tag)?;
    let at = at.as_deref().map(moment).transpose()?;
    let missing = |words: String| Err(Refused::unknown(words));
    match questions::resolve(&*admin.ledger, &key, at).await? {
        Resolution::Means(resolved) => Ok(Json(resolved).into_response()),
        Resolution::Deleted(since) => missing(format!("{key} was deleted at {since}; /api/v1/log has what it meant before")),
        Resolution::Unknown => missing(match at {
            Some(at) => format!("the log knows nothing of {key} at {at} or before; /api/v1/log has what came later"),
            None => format!("the log knows nothing of {key}; `pushonce adopt` enters what the registry has"),
        }),
    }
}

async fn log(State(admin): State<Arc<Admin>>, asked: Asked<OfLog>) -> Answer {
    let Query(asked) = asked?;
    let (mut filter, after, limit) = asked.read()?;
    filter.tag = filter.tag.map(|tag| admin.tag_case.of(tag));
    Ok(Json(questions::history(&*admin.ledger, &filter, after, limit).await?).into_response())
}

async fn whatis(State(admin): State<Arc<Admin>>, asked: Asked<OfDigest>) -> Answer {
    let digest = digest(&asked?.digest)?;
    Ok(Json(questions::whatis(&*admin.ledger, &digest).await?).into_response())
}

async fn releases(State(admin): State<Arc<Admin>>, asked: Asked<OfRepository>) -> Answer {
    let repository = name(&asked?.repository)?;
    Ok(Json(questions::releases(&*admin.ledger, &repository).await?).into_response())
}

async fn diff(State(admin): State<Arc<Admin>>, asked: Asked<Between>) -> Answer {
    let Query(Between { repository, from, to }) = asked?;
    let (repository, from, to) = (name(&repository)?, moment(&from)?, moment(&to)?);
    Ok(Json(questions::diff(&*admin.ledger, &repository, (from.min(to), from.max(to))).await?).into_response())
}

async fn report(State(admin): State<Arc<Admin>>, asked: Asked<InTime>) -> Answer {
    let Query(InTime { since, until }) = asked?;
    let (since, until) = (moment(since.as_deref().unwrap_or("30d"))?, moment(until.as_deref().unwrap_or("now"))?);
    Ok(Json(questions::report(&*admin.ledger, since, until).await?).into_response())
}

async fn decisions(State(admin): State<Arc<Admin>>, asked: Asked<Nothing>) -> Answer {
    let Query(Nothing {}) = asked?;
    Ok(Json(questions::standing(&*admin.ledger, SystemClock.now()).await?).into_response())
}
