//! Rows as the databases give them, made into records. What an engine stores has
//! one spelling, whichever engine it is.

pub(super) mod event;

use std::fmt::Display;

use jiff::Timestamp;

use super::{Act, LedgerError, OpenClaim, Origin, Record, State, TagKey};
use crate::oci::{Digest, RepositoryName, Tag};

/// Where a row was read: for errors that name it.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) registry: &'a str,
    pub(super) row: &'a (dyn Display + Sync),
}

impl Place<'_> {
    pub(super) fn corrupt(&self, why: &dyn Display) -> LedgerError {
        LedgerError::Corrupt(format!("{} of registry `{}`: {why}", self.row, self.registry))
    }

    pub(super) fn time(&self, milliseconds: i64) -> Result<Timestamp, LedgerError> {
        Timestamp::from_millisecond(milliseconds).map_err(|error| self.corrupt(&error))
    }

    pub(super) fn tag(&self, text: &str) -> Result<Tag, LedgerError> {
        Tag::parse(text).map_err(|error| self.corrupt(&error))
    }

    pub(super) fn repository(&self, text: &str) -> Result<RepositoryName, LedgerError> {
        RepositoryName::parse(text).map_err(|error| self.corrupt(&error))
    }

    pub(super) fn key(&self, repository: &str, tag: &str) -> Result<TagKey, LedgerError> {
        Ok(TagKey { repository: self.repository(repository)?, tag: self.tag(tag)? })
    }

    pub(super) fn digest(&self, text: &str) -> Result<Digest, LedgerError> {
        Digest::parse(text).map_err(|error| self.corrupt(&error))
    }

    /// `None` is a lifted row.
    pub(super) fn state(&self, text: &str) -> Result<Option<State>, LedgerError> {
        match text {
            "open" => Ok(Some(State::Open)),
            "sealed" => Ok(Some(State::Sealed)),
            "burnt" => Ok(Some(State::Burnt)),
            "lifted" => Ok(None),
            other => Err(self.corrupt(&format!("`{other}` is not a state"))),
        }
    }

    pub(super) fn origin(&self, text: &str) -> Result<Origin, LedgerError> {
        match text {
            "pushed" => Ok(Origin::Pushed),
            "adopted" => Ok(Origin::Adopted),
            other => Err(self.corrupt(&format!("`{other}` is not an origin"))),
        }
    }

    /// `None` is a lifted row. `since` is in milliseconds since 1970.
    pub(super) fn record(&self, digest: &str, state: &str, origin: &str, since: i64) -> Result<Option<Record>, LedgerError> {
        let Some(state) = self.state(state)? else { return Ok(None) };
        let (origin, digest) = (self.origin(origin)?, self.digest(digest)?);
        Ok(Some(Record { digest, state, origin, since: self.time(since)? }))
    }
}

/// `since` is in milliseconds since 1970.
pub(super) fn open_claim(registry: &str, repository: &str, tag: &str, digest: &str, since: i64) -> Result<OpenClaim, LedgerError> {
    let name = format!("{repository}:{tag}");
    let place = Place { registry, row: &name };
    Ok(OpenClaim { key: place.key(repository, tag)?, digest: place.digest(digest)?, since: place.time(since)? })
}

/// `at` is in milliseconds since 1970.
pub(super) fn act(registry: &str, at: i64, who: String, what: String, reason: String) -> Result<Act, LedgerError> {
    let at = Place { registry, row: &"an act" }.time(at)?;
    Ok(Act { at, who, what, reason })
}
