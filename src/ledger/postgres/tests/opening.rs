//! The wrong database is refused in words, without its password, and left as it was.

use super::*;
use crate::ledger::postgres::connection::Connection;
use crate::ledger::postgres::{tls, trust};

async fn refused(url: &str) -> String {
    let message = match PostgresLedger::open(&hurried(url), "default").await {
        Ok(_) => panic!("{url} was opened"),
        Err(error) => error.to_string(),
    };
    assert!(!message.contains("hunter2"), "{message}");
    message
}

fn hurried(url: &str) -> Settings {
    Settings { timeout: Duration::from_secs(3), ..settings(url) }
}

#[tokio::test]
async fn nobody_there_is_said_with_what_each_host_said() {
    let message = refused("postgres://ada:hunter2@127.0.0.1:1,127.0.0.1:2/tags").await;
    assert!(
        message.starts_with("the ledger postgres://ada@127.0.0.1:1,127.0.0.1:2/tags cannot be reached (127.0.0.1:1: "),
        "{message}"
    );
    assert!(message.contains("; 127.0.0.1:2: error connecting to server"), "{message}");
    assert!(message.ends_with("check ledger.url, and that the server runs and lets this host in"), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_enter_is_told_why() {
    let server = Server::start(&[]);
    let database = server.database();
    server.sql(&database, "CREATE ROLE ada LOGIN PASSWORD 'right'; CREATE ROLE guest LOGIN PASSWORD 'right'");
    server.sql(&database, &format!("GRANT CREATE ON SCHEMA public TO ada; REVOKE CONNECT ON DATABASE {database} FROM public"));
    server.sql(&database, &format!("GRANT CONNECT ON DATABASE {database} TO ada"));
    let rules = "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
    std::fs::write(server.file("pg_hba.conf"), rules).expect("written");
    server.sql("postgres", "SELECT pg_reload_conf()");
    let url = |user: &str, database: &str| format!("postgres://{user}@127.0.0.1:{}/{database}?sslmode=disable", server.port());
    eventually("the rules are there", || server.log().contains("reloading configuration files")).await;

    let message = refused(&url("ada:hunter2", &database)).await;
    assert!(message.contains("does not let this user in") && message.contains("password authentication failed"), "{message}");
    let message = refused(&url("ada", &database)).await;
    assert!(message.contains("does not let this user in"), "{message}");
    let message = refused(&url("ada:right", "nothing")).await;
    assert!(message.contains("is no database there") && message.contains("create it with `createdb`"), "{message}");
    let message = refused(&url("guest:right", &database)).await;
    assert!(message.contains("does not let this user do what it has to"), "{message}");

    let by_file = Settings { password: Some(SecretString::from("right")), ..hurried(&url("ada", &database)) };
    drop(PostgresLedger::open(&by_file, "default").await.expect("the ledger opens"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_rights_are_named_and_the_documented_ones_are_enough() {
    let server = Server::start(&[]);
    let database = server.database();
    server.sql(&database, "CREATE ROLE ada LOGIN");
    let url = format!("postgres://ada@127.0.0.1:{}/{database}?sslmode=disable", server.port());
    let message = refused(&url).await;
    assert!(message.contains("permission denied for schema public") && message.contains("see `Rights`"), "{message}");

    drop(open(&server.url(&database)).await);
    let message = refused(&url).await;
    assert!(message.contains("permission denied"), "{message}");
    server.sql(&database, "GRANT SELECT ON pushonce_migrations TO ada");
    let message = refused(&url).await;
    assert!(message.contains("it lacks SELECT on tags, INSERT on tags") && message.contains("UPDATE on heartbeat"), "{message}");

    let document = include_str!("../../../../docs/LEDGER.md");
    for grant in document.lines().filter(|line| line.starts_with("GRANT")) {
        server.sql(&database, &grant.replace("DATABASE pushonce", &format!("DATABASE {database}")).replace("pushonce;", "ada;"));
    }
    let ledger = open(&url).await;
    sealed(&ledger, "web:1.0.0", "a", 1).await;
    let freed = granted(&ledger, "web:2.0.0", "a", 1).await;
    ledger.withdraw(freed).await.expect("withdrawn");
    let _open = granted(&ledger, "web:3.0.0", "a", 1).await;
    ledger.release(&key("web:3.0.0"), "ann", "gone", at(2)).await.expect("released");
    ledger.ping().await.expect("an answer");
}

#[tokio::test]
async fn a_database_of_another_program_is_refused_and_left() {
    let url = Server::shared().schema();
    let raw = raw(&url).await;
    raw.batch_execute("CREATE TABLE tags (name TEXT)").await.expect("a table");
    let message = refused(&url).await;
    assert!(message.contains("belongs to another program: its table `tags` is not of a ledger"), "{message}");
    let tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema = current_schema()";
    assert_eq!(raw.query_one(tables, &[]).await.expect("a count").get::<_, i64>(0), 1);
}

#[tokio::test]
async fn a_ledger_of_a_newer_version_is_refused() {
    let url = Server::shared().schema();
    drop(open(&url).await);
    raw(&url).await.batch_execute("INSERT INTO pushonce_migrations VALUES (99)").await.expect("a version");
    let message = refused(&url).await;
    assert!(message.contains("has schema 99 of a newer version, and this one knows 4; run the newer version"), "{message}");
}

#[tokio::test]
async fn a_schema_that_is_not_there_is_named() {
    let url = Server::shared().url("postgres") + "&options=-c%20search_path%3Dnowhere";
    assert!(refused(&url).await.contains("names none that exists"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_lose_commits_is_found_and_the_session_is_made_safe() {
    let server = Server::start(&["fsync=off", "full_page_writes=off", "synchronous_commit=off"]);
    let settings = settings(&server.url(&server.database()));
    let connection = Connection::open(&settings, &tls::connector(&settings.address).expect("TLS")).await.expect("a connection");
    let found: Vec<_> = trust::look(&connection).await.expect("an answer").into_iter().map(|danger| danger.setting).collect();
    assert_eq!(found, ["fsync", "full_page_writes", "synchronous_commit"]);
    let row = connection.row("SHOW synchronous_commit", &[]).await.expect("an answer").expect("a row");
    assert_eq!(row.get::<_, String>(0), "on");

    let stronger = url_with(&server, "remote_apply");
    let settings = super::settings(&stronger);
    let connection = Connection::open(&settings, &tls::connector(&settings.address).expect("TLS")).await.expect("a connection");
    let row = connection.row("SHOW synchronous_commit", &[]).await.expect("an answer").expect("a row");
    assert_eq!(row.get::<_, String>(0), "remote_apply", "what is stronger is left");
}

fn url_with(server: &Server, commit: &str) -> String {
    server.url("postgres") + &format!("&options=-c%20synchronous_commit%3D{commit}")
}
