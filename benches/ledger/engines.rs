//! The two engines, each with a place of its own that is filled beforehand.

#[path = "../../tests/it/harness/ports.rs"]
mod ports;
#[expect(dead_code, reason = "a benchmark neither kills the server nor reads from it")]
#[path = "../../tests/it/harness/postgres.rs"]
mod postgres;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pushonce::ledger::Ledger;
use pushonce::ledger::postgres::{Address, PostgresLedger, Settings};
use pushonce::ledger::sqlite::SqliteLedger;
use rusqlite::{Connection, params};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use self::postgres::Postgres;
use super::fill;

#[derive(Clone, Copy)]
pub enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    pub const ALL: [Self; 2] = [Self::Sqlite, Self::Postgres];

    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }
}

/// A ledger's place: a file, or a server with a database. Both flush to the disk.
pub enum Stand {
    Sqlite(TempDir),
    Postgres { server: Postgres, database: String },
}

impl Stand {
    /// An empty ledger.
    pub fn new(engine: Engine) -> Self {
        match engine {
            Engine::Sqlite => {
                let stand = Self::Sqlite(TempDir::new().expect("a temporary directory"));
                drop(SqliteLedger::open(&stand.file(), "default").expect("a new ledger"));
                stand
            }
            Engine::Postgres => {
                let server = Postgres::with().setting("max_wal_size", "4GB").start();
                let database = server.new_database();
                // Makes the tables.
                let runtime = Runtime::new().expect("a runtime");
                runtime.block_on(async { drop(open_postgres(&server.url(&database)).await) });
                Self::Postgres { server, database }
            }
        }
    }

    pub fn open(&self, runtime: &Runtime) -> Arc<dyn Ledger> {
        match self {
            Self::Sqlite(_) => Arc::new(SqliteLedger::open(&self.file(), "default").expect("the ledger opens")),
            Self::Postgres { server, database } => runtime.block_on(open_postgres(&server.url(database))),
        }
    }

    /// Enters sealed tags, `fill::key(0)` and those that follow.
    pub fn fill(&self, tags: u64) {
        match self {
            Self::Sqlite(_) => fill_sqlite(&self.file(), tags),
            Self::Postgres { server, database } => {
                server.sql(database, &postgres_fill(tags));
                server.sql(database, "VACUUM ANALYZE tags");
            }
        }
    }

    /// What the ledger takes on disk, indexes included.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Sqlite(_) => fs::metadata(self.file()).expect("the file").len(),
            Self::Postgres { server, database } => {
                let size = server.sql(database, "SELECT pg_total_relation_size('tags')");
                size[0][0].parse().expect("a number of bytes")
            }
        }
    }

    fn file(&self) -> PathBuf {
        match self {
            Self::Sqlite(directory) => directory.path().join("ledger.db"),
            Self::Postgres { .. } => unreachable!("only SQLite has a file"),
        }
    }
}

async fn open_postgres(url: &str) -> Arc<dyn Ledger> {
    let settings = Settings {
        address: Address::parse(url).expect("a URL"),
        password: None,
        ca_file: None,
        pool_size: 32,
        timeout: Duration::from_secs(30),
    };
    Arc::new(PostgresLedger::open(&settings, "default").await.expect("the ledger opens"))
}

/// In the order of the keys and in one transaction, as a ledger is moved in.
fn fill_sqlite(file: &Path, tags: u64) {
    let mut connection = Connection::open(file).expect("the file");
    let transaction = connection.transaction().expect("a transaction");
    let sql = "INSERT INTO tags VALUES ('default', ?1, ?2, ?3, 'sealed', 'pushed', ?4, ?4)";
    let mut insert = transaction.prepare(sql).expect("a statement");
    for number in 0..tags {
        let (repository, tag) = fill::names(number);
        let digest = fill::digest(number);
        insert.execute(params![repository, tag, digest.as_str(), fill::now().as_millisecond()]).expect("a row");
    }
    drop(insert);
    transaction.commit().expect("committed");
    connection.close().expect("closed");
}

/// The same rows, made by the server itself; without the triggers, which would ask
/// about each of them what is known of all.
fn postgres_fill(tags: u64) -> String {
    format!(
        "SET session_replication_role = replica; \
         INSERT INTO tags SELECT 'default', 'team/app-' || lpad((n / 1000)::text, 6, '0'), '1.' || 1000 + n % 1000 || '.0', \
         'sha256:' || encode(sha256(int8send(n)), 'hex'), 'sealed', 'pushed', 1800000000000, 1800000000000 \
         FROM generate_series(0::bigint, {}) AS n",
        tags - 1
    )
}
