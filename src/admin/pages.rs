//! The release log as pages, made here whole: they need no script.

mod attention;
mod audit;
mod chart;
mod diff;
mod digest;
mod go;
mod log;
mod overview;
mod parts;
mod policy;
mod repository;
mod tag;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use maud::{Markup, html};

use self::parts::{Place, page};
use super::Admin;
use super::asked::{PATIENCE, Refused};

const STYLE: &str = include_str!("pages/style.css");
const ICON: &str = include_str!("pages/icon.svg");

/// Nothing but what this listener serves itself, and no script at all.
const CONTENT_SECURITY_POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

pub(super) fn routes() -> Router<Arc<Admin>> {
    Router::new()
        .route("/", get(overview::overview))
        .route("/go", get(go::go))
        .route("/repository", get(repository::repository))
        .route("/tag", get(tag::tag))
        .route("/digest", get(digest::digest))
        .route("/diff", get(diff::diff))
        .route("/log", get(log::log))
        .route("/policy", get(policy::policy))
        .route("/audit", get(audit::audit))
        .route("/style.css", get(async || ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE)))
        .route("/icon.svg", get(async || ([(header::CONTENT_TYPE, "image/svg+xml")], ICON)))
        .fallback(async || Sorry(Refused::unknown("there is no such page".to_owned())))
        .method_not_allowed_fallback(async || {
            Sorry(Refused { status: StatusCode::METHOD_NOT_ALLOWED, words: "pages are read, and nothing else".to_owned() })
        })
        .layer(from_fn(guarded))
}

/// With the headers that keep a browser to these pages; and in time, whatever the ledger does.
async fn guarded(request: Request, next: Next) -> Response {
    let answer = tokio::time::timeout(PATIENCE, next.run(request)).await;
    let mut answer = answer.unwrap_or_else(|_| Sorry(Refused::late()).into_response());
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer
}

/// A page that says why there is none.
struct Sorry(Refused);

impl<E> From<E> for Sorry
where
    Refused: From<E>,
{
    fn from(cause: E) -> Self {
        Self(cause.into())
    }
}

impl IntoResponse for Sorry {
    fn into_response(self) -> Response {
        let Refused { status, words } = self.0;
        let title = match status {
            StatusCode::NOT_FOUND => "Nothing found",
            StatusCode::SERVICE_UNAVAILABLE => "No answer",
            _ => "That cannot be answered",
        };
        let body = html! { p.lead { (words) "." } p { a href="/" { "Back to the overview" } } };
        (status, Html(page(Place::Elsewhere, title, &body).into_string())).into_response()
    }
}

type Answer = Result<Response, Sorry>;

fn shown(place: Place, title: &str, body: &Markup) -> Answer {
    Ok(Html(page(place, title, body).into_string()).into_response())
}

/// A field of a form that was left empty says nothing.
fn said(field: Option<String>) -> Option<String> {
    field.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}
