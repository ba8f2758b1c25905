//! What operators decide about single tags: exceptions and yanks.
//!
//! Each decision is an act of the ledger, with who and why, and so is its end. What
//! stands is told by reading all acts in order.

pub mod by_hand;

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Act, LedgerError, Note, Record, TagKey};
use crate::clock::AttemptId;
use crate::oci::words::words;
use crate::oci::{Digest, RepositoryName, Tag};

/// What an exception lets happen to a tag, once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Allows {
    /// Other bytes than its rule allows.
    Push,
    Delete,
}

/// What a pull of a yanked tag gets.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum YankedPulls {
    /// What it means, with a warning.
    Serve,
    /// 404.
    Refuse,
}

words!(Allows { Push => "push", Delete => "delete" });
words!(YankedPulls { Serve => "serve", Refuse => "refuse" });

/// A leave to break the rule of one tag once, until a moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Exception {
    pub id: String,
    pub key: TagKey,
    pub allows: Allows,
    pub at: Timestamp,
    pub until: Timestamp,
    pub who: String,
    pub reason: String,
}

/// A release that is marked as bad.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Yank {
    pub digest: Digest,
    pub pulls: YankedPulls,
    pub at: Timestamp,
    pub who: String,
    pub reason: String,
}

/// The text of an act that decides something, as [`Act::what`] has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Decided {
    Granted {
        id: String,
        key: TagKey,
        allows: Allows,
        until: Timestamp,
    },
    /// Taken back before it was used.
    Withdrawn {
        id: String,
    },
    Used {
        id: String,
    },
    Yanked {
        key: TagKey,
        digest: Digest,
        pulls: YankedPulls,
    },
    Unyanked {
        key: TagKey,
    },
}

impl fmt::Display for Decided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Granted { id, key, allows, until } => write!(f, "grant-exception {id} {key} {allows} {until}"),
            Self::Withdrawn { id } => write!(f, "withdraw-exception {id}"),
            Self::Used { id } => write!(f, "use-exception {id}"),
            Self::Yanked { key, digest, pulls } => write!(f, "yank {key} {digest} {pulls}"),
            Self::Unyanked { key } => write!(f, "unyank {key}"),
        }
    }
}

impl Decided {
    /// An exception that nobody has granted before.
    pub fn grant(key: TagKey, allows: Allows, until: Timestamp) -> Self {
        let id = AttemptId::random().to_string()[..12].to_owned();
        Self::Granted { id, key, allows, until }
    }

    /// `None` for an act that decides nothing about a tag's future.
    fn parse(what: &str) -> Option<Self> {
        let words: Vec<&str> = what.split(' ').collect();
        Some(match words[..] {
            ["grant-exception", id, key, allows, until] => {
                let (key, allows) = (parse_key(key)?, Allows::parse(allows)?);
                Self::Granted { id: id.to_owned(), key, allows, until: until.parse().ok()? }
            }
            ["withdraw-exception", id] => Self::Withdrawn { id: id.to_owned() },
            ["use-exception", id] => Self::Used { id: id.to_owned() },
            ["yank", key, digest, pulls] => {
                Self::Yanked { key: parse_key(key)?, digest: Digest::parse(digest).ok()?, pulls: YankedPulls::parse(pulls)? }
            }
            ["unyank", key] => Self::Unyanked { key: parse_key(key)? },
            _ => return None,
        })
    }

    pub fn act(&self, who: &str, reason: &str, at: Timestamp) -> Act {
        Act { at, who: who.to_owned(), what: self.to_string(), reason: reason.to_owned() }
    }
}

fn parse_key(text: &str) -> Option<TagKey> {
    let (repository, tag) = text.rsplit_once(':')?;
    Some(TagKey { repository: RepositoryName::parse(repository).ok()?, tag: Tag::parse(tag).ok()? })
}

/// What ends an exception, as acts write it.
pub(super) fn ends_of(id: &str) -> [String; 2] {
    let id = id.to_owned();
    [Decided::Used { id: id.clone() }.to_string(), Decided::Withdrawn { id }.to_string()]
}

/// Every decision that stands.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Decisions {
    /// Neither used nor withdrawn, in the order in which they were granted; their time may
    /// be over.
    exceptions: Vec<Exception>,
    yanks: BTreeMap<TagKey, Yank>,
}

impl Decisions {
    /// Of the acts of a registry, the oldest first.
    pub fn of(acts: &[Act]) -> Self {
        let mut decisions = Self::default();
        for Act { at, who, what, reason } in acts {
            let (at, who, reason) = (*at, who.clone(), reason.clone());
            match Decided::parse(what) {
                Some(Decided::Granted { id, key, allows, until }) => {
                    decisions.exceptions.push(Exception { id, key, allows, at, until, who, reason });
                }
                Some(Decided::Withdrawn { id } | Decided::Used { id }) => {
                    decisions.exceptions.retain(|exception| exception.id != id);
                }
                Some(Decided::Yanked { key, digest, pulls }) => {
                    decisions.yanks.insert(key, Yank { digest, pulls, at, who, reason });
                }
                Some(Decided::Unyanked { key }) => drop(decisions.yanks.remove(&key)),
                None => {}
            }
        }
        decisions
    }

    /// The exceptions that may still be used.
    pub fn open(&self, now: Timestamp) -> impl Iterator<Item = &Exception> {
        self.exceptions.iter().filter(move |exception| exception.until > now)
    }

    pub fn exception(&self, key: &TagKey, allows: Allows, now: Timestamp) -> Option<&Exception> {
        self.open(now).find(|exception| exception.key == *key && exception.allows == allows)
    }

    pub fn yanks(&self) -> impl Iterator<Item = (&TagKey, &Yank)> {
        self.yanks.iter()
    }

    pub fn yank(&self, key: &TagKey) -> Option<&Yank> {
        self.yanks.get(key)
    }

    /// The yanked release of a repository that has these bytes.
    pub fn yanked(&self, repository: &RepositoryName, names: impl Fn(&Digest) -> bool) -> Option<(&TagKey, &Yank)> {
        self.yanks.iter().find(|(key, yank)| key.repository == *repository && names(&yank.digest))
    }
}

/// The operations of the ledger that carry decisions out.
#[async_trait]
pub trait Deciding: Send + Sync {
    /// Writes an act down, about `key` or the ledger as a whole.
    async fn act(&self, act: &Act, key: Option<&TagKey>) -> Result<(), LedgerError>;

    /// How many acts there are: others decided something where it has grown.
    async fn count_acts(&self) -> Result<u64, LedgerError>;

    /// Uses an exception up, with the act that says so. False, with nothing written, where
    /// it was used or withdrawn before: of two uses at once, one is first.
    async fn spend(&self, id: &str, act: &Act, key: &TagKey) -> Result<bool, LedgerError>;

    /// The one change of a sealed tag's digest: from `from` to `to`, where it means `from`
    /// now, and `by` an exception where one is given, which is used up in the same step.
    /// `None`, with nothing changed, where either does not hold. Writes the event.
    async fn replace(
        &self,
        key: &TagKey,
        from: &Digest,
        to: &Digest,
        by: Option<(&str, &Act)>,
        note: &Note,
    ) -> Result<Option<Record>, LedgerError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> TagKey {
        parse_key(text).expect(text)
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn digest(of: &str) -> Digest {
        Digest::of(crate::oci::Algorithm::Sha256, of.as_bytes())
    }

    #[test]
    fn an_act_says_what_was_decided() {
        let digest = digest("a");
        for decided in [
            Decided::grant(key("a/web:1.4.0"), Allows::Push, at(900)),
            Decided::grant(key("web:latest"), Allows::Delete, at(1)),
            Decided::Withdrawn { id: "0a1b".to_owned() },
            Decided::Used { id: "0a1b".to_owned() },
            Decided::Yanked { key: key("web:1.4.3"), digest, pulls: YankedPulls::Refuse },
            Decided::Unyanked { key: key("web:1.4.3") },
        ] {
            let what = decided.act("ann", "a reason", at(0)).what;
            assert_eq!(Decided::parse(&what), Some(decided), "{what}");
        }
        for other in
            ["release-claim web:1.4.0 sha256:a", "yank web", "", "yank web:1 sha256:x serve", "grant-exception 1 web:1 both 2"]
        {
            assert_eq!(Decided::parse(other), None, "{other}");
        }
    }

    #[test]
    fn what_stands_is_told_by_all_acts() {
        let granted = Decided::grant(key("web:1.4.0"), Allows::Push, at(100));
        let Decided::Granted { id, .. } = &granted else { unreachable!("it was granted") };
        let yank = |digest, pulls| Decided::Yanked { key: key("web:1.4.3"), digest, pulls };
        let acts = [
            granted.act("ann", "a secret", at(1)),
            Decided::grant(key("web:1.5.0"), Allows::Delete, at(50)).act("bob", "a secret", at(2)),
            yank(digest("a"), YankedPulls::Serve).act("cyd", "broken", at(3)),
            yank(digest("a"), YankedPulls::Refuse).act("cyd", "very broken", at(4)),
        ];
        let decisions = Decisions::of(&acts);
        let open = |now| decisions.open(at(now)).map(|exception| exception.key.to_string()).collect::<Vec<_>>();
        assert_eq!(
            (open(10), open(60), open(100)),
            (vec!["web:1.4.0".into(), "web:1.5.0".into()], vec!["web:1.4.0".into()], vec![])
        );
        assert!(decisions.exception(&key("web:1.4.0"), Allows::Push, at(10)).is_some());
        assert!(decisions.exception(&key("web:1.4.0"), Allows::Delete, at(10)).is_none());
        assert_eq!(
            decisions.yank(&key("web:1.4.3")).map(|yank| (&*yank.reason, yank.pulls)),
            Some(("very broken", YankedPulls::Refuse))
        );
        let web = key("web:1").repository;
        assert!(decisions.yanked(&web, |found| *found == digest("a")).is_some());
        assert!(decisions.yanked(&web, |found| *found == digest("b")).is_none());

        let used = Decided::Used { id: id.clone() }.act("dan", "a secret", at(5));
        let ended = [&acts[..], &[used, Decided::Unyanked { key: key("web:1.4.3") }.act("cyd", "repaired", at(6))]].concat();
        let decisions = Decisions::of(&ended);
        assert_eq!((decisions.open(at(0)).count(), decisions.yanks().count()), (1, 0));
    }
}
