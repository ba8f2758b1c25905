//! How much the ledger does in a second, and whether that depends on its size.
//!
//! `make bench-ledger` starts a PostgreSQL of its own and writes ledgers into the
//! directory for temporary files. `TAGS=100000` makes the large ones that large; ten
//! million take some gigabytes and minutes. Rates are those of this machine: compare
//! the rows of one run.

mod engines;
mod fill;
#[expect(dead_code, reason = "the tests use the rest of it")]
#[path = "../../tests/it/harness/postgres.rs"]
mod server;
mod size;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use jiff::Timestamp;
use pushonce::clock::AttemptId;
use pushonce::gate::Known;
use pushonce::ledger::event::Note;
use pushonce::ledger::{Claimed, Ledger, TagKey};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use self::engines::Engine;
use self::fill::{FEW, digest, key};

/// Numbers of tags that no ledger holds yet.
static FRESH: AtomicU64 = AtomicU64::new(1 << 40);

/// Claims a new tag and confirms it, as a push does.
async fn claim_and_confirm(ledger: &dyn Ledger) {
    let number = FRESH.fetch_add(1, Ordering::Relaxed);
    let (key, digest, note) = (key(number), digest(number), Note::from(Timestamp::UNIX_EPOCH));
    let claimed = ledger.claim(&key, &digest, AttemptId::random(), &note).await.expect("an answer");
    let Claimed::Granted(claim) = claimed else { panic!("{claimed:?}") };
    ledger.confirm(claim, &note).await.expect("sealed");
}

/// The time that `clients` at once need for so many pushes together.
async fn pushes(ledger: Arc<dyn Ledger>, clients: u64, total: u64) -> Duration {
    let begun = Instant::now();
    let mut running = JoinSet::new();
    for client in 0..clients {
        let ledger = Arc::clone(&ledger);
        let share = total / clients + u64::from(client < total % clients);
        running.spawn(async move {
            for _ in 0..share {
                claim_and_confirm(&*ledger).await;
            }
        });
    }
    while let Some(client) = running.join_next().await {
        client.expect("a client");
    }
    begun.elapsed()
}

fn rates(criterion: &mut Criterion, runtime: &Runtime, engine: &Engine) {
    let mut group = criterion.benchmark_group(format!("claim and confirm, {}", engine.name));
    group.throughput(Throughput::Elements(1)).sample_size(10).measurement_time(Duration::from_secs(5));
    for clients in [1, 32] {
        group.bench_function(format!("clients: {clients}"), |bench| {
            bench.to_async(runtime).iter_custom(|total| pushes(Arc::clone(&engine.ledger), clients, total));
        });
    }
    group.finish();
}

fn lookups(criterion: &mut Criterion, runtime: &Runtime, engine: &Engine) {
    let mut group = criterion.benchmark_group(format!("lookup, {}", engine.name));
    group.throughput(Throughput::Elements(1)).sample_size(20);
    let keys: Vec<TagKey> = (0..FEW).map(key).collect();
    let next = AtomicU64::new(0);
    let pick = || &keys[(next.fetch_add(7, Ordering::Relaxed) % FEW) as usize];
    group.bench_function("ledger", |bench| {
        bench.to_async(runtime).iter(|| async {
            let found = engine.ledger.lookup(pick()).await.expect("an answer");
            assert!(found.is_some(), "the ledger was filled");
        });
    });
    let known = Known::default();
    for key in &keys {
        let record = runtime.block_on(engine.ledger.lookup(key)).expect("an answer").expect("a row");
        known.remember(key, &record);
    }
    group.bench_function("memory", |bench| {
        bench.iter(|| assert!(known.last(pick()).is_some(), "memory was filled"));
    });
    group.finish();
}

fn main() {
    let runtime = Runtime::new().expect("a runtime");
    let mut criterion = Criterion::default().configure_from_args();
    for start in engines::ALL {
        let engine = start(&runtime, FEW);
        rates(&mut criterion, &runtime, &engine);
        lookups(&mut criterion, &runtime, &engine);
    }
    criterion.final_summary();
    size::compare(&runtime);
}
