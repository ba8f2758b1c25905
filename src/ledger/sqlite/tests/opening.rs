//! The wrong file is refused in words, and left as it was.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

fn refused(file: &Path) -> String {
    SqliteLedger::open(file, "default").map(drop).expect_err("refused").to_string()
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left() {
    let place = Place::new();
    for content in ["hello".to_owned(), "no database at all\n".repeat(1000)] {
        fs::write(place.file(), &content).expect("written");
        let file = place.file().display().to_string();
        let expected =
            format!("{file} is not a ledger, nor any SQLite database; correct the path, or restore the file from a backup");
        assert_eq!(refused(&place.file()), expected);
        assert_eq!(fs::read_to_string(place.file()).expect("readable"), content);
    }
}

#[test]
fn a_database_of_another_program_is_refused_and_left() {
    let place = Place::new();
    let text = "CREATE TABLE tags (name TEXT)";
    place.raw().execute_batch(text).expect("a table");
    let before = fs::read(place.file()).expect("readable");
    let message = refused(&place.file());
    assert!(message.ends_with("is an SQLite database, but not a ledger; correct the path, it was left as it is"), "{message}");
    assert_eq!(fs::read(place.file()).expect("readable"), before);

    let place = Place::new();
    place.raw().execute_batch("PRAGMA application_id = 7").expect("an id");
    assert!(refused(&place.file()).contains("but not a ledger"));
}

#[test]
fn a_newer_ledger_is_refused_and_left() {
    let place = Place::new();
    drop(place.ledger());
    let known: i64 = place.raw().query_row("PRAGMA user_version", [], |row| row.get(0)).expect("a version");
    place.raw().execute_batch("PRAGMA user_version = 99").expect("a version");
    let message = refused(&place.file());
    let words = format!("has schema 99 of a newer version, and this one knows {known}; run the newer version");
    assert!(message.contains(&words), "{message}");
    place.raw().pragma_update(None, "user_version", known).expect("a version");
    drop(place.ledger());
}

#[test]
fn a_damaged_ledger_is_refused() {
    let place = Place::new();
    drop(place.ledger());
    let mut bytes = fs::read(place.file()).expect("readable");
    let second_page = 4096;
    bytes[second_page..second_page + 64].fill(0xA5);
    fs::write(place.file(), bytes).expect("written");
    let message = refused(&place.file());
    assert!(message.contains("is damaged (") && message.ends_with("keep the file, and restore a backup"), "{message}");
}

#[test]
fn a_directory_and_a_missing_one_are_refused() {
    let place = Place::new();
    let directory = place.0.path();
    let message = refused(directory);
    assert!(message.contains(&format!("the ledger {} is a directory; name a file in it", directory.display())), "{message}");

    let message = refused(&directory.join("missing/ledger.db"));
    assert!(message.contains(&format!("create {}, or correct", directory.join("missing").display())), "{message}");

    fs::write(directory.join("file"), "").expect("written");
    assert!(refused(&directory.join("file/ledger.db")).contains("cannot be reached"));
}

#[test]
fn a_read_only_file_is_refused() {
    let place = Place::new();
    drop(place.ledger());
    fs::set_permissions(place.file(), fs::Permissions::from_mode(0o444)).expect("permissions");
    let message = refused(&place.file());
    assert!(message.ends_with("is read-only; let this process write to it and to its directory"), "{message}");
}

#[test]
fn a_ledger_in_use_is_refused_until_it_closes() {
    let place = Place::new();
    let ledger = place.ledger();
    let message = refused(&place.file());
    assert!(message.contains(&format!("is in use by process {}; stop that first", std::process::id())), "{message}");

    let other_name = place.0.path().join("link.db");
    symlink(place.file(), &other_name).expect("a link");
    assert!(refused(&other_name).contains("is in use by"), "one file has one lock, whatever it is called");

    drop(ledger);
    drop(place.ledger());
    drop(SqliteLedger::open(&other_name, "default").expect("free again"));
}

#[test]
fn an_empty_file_becomes_a_ledger() {
    let place = Place::new();
    fs::write(place.file(), "").expect("written");
    drop(place.ledger());
    drop(place.ledger());
}

#[test]
fn a_path_is_never_read_as_anything_else() {
    let place = Place::new();
    for name in [":memory:", "file:ledger?mode=memory"] {
        let file = place.0.path().join(name);
        drop(SqliteLedger::open(&file, "default").expect("the ledger opens"));
        assert!(file.exists(), "{name} is the name of a file");
    }
}

#[test]
fn every_connection_has_its_settings() {
    let place = Place::new();
    let ledger = place.ledger();
    let setting = |connection: &Connection, name: &str| -> String {
        let value = connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, rusqlite::types::Value>(0));
        format!("{:?}", value.expect(name))
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let settings = runtime.block_on(ledger.writer.write(move |books| {
        Ok(["journal_mode", "synchronous", "foreign_keys", "recursive_triggers", "busy_timeout", "application_id"]
            .map(|name| setting(books.connection, name)))
    }));
    let expected = [r#"Text("wal")"#, "Integer(2)", "Integer(1)", "Integer(1)", "Integer(5000)", "Integer(1886745448)"];
    assert_eq!(settings.expect("an answer"), expected);
    for reader in [&ledger.lookups, &*ledger.scans] {
        let written = reader.lock().expect("not poisoned").execute("UPDATE heartbeat SET beats = 0", []);
        assert!(written.is_err(), "a reader cannot write");
    }
}
