//! The first page: what happened lately.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};
use serde::Deserialize;

use super::attention::{astray, decided};
use super::chart::{DAY, chart, days};
use super::parts::{Place, digest_link, repository_link, table, tag_link, time, who};
use super::{Admin, Answer, said, shown};
use crate::admin::asked::{Refused, name};
use crate::clock::{Clock, SystemClock};
use crate::ledger::event::{Entry, Outcome};
use crate::ledger::log::Filter;
use crate::questions::{self, Kind};

/// The days that can be looked at.
const SPANS: [u64; 3] = [7, 30, 90];

/// How many releases and refusals are shown, and in how many pushes releases are looked for.
const NEWEST: usize = 10;
const SEARCHED: usize = 200;

/// How many repositories a page has.
const REPOSITORIES: usize = 50;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    days: Option<u64>,
    after: Option<String>,
}

pub(super) async fn overview(State(admin): State<Arc<Admin>>, asked: Result<Query<Asked>, QueryRejection>) -> Answer {
    let Query(Asked { days: span, after }) = asked?;
    let span = span.unwrap_or(30);
    if !SPANS.contains(&span) {
        return Err(Refused::mistaken("`days` is 7, 30 or 90").into());
    }
    let after = said(after).as_deref().map(name).transpose()?;
    let (since, until) = last_days(SystemClock.now(), span);
    let newest = |outcome, limit| {
        let filter = Filter { outcome: Some(outcome), ..Filter::default() };
        let ledger = Arc::clone(&admin.ledger);
        async move { ledger.entries(&filter, limit).await }
    };
    let (counts, pushed, refused, open, mut repositories) = tokio::try_join!(
        admin.ledger.counts(since, until, DAY),
        newest(Outcome::Pushed, SEARCHED),
        newest(Outcome::Refused, NEWEST),
        admin.ledger.count_open(),
        admin.ledger.repositories(after.as_ref(), REPOSITORIES + 1),
    )?;
    let standing = questions::standing(&*admin.ledger, SystemClock.now()).await?;
    let astray = astray(&*admin.ledger).await?;
    let has_more = repositories.len() > REPOSITORIES;
    repositories.truncate(REPOSITORIES);
    let more = repositories.last().filter(|_| has_more);
    let is_release = |entry: &Entry| entry.event.tag.as_ref().is_some_and(|tag| Kind::of(tag) == Kind::Release);
    let releases: Vec<Markup> = pushed.iter().filter(|entry| is_release(entry)).take(NEWEST).map(release).collect();
    let refusals: Vec<Markup> = refused.iter().map(refusal).collect();
    let body = html! {
        p.lead { "What came through to the registry " strong { (admin.registry) } "." }
        section aria-labelledby="activity" {
            div.title {
                h2 #activity { "Pushes and refusals" }
                ul.choice aria-label="Days" {
                    @for days in SPANS {
                        li { a href={ "/?days=" (days) } aria-current=[(days == span).then_some("true")] { (days) " days" } }
                    }
                }
            }
            (chart(&days(since, span, &counts)))
        }
        @if open > 0 {
            p.note { strong { (open) } @if open == 1 { " push is" } @else { " pushes are" } " under way, or left open and finished in the background." }
        }
        (decided(&standing))
        @if !astray.is_empty() {
            section aria-labelledby="astray" {
                h2 #astray { "Tags that follow releases, and went astray" }
                (table("astray-table", "Forward-only tags that mean no release, or an older one", &["Since", "Tag", "Means", "Digest", "Who"], &astray))
            }
        }
        section aria-labelledby="releases" {
            h2 #releases { "Newest releases" }
            @if releases.is_empty() { p { "No release was pushed yet." } }
            @else { (table("releases-table", "Release tags that were pushed last", &["When", "Release", "Digest", "Who"], &releases)) }
        }
        section aria-labelledby="refusals" {
            h2 #refusals { "Newest refusals" }
            @if refusals.is_empty() { p { "Nothing was refused yet." } }
            @else { (table("refusals-table", "Pushes and deletes that a rule refused last", &["When", "Tag", "Who", "Client", "Why"], &refusals)) }
        }
        section aria-labelledby="repositories" {
            h2 #repositories { "Repositories" }
            @if repositories.is_empty() {
                p { "The log knows no repository yet. " code { "pushonce adopt" } " enters what the registry has." }
            } @else {
                ul.names { @for repository in &repositories { li { (repository_link(repository)) } } }
                @if let Some(last) = more {
                    p { a href={ "/?days=" (span) "&after=" (last) "#repositories" } { "More repositories" } }
                }
            }
        }
    };
    shown(Place::Overview, "Overview", &body)
}

/// Whole days, today included.
fn last_days(now: Timestamp, days: u64) -> (Timestamp, Timestamp) {
    let today = now.as_millisecond().div_euclid(DAY.cast_signed()) * DAY.cast_signed();
    let begin = |day: i64| {
        let midnight = Timestamp::from_millisecond(today).unwrap_or(now);
        midnight.checked_add(SignedDuration::from_millis(day * DAY.cast_signed())).unwrap_or(midnight)
    };
    (begin(1 - days.cast_signed()), begin(1))
}

fn release(entry: &Entry) -> Markup {
    let event = &entry.event;
    html! {
        tr {
            td { (time(event.at)) }
            td { @if let (Some(repository), Some(tag)) = (&event.repository, &event.tag) { (tag_link(repository, tag)) } }
            td { @if let Some(digest) = &event.digest { (digest_link(digest)) } }
            td { (who(event.who.as_deref())) }
        }
    }
}

fn refusal(entry: &Entry) -> Markup {
    let event = &entry.event;
    html! {
        tr {
            td { (time(event.at)) }
            td {
                @match (&event.repository, &event.tag) {
                    (Some(repository), Some(tag)) => { (tag_link(repository, tag)) }
                    (Some(repository), None) => { (repository_link(repository)) }
                    _ => {}
                }
            }
            td { (who(event.who.as_deref())) }
            td.words { (event.client.as_deref().unwrap_or_default()) }
            td.words { (event.detail.as_deref().unwrap_or_default()) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_days_are_whole_and_today_is_one() {
        let now: Timestamp = "2026-11-24T15:03:10.402Z".parse().expect("a time");
        let (since, until) = last_days(now, 7);
        assert_eq!((since.to_string().as_str(), until.to_string().as_str()), ("2026-11-18T00:00:00Z", "2026-11-25T00:00:00Z"));
    }
}
