//! Each question to the release log walks along an index.

use tokio_postgres::types::ToSql;

use super::*;
use crate::ledger::event::Outcome;
use crate::ledger::log::Filter;
use crate::ledger::postgres::events::MEANING;
use crate::ledger::postgres::questions::{COUNTS, MEANINGS, Page, REPOSITORIES, SPANS};
use crate::ledger::postgres::tree::{LEAVES, NODES};

/// Enough events for the planner to prefer an index, as it does with many.
const FILL: &str = "INSERT INTO events (registry, at, repository, tag, action, outcome, points, digest) \
     SELECT 'default', number, 'repository-' || number % 20, 'tag-' || number % 300, 'push', \
     CASE number % 10 WHEN 0 THEN 'refused' ELSE 'moved' END, number % 10 <> 0, 'sha256:' || number % 500 FROM generate_series(1, 20000) AS number; \
     INSERT INTO tree (level, number, hash, event) SELECT 0, number - 1, decode(repeat('00', 32), 'hex'), number FROM generate_series(1, 20000) AS number; \
     ANALYZE";

async fn plan(client: &tokio_postgres::Client, sql: &str, values: &[&(dyn ToSql + Sync)]) -> String {
    let rows = client.query(&format!("EXPLAIN {sql}"), values).await.expect(sql);
    rows.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn every_question_uses_an_index() {
    let url = Server::shared().schema();
    drop(open(&url).await);
    let client = raw(&url).await;
    client.batch_execute(FILL).await.expect("events");
    let web = key("repository-7:tag-7");
    let (repository, tag) = (Some(web.repository.clone()), Some(web.tag.clone()));
    let (outcome, before) = (Some(Outcome::Refused), Some((at(5), 7)));
    for filter in [
        Filter::default(),
        Filter { repository: repository.clone(), ..Filter::default() },
        Filter { repository: repository.clone(), tag: tag.clone(), before, ..Filter::default() },
        Filter { outcome, before, ..Filter::default() },
        Filter { repository, tag, outcome: Some(Outcome::Moved), ..Filter::default() },
    ] {
        let page = Page::of("default", &filter, 50);
        let values: Vec<&(dyn ToSql + Sync)> = page.values.iter().map(|(value, _)| &**value as &(dyn ToSql + Sync)).collect();
        expect_index(&page.sql, &plan(&client, &page.sql, &values).await);
    }
    let (registry, name, tag, digest) = ("default", "repository-7", "tag-7", "sha256:7");
    let (moment, limit, first) = (10_000_i64, 50_i64, "");
    expect_index(MEANING, &plan(&client, MEANING, &[&registry, &name, &tag, &moment]).await);
    expect_index(MEANINGS, &plan(&client, MEANINGS, &[&registry, &name, &first, &moment, &limit]).await);
    expect_index(REPOSITORIES, &plan(&client, REPOSITORIES, &[&registry, &first, &limit]).await);
    expect_index(SPANS, &plan(&client, SPANS, &[&registry, &digest, &limit]).await);
    let (since, until, step) = (19_900_i64, 20_000_i64, 10_i64);
    expect_index(COUNTS, &plan(&client, COUNTS, &[&registry, &since, &until, &step]).await);
    expect_index(NODES, &plan(&client, NODES, &[&0_i32, &moment, &limit]).await);
    expect_index(LEAVES, &plan(&client, LEAVES, &[&moment, &limit]).await);
}

#[track_caller]
fn expect_index(sql: &str, plan: &str) {
    assert!(plan.contains("Index") && !plan.contains("Seq Scan on events"), "{sql}\n{plan}");
}
