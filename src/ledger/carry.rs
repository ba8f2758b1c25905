//! Carries an embedded ledger over to PostgreSQL, row by row and as it stands.
//!
//! A row is entered where the target has none with its key, and compared where it has one,
//! so it may be cut off at any moment and run again. It is done when both sides were read
//! from end to end once more, and are equal. The file is not changed.

mod rows;

use std::path::PathBuf;

use thiserror::Error;

pub use self::rows::{ActRow, AttemptRow, Place, TagRow, moment};

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
    let all = source.count()?;
    let mut carried = Carried::default();
    let mut told = |step, carried: &Carried| tell(step, carried.tags + carried.attempts + carried.acts, all);
    let tags = async |carried: &mut Carried, told: &mut dyn FnMut(Step, &Carried)| {
        let mut after = Place::default();
        loop {
            let page = source.tags(&after, PAGE)?;
            let Some(last) = page.last() else { return Ok::<(), CarryError>(()) };
            after = last.place.clone();
            for row in &page {
                row.check().map_err(|words| CarryError::Unreadable { file: source.file().to_owned(), words })?;
            }
            carried.new += target.enter_tags(&page).await.map_err(lost)?;
            failpoint!("ledger-carried");
            let there = target.tags_like(&page).await.map_err(lost)?;
            same(source, &page, &there)?;
            carried.tags += page.len() as u64;
            told(Step::Carrying, carried);
        }
    };
    tags(&mut carried, &mut told).await?;
    let mut after = None;
    loop {
        let page = source.attempts(after.as_ref(), PAGE)?;
        let Some(last) = page.last() else { break };
        after = Some(last.clone());
        carried.new += target.enter_attempts(&page).await.map_err(lost)?;
        carried.attempts += page.len() as u64;
        told(Step::Carrying, &carried);
    }
    for registry in source.registries()? {
        let there = target.acts(&registry).await.map_err(lost)?;
        let here = source.acts(&registry)?;
        let known = there.len().min(here.len());
        same(source, &here[..known], &there)?;
        for page in here[known..].chunks(PAGE as usize) {
            target.enter_acts(page).await.map_err(lost)?;
            carried.new += page.len() as u64;
        }
        carried.acts += here.len() as u64;
        told(Step::Carrying, &carried);
    }
    compare(source, target, &mut told).await?;
    Ok(carried)
}

/// Reads both sides from end to end: what is at the target of the registries of the source
/// must be what the source has, no more and no less.
async fn compare(source: &Source, target: &Target, told: &mut dyn FnMut(Step, &Carried)) -> Result<(), CarryError> {
    let registries = source.registries()?;
    let mut compared = Carried::default();
    let mut after = Place::default();
    loop {
        let here = source.tags(&after, PAGE)?;
        let there = target.tags(&registries, &after, PAGE).await.map_err(lost)?;
        same(source, &here, &there)?;
        let Some(last) = here.last() else { break };
        after = last.place.clone();
        compared.tags += here.len() as u64;
        told(Step::Comparing, &compared);
    }
    let mut after: Option<AttemptRow> = None;
    loop {
        let here = source.attempts(after.as_ref(), PAGE)?;
        let there = target.attempts(&registries, after.as_ref(), PAGE).await.map_err(lost)?;
        same(source, &here, &there)?;
        let Some(last) = here.last() else { break };
        after = Some(last.clone());
        compared.attempts += here.len() as u64;
        told(Step::Comparing, &compared);
    }
    for registry in &registries {
        let here = source.acts(registry)?;
        same(source, &here, &target.acts(registry).await.map_err(lost)?)?;
        compared.acts += here.len() as u64;
        told(Step::Comparing, &compared);
    }
    Ok(())
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

/// The first row in which two pages differ is an error that names both.
fn same<R: Row>(source: &Source, here: &[R], there: &[R]) -> Result<(), CarryError> {
    let longest = here.len().max(there.len());
    let difference = (0..longest).map(|number| (here.get(number), there.get(number))).find(|pair| match pair {
        (Some(here), Some(there)) => !here.is_same(there),
        _ => true,
    });
    let Some((here, there)) = difference else { return Ok(()) };
    let what = here.or(there).map(Row::name).unwrap_or_default();
    let words = |row: Option<&R>| match row {
        None => "missing".to_owned(),
        Some(row) if row.name() == what => row.to_string(),
        Some(_) => "missing".to_owned(),
    };
    Err(CarryError::Differs { file: source.file().to_owned(), here: words(here), there: words(there), what })
}
