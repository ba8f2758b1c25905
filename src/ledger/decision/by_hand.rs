//! What an operator does: grant an exception, withdraw it, yank a release, take that back.

use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

use super::{Allows, Decided, Decisions, Exception, Yank, YankedPulls};
use crate::ledger::{Ledger, LedgerError, State, TagKey};

/// The longest that an exception may be open.
pub const LONGEST: SignedDuration = SignedDuration::from_hours(24);

/// One line that says why, without the space around it; `None` where there is none.
pub fn reason(text: &str) -> Option<&str> {
    let reason = text.trim();
    (!reason.is_empty() && !reason.chars().any(char::is_control)).then_some(reason)
}

/// Who decides, why and when.
#[derive(Clone, Copy, Debug)]
pub struct Hand<'a> {
    pub who: &'a str,
    /// One line.
    pub reason: &'a str,
    pub now: Timestamp,
}

/// Why nothing was decided.
#[derive(Debug, Error)]
pub enum Undone {
    #[error("an exception is open for at least a second and at most 24 hours, such as 15m; not {0:#}")]
    Time(SignedDuration),
    #[error(
        "an exception of {key} to {allows} is open until {until}: use it, or withdraw it with `pushonce exception withdraw {id}`"
    )]
    Open { id: String, key: TagKey, allows: Allows, until: Timestamp },
    #[error("{0} was deleted and is never used again, not even by an exception; push a new tag")]
    Burnt(TagKey),
    #[error("no exception {0} is open; `pushonce exception list` shows those that are")]
    NoException(String),
    #[error("the ledger knows no immutable tag {0} that means anything; releases are yanked, not tags that move")]
    NoRelease(TagKey),
    #[error("{0} is not yanked")]
    NotYanked(TagKey),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

async fn decisions(ledger: &dyn Ledger) -> Result<Decisions, Undone> {
    Ok(Decisions::of(&ledger.acts().await?))
}

/// Opens an exception for `time`.
pub async fn grant(
    ledger: &dyn Ledger,
    key: &TagKey,
    allows: Allows,
    time: SignedDuration,
    hand: Hand<'_>,
) -> Result<Exception, Undone> {
    if time < SignedDuration::from_secs(1) || time > LONGEST {
        return Err(Undone::Time(time));
    }
    if ledger.lookup(key).await?.is_some_and(|record| record.state == State::Burnt) {
        return Err(Undone::Burnt(key.clone()));
    }
    if let Some(Exception { id, until, .. }) = decisions(ledger).await?.exception(key, allows, hand.now) {
        return Err(Undone::Open { id: id.clone(), key: key.clone(), allows, until: *until });
    }
    let until = hand.now.saturating_add(time).unwrap_or(hand.now);
    let decided = Decided::grant(key.clone(), allows, until);
    ledger.act(&decided.act(hand.who, hand.reason, hand.now), Some(key)).await?;
    let Decided::Granted { id, key, allows, until } = decided else { return Err(Undone::NoException(String::new())) };
    let (who, reason) = (hand.who.to_owned(), hand.reason.to_owned());
    Ok(Exception { id, key, allows, at: hand.now, until, who, reason })
}

/// Takes an exception back that nobody has used.
pub async fn withdraw(ledger: &dyn Ledger, id: &str, hand: Hand<'_>) -> Result<Exception, Undone> {
    let missing = || Undone::NoException(id.to_owned());
    let decisions = decisions(ledger).await?;
    let exception = decisions.open(hand.now).find(|exception| exception.id == id).cloned().ok_or_else(missing)?;
    let act = Decided::Withdrawn { id: id.to_owned() }.act(hand.who, hand.reason, hand.now);
    let is_withdrawn = ledger.spend(id, &act, &exception.key).await?;
    is_withdrawn.then_some(exception).ok_or_else(missing)
}

/// Marks a release as bad.
pub async fn yank(ledger: &dyn Ledger, key: &TagKey, pulls: YankedPulls, hand: Hand<'_>) -> Result<Yank, Undone> {
    let standing = ledger.lookup(key).await?.filter(|record| record.state == State::Sealed);
    let digest = standing.ok_or_else(|| Undone::NoRelease(key.clone()))?.digest;
    let decided = Decided::Yanked { key: key.clone(), digest: digest.clone(), pulls };
    ledger.act(&decided.act(hand.who, hand.reason, hand.now), Some(key)).await?;
    Ok(Yank { digest, pulls, at: hand.now, who: hand.who.to_owned(), reason: hand.reason.to_owned() })
}

/// Takes a yank back.
pub async fn unyank(ledger: &dyn Ledger, key: &TagKey, hand: Hand<'_>) -> Result<(), Undone> {
    if decisions(ledger).await?.yank(key).is_none() {
        return Err(Undone::NotYanked(key.clone()));
    }
    let decided = Decided::Unyanked { key: key.clone() };
    Ok(ledger.act(&decided.act(hand.who, hand.reason, hand.now), Some(key)).await?)
}
