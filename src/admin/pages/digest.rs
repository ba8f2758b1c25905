//! A digest: every tag that ever meant it.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use maud::{Markup, html};

use super::parts::{Place, table, tag_link, time, who};
use super::{Admin, Answer, shown};
use crate::admin::asked::{OfDigest, digest as read};
use crate::questions::{self, Kind, Known, Meant};

pub(super) async fn digest(State(admin): State<Arc<Admin>>, asked: Result<Query<OfDigest>, QueryRejection>) -> Answer {
    let digest = read(&asked?.digest)?;
    let Known { tags, more, .. } = questions::whatis(&*admin.ledger, &digest).await?;
    let now: Vec<&Meant> = tags.iter().filter(|meant| meant.now).collect();
    let rows: Vec<Markup> = tags.iter().flat_map(rows_of).collect();
    let body = html! {
        p { code.pin { (digest) } }
        p {
            @if tags.is_empty() { "No tag ever meant these bytes, as far as the log knows. They may have been refused, or pushed to the registry directly." }
            @else if now.is_empty() { "No tag means it now." }
            @else { "Now it is " @for (number, meant) in now.iter().enumerate() { @if number > 0 { ", " } (tag_link(&meant.repository, &meant.tag)) } "." }
        }
        @if !rows.is_empty() { (table("tags", "Every tag that ever meant these bytes", &["Tag", "Kind", "From", "Until", "Who"], &rows)) }
        @if more { p.note { "There are older times than these." } }
    };
    shown(Place::Elsewhere, "Digest", &body)
}

fn rows_of(meant: &Meant) -> Vec<Markup> {
    let kind = match meant.kind {
        Kind::Release => "release",
        Kind::Commit => "commit",
        Kind::Other => "other",
    };
    let row = |span: &questions::Time| {
        html! {
            tr {
                th scope="row" { (tag_link(&meant.repository, &meant.tag)) }
                td { (kind) }
                td { (time(span.from)) }
                td { @if let Some(until) = span.until { (time(until)) } @else { strong { "now" } } }
                td { (who(span.who.as_deref())) }
            }
        }
    };
    meant.times.iter().map(row).collect()
}
