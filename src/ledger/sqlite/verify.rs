//! Everything that can be checked of a file by reading it, at one moment of it and while
//! a proxy may be writing to it.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::Connection;

use super::open::{explain, model, reader};
use super::{MIGRATIONS, OpenError, bulk};
use crate::ledger::carry::{Place, moment};

/// Rows of one page.
const PAGE: u32 = 1_000;

/// How many problems are told, for one kind of them.
const TOLD: usize = 20;

/// What a file holds, and what is wrong with it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Findings {
    /// The version of its schema, and that of this program.
    pub schema: (usize, usize),
    /// How many tags each registry has in each state.
    pub tags: BTreeMap<String, BTreeMap<String, u64>>,
    pub attempts: u64,
    pub acts: u64,
    pub events: u64,
    /// One line each; empty where all is well.
    pub problems: Vec<String>,
}

/// Reads the whole file. An error is a file that cannot be judged at all.
pub fn verify(file: &Path) -> Result<Findings, OpenError> {
    let (connection, file, version) = reader(file)?;
    let version = usize::try_from(version).unwrap_or(0);
    if version == 0 {
        return Err(OpenError::NotALedger { file });
    }
    let mut findings = Findings { schema: (version, MIGRATIONS.len()), ..Findings::default() };
    let model = model(version)?;
    let explain = |source| explain(&file, source);
    // One transaction, so that every check is of the same moment.
    connection.execute_batch("BEGIN").map_err(explain)?;
    pages(&connection, &mut findings).map_err(explain)?;
    schema(&connection, &model, &mut findings).map_err(explain)?;
    if findings.problems.is_empty() {
        rows(&connection, &mut findings).map_err(explain)?;
    }
    Ok(findings)
}

/// The file's own structure, its indexes and its foreign keys.
fn pages(connection: &Connection, findings: &mut Findings) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(&format!("PRAGMA integrity_check({TOLD})"))?;
    let lines: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    findings.problems.extend(lines.into_iter().filter(|line| line != "ok").map(|line| format!("the file is damaged: {line}")));
    let mut statement = connection.prepare("PRAGMA foreign_key_check")?;
    let orphans = statement.query_map([], |row| row.get::<_, String>(0))?.count();
    if orphans > 0 {
        findings.problems.push(format!("attempts without their tag: {orphans}"));
    }
    Ok(())
}

/// Tables, indexes and the triggers that guard what may never change.
fn schema(connection: &Connection, model: &Connection, findings: &mut Findings) -> rusqlite::Result<()> {
    let (found, due) = (objects(connection)?, objects(model)?);
    for (name, text) in &due {
        match found.get(name) {
            None => findings.problems.push(format!("{name} is missing")),
            Some(other) if other != text => findings.problems.push(format!("{name} was changed: {other}")),
            Some(_) => {}
        }
    }
    let strange = found.keys().filter(|name| !due.contains_key(*name));
    findings.problems.extend(strange.map(|name| format!("{name} is not pushonce's")));
    Ok(())
}

/// Every object of a schema as `trigger tags_stay_burnt`, with the SQL that made it.
fn objects(connection: &Connection) -> rusqlite::Result<BTreeMap<String, String>> {
    let sql = "SELECT type || ' ' || name, coalesce(sql, '') FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
    let mut statement = connection.prepare(sql)?;
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

fn rows(connection: &Connection, findings: &mut Findings) -> rusqlite::Result<()> {
    let mut wrong = Vec::new();
    let mut after = Place::default();
    loop {
        let page = bulk::tags(connection, &after, PAGE)?;
        let Some(last) = page.last() else { break };
        after = last.place.clone();
        for row in page {
            wrong.extend(row.check().err());
            *findings.tags.entry(row.place.registry).or_default().entry(row.state).or_default() += 1;
        }
    }
    let mut last = None;
    loop {
        let page = bulk::attempts(connection, last.as_ref(), PAGE)?;
        findings.attempts += page.len() as u64;
        wrong.extend(
            page.iter().filter_map(|row| moment(row.opened_at).err().map(|words| format!("an attempt of {}: {words}", row.place))),
        );
        match page.into_iter().next_back() {
            Some(row) => last = Some(row),
            None => break,
        }
    }
    let ended = "SELECT count(*) FROM attempts AS a JOIN tags AS t USING (registry, repository, tag) WHERE t.state <> 'open'";
    let ended: i64 = connection.query_row(ended, [], |row| row.get(0))?;
    if ended > 0 {
        wrong.push(format!("attempts of tags that are not open: {ended}"));
    }
    if findings.schema.0 >= 2 {
        acts(connection, findings, &mut wrong)?;
    }
    if findings.schema.0 >= 4 {
        events(connection, findings, &mut wrong)?;
    }
    let more = wrong.len().saturating_sub(TOLD);
    wrong.truncate(TOLD);
    if more > 0 {
        wrong.push(format!("and {more} more"));
    }
    findings.problems.extend(wrong);
    Ok(())
}

/// Whether every event can be read; whether it was changed is for `log verify` to say.
fn events(connection: &Connection, findings: &mut Findings, wrong: &mut Vec<String>) -> rusqlite::Result<()> {
    let mut after = i64::MIN;
    loop {
        let page = bulk::events(connection, after, PAGE)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.number;
        findings.events += page.len() as u64;
        wrong.extend(page.into_iter().filter_map(|row| row.read().err().map(|error| error.to_string())));
    }
}

fn acts(connection: &Connection, findings: &mut Findings, wrong: &mut Vec<String>) -> rusqlite::Result<()> {
    let mut after = i64::MIN;
    loop {
        let page = bulk::acts(connection, after, PAGE)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.number;
        findings.acts += page.len() as u64;
        wrong.extend(page.iter().filter_map(|row| moment(row.at).err().map(|words| format!("act {}: {words}", row.number))));
    }
}
