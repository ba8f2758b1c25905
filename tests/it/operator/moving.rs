//! `pushonce ledger move` with a real file and a real PostgreSQL, cut off at any moment.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::Duration;

use rusqlite::Connection;

use super::ledger_commands::{command_with, leave_open, ledger_of, operate, release, tamper};
use crate::harness::postgres::Postgres;
use crate::harness::process::eventually;
use crate::harness::run::{Run, run};
use crate::harness::{Image, Pushonce, Registry};

/// Many rows of one registry, more than one page of them.
const MANY: &str = "WITH RECURSIVE numbers (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < 1700) \
     INSERT INTO tags SELECT 'default', 'driftwood/web', '2.0.' || number, 'sha256:' || printf('%064x', number), 'sealed', \
     CASE number % 3 WHEN 0 THEN 'adopted' ELSE 'pushed' END, 1800000000000 + number, 1800000001000 + number FROM numbers";

/// What became of some of them, and what another registry has.
const ENDS: &str = "UPDATE tags SET state = 'burnt', changed_at = 1800000002000 WHERE tag LIKE '2.0.%5'; \
     UPDATE tags SET state = 'lifted' WHERE tag LIKE '2.0.%7'; \
     INSERT OR IGNORE INTO registries VALUES ('Ärger'); \
     INSERT INTO tags SELECT 'Ärger', repository, tag, digest, 'sealed', origin, claimed_at, changed_at FROM tags WHERE tag LIKE '2.0.9%'; \
     UPDATE tags SET state = 'burnt' WHERE registry = 'Ärger' AND tag = '2.0.9'; \
     INSERT INTO acts (registry, at, who, what, reason) VALUES ('Ärger', 1, 'bob', 'release-claim web:1 sha256:a', 'it was''nt')";

/// A move that a crash cut off, a webhook on its way, and many refusals.
const OPEN_CHANGE: &str = "INSERT INTO turns VALUES ('webhook default/chat', 3, x'00112233445566778899aabbccddeeff', 1800000000000); \
     INSERT INTO changes (registry, repository, tag, attempt, digest, told, at, who) \
     VALUES ('default', 'web', 'edge', x'00112233445566778899aabbccddeeff', NULL, 1, 1800000000000, 'ann'); \
     WITH RECURSIVE numbers (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < 700) \
     INSERT INTO events (registry, at, repository, tag, action, outcome, points, digest, size, client, detail) \
     SELECT 'Ärger', 1800000000000 + number, 'web', '1.4.0', 'push', 'refused', 0, 'sha256:' || printf('%064x', number), number, \
     'docker \"' || number, 'it''s immutable' FROM numbers";

/// A ledger of every kind of row, which nobody has.
struct Stage {
    registry: Registry,
    proxy: Pushonce,
    database: String,
}

impl Stage {
    fn new() -> Self {
        let registry = Registry::start();
        let proxy = Pushonce::in_front_of(&registry.url()).setting("ledger.reconcile_interval = \"0s\"").start();
        proxy.push("web:1.4.0", &Image::random()).expect_created();
        for _ in 0..3 {
            proxy.push("web:latest", &Image::random()).expect_created();
        }
        leave_open(&proxy, (0..8).map(|number| format!("1.0.{number}")));
        for number in 0..3 {
            release(&proxy, &format!("web:1.0.{number}")).expect_success();
        }
        let mut stage = Self { registry, proxy, database: Postgres::shared().database() };
        assert!(stage.proxy.terminate().success());
        tamper(&ledger_of(&stage.proxy), MANY);
        tamper(&ledger_of(&stage.proxy), ENDS);
        tamper(&ledger_of(&stage.proxy), OPEN_CHANGE);
        stage
    }

    fn url(&self) -> String {
        Postgres::shared().url(&self.database)
    }

    fn move_it(&self) -> Run {
        operate(&self.proxy, &["ledger", "move", "--to", &self.url()])
    }

    fn move_with(&self, failpoints: &str) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pushonce"));
        command.args(["ledger", "move", "--to", &self.url(), "--config"]).arg(self.proxy.config_file());
        run(command_with(command, failpoints), "this package", self.proxy.directory())
    }

    fn sql(&self, statements: &str) -> String {
        Postgres::shared().sql(&self.database, statements)
    }

    /// Both sides as text, table by table.
    #[track_caller]
    fn expect_equal(&self) {
        let file = Connection::open(ledger_of(&self.proxy)).expect("the ledger");
        for (here, there) in [
            (
                "SELECT registry, repository, tag, digest, state, origin, claimed_at, changed_at FROM tags ORDER BY 1, 2, 3",
                "SELECT registry, repository, tag, digest, state, origin, claimed_at, changed_at FROM tags ORDER BY 1, 2, 3",
            ),
            (
                "SELECT registry, repository, tag, lower(hex(attempt)), opened_at FROM attempts ORDER BY 1, 2, 3, 4",
                "SELECT registry, repository, tag, replace(attempt::text, '-', ''), opened_at FROM attempts ORDER BY 1, 2, 3, 4",
            ),
            (
                "SELECT registry, at, who, what, reason FROM acts ORDER BY registry, number",
                "SELECT registry, at, who, what, reason FROM acts ORDER BY registry, number",
            ),
            ("SELECT name FROM registries ORDER BY name", "SELECT name FROM registries ORDER BY name"),
            (
                "SELECT registry, at, repository, tag, action, outcome, coalesce(digest, ''), coalesce(client, ''), \
                 coalesce(request, ''), coalesce(detail, '') FROM events ORDER BY number",
                "SELECT registry, at, repository, tag, action, outcome, coalesce(digest, ''), coalesce(client, ''), \
                 coalesce(request, ''), coalesce(detail, '') FROM events ORDER BY number",
            ),
            (
                "SELECT registry, repository, tag, lower(hex(attempt)), told, at, who FROM changes",
                "SELECT registry, repository, tag, replace(attempt::text, '-', ''), told::integer, at, who FROM changes",
            ),
            ("SELECT name, position FROM turns ORDER BY name", "SELECT name, position FROM turns ORDER BY name"),
            (
                "SELECT registry, repository, tag, lower(hex(attempt)), at FROM notes ORDER BY 1, 2, 3, 4",
                "SELECT registry, repository, tag, replace(attempt::text, '-', ''), at FROM notes ORDER BY 1, 2, 3, 4",
            ),
        ] {
            let mut statement = file.prepare(here).expect("a statement");
            let columns = statement.column_count();
            let rows = statement.query_map([], |row| {
                let text = |number| {
                    row.get_ref(number).map(|value| match value {
                        rusqlite::types::ValueRef::Integer(number) => number.to_string(),
                        other => other.as_str().expect("text").to_owned(),
                    })
                };
                Ok((0..columns).map(text).collect::<rusqlite::Result<Vec<_>>>()?.join("|"))
            });
            let rows: Vec<String> = rows.expect("rows").collect::<rusqlite::Result<_>>().expect("rows");
            let found = self.sql(there);
            let found: Vec<&str> = found.lines().collect();
            assert!(!rows.is_empty());
            assert_eq!(found, rows, "{here}");
        }
    }
}

#[test]
fn everything_is_carried_over_and_may_be_carried_again() {
    let stage = Stage::new();
    let before = fs::read(ledger_of(&stage.proxy)).expect("the ledger");
    let moved = stage.move_it().expect_success();
    assert_eq!(moved.stderr, "", "no bar where there is no terminal");
    let rows = "1817 tags, 5 attempts, 4 acts, 707 events";
    assert!(moved.stdout.contains(&format!(", and both sides are equal: {rows}\n")), "{moved}");
    assert!(moved.stdout.contains(&format!("\n\nledger.url = \"{}\"\n\n", stage.url())), "{moved}");
    stage.expect_equal();
    assert_eq!(stage.sql("SELECT count(*) FROM tags WHERE state = 'burnt'"), "171");

    let again = stage.move_it().expect_success();
    assert!(again.stdout.contains(&format!("{rows} (2533 of these rows were there already)\n")), "{again}");
    stage.expect_equal();
    let sound = operate(&stage.proxy, &["ledger", "verify"]).expect_success();
    assert!(sound.stdout.contains(rows), "{sound}");
    assert_eq!(fs::read(ledger_of(&stage.proxy)).expect("the ledger").len(), before.len());
}

#[test]
fn a_ledger_that_is_served_is_not_moved() {
    let registry = Registry::start();
    let proxy = Pushonce::in_front_of(&registry.url()).start();
    let postgres = Postgres::shared();
    let database = postgres.database();
    let refused = operate(&proxy, &["ledger", "move", "--to", &postgres.url(&database)]);
    assert_eq!(refused.status.code(), Some(1), "{refused}");
    refused.expect_said(&format!("is in use by process {}; stop that first", proxy.pid()));
    assert_eq!(postgres.sql(&database, "SELECT count(*) FROM information_schema.tables WHERE table_name = 'tags'"), "0");
    proxy.push("web:1.4.0", &Image::random()).expect_created();
}

#[test]
fn a_move_that_is_killed_goes_on_where_it_was() {
    let stage = Stage::new();
    for (pages, rows) in [(0, 500), (1, 1000), (3, 1817)] {
        let killed = stage.move_with(&format!("ledger-carried={pages}*off->return"));
        assert_eq!(killed.status.code(), None, "{killed}");
        assert_eq!(stage.sql("SELECT count(*) FROM tags"), rows.to_string(), "killed after {pages} pages");
        assert_eq!(stage.sql("SELECT count(*) FROM acts"), "0");
    }
    let moved = stage.move_it().expect_success();
    assert!(moved.stdout.contains("(1817 of these rows were there already)"), "{moved}");
    stage.expect_equal();
}

#[test]
fn the_proxy_goes_on_with_what_was_moved() {
    let stage = Stage::new();
    stage.move_it().expect_success();
    let proxy = Pushonce::in_front_of(&stage.registry.url())
        .environment("PUSHONCE_LEDGER__URL", &stage.url())
        .setting("ledger.reconcile_interval = \"0s\"")
        .start();
    proxy.push("web:1.4.0", &Image::random()).expect_refused();
    // Burnt before, lifted before, and never heard of.
    proxy.push("driftwood/web:2.0.5", &Image::random()).expect_refused();
    proxy.push("driftwood/web:2.0.7", &Image::random()).expect_created();
    proxy.push("web:1.4.1", &Image::random()).expect_created();
    assert_eq!(proxy.metric("pushonce_open_claims", &[]), 5.0);

    // The commands find the ledger where the proxy has it.
    let operate = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pushonce"));
        command.args(arguments).arg("--config").arg(proxy.config_file()).env("PUSHONCE_LEDGER__URL", stage.url());
        run(command, "this package", proxy.directory())
    };
    operate(&["release-claim", "web:1.0.5", "--reason", "gone"]).expect_success().expect_said("web:1.0.5 is free again");
    proxy.push("web:1.0.5", &Image::random()).expect_created();
    let acts = operate(&["ledger", "acts"]).expect_success();
    let whats: Vec<&str> = acts.stdout.lines().filter_map(|line| line.split("release-claim ").nth(1)?.split(' ').next()).collect();
    assert_eq!(whats, ["web:1.0.0", "web:1.0.1", "web:1.0.2", "web:1.0.5"], "{acts}");
    let copy = proxy.directory().join("copy.db");
    for (arguments, words) in [
        (&["ledger", "backup", copy.to_str().expect("a path")][..], "pg_dump"),
        (&["ledger", "verify"], "pg_amcheck"),
        (&["ledger", "move", "--to", &stage.url()], "sqlite:/var/lib/pushonce/pushonce.db"),
    ] {
        let refused = operate(arguments).expect_said(words);
        assert_eq!(refused.status.code(), Some(1), "{refused}");
    }
    assert!(!copy.exists());
    // A witness of the file would not know the database.
    let witnessed = {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pushonce"));
        let database = Postgres::shared().database();
        command.args(["ledger", "move", "--to", &Postgres::shared().url(&database), "--config"]).arg(stage.proxy.config_file());
        let witness = stage.proxy.directory().join("ledger.db.head");
        command.env("PUSHONCE_LEDGER__WITNESS", witness);
        run(command, "this package", stage.proxy.directory()).expect_success()
    };
    assert!(witnessed.stdout.contains("\nledger.witness = \"FILE\"    # another one than before"), "{witnessed}");
    let sealed = stage.move_it().expect_said("driftwood/web:2.0.7 of registry `default` is lifted for ").expect_failure();
    assert!(sealed.stderr.contains("a proxy has used it"), "{sealed}");
}

/// The server goes away in the middle, and comes back.
#[test]
fn a_server_that_is_killed_loses_nothing() {
    let mut stage = Stage::new();
    let postgres = Postgres::start(&[]);
    let url = postgres.url(&postgres.database());
    let arguments = ["ledger", "move", "--to", &url];
    let failed = thread::scope(|scope| {
        let moving = scope.spawn(|| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_pushonce"));
            command.args(arguments).arg("--config").arg(stage.proxy.config_file());
            run(command_with(command, "ledger-carried=sleep(1000)"), "this package", stage.proxy.directory())
        });
        let database = url.rsplit('/').next().and_then(|rest| rest.split('?').next()).expect("a database").to_owned();
        let count = || postgres.try_sql(&database, "SELECT count(*) FROM tags").is_ok_and(|count| count == "1000").then_some(());
        eventually(Duration::from_secs(60), "two pages are there", count);
        postgres.kill9();
        moving.join().expect("the move ends")
    });
    assert_eq!(failed.status.code(), Some(1), "{failed}");
    failed.expect_said("nothing is lost: what was carried over by now is kept, and the same command goes on with it");
    postgres.start_again();
    let moved = operate(&stage.proxy, &arguments).expect_success();
    assert!(moved.stdout.contains("of these rows were there already)"), "{moved}");
    stage.proxy.restart();
    stage.proxy.push("web:1.4.0", &Image::random()).expect_refused();
    drop(stage.registry);
}

#[test]
fn a_target_that_says_something_else_is_left_as_it_is() {
    let stage = Stage::new();
    stage.move_it().expect_success();
    let digest = format!("sha256:{}", "a".repeat(64));
    for (change, undo, words) in [
        (
            "INSERT INTO tags VALUES ('default', 'web', '0.0.1', 'sha256:a', 'sealed', 'pushed', 1, 1)",
            "ALTER TABLE tags DISABLE TRIGGER ALL; DELETE FROM tags WHERE tag = '0.0.1'; ALTER TABLE tags ENABLE TRIGGER ALL",
            "web:0.0.1 of registry `default` is missing in ",
        ),
        (
            &format!(
                "ALTER TABLE tags DISABLE TRIGGER ALL; UPDATE tags SET digest = '{digest}' WHERE tag = '2.0.1000'; \
                 ALTER TABLE tags ENABLE TRIGGER ALL"
            ),
            "ALTER TABLE tags DISABLE TRIGGER ALL; UPDATE tags SET digest = 'sha256:' || lpad(to_hex(1000), 64, '0') WHERE tag = '2.0.1000'; \
             ALTER TABLE tags ENABLE TRIGGER ALL",
            "driftwood/web:2.0.1000 of registry `default` is sealed for sha256:00000000",
        ),
        (
            "INSERT INTO acts (registry, at, who, what, reason) VALUES ('default', 1, 'eve', 'nothing', 'none')",
            "ALTER TABLE acts DISABLE TRIGGER ALL; DELETE FROM acts WHERE who = 'eve'; ALTER TABLE acts ENABLE TRIGGER ALL",
            "an act of registry `default` is missing in ",
        ),
    ] {
        stage.sql(change);
        let refused = stage.move_it().expect_said(words);
        assert_eq!((refused.status.code(), refused.stdout.as_str()), (Some(1), ""), "{refused}");
        refused.expect_said("move to an empty database or schema");
        stage.sql(undo);
    }
    // Another registry of the target is nobody's business.
    stage.sql("INSERT INTO tags VALUES ('other', 'web', '1.4.0', 'sha256:a', 'sealed', 'pushed', 1, 1)");
    stage.move_it().expect_success();
}

#[test]
fn a_target_that_cannot_be_used_is_said_without_its_password() {
    let stage = Stage::new();
    let move_to = |more: &[&str]| operate(&stage.proxy, &[&["ledger", "move", "--to"], more].concat());
    fs::write(stage.proxy.directory().join("empty"), "\n").expect("written");
    let empty = stage.proxy.directory().join("empty");
    let empty = empty.to_str().expect("a path");
    for (more, code, words) in [
        (&["mysql://ada:hunter2@db/tags"][..], 2, "the URL of --to does not begin with `postgres://`"),
        (&["postgres://ada:hunter2@db"], 2, "names no database"),
        (&["postgres://ada:hunter2@db/tags?sslcert=a"], 2, "has the option `sslcert`"),
        (&["postgres://ada:hunter2@127.0.0.1:1/tags"], 1, "cannot be reached"),
        (&[&Postgres::shared().url("none_such")], 1, "create it with `createdb`"),
        (&["postgres://ada@db/tags", "--password-file", "none"], 2, "--password-file none: it cannot be read"),
        (&["postgres://ada@db/tags", "--password-file", empty], 2, ": it is empty"),
        (&["postgres://ada:hunter2@db/tags", "--password-file", empty], 2, "has a password already"),
    ] {
        let refused = move_to(more);
        assert_eq!((refused.status.code(), refused.stdout.as_str()), (Some(code), ""), "{refused}");
        assert!(refused.stderr.contains(words) && !refused.stderr.contains("hunter2"), "{words}\n{refused}");
    }
}
