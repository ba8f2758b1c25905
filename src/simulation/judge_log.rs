//! What the release log must say when all is over.

use std::collections::BTreeMap;

use futures_util::FutureExt;

use super::plan::{LEDGER, repository};
use super::world::World;
use crate::ledger::event::{Entry, Outcome};
use crate::ledger::log::Filter;
use crate::ledger::{OpenChange, State, TagKey};
use crate::oci::Digest;

/// What happened to tags that move.
#[derive(Debug, Default)]
pub struct Moves {
    /// How often each tag was acknowledged to be moved to each digest.
    acknowledged: BTreeMap<(TagKey, String), usize>,
    /// Tags that the registry pointed for nobody: what was sent landed after whoever
    /// ended it had looked. Nobody can know of that before the next audit.
    late: Vec<TagKey>,
}

impl World {
    pub fn was_moved(&self, key: &TagKey, digest: &Digest) {
        *self.moves().acknowledged.entry((key.clone(), digest.as_str().to_owned())).or_default() += 1;
    }

    /// A change was ended by a look that found this. What landed behind that look is late.
    pub fn was_settled(&self, key: &TagKey, found: Option<&Digest>) {
        let is_as_seen = self.stored.lock().expect("the registry").tags.get(key.tag.as_str()) == found;
        if !is_as_seen {
            self.count("moves that landed behind the look that ended them");
            self.moves().late.push(key.clone());
        }
    }

    /// The registry has pointed a tag that moves.
    pub fn tag_was_moved(&self, key: &TagKey, digest: &Digest) {
        if !self.plan.moving.contains(key) {
            return;
        }
        let is_open = self.open_changes().iter().any(|change| change.key == *key && change.to.as_ref() == Some(digest));
        if !is_open {
            self.count("moves that landed after they were ended");
            self.moves().late.push(key.clone());
        }
    }

    pub fn open_changes(&self) -> Vec<OpenChange> {
        let ask = |ledger: std::sync::Arc<dyn crate::ledger::Ledger>| async move { ledger.open_changes(None, 1_000).await }.boxed();
        self.engine("").ask(ask).expect("the open changes")
    }

    fn log_entries(&self) -> Vec<Entry> {
        let filter = Filter { repository: Some(repository()), ..Filter::default() };
        let ask =
            move |ledger: std::sync::Arc<dyn crate::ledger::Ledger>| async move { ledger.entries(&filter, 100_000).await }.boxed();
        self.engine("").ask(ask).expect("the log")
    }

    fn meaning(&self, key: &TagKey) -> Option<Digest> {
        let key = key.clone();
        let ask = move |ledger: std::sync::Arc<dyn crate::ledger::Ledger>| async move { ledger.meaning(&key, None).await }.boxed();
        self.engine("").ask(ask).expect("the log")?.event.digest
    }

    pub fn judge_log(&self) {
        for change in self.open_changes() {
            self.breaks("INV-51", format!("a change of {} is open still", change.key));
        }
        let entries = self.log_entries();
        self.say(LEDGER, format!("{} events", entries.len()));
        let told = |key: &TagKey, digest: &str| {
            let is_it = |entry: &&Entry| {
                let event = &entry.event;
                let is_push = matches!(event.outcome, Outcome::Moved | Outcome::Repeated | Outcome::Unknown | Outcome::Warned);
                is_push && event.key().as_ref() == Some(key) && event.digest.as_ref().is_some_and(|found| found.as_str() == digest)
            };
            entries.iter().filter(is_it).count()
        };
        let acknowledged = self.moves().acknowledged.clone();
        for ((key, digest), times) in acknowledged {
            let found = told(&key, &digest);
            if found < times {
                self.breaks("INV-52", format!("{key} was moved to {digest} {times} times, and the log knows of {found}"));
            }
        }
        let stored = self.stored.lock().expect("the registry");
        for key in &self.plan.moving {
            let (said, shown) = (self.meaning(key), stored.tags.get(key.tag.as_str()).cloned());
            if said == shown {
                continue;
            }
            // A delete of a manifest on one replica and a move to it on another.
            let went = said.as_ref().is_some_and(|digest| stored.deleted.contains(digest.as_str()));
            if self.moves().late.contains(key) || went {
                self.count("moving tags that only an audit puts right");
            } else {
                self.breaks("INV-53", format!("the log says that {key} means {said:?}, and the registry {shown:?}"));
            }
        }
        drop(stored);
        for (key, row) in self.rows().swap_remove(0) {
            let expected = match row.state {
                State::Open => continue,
                State::Sealed => Some(row.digest),
                State::Burnt => None,
            };
            let said = self.meaning(&key);
            if said != expected {
                self.breaks("INV-54", format!("the ledger says that {key} means {expected:?}, and the log {said:?}"));
            }
        }
    }
}
