//! A ledger that is to be carried to another engine: no other process has it meanwhile.

use std::path::{Path, PathBuf};

use super::open::{Opened, Wanted, explain, reader, refuse_older};
use super::{OpenError, bulk, open};
use crate::ledger::carry::{ActRow, AttemptRow, EventRow, Place, TagRow, TurnRow, Waiting, WaitingRow};

/// Holds the ledger's lock for as long as it lives.
pub struct Source {
    file: PathBuf,
    opened: Opened,
}

impl Source {
    /// Opens a ledger that is there already, has the schema of this version, and is the
    /// one that its witness has seen.
    pub fn open(path: &Path, registry: &str, witness: Option<&Path>) -> Result<Self, OpenError> {
        let (_, file, found) = reader(path)?;
        refuse_older(found, &file)?;
        let opened = open::open(&Wanted { file: path, registry, witness, is_accepted: false, is_impatient: false })?;
        Ok(Self { file: path.to_owned(), opened })
    }

    pub fn file(&self) -> &Path {
        &self.file
    }

    /// How many rows there are to carry.
    pub fn count(&self) -> Result<u64, OpenError> {
        bulk::count(&self.opened.scans).map_err(|source| explain(&self.file, source))
    }

    pub fn registries(&self) -> Result<Vec<String>, OpenError> {
        bulk::registries(&self.opened.scans).map_err(|source| explain(&self.file, source))
    }

    /// Tags behind `after`, in the order of their places.
    pub fn tags(&self, after: &Place, limit: u32) -> Result<Vec<TagRow>, OpenError> {
        bulk::tags(&self.opened.scans, after, limit).map_err(|source| explain(&self.file, source))
    }

    pub fn attempts(&self, after: Option<&AttemptRow>, limit: u32) -> Result<Vec<AttemptRow>, OpenError> {
        bulk::attempts(&self.opened.scans, after, limit).map_err(|source| explain(&self.file, source))
    }

    /// Every act of a registry, in their order.
    pub fn acts(&self, registry: &str) -> Result<Vec<ActRow>, OpenError> {
        bulk::acts_of(&self.opened.scans, registry).map_err(|source| explain(&self.file, source))
    }

    /// Events behind this number, in the order of their numbers.
    pub fn events(&self, after: i64, limit: u32) -> Result<Vec<EventRow>, OpenError> {
        bulk::events(&self.opened.scans, after, limit).map_err(|source| explain(&self.file, source))
    }

    /// Everything that waits for its end.
    pub fn waiting(&self, kind: Waiting) -> Result<Vec<WaitingRow>, OpenError> {
        bulk::waiting(&self.opened.scans, kind).map_err(|source| explain(&self.file, source))
    }

    /// How far the log was handed on, under each name.
    pub fn turns(&self) -> Result<Vec<TurnRow>, OpenError> {
        bulk::turns(&self.opened.scans).map_err(|source| explain(&self.file, source))
    }
}
