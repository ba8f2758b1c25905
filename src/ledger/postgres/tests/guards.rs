//! The database itself refuses what may never change.

use super::*;
use crate::ledger::suite::lift;

async fn one_of_each(ledger: &PostgresLedger) {
    let _open = granted(ledger, "web:open", "a", 1).await;
    sealed(ledger, "web:sealed", "a", 1).await;
    sealed(ledger, "web:burnt", "a", 1).await;
    assert!(ledger.burn(&key("web:burnt"), &digest("a"), &at(2).into()).await.expect("burnt"));
    sealed(ledger, "web:lifted", "a", 1).await;
    assert!(lift(ledger, "web:lifted", 2).await);
    let _released = granted(ledger, "web:released", "a", 1).await;
    ledger.release(&key("web:released"), "ann", "gone", at(2)).await.expect("an answer").expect("released");
}

#[tokio::test]
async fn a_hand_cannot_rewrite_what_a_tag_means() {
    let url = Server::shared().schema();
    one_of_each(&open(&url).await).await;
    let raw = raw(&url).await;

    let (key, burnt) = ("a row never changes the tag it speaks of", "a burnt tag stays burnt");
    let (digest, kept) = ("a sealed tag keeps its digest", "only an open claim can be withdrawn");
    let attempt = "'00000000-0000-4000-8000-000000000000'";
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
        ("UPDATE tags SET state = 'free' WHERE tag = 'open'", "tags_have_a_state"),
        ("UPDATE tags SET origin = 'guessed' WHERE tag = 'open'", "tags_have_an_origin"),
        ("DELETE FROM tags WHERE tag = 'sealed'", kept),
        ("DELETE FROM tags WHERE tag = 'burnt'", kept),
        ("DELETE FROM tags WHERE tag = 'lifted'", kept),
        ("DELETE FROM tags WHERE tag = 'open'", "attempts_have_a_tag"),
        ("INSERT INTO tags VALUES ('default', 'web', 'new', 'b', 'burnt', 'pushed', 1, 1)", "a tag begins as open or sealed"),
        ("INSERT INTO tags VALUES ('default', 'web', 'open', 'b', 'open', 'pushed', 1, 1)", "tags_pkey"),
        (&format!("INSERT INTO attempts VALUES ('default', 'web', 'sealed', {attempt}, 1)"), "only an open claim has attempts"),
        (&format!("INSERT INTO attempts VALUES ('default', 'web', 'none', {attempt}, 1)"), "only an open claim has attempts"),
        (&format!("UPDATE attempts SET attempt = {attempt}"), "an attempt begins and ends, and never changes"),
        ("UPDATE acts SET reason = 'another'", "an act is written down once"),
        ("DELETE FROM acts", "an act is never forgotten"),
        ("INSERT INTO acts VALUES (2, 'default', 1, 'ann', 'nothing', '')", "acts_have_a_reason"),
        ("INSERT INTO heartbeat VALUES (2, 0)", "heartbeat_is_one_row"),
        ("TRUNCATE tags CASCADE", "a ledger is never emptied"),
        ("TRUNCATE acts", "a ledger is never emptied"),
    ];
    for (sql, words) in refused {
        let error = raw.batch_execute(sql).await.map(|()| panic!("{sql} was carried out")).expect_err("refused");
        let error = crate::causes::with_causes(&error);
        assert!(error.contains(words), "{sql}: {error}");
    }
}

#[tokio::test]
async fn no_attempt_outlives_the_open_state() {
    let url = Server::shared().schema();
    let ledger = open(&url).await;
    one_of_each(&ledger).await;
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

    let raw = raw(&url).await;
    let of_others = raw.query_one("SELECT count(*) FROM attempts WHERE tag <> 'open'", &[]).await.expect("a count");
    assert_eq!(of_others.get::<_, i64>(0), 0);
    let lifted = "SELECT digest FROM tags WHERE tag = 'lifted' AND state = 'lifted'";
    let lifted = raw.query_one(lifted, &[]).await.expect("a lifted row is kept");
    assert_eq!(lifted.get::<_, String>(0), digest("a").as_str());
}
