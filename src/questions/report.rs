//! What rules in audit mode would have refused: whom to talk to before they are enforced.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

use super::history;
use crate::ledger::event::{Event, Outcome};
use crate::ledger::log::Filter;
use crate::ledger::{LedgerError, Log};
use crate::oci::{RepositoryName, Tag};

/// Events that are read at once, and at most.
const PAGE: usize = 1_000;
const MOST: usize = 100_000;

/// Who pushed what a rule would have refused.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Offender {
    pub rule: String,
    pub repository: RepositoryName,
    /// Missing where no user is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// The first word of the `User-Agent`, such as `docker/29.1.0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// How many pushes and deletes.
    pub events: u64,
    /// The tags, in order.
    pub tags: BTreeSet<Tag>,
    pub last: Timestamp,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Report {
    pub since: Timestamp,
    pub until: Timestamp,
    /// The most events first.
    pub offenders: Vec<Offender>,
    /// Whether older events were left out, since there are too many.
    pub more: bool,
}

/// Rule, repository, user and client.
type Group = (String, RepositoryName, Option<String>, Option<String>);

/// What would have been refused from `since` to `until`.
pub async fn report(log: &dyn Log, since: Timestamp, until: Timestamp) -> Result<Report, LedgerError> {
    let filter = Filter { outcome: Some(Outcome::Warned), since: Some(since), until: Some(until), ..Filter::default() };
    let mut found: BTreeMap<Group, Offender> = BTreeMap::new();
    let (mut after, mut read) = (None, 0);
    loop {
        let page = history(log, &filter, after, PAGE).await?;
        read += page.entries.len();
        page.entries.into_iter().for_each(|entry| count(&mut found, entry.event));
        after = page.next;
        if after.is_none() || read >= MOST {
            break;
        }
    }
    let mut offenders: Vec<Offender> = found.into_values().collect();
    offenders.sort_by_key(|offender| std::cmp::Reverse(offender.events));
    Ok(Report { since, until, offenders, more: after.is_some() })
}

fn count(found: &mut BTreeMap<Group, Offender>, event: Event) {
    let (Some(repository), Some(tag)) = (event.repository, event.tag) else { return };
    let client = event.client.as_deref().and_then(|client| client.split_whitespace().next()).map(str::to_owned);
    let (rule, who) = (event.rule.unwrap_or_default(), event.who);
    let offender = found.entry((rule.clone(), repository.clone(), who.clone(), client.clone())).or_insert_with(|| Offender {
        rule,
        repository,
        who,
        client,
        events: 0,
        tags: BTreeSet::new(),
        last: event.at,
    });
    offender.events += 1;
    offender.tags.insert(tag);
    offender.last = offender.last.max(event.at);
}
