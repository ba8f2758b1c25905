//! What a developer reads whose push of a tag that moves is refused.

use jiff::Timestamp;

use super::day;
use crate::ledger::TagKey;
use crate::oci::Tag;
use crate::policy::Verdict;
use crate::policy::append::Lost;
use crate::policy::forward::Backward;

/// A refused move.
#[derive(Debug)]
pub struct Unmoved {
    pub key: TagKey,
    pub verdict: Verdict,
    /// `None` where the registry does not show this client what the tag means.
    pub why: Option<Why>,
}

/// Why a tag may not move to the bytes of a push.
#[derive(Debug)]
pub enum Why {
    Backward(Backward),
    Lost(Lost),
    /// The bytes are a release that was yanked.
    Yanked {
        release: Tag,
        at: Timestamp,
        reason: String,
    },
}

impl Why {
    fn text(&self) -> String {
        match self {
            Self::Backward(backward) => backward.to_string(),
            Self::Lost(lost) => lost.to_string(),
            Self::Yanked { release, at, reason } => {
                format!("these bytes are {release}, which was yanked on {}: {reason}; push another release", day(*at))
            }
        }
    }
}

impl Unmoved {
    /// The one line that a developer reads.
    pub fn message(&self) -> String {
        let Self { key, verdict, why } = self;
        let why = match why {
            Some(why) => format!(": {}", why.text()),
            None => " and may not move to these bytes".to_owned(),
        };
        let help = verdict.help_url.as_ref().map(|url| format!(" ({url})")).unwrap_or_default();
        format!("tag {key} is {} (rule \"{}\"){why}{help}", verdict.mutability, verdict.rule)
    }

    /// The same of a rule that is only tried.
    pub fn warning(&self) -> String {
        let Self { key, verdict, why } = self;
        let why = why.as_ref().map_or("it may not move to these bytes".to_owned(), Why::text);
        format!("tag {key} would be refused: rule \"{}\" (audit) makes it {}, and {why}", verdict.rule, verdict.mutability)
    }
}
