//! Many pushers at once.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::*;

const PUSHERS: usize = 16;
const TAGS: usize = 60;

/// Four contents, four pushers for each: of every tag's sixteen claims exactly
/// those of one content are granted, and the tag ends up meaning it.
pub async fn one_digest_wins_each_tag(store: &impl Store) {
    let ledger: Arc<dyn Ledger> = Arc::from(store.open("ours").await);
    let start = Arc::new(Barrier::new(PUSHERS));
    let mut pushers = JoinSet::new();
    for pusher in 0..PUSHERS {
        let (ledger, start) = (Arc::clone(&ledger), Arc::clone(&start));
        pushers.spawn(async move {
            let content = format!("content {}", pusher % 4);
            let mut won = Vec::new();
            for number in 0..TAGS {
                start.wait().await;
                let tag = format!("web:1.0.{number}");
                match claim(&*ledger, &tag, &content, 1).await {
                    Claimed::Granted(claim) | Claimed::AlreadySealed(claim, _) => {
                        let standing = ledger.confirm(claim, &at(2).into()).await.expect("a granted claim can be confirmed");
                        assert_eq!(standing.digest, digest(&content));
                        won.push((tag, content.clone()));
                    }
                    Claimed::Taken(standing) => assert_ne!(standing.digest, digest(&content), "equal bytes are never refused"),
                }
            }
            won
        });
    }

    let mut winners: HashMap<String, Vec<String>> = HashMap::new();
    while let Some(won) = pushers.join_next().await {
        for (tag, content) in won.expect("no pusher panicked") {
            winners.entry(tag).or_default().push(content);
        }
    }
    assert_eq!(winners.len(), TAGS, "every tag has a winner");
    for (tag, contents) in winners {
        assert_eq!(contents, vec![contents[0].clone(); 4], "{tag}");
        let standing = lookup(&*ledger, &tag).await.expect("a row");
        assert_eq!((standing.digest, standing.state), (digest(&contents[0]), State::Sealed));
    }
    assert_eq!(ledger.count_open().await.expect("a count"), 0);
}

/// Everybody claims and withdraws: whatever the order, nothing is left, and no
/// claim is freed under somebody who holds it.
pub async fn the_last_to_withdraw_frees_the_tag(store: &impl Store) {
    let ledger: Arc<dyn Ledger> = Arc::from(store.open("ours").await);
    let mut pushers = JoinSet::new();
    for pusher in 0..PUSHERS {
        let ledger = Arc::clone(&ledger);
        pushers.spawn(async move {
            let content = format!("content {}", pusher % 2);
            for _ in 0..20 {
                if let Claimed::Granted(claim) = claim(&*ledger, "web:1.0.0", &content, 1).await {
                    let standing = lookup(&*ledger, "web:1.0.0").await.expect("my claim holds the row");
                    assert_eq!((standing.digest, standing.state), (digest(&content), State::Open));
                    ledger.withdraw(claim).await.expect("withdrawn");
                }
            }
        });
    }
    while let Some(done) = pushers.join_next().await {
        done.expect("no pusher panicked");
    }
    assert_eq!(lookup(&*ledger, "web:1.0.0").await, None);
    assert_eq!(ledger.count_open().await.expect("a count"), 0);
}
