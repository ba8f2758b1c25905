//! The same proof on PostgreSQL, where the log came to by `ledger move`.

use std::fs;

use super::proof::busy;
use super::{refused, said};
use crate::harness::postgres::Postgres;

#[test]
fn what_was_moved_is_whole_and_every_changed_byte_is_found() {
    let (_registry, proxy) = busy();
    let kept = proxy.directory().join("kept.checkpoint");
    fs::write(&kept, said(&proxy, &["log", "checkpoint"])).expect("written");
    let kept = kept.display().to_string();
    let server = Postgres::shared();
    let database = server.database();
    said(&proxy, &["ledger", "move", "--to", &server.url(&database)]);
    let settings = fs::read_to_string(proxy.config_file()).expect("the configuration");
    let settings = settings.replace("sqlite:ledger.db", &server.url(&database));
    fs::write(proxy.config_file(), settings).expect("written");
    let whole = said(&proxy, &["log", "verify", "--checkpoint", &kept]);
    assert!(whole.starts_with("271 events are whole, and agree with 1 checkpoint"), "{whole}");

    let sql = |statements: &str| server.sql(&database, statements);
    sql("ALTER TABLE events DISABLE TRIGGER ALL; ALTER TABLE tree DISABLE TRIGGER ALL; \
         CREATE TABLE kept_events AS TABLE events; CREATE TABLE kept_tree AS TABLE tree");
    let seventh = sql("SELECT event FROM tree WHERE level = 0 AND number = 6");
    let last = sql("SELECT event FROM tree WHERE level = 0 AND number = 270");
    let other = format!("sha256:{:064}", 0);
    let of_seventh = format!("event {seventh}");
    let columns = [
        ("at", "at + 1"),
        ("repository", "'wab'"),
        ("tag", "'other'"),
        ("registry", "'x'"),
        ("action", "'adopt'"),
        ("outcome", "'seen'"),
        ("digest", &format!("'{other}'")),
        ("previous", &format!("'{other}'")),
        ("media_type", "'x'"),
        ("size", "size + 1"),
        ("who", "'eve'"),
        ("client", "NULL"),
        ("rule", "'other'"),
        ("request", "'x'"),
        ("detail", "'x'"),
        ("digest", "'nonsense'"),
    ];
    let updates =
        columns.map(|(column, value)| (format!("UPDATE events SET {column} = {value} WHERE number = {seventh}"), &*of_seventh));
    let others = [
        ("UPDATE tree SET hash = decode(repeat('00', 32), 'hex') WHERE level = 0 AND number = 6".to_owned(), &*of_seventh),
        ("UPDATE tree SET hash = decode(repeat('00', 32), 'hex') WHERE level = 1".to_owned(), "the node 0 of level 1"),
        (format!("DELETE FROM events WHERE number = {seventh}"), "position 6 has no event"),
        (format!("DELETE FROM events WHERE number = {last}"), "position 270 has no event"),
        // The events of two leaves, exchanged.
        (
            format!(
                "UPDATE tree SET event = -1 WHERE event = {seventh}; UPDATE tree SET event = {seventh} WHERE level = 0 AND number = 7; \
                 UPDATE tree AS t SET event = k.event FROM kept_tree AS k WHERE t.event = -1 AND k.level = 0 AND k.number = 7"
            ),
            "it, or its hash in the tree, was changed",
        ),
    ];
    for (tampering, words) in updates.into_iter().chain(others) {
        sql(&tampering);
        refused(&proxy, &["log", "verify"], 1, words);
        sql(
            "TRUNCATE events, tree; INSERT INTO events OVERRIDING SYSTEM VALUE TABLE kept_events; INSERT INTO tree TABLE kept_tree",
        );
    }
    said(&proxy, &["log", "verify", "--checkpoint", &kept]);
    // Who knows of the tree can cut its end off, and only what was kept elsewhere tells.
    sql(&format!("DELETE FROM tree WHERE level = 0 AND number = 270; DELETE FROM events WHERE number = {last}"));
    said(&proxy, &["log", "verify"]);
    refused(
        &proxy,
        &["log", "verify", "--checkpoint", &kept],
        1,
        "had 271 events at the checkpoint of pushonce/default, and has 270",
    );
}
