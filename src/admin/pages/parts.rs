//! What pages are made of.

use jiff::{Timestamp, Unit};
use maud::{DOCTYPE, Markup, html};

use crate::ledger::event::{Entry, Outcome};
use crate::oci::{Digest, RepositoryName, Tag};

/// Where in the site a page is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Overview,
    Log,
    Policy,
    Audit,
    Elsewhere,
}

const PLACES: [(Place, &str, &str); 4] = [
    (Place::Overview, "/", "Overview"),
    (Place::Log, "/log", "Log"),
    (Place::Policy, "/policy", "Policy"),
    (Place::Audit, "/audit", "Audit"),
];

pub(super) fn page(place: Place, title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · pushonce" }
                link rel="stylesheet" href="/style.css";
                link rel="icon" href="/icon.svg" type="image/svg+xml";
            }
            body {
                a.skip href="#content" { "Skip to the content" }
                header {
                    a.name href="/" { "pushonce" }
                    nav aria-label="Pages" {
                        ul {
                            @for (other, path, name) in PLACES {
                                li { a href=(path) aria-current=[(other == place).then_some("page")] { (name) } }
                            }
                        }
                    }
                    form.go action="/go" role="search" {
                        label for="go" { "Find" }
                        input #go name="q" type="search" required placeholder="repository:tag or sha256:…" autocomplete="off" spellcheck="false";
                        button { "Go" }
                    }
                }
                main #content tabindex="-1" {
                    h1 { (title) }
                    (body)
                }
                footer { p { "Times are in UTC. The same is answered as JSON under " code { "/api/v1" } "." } }
            }
        }
    }
}

/// A moment, to the second; the rest is in the attribute.
pub(super) fn time(at: Timestamp) -> Markup {
    let shown = at.round(Unit::Second).unwrap_or(at).to_string();
    let shown = shown.trim_end_matches('Z').replace('T', " ");
    html! { time datetime=(at) { (shown) } }
}

pub(super) fn repository_path(repository: &RepositoryName) -> String {
    format!("/repository?repository={repository}")
}

pub(super) fn repository_link(repository: &RepositoryName) -> Markup {
    html! { a href=(repository_path(repository)) { (broken(repository.as_str())) } }
}

pub(super) fn tag_path(repository: &RepositoryName, tag: &Tag) -> String {
    format!("/tag?repository={repository}&tag={tag}")
}

/// The tag alone, where its repository is known from the page.
pub(super) fn short_tag_link(repository: &RepositoryName, tag: &Tag) -> Markup {
    html! { a href=(tag_path(repository, tag)) { (broken(tag.as_str())) } }
}

pub(super) fn tag_link(repository: &RepositoryName, tag: &Tag) -> Markup {
    html! { a href=(tag_path(repository, tag)) { (broken(&format!("{repository}:{tag}"))) } }
}

/// The beginning of a digest, which leads to the page with the whole of it.
pub(super) fn digest_link(digest: &Digest) -> Markup {
    html! { a.digest href={ "/digest?digest=" (digest) } title=(digest) { code { (digest.short()) "…" } } }
}

/// A line to copy.
pub(super) fn pin(repository: &RepositoryName, digest: &Digest) -> Markup {
    html! { code.pin { (broken(repository.as_str())) "@" (digest) } }
}

/// Long names may be broken behind their separators.
pub(super) fn broken(name: &str) -> Markup {
    html! {
        @for part in name.split_inclusive(['/', ':', '-', '_', '.']) { (part) wbr; }
    }
}

/// An outcome, told by its word and not by its colour alone.
pub(super) fn badge(outcome: Outcome) -> Markup {
    let kind = match outcome {
        Outcome::Refused | Outcome::Drifted | Outcome::Missing => "bad",
        Outcome::Warned | Outcome::Unknown | Outcome::Seen => "odd",
        Outcome::Pushed | Outcome::Repaired => "good",
        _ => "plain",
    };
    html! { span class={ "badge " (kind) } { (outcome) } }
}

/// Who, or a dash that is read as what it means.
pub(super) fn who(who: Option<&str>) -> Markup {
    match who {
        Some(who) => html! { (who) },
        None => none("nobody is known"),
    }
}

pub(super) fn none(meaning: &str) -> Markup {
    html! { span.none { span aria-hidden="true" { "–" } span.heard { (meaning) } } }
}

/// `1 push`, `2 pushes`.
pub(super) fn counted(count: u64, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}

/// A table that may be wider than its page. `head` are its columns.
pub(super) fn table(id: &str, caption: &str, head: &[&str], rows: &[Markup]) -> Markup {
    html! {
        div.scroll role="region" aria-labelledby=(id) tabindex="0" {
            table {
                caption #(id) { (caption) }
                thead { tr { @for column in head { th scope="col" { (column) } } } }
                tbody { @for row in rows { (row) } }
            }
        }
    }
}

/// A row of the log. In the order of [`EVENT_HEAD`].
pub(super) fn event_row(Entry { event, .. }: &Entry) -> Markup {
    html! {
        tr {
            td { (time(event.at)) }
            td { (badge(event.outcome)) }
            td {
                @match (&event.repository, &event.tag) {
                    (Some(repository), Some(tag)) => { (tag_link(repository, tag)) }
                    (Some(repository), None) => { (repository_link(repository)) }
                    _ => { (none("the whole ledger")) }
                }
            }
            td { @if let Some(digest) = &event.digest { (digest_link(digest)) } @else { (none("nothing")) } }
            td { @if let Some(digest) = &event.previous { (digest_link(digest)) } @else { (none("nothing")) } }
            td { (who(event.who.as_deref())) }
            td.words {
                @if let Some(detail) = &event.detail { (detail) } @else if let Some(client) = &event.client { (client) }
            }
        }
    }
}

pub(super) const EVENT_HEAD: [&str; 7] = ["When", "Outcome", "Tag", "Digest", "Before", "Who", "Client or why"];
