//! What audits of the registry found.

use std::sync::Arc;

use axum::extract::State;
use maud::{Markup, html};

use super::parts::{EVENT_HEAD, Place, digest_link, event_row, none, table, tag_link, time};
use super::{Admin, Answer, shown};
use crate::audits::Audit;
use crate::gate::Differs;
use crate::ledger::TagKey;
use crate::ledger::event::{Entry, Outcome};
use crate::ledger::log::Filter;

/// How many events are shown.
const NEWEST: usize = 20;

pub(super) async fn audit(State(admin): State<Arc<Admin>>) -> Answer {
    let newest = |outcome| {
        let filter = Filter { outcome: Some(outcome), ..Filter::default() };
        let ledger = Arc::clone(&admin.ledger);
        async move { ledger.entries(&filter, NEWEST).await }
    };
    let (drifted, missing, repaired) =
        tokio::try_join!(newest(Outcome::Drifted), newest(Outcome::Missing), newest(Outcome::Repaired))?;
    let mut entries: Vec<Entry> = [drifted, missing, repaired].concat();
    entries.sort_by_key(|entry| std::cmp::Reverse((entry.event.at, entry.number)));
    entries.truncate(NEWEST);
    let rows: Vec<Markup> = entries.iter().map(event_row).collect();
    let body = html! {
        section.card aria-labelledby="newest" {
            h2 #newest { "Newest audit" }
            @match admin.audits.newest() {
                Some(audit) => { (told(&audit)) }
                None if admin.audit_interval.is_zero() => {
                    p { "Audits in the background are off (" code { "audit.interval" } "). " code { "pushonce audit" } " compares the registry with the ledger at once." }
                }
                None => { p { "This replica has not audited since its start: the next audit is not due yet, or another replica audits." } }
            }
        }
        section aria-labelledby="events" {
            h2 #events { "Newest drift and repairs" }
            @if rows.is_empty() { p { "The registry was never seen to differ from the ledger." } }
            @else { (table("events-table", "Immutable tags that the registry had elsewhere or not at all, and repairs", &EVENT_HEAD, &rows)) }
        }
    };
    shown(Place::Audit, "Audit", &body)
}

fn told(audit: &Audit) -> Markup {
    let rows: Vec<Markup> = audit.differences.iter().map(row).collect();
    let left_out = audit.counts.values().sum::<u64>().saturating_sub(audit.differences.len() as u64);
    html! {
        p {
            "Begun at " (time(audit.begun)) @if let Some(ended) = audit.ended { ", ended at " (time(ended)) }
            ": " (audit.looked_at) " tags looked at, " strong { (audit.standing()) " differ" } ", " (audit.failed) " could not be looked at."
        }
        @if !rows.is_empty() {
            (table("differences", "What differed", &["Tag", "Difference", "Means", "Registry", "Not repaired because"], &rows))
        }
        @if left_out > 0 { p.note { (left_out) " more differed. " code { "pushonce audit" } " names them all." } }
        @if !audit.failures.is_empty() {
            h3 { "What could not be looked at" }
            ul { @for cause in audit.failures.iter().take(NEWEST) { li { (cause) } } }
        }
    }
}

fn row((key, differs): &(TagKey, Differs)) -> Markup {
    let kind = if differs.difference.stands() { "bad" } else { "plain" };
    html! {
        tr {
            th scope="row" { (tag_link(&key.repository, &key.tag)) }
            td { span class={ "badge " (kind) } { (differs.difference.as_str()) } }
            td { @if let Some(digest) = &differs.means { (digest_link(digest)) } @else { (none("nothing")) } }
            td { @if let Some(digest) = &differs.found { (digest_link(digest)) } @else { (none("nothing")) } }
            td.words { (differs.unrepaired.as_deref().unwrap_or_default()) }
        }
    }
}
