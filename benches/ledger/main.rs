//! What the ledger costs: claims, look-ups, and how both grow with ten million tags.
//!
//! `make bench-ledger` runs it and starts its own PostgreSQL. The figures stand in
//! docs/RELIABILITY.md. Compare figures of one run only.

mod engines;
mod fill;

use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use pushonce::ledger::{Claimed, Ledger};
use tokio::runtime::Runtime;

use self::engines::{Engine, Stand};
use self::fill::{Names, digest};

/// How many tags a small and a large ledger hold.
const SMALL: u64 = 10_000;
const LARGE: u64 = 10_000_000;

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

/// Claims and confirms `count` tags that nobody has claimed before, by `clients` at once.
fn push(runtime: &Runtime, ledger: &Arc<dyn Ledger>, names: &Arc<Names>, clients: u64, count: u64) -> Duration {
    let started = Instant::now();
    runtime.block_on(async {
        let share = |client| count / clients + u64::from(client < count % clients);
        let tasks: Vec<_> = (0..clients)
            .map(|client| {
                let (ledger, names) = (Arc::clone(ledger), Arc::clone(names));
                tokio::spawn(async move {
                    for _ in 0..share(client) {
                        push_one(&*ledger, &names).await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("a client that ends");
        }
    });
    started.elapsed()
}

async fn push_one(ledger: &dyn Ledger, names: &Names) {
    let (key, now) = (names.fresh(), fill::now());
    let claimed = ledger.claim(&key, &digest(1), fill::attempt(), now).await.expect("an answer");
    let Claimed::Granted(claim) = claimed else { panic!("{key} was claimed before") };
    ledger.confirm(claim, now).await.expect("sealed");
}

fn claims(criterion: &mut Criterion) {
    let runtime = runtime();
    let mut group = criterion.benchmark_group("claim and confirm");
    group.sampling_mode(SamplingMode::Flat).sample_size(20).throughput(Throughput::Elements(1));
    for engine in Engine::ALL {
        let stand = Stand::new(engine);
        let (ledger, names) = (stand.open(&runtime), Arc::new(Names::new()));
        for clients in [1, 32] {
            group.bench_function(BenchmarkId::new(engine.name(), format!("{clients} clients")), |bencher| {
                bencher.iter_custom(|count| push(&runtime, &ledger, &names, clients, count));
            });
        }
        // Its connections belong to the runtime and close within it.
        runtime.block_on(async move { drop(ledger) });
    }
    group.finish();
}

fn lookups(criterion: &mut Criterion) {
    let runtime = runtime();
    let mut group = criterion.benchmark_group("look up");
    group.throughput(Throughput::Elements(1));
    for engine in Engine::ALL {
        let stand = Stand::new(engine);
        stand.fill(SMALL);
        let ledger = stand.open(&runtime);
        let mut number = 0;
        group.bench_function(engine.name(), |bencher| {
            bencher.iter(|| {
                number = (number + 7919) % SMALL;
                runtime.block_on(ledger.lookup(&fill::key(number))).expect("an answer").expect("a row")
            });
        });
        runtime.block_on(async move { drop(ledger) });
    }
    group.finish();
}

/// The claim may cost at most 1.5 times as much with a thousand times the tags.
fn growth(criterion: &mut Criterion) {
    let runtime = runtime();
    let mut group = criterion.benchmark_group("claim and confirm beside");
    group.sampling_mode(SamplingMode::Flat).sample_size(20).throughput(Throughput::Elements(1));
    for engine in Engine::ALL {
        for tags in [SMALL, LARGE] {
            let stand = Stand::new(engine);
            stand.fill(tags);
            println!("{}: {tags} tags take {} bytes each", engine.name(), stand.bytes() / tags);
            let (ledger, names) = (stand.open(&runtime), Arc::new(Names::spread()));
            group.bench_function(BenchmarkId::new(engine.name(), format!("{tags} tags")), |bencher| {
                bencher.iter_custom(|count| push(&runtime, &ledger, &names, 1, count));
            });
            runtime.block_on(async move { drop(ledger) });
        }
    }
    group.finish();
}

criterion_group!(ledger, claims, lookups, growth);
criterion_main!(ledger);
