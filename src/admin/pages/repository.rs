//! A repository: its releases, and what its other tags point to.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use maud::{Markup, html};

use super::parts::{Place, broken, digest_link, short_tag_link, table, time, who};
use super::{Admin, Answer, shown};
use crate::admin::asked::{OfRepository, Refused, name};
use crate::oci::{RepositoryName, Tag};
use crate::questions::{self, Moving, Release, Releases};

pub(super) async fn repository(State(admin): State<Arc<Admin>>, asked: Result<Query<OfRepository>, QueryRejection>) -> Answer {
    let repository = name(&asked?.repository)?;
    let Releases { releases, moving, .. } = questions::releases(&*admin.ledger, &repository).await?;
    if releases.is_empty() && moving.is_empty() && !is_known(&admin, &repository).await? {
        return Err(Refused::unknown(format!(
            "the log knows no repository {repository}; `pushonce adopt` enters what the registry has"
        ))
        .into());
    }
    let release_rows: Vec<Markup> = releases.iter().map(|release| release_row(&repository, release)).collect();
    let moving_rows: Vec<Markup> = moving.iter().map(|moving| moving_row(&repository, moving)).collect();
    let body = html! {
        p.lead { (broken(repository.as_str())) }
        p { a href={ "/log?repository=" (repository) } { "The log of this repository" } }
        section aria-labelledby="releases" {
            h2 #releases { "Releases" }
            @if release_rows.is_empty() { p { "No tag of it names a version." } }
            @else {
                (table("releases-table", "Releases, the newest version first", &["Release", "Digest", "Commit", "When", "Who", "Also"], &release_rows))
            }
        }
        section aria-labelledby="moving" {
            h2 #moving { "Other tags" }
            @if moving_rows.is_empty() { p { "There are none." } }
            @else { (table("moving-table", "What they point to now", &["Tag", "Release", "Digest", "Since", "Who"], &moving_rows)) }
        }
        section aria-labelledby="diff" {
            h2 #diff { "What changed" }
            form.fields action="/diff" {
                input type="hidden" name="repository" value=(repository);
                div { label for="from" { "Between" } input #from name="from" required value="7d" aria-describedby="times"; }
                div { label for="to" { "and" } input #to name="to" required value="now" aria-describedby="times"; }
                button { "Show" }
            }
            p.hint #times { "A date, a date with a time, or how long ago: 2026-11-24, 2026-11-24T15:00, 2h, 30d, now." }
        }
    };
    shown(Place::Elsewhere, "Repository", &body)
}

/// Whether anything was ever written down about it.
async fn is_known(admin: &Admin, repository: &RepositoryName) -> Result<bool, Refused> {
    let filter = crate::ledger::log::Filter { repository: Some(repository.clone()), ..Default::default() };
    Ok(!admin.ledger.entries(&filter, 1).await?.is_empty())
}

fn tags(repository: &RepositoryName, tags: &[Tag]) -> Markup {
    html! { @for tag in tags { (short_tag_link(repository, tag)) " " } }
}

fn release_row(repository: &RepositoryName, release: &Release) -> Markup {
    html! {
        tr {
            th scope="row" { (short_tag_link(repository, &release.tag)) }
            td { @if let Some(digest) = &release.digest { (digest_link(digest)) } @else { span.badge.plain { "deleted" } } }
            td {
                @if release.commits.is_empty() { @if release.digest.is_some() { span.badge.odd { "no commit tag" } } }
                @else { (tags(repository, &release.commits)) }
            }
            td { (time(release.at)) }
            td { (who(release.who.as_deref())) }
            td { (tags(repository, &release.pointed_to_by)) }
        }
    }
}

fn moving_row(repository: &RepositoryName, moving: &Moving) -> Markup {
    html! {
        tr {
            th scope="row" { (short_tag_link(repository, &moving.tag)) }
            td { @if let Some(release) = &moving.release { (short_tag_link(repository, release)) } @else { (super::parts::none("no release")) } }
            td { (digest_link(&moving.digest)) }
            td { (time(moving.since)) }
            td { (who(moving.who.as_deref())) }
        }
    }
}
