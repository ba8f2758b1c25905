//! A tag: what it means, what it meant, and everything that happened to it.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use maud::{Markup, html};
use serde::Deserialize;

use super::parts::{EVENT_HEAD, Place, badge, broken, digest_link, event_row, pin, repository_link, table, time, who};
use super::{Admin, Answer, said, shown};
use crate::admin::asked::{Refused, cursor, moment};
use crate::ledger::TagKey;
use crate::ledger::log::Filter;
use crate::questions::{self, Resolution};

const PAGE: usize = 50;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    repository: String,
    tag: String,
    at: Option<String>,
    after: Option<String>,
}

pub(super) async fn tag(State(admin): State<Arc<Admin>>, asked: Result<Query<Asked>, QueryRejection>) -> Answer {
    let Query(Asked { repository, tag, at, after }) = asked?;
    let key = admin.key(&repository, &tag)?;
    let (at, after) = (said(at), said(after).as_deref().map(cursor).transpose()?);
    let filter = Filter { repository: Some(key.repository.clone()), tag: Some(key.tag.clone()), ..Filter::default() };
    let now = questions::resolve(&*admin.ledger, &key, None).await?;
    let history = questions::history(&*admin.ledger, &filter, after, PAGE).await?;
    if now == Resolution::Unknown && history.entries.is_empty() && after.is_none() {
        return Err(
            Refused::unknown(format!("the log knows nothing of {key}; `pushonce adopt` enters what the registry has")).into()
        );
    }
    let (then, mistake) = match at.as_deref().map(moment) {
        None => (None, None),
        Some(Err(refused)) => (None, Some(refused.words)),
        Some(Ok(moment)) => (Some((moment, questions::resolve(&*admin.ledger, &key, Some(moment)).await?)), None),
    };
    let verdict = admin.policy().decide(&key.repository, &key.tag);
    let rows: Vec<Markup> = history.entries.iter().map(event_row).collect();
    let path = super::parts::tag_path(&key.repository, &key.tag);
    let body = html! {
        p.lead { (repository_link(&key.repository)) ":" (broken(key.tag.as_str())) }
        section.card aria-labelledby="now" {
            h2 #now { "Now" }
            (meaning(&key, &now))
            p {
                "It is " strong { (verdict.standing()) } " by " a href={ "/policy?reference=" (key) } { "rule " (verdict.rule) } "."
            }
        }
        section.card aria-labelledby="then" {
            h2 #then { "At a time" }
            form.fields action="/tag" {
                input type="hidden" name="repository" value=(key.repository);
                input type="hidden" name="tag" value=(key.tag);
                div {
                    label for="at" { "At this time" }
                    input #at name="at" required value=[at.as_deref()] placeholder="2026-11-24T15:00"
                        aria-describedby={ "at-hint" @if mistake.is_some() { " at-mistake" } } aria-invalid=[mistake.as_ref().map(|_| "true")];
                }
                button { "Show" }
            }
            p.hint #at-hint { "A date, a date with a time, or how long ago: 2026-11-24, 2026-11-24T15:00, 2h, 30d." }
            @if let Some(mistake) = &mistake { p.mistake #at-mistake role="alert" { (mistake) } }
            @if let Some((moment, then)) = &then {
                div role="status" { p { "At " (time(*moment)) ":" } (meaning(&key, then)) }
            }
        }
        section aria-labelledby="timeline" {
            h2 #timeline { "Timeline" }
            @if rows.is_empty() { p { "Nothing more was written down about it." } }
            @else { (table("timeline-table", "What happened to the tag, the newest first", &EVENT_HEAD, &rows)) }
            @if let Some(next) = &history.next { p { a rel="next" href={ (path) "&after=" (next) } { "Older" } } }
        }
    };
    let answer = shown(Place::Elsewhere, &format!("Tag {}", key.tag), &body)?;
    Ok(match mistake {
        Some(_) => (StatusCode::BAD_REQUEST, answer).into_response(),
        None => answer,
    })
}

fn meaning(key: &TagKey, resolution: &Resolution) -> Markup {
    match resolution {
        Resolution::Means(resolved) => html! {
            p { (pin(&key.repository, &resolved.digest)) }
            p {
                (digest_link(&resolved.digest)) " since " (time(resolved.since))
                @if resolved.who.is_some() { ", by " (who(resolved.who.as_deref())) }
                @if let Some(outcome) = resolved.outcome { " " (badge(outcome)) }
            }
            @if let Some(yanked) = &resolved.yanked {
                p.note { strong { "Yanked" } " as " (yanked.tag) " since " (time(yanked.at)) ", by " (who(Some(&yanked.who))) ": " (yanked.reason) }
            }
        },
        Resolution::Deleted(at) => html! { p { "It means nothing: it was deleted at " (time(*at)) "." } },
        Resolution::Unknown => html! { p { "Nothing is known of it." } },
    }
}
