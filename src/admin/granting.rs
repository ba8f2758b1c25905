//! Exceptions, granted over HTTP with a token of their own.

use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Json, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router, routing};
use jiff::SignedDuration;
use serde::Deserialize;

use super::Admin;
use super::access::Who;
use super::asked::Refused;
use crate::clock::{Clock, SystemClock};
use crate::ledger::decision::Allows;
use crate::ledger::decision::by_hand::{self, Hand, Undone};
use crate::questions::OpenException;

pub(super) fn routes() -> Router<Arc<Admin>> {
    Router::new().route("/exceptions", routing::post(grant))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    repository: String,
    tag: String,
    /// `push` or `delete`.
    allow: String,
    /// Such as `15m`.
    #[serde(rename = "for")]
    time: String,
    reason: String,
}

async fn grant(
    State(admin): State<Arc<Admin>>,
    Extension(Who(who)): Extension<Who>,
    asked: Result<Json<Asked>, JsonRejection>,
) -> Result<Response, Refused> {
    let Json(Asked { repository, tag, allow, time, reason }) = asked?;
    let key = admin.key(&repository, &tag)?;
    let allows = Allows::parse(&allow).ok_or_else(|| Refused::mistaken(format!("`allow` is push or delete, not `{allow}`")))?;
    let mistaken = |cause| Refused::mistaken(format!("`for` is a time such as 15m or 2h, not `{time}`: {cause}"));
    let time: SignedDuration = time.parse().map_err(mistaken)?;
    let missing = || Refused::mistaken("`reason` is one line that says why, such as \"a key leaked\"");
    let reason = by_hand::reason(&reason).ok_or_else(missing)?;
    let hand = Hand { who: &who, reason, now: SystemClock.now() };
    let granted = by_hand::grant(&*admin.ledger, &key, allows, time, hand).await?;
    tracing::info!(tag = %key, %allows, until = %granted.until, who, "an exception was granted");
    Ok((StatusCode::CREATED, Json(OpenException::from(granted))).into_response())
}

impl From<JsonRejection> for Refused {
    fn from(rejection: JsonRejection) -> Self {
        Self { status: rejection.status(), words: rejection.body_text() }
    }
}

impl From<Undone> for Refused {
    fn from(undone: Undone) -> Self {
        match undone {
            Undone::Ledger(cause) => cause.into(),
            Undone::Time(_) => Self::mistaken(undone),
            _ => Self { status: StatusCode::CONFLICT, words: undone.to_string() },
        }
    }
}
