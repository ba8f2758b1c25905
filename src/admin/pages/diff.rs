//! What changed in a repository between two moments.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use maud::{Markup, html};

use super::parts::{Place, digest_link, none, repository_link, short_tag_link, table, time, who};
use super::{Admin, Answer, shown};
use crate::admin::asked::{Between, moment, name};
use crate::questions::{self, Change, Difference};

pub(super) async fn diff(State(admin): State<Arc<Admin>>, asked: Result<Query<Between>, QueryRejection>) -> Answer {
    let Query(Between { repository, from, to }) = asked?;
    let (repository, one, other) = (name(&repository)?, moment(&from)?, moment(&to)?);
    let (first, second) = (one.min(other), one.max(other));
    let differences = questions::diff(&*admin.ledger, &repository, (first, second)).await?;
    let row = |difference: &Difference| {
        let change = match difference.change {
            Change::Appeared => "appeared",
            Change::Moved => "moved",
            Change::Went => "went",
        };
        html! {
            tr {
                th scope="row" { (short_tag_link(&repository, &difference.tag)) }
                td { span.badge.plain { (change) } }
                td { @if let Some(digest) = &difference.from { (digest_link(digest)) } @else { (none("nothing")) } }
                td { @if let Some(digest) = &difference.to { (digest_link(digest)) } @else { (none("nothing")) } }
                td { (time(difference.at)) }
                td { (who(difference.who.as_deref())) }
            }
        }
    };
    let rows: Vec<Markup> = differences.iter().map(row).collect();
    let body = html! {
        p.lead { (repository_link(&repository)) ", from " (time(first)) " to " (time(second)) }
        @if rows.is_empty() { p { "No tag changed. One that moved and came back is in the " a href={ "/log?repository=" (repository) } { "log" } "." } }
        @else { (table("changes", "Tags that moved, appeared or went", &["Tag", "Change", "From", "To", "When", "Who"], &rows)) }
    };
    shown(Place::Elsewhere, "What changed", &body)
}
