//! Each question to the release log walks along an index: no table is read whole, and
//! nothing is sorted that the index has in order.

use rusqlite::Connection;

use super::super::books::{plans, tree};
use crate::ledger::event::Outcome;
use crate::ledger::log::Filter;
use crate::ledger::suite::{at, key};

fn plan(connection: &Connection, sql: &str) -> String {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).expect(sql);
    let count = statement.parameter_count();
    let nothing = vec![rusqlite::types::Null; count];
    let lines = statement.query_map(rusqlite::params_from_iter(nothing), |row| row.get::<_, String>(3)).expect(sql);
    lines.collect::<rusqlite::Result<Vec<_>>>().expect(sql).join("\n")
}

#[test]
fn every_question_uses_an_index() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("ledger.db");
    drop(crate::ledger::sqlite::SqliteLedger::open(&file, "default").expect("a ledger"));
    let connection = Connection::open(&file).expect("the file");
    let web = key("web:latest");
    let (repository, tag) = (Some(web.repository.clone()), Some(web.tag.clone()));
    let (outcome, before, since, until) = (Some(Outcome::Refused), Some((at(5), 7)), Some(at(1)), Some(at(9)));
    let filters = [
        (Filter::default(), "events_at "),
        (Filter { repository: repository.clone(), before, ..Filter::default() }, "events_of_repository "),
        (Filter { repository: repository.clone(), tag: tag.clone(), before, ..Filter::default() }, "events_of_tag "),
        (Filter { outcome, before, ..Filter::default() }, "events_by_outcome "),
        (Filter { repository: repository.clone(), outcome, since, until, ..Filter::default() }, "events_of_repository_by_outcome "),
        (Filter { since, until, before, ..Filter::default() }, "events_at "),
        (Filter { repository, tag, outcome: Some(Outcome::Moved), before, ..Filter::default() }, "events_that_point "),
    ];
    let mut questions: Vec<(String, &str)> =
        filters.iter().map(|(filter, index)| (plans::page("default", filter).0, *index)).collect();
    questions.extend([
        (plans::MEANING.to_owned(), "events_that_point "),
        (plans::NEXT_TAG.to_owned(), "events_that_point "),
        (plans::NEXT_REPOSITORY.to_owned(), "events_of_repository"),
        (plans::SPANS.to_owned(), "events_to_digest "),
        (plans::END_OF_SPAN.to_owned(), "events_that_point "),
        (plans::COUNTS.to_owned(), "events_"),
        (plans::UNRELEASED.to_owned(), "moving_unreleased "),
        (tree::NODES.to_owned(), "PRIMARY KEY"),
        (tree::LEAVES.to_owned(), "PRIMARY KEY"),
    ]);
    for (sql, index) in questions {
        let plan = plan(&connection, &sql);
        assert!(plan.contains(index), "{sql}\n{plan}");
        assert!(!plan.contains("SCAN events\n") && !plan.ends_with("SCAN events"), "it reads everything: {sql}\n{plan}");
        // Counts are few; whatever else is sorted would be all of it.
        assert!(sql == plans::COUNTS || !plan.contains("TEMP B-TREE"), "it sorts: {sql}\n{plan}");
    }
}
