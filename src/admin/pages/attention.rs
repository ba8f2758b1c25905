//! What somebody should look at: open exceptions, yanked releases, tags that follow
//! releases and went astray.

use maud::{Markup, html};

use super::parts::{digest_link, table, tag_link, time, who};
use crate::ledger::{Ledger, LedgerError};
use crate::policy::Release;
use crate::questions::{OpenException, Standing, Yanked};

/// The most tags that are shown, and that are looked at for them.
const SHOWN: usize = 20;
const LOOKED_AT: usize = 200;

/// Exceptions and yanks, as far as there are any.
pub(super) fn decided(standing: &Standing) -> Markup {
    let exceptions: Vec<Markup> = standing.exceptions.iter().map(exception).collect();
    let yanks: Vec<Markup> = standing.yanks.iter().map(yanked).collect();
    html! {
        @if !exceptions.is_empty() {
            section aria-labelledby="exceptions" {
                h2 #exceptions { "Open exceptions" }
                (table("exceptions-table", "What may break the rule of a tag once", &["Until", "Tag", "Lets", "Who", "Why"], &exceptions))
            }
        }
        @if !yanks.is_empty() {
            section aria-labelledby="yanks" {
                h2 #yanks { "Yanked releases" }
                (table("yanks-table", "Releases that are marked as bad", &["When", "Release", "Pulls", "Who", "Why"], &yanks))
            }
        }
    }
}

fn exception(one: &OpenException) -> Markup {
    html! {
        tr {
            td { (time(one.until)) }
            td { (tag_link(&one.repository, &one.tag)) }
            td { @if one.allows == "push" { "other bytes be pushed" } @else { "it be deleted" } }
            td { (who(Some(&one.who))) }
            td.words { (one.reason) }
        }
    }
}

fn yanked(one: &Yanked) -> Markup {
    html! {
        tr {
            td { (time(one.at)) }
            td { (tag_link(&one.repository, &one.tag)) }
            td { @if one.pulls == "serve" { "with a warning" } @else { "get 404" } }
            td { (who(Some(&one.who))) }
            td.words { (one.reason) }
        }
    }
}

/// A row for each tag that was moved to bytes that were no known release: where they are
/// none yet, and where they were released as an older one than it has followed.
pub(super) async fn astray(ledger: &dyn Ledger) -> Result<Vec<Markup>, LedgerError> {
    let mut rows = Vec::new();
    for (key, followed) in ledger.unreleased(None, LOOKED_AT).await? {
        if rows.len() == SHOWN {
            break;
        }
        let Some(event) = ledger.meaning(&key, None).await?.map(|entry| entry.event) else { continue };
        let Some(digest) = event.digest else { continue };
        let spans = ledger.spans(&digest, LOOKED_AT).await?;
        let standing = spans.into_iter().filter(|span| span.until.is_none()).filter_map(|span| span.from.event.key());
        let of_repository = standing.filter(|other| other.repository == key.repository);
        let newest = of_repository.filter_map(|other| Release::of(&other.tag)).max();
        let followed = followed.as_ref().and_then(Release::of);
        let words = match (&newest, &followed) {
            (None, Some(followed)) => format!("no release; it followed {followed}"),
            (None, None) => "no release".to_owned(),
            (Some(newest), Some(followed)) if newest < followed => format!("{newest}, which is older than {followed}"),
            (Some(_), _) => continue,
        };
        rows.push(html! {
            tr {
                td { (time(event.at)) }
                td { (tag_link(&key.repository, &key.tag)) }
                td { (words) }
                td { (digest_link(&digest)) }
                td { (who(event.who.as_deref())) }
            }
        });
    }
    Ok(rows)
}
