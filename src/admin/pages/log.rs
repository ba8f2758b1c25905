//! The log, filtered and page by page.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use maud::{Markup, html};
use serde::Deserialize;

use super::parts::{EVENT_HEAD, Place, event_row, table};
use super::{Admin, Answer, said, shown};
use crate::admin::asked::OfLog;
use crate::ledger::event::Outcome;
use crate::ledger::log::Filter;
use crate::questions;

/// As the form sends it: every field, also those that are empty.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    repository: Option<String>,
    tag: Option<String>,
    outcome: Option<String>,
    since: Option<String>,
    until: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
}

pub(super) async fn log(State(admin): State<Arc<Admin>>, asked: Result<Query<Asked>, QueryRejection>) -> Answer {
    let Query(Asked { repository, tag, outcome, since, until, after, limit }) = asked?;
    let asked = OfLog {
        repository: said(repository),
        tag: said(tag),
        outcome: said(outcome),
        since: said(since),
        until: said(until),
        after: said(after),
        limit,
    };
    let (mut filter, after, limit) = asked.read()?;
    filter.tag = filter.tag.map(|tag| admin.tag_case.of(tag));
    let page = questions::history(&*admin.ledger, &filter, after, limit).await?;
    let rows: Vec<Markup> = page.entries.iter().map(event_row).collect();
    let field = |id: &str, name: &str, value: Option<&String>, example: &str| {
        html! { div { label for=(id) { (name) } input id=(id) name=(id) value=[value] placeholder=(example) autocomplete="off" spellcheck="false"; } }
    };
    let body = html! {
        form.fields action="/log" aria-label="Which entries" {
            (field("repository", "Repository", asked.repository.as_ref(), "driftwood/web"))
            (field("tag", "Tag", asked.tag.as_ref(), "1.4"))
            div {
                label for="outcome" { "Outcome" }
                select #outcome name="outcome" {
                    option value="" { "all" }
                    @for outcome in Outcome::ALL {
                        option value=(outcome) selected[filter.outcome == Some(*outcome)] { (outcome) }
                    }
                }
            }
            (field("since", "Since", asked.since.as_ref(), "2026-11-24 or 30d"))
            (field("until", "Until", asked.until.as_ref(), "now"))
            button { "Show" }
        }
        @if rows.is_empty() { p { "No entry is like that." } }
        @else { (table("entries", "Entries, the newest first", &EVENT_HEAD, &rows)) }
        @if let Some(next) = &page.next { p { a rel="next" href=(next_page(&filter, limit, &next.to_string())) { "Older" } } }
    };
    shown(Place::Log, "Log", &body)
}

/// The same question, behind the last entry. A moment that was an age is a moment now.
fn next_page(filter: &Filter, limit: usize, after: &str) -> String {
    let mut path = format!("/log?limit={limit}&after={after}");
    let fields = [
        ("repository", filter.repository.as_ref().map(ToString::to_string)),
        ("tag", filter.tag.as_ref().map(ToString::to_string)),
        ("outcome", filter.outcome.map(|outcome| outcome.to_string())),
        ("since", filter.since.map(|at| at.to_string())),
        ("until", filter.until.map(|at| at.to_string())),
    ];
    // None of them has a letter that a query would have to escape.
    for (name, value) in fields.iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
        path.push_str(&format!("&{name}={value}"));
    }
    path
}
