//! The database itself refuses what may never change.

use super::*;
use crate::ledger::suite::lift;

async fn one_of_each(place: &Place) {
    let ledger = place.ledger();
    let _open = granted(&ledger, "web:open", "a", 1).await;
    sealed(&ledger, "web:sealed", "a", 1).await;
    sealed(&ledger, "web:burnt", "a", 1).await;
    assert!(ledger.burn(&key("web:burnt"), &digest("a"), &at(2).into()).await.expect("burnt"));
    sealed(&ledger, "web:lifted", "a", 1).await;
    assert!(lift(&ledger, "web:lifted", 2).await);
    let _released = granted(&ledger, "web:released", "a", 1).await;
    ledger.release(&key("web:released"), "ann", "gone", at(2)).await.expect("an answer").expect("released");
}

#[tokio::test]
async fn a_hand_cannot_rewrite_what_a_tag_means() {
    let place = Place::new();
    one_of_each(&place).await;
    let raw = place.raw();
    raw.execute_batch("PRAGMA foreign_keys = ON; PRAGMA recursive_triggers = ON").expect("settings");

    let (key, burnt) = ("a row never changes the tag it speaks of", "a burnt tag stays burnt");
    let (digest, kept) = ("a sealed tag keeps its digest", "only an open claim can be withdrawn");
    let refused = [
        ("UPDATE tags SET registry = 'b' WHERE tag = 'open'", key),
        ("UPDATE tags SET repository = 'b' WHERE tag = 'open'", key),
        ("UPDATE tags SET tag = 'b', state = 'open' WHERE tag = 'lifted'", key),
        ("UPDATE tags SET digest = 'b' WHERE tag = 'sealed'", digest),
        ("UPDATE tags SET digest = 'b', state = 'lifted' WHERE tag = 'sealed'", digest),
        ("UPDATE tags SET digest = 'b', state = 'burnt' WHERE tag = 'sealed'", digest),
        ("UPDATE tags SET state = 'open' WHERE tag = 'sealed'", digest),
        ("UPDATE tags SET state = 'sealed' WHERE tag = 'burnt'", burnt),
        ("UPDATE tags SET state = 'lifted' WHERE tag = 'burnt'", burnt),
        ("UPDATE tags SET digest = 'b' WHERE tag = 'burnt'", burnt),
        ("UPDATE tags SET digest = 'b' WHERE tag = 'open'", "an open claim changes its digest only when it is sealed"),
        ("UPDATE tags SET digest = 'b', state = 'burnt' WHERE tag = 'open'", "an open claim changes its digest only when"),
        ("UPDATE tags SET state = 'burnt' WHERE tag = 'lifted'", "a lifted tag can only be claimed or adopted"),
        ("UPDATE tags SET state = 'free' WHERE tag = 'open'", "CHECK constraint failed"),
        ("UPDATE tags SET origin = 'guessed' WHERE tag = 'open'", "CHECK constraint failed"),
        ("DELETE FROM tags WHERE tag = 'sealed'", kept),
        ("DELETE FROM tags WHERE tag = 'burnt'", kept),
        ("DELETE FROM tags WHERE tag = 'lifted'", kept),
        ("DELETE FROM tags WHERE tag = 'open'", "FOREIGN KEY constraint failed"),
        ("REPLACE INTO tags VALUES ('default', 'web', 'sealed', 'b', 'sealed', 'pushed', 1, 1)", kept),
        ("REPLACE INTO tags VALUES ('default', 'web', 'burnt', 'b', 'open', 'pushed', 1, 1)", kept),
        ("INSERT INTO tags VALUES ('default', 'web', 'new', 'b', 'burnt', 'pushed', 1, 1)", "a tag begins as open or sealed"),
        ("INSERT INTO tags VALUES ('default', 'web', 'open', 'b', 'open', 'pushed', 1, 1)", "UNIQUE constraint failed"),
        ("INSERT INTO attempts VALUES ('default', 'web', 'sealed', zeroblob(16), 1)", "only an open claim has attempts"),
        ("INSERT INTO attempts VALUES ('default', 'web', 'none', zeroblob(16), 1)", "only an open claim has attempts"),
        ("INSERT INTO attempts VALUES ('default', 'web', 'open', zeroblob(15), 1)", "CHECK constraint failed"),
        ("UPDATE attempts SET attempt = zeroblob(16)", "an attempt begins and ends, and never changes"),
        ("UPDATE acts SET reason = 'another'", "an act is written down once"),
        ("DELETE FROM acts", "an act is never forgotten"),
        ("INSERT INTO acts VALUES (2, 'default', 1, 'ann', 'nothing', '')", "CHECK constraint failed"),
        ("INSERT INTO heartbeat VALUES (2, 0)", "CHECK constraint failed"),
        ("UPDATE heads SET mark = randomblob(32)", "a head is written down once"),
        ("DELETE FROM heads", "every thousandth head is kept"),
        ("INSERT INTO heads VALUES (1000000, zeroblob(31))", "CHECK constraint failed"),
    ];
    for (sql, words) in refused {
        let error = raw.execute(sql, []).map(|rows| panic!("{sql} changed {rows} rows")).expect_err("refused");
        assert!(error.to_string().contains(words), "{sql}: {error}");
    }
}

#[tokio::test]
async fn no_attempt_outlives_the_open_state() {
    let place = Place::new();
    one_of_each(&place).await;
    let ledger = place.ledger();
    for tag in ["web:1", "web:2", "web:3", "web:4", "web:5"] {
        let _left = granted(&ledger, tag, "a", 3).await;
    }
    let confirming = granted(&ledger, "web:1", "a", 3).await;
    ledger.confirm(confirming, &at(4).into()).await.expect("sealed");
    let yielding = granted(&ledger, "web:2", "a", 3).await;
    ledger.yield_to(yielding, &digest("b"), &at(4).into()).await.expect("sealed");
    ledger.adopt(&key("web:3"), &digest("a"), &at(4).into()).await.expect("sealed");
    assert!(ledger.burn(&key("web:4"), &digest("a"), &at(4).into()).await.expect("burnt"));
    assert!(lift(&ledger, "web:5", 4).await);

    let of_others = "SELECT count(*) FROM attempts WHERE tag <> 'open'";
    let left: i64 = place.raw().query_row(of_others, [], |row| row.get(0)).expect("a count");
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_lifted_row_is_kept() {
    let place = Place::new();
    one_of_each(&place).await;
    let kept = "SELECT digest FROM tags WHERE tag = 'lifted' AND state = 'lifted'";
    let kept: String = place.raw().query_row(kept, [], |row| row.get(0)).expect("the row");
    assert_eq!(kept, digest("a").as_str());
}
