//! Carries an embedded ledger over to PostgreSQL, row by row and as it stands.
//!
//! A row is entered where the target has none with its key, and compared where it has one,
//! so it may be cut off at any moment and run again. It is done when both sides were read
//! from end to end once more, and are equal. The file is not changed.

mod rows;

use std::path::PathBuf;

use thiserror::Error;

pub use self::rows::{ActRow, AttemptRow, Place, TagRow, TurnRow, Waiting, WaitingRow, moment};
pub use super::row::event::EventRow;

use super::LedgerError;
use super::postgres::Target;
use super::sqlite::{self, Source};
use crate::failpoint::failpoint;

/// Rows of one page, which is one transaction of the target.
const PAGE: u32 = 500;

/// What was carried.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Carried {
    pub tags: u64,
    pub attempts: u64,
    pub acts: u64,
    pub events: u64,
    /// How many of all these were not at the target before.
    pub new: u64,
}

/// What is being done, for whoever shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    Carrying,
    Comparing,
}

/// Why the ledger is not carried over, or not whole. The source is as it was.
#[derive(Debug, Error)]
pub enum CarryError {
    #[error(transparent)]
    Source(#[from] sqlite::OpenError),
    #[error("the ledger {} holds a row that cannot be read ({words}); look at it with `pushonce ledger verify`", .file.display())]
    Unreadable { file: PathBuf, words: String },
    #[error("{cause}; nothing is lost: what was carried over by now is kept, and the same command goes on with it")]
    Target { cause: LedgerError },
    #[error(
        "{what} is {here} in {}, and {there} at the target: it holds another ledger, or a proxy has used it; \
             move to an empty database or schema",
        .file.display()
    )]
    Differs { file: PathBuf, what: String, here: String, there: String },
}

/// Carries everything, of every registry in the file. `tell` hears how many rows of how
/// many are done.
pub async fn carry(source: &Source, target: &Target, tell: &mut dyn FnMut(Step, u64, u64)) -> Result<Carried, CarryError> {
    let (all, registries) = (source.count()?, source.registries()?);
    let mut move_of = Move { source, target, registries, all, tell };
    let carried = move_of.enter().await?;
    move_of.compare().await?;
    Ok(carried)
}

struct Move<'a> {
    source: &'a Source,
    target: &'a Target,
    registries: Vec<String>,
    all: u64,
    tell: &'a mut dyn FnMut(Step, u64, u64),
}

impl Move<'_> {
    /// Enters what is missing. A row that differs ends it soon, not after hours.
    async fn enter(&mut self) -> Result<Carried, CarryError> {
        let mut carried = Carried::default();
        let mut after = Place::default();
        loop {
            let page = self.source.tags(&after, PAGE)?;
            let Some(last) = page.last() else { break };
            after = last.place.clone();
            for row in &page {
                row.check().map_err(|words| CarryError::Unreadable { file: self.source.file().to_owned(), words })?;
            }
            carried.new += self.target.enter_tags(&page).await.map_err(lost)?;
            failpoint!("ledger-carried");
            self.same(&page, &self.target.tags_like(&page).await.map_err(lost)?)?;
            carried.tags += page.len() as u64;
            self.say(Step::Carrying, carried);
        }
        let mut after = None;
        loop {
            let page = self.source.attempts(after.as_ref(), PAGE)?;
            let Some(last) = page.last() else { break };
            after = Some(last.clone());
            carried.new += self.target.enter_attempts(&page).await.map_err(lost)?;
            carried.attempts += page.len() as u64;
            self.say(Step::Carrying, carried);
        }
        for registry in self.registries.clone() {
            let (here, there) = (self.source.acts(&registry)?, self.target.acts(&registry).await.map_err(lost)?);
            let (known, missing) = here.split_at(there.len().min(here.len()));
            self.same(known, &there)?;
            for page in missing.chunks(PAGE as usize) {
                self.target.enter_acts(page).await.map_err(lost)?;
            }
            carried.new += missing.len() as u64;
            carried.acts += here.len() as u64;
            self.say(Step::Carrying, carried);
        }
        for kind in [Waiting::Notes, Waiting::Changes] {
            for page in self.source.waiting(kind)?.chunks(PAGE as usize) {
                self.target.enter_waiting(kind, page).await.map_err(lost)?;
            }
        }
        // The log of the target has the beginning of this one, or nothing.
        carried.events = self.target.count_events().await.map_err(lost)?;
        let mut after = i64::try_from(carried.events).unwrap_or(i64::MAX);
        loop {
            let page = self.source.events(after, PAGE)?;
            let Some(last) = page.last() else { break };
            after = last.number;
            self.target.enter_events(&page).await.map_err(lost)?;
            carried.events += page.len() as u64;
            carried.new += page.len() as u64;
            self.say(Step::Carrying, carried);
        }
        // Each leaf gets the position that it had.
        self.target.enter_turns(&self.source.turns()?).await.map_err(lost)?;
        // Each of them may have a proxy of its own, which is let in by its name.
        self.target.enter_registries(&self.registries).await.map_err(lost)?;
        Ok(carried)
    }

    /// Reads both sides from end to end: what is at the target of these registries must be
    /// what the source has, no more and no less.
    async fn compare(&mut self) -> Result<(), CarryError> {
        let mut compared = Carried::default();
        let mut after = Place::default();
        loop {
            let here = self.source.tags(&after, PAGE)?;
            self.same(&here, &self.target.tags(&self.registries, &after, PAGE).await.map_err(lost)?)?;
            let Some(last) = here.last() else { break };
            after = last.place.clone();
            compared.tags += here.len() as u64;
            self.say(Step::Comparing, compared);
        }
        let mut after: Option<AttemptRow> = None;
        loop {
            let here = self.source.attempts(after.as_ref(), PAGE)?;
            self.same(&here, &self.target.attempts(&self.registries, after.as_ref(), PAGE).await.map_err(lost)?)?;
            let Some(last) = here.last() else { break };
            after = Some(last.clone());
            compared.attempts += here.len() as u64;
            self.say(Step::Comparing, compared);
        }
        for kind in [Waiting::Notes, Waiting::Changes] {
            self.same(&self.source.waiting(kind)?, &self.target.waiting(kind).await.map_err(lost)?)?;
        }
        let (mut ours, mut theirs) = (0, i64::MIN);
        loop {
            let here = self.source.events(ours, PAGE)?;
            let there = self.target.events(theirs, PAGE).await.map_err(lost)?;
            self.same(&here, &there)?;
            let (Some(our_last), Some(their_last)) = (here.last(), there.last()) else { break };
            (ours, theirs) = (our_last.number, their_last.number);
            compared.events += here.len() as u64;
            self.say(Step::Comparing, compared);
        }
        self.same(&self.source.turns()?, &self.target.turns().await.map_err(lost)?)?;
        for registry in self.registries.clone() {
            let here = self.source.acts(&registry)?;
            self.same(&here, &self.target.acts(&registry).await.map_err(lost)?)?;
            compared.acts += here.len() as u64;
            self.say(Step::Comparing, compared);
        }
        Ok(())
    }

    fn say(&mut self, step: Step, done: Carried) {
        (self.tell)(step, done.tags + done.attempts + done.acts + done.events, self.all);
    }

    /// The first row in which two pages differ is an error that names both.
    fn same<R: Row>(&self, here: &[R], there: &[R]) -> Result<(), CarryError> {
        let pairs = (0..here.len().max(there.len())).map(|number| (here.get(number), there.get(number)));
        let mut differing = pairs.filter(|pair| !matches!(pair, (Some(here), Some(there)) if here.is_same(there)));
        let Some((here, there)) = differing.next() else { return Ok(()) };
        // Of two different keys the lower one is what the other side lacks.
        let names = [here, there].map(|row| row.map(Row::name));
        let what = names.iter().flatten().min().cloned().unwrap_or_default();
        let words = |row: Option<&R>| row.filter(|row| row.name() == what).map_or("missing".to_owned(), ToString::to_string);
        Err(CarryError::Differs { file: self.source.file().to_owned(), here: words(here), there: words(there), what })
    }
}

fn lost(cause: LedgerError) -> CarryError {
    CarryError::Target { cause }
}

/// A row of either side, as the other side may have it.
trait Row: PartialEq + std::fmt::Display {
    /// What tells it from the other rows, for people.
    fn name(&self) -> String;
    fn is_same(&self, other: &Self) -> bool {
        self == other
    }
}

impl Row for TagRow {
    fn name(&self) -> String {
        self.place.to_string()
    }
}

impl Row for AttemptRow {
    fn name(&self) -> String {
        format!("an attempt of {}", self.place)
    }
}

impl Row for WaitingRow {
    fn name(&self) -> String {
        format!("an open change or a note of {}", self.place)
    }
}

impl Row for TurnRow {
    fn name(&self) -> String {
        format!("how far `{}` has come", self.name)
    }
}

impl Row for EventRow {
    fn name(&self) -> String {
        "the release log".to_owned()
    }

    /// Each side numbers its events by itself.
    fn is_same(&self, other: &Self) -> bool {
        *self == Self { number: self.number, ..other.clone() }
    }
}

impl Row for ActRow {
    fn name(&self) -> String {
        format!("an act of registry `{}`", self.registry)
    }

    /// Each side numbers its acts by itself.
    fn is_same(&self, other: &Self) -> bool {
        let content = |act: &Self| (act.registry.clone(), act.at, act.who.clone(), act.what.clone(), act.reason.clone());
        content(self) == content(other)
    }
}
