//! What pushonce itself adds to a request, operation by operation: `make bench-micro`
//! for times, `make instructions` for instructions.
//!
//! Times are those of this machine. Instructions differ by a hundredth or two from run to
//! run, whatever else the machine does, so that a table of them can be kept: with
//! `--count`, each operation runs a fixed number of times inside [`measured`], which is
//! what `scripts/instructions.sh` has valgrind count. Compare counts with counts alone:
//! the script builds dependencies as for tests, with less optimisation.

mod operations;
mod policies;

use std::hint::black_box;
use std::time::Duration;

use criterion::Criterion;

use self::operations::Operation;

/// How often an operation runs before it is counted, so that caches are warm and the
/// allocator has what it needs, and how often it is counted.
const WARM: u32 = 50;
const COUNTED: u32 = 200;

/// What is counted; the name is known to `scripts/instructions.sh`.
#[inline(never)]
fn measured(operation: &Operation) {
    for _ in 0..black_box(COUNTED) {
        (operation.run)();
    }
}

/// Prints the name of each operation in the order in which it is counted.
fn count(operations: &[Operation]) {
    for operation in operations {
        for _ in 0..WARM {
            (operation.run)();
        }
        measured(operation);
        println!("{COUNTED} {}", operation.name);
    }
}

fn main() {
    let operations = operations::all();
    if std::env::args().any(|argument| argument == "--count") {
        return count(&operations);
    }
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("micro");
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    for operation in &operations {
        group.bench_function(operation.name, |bench| bench.iter(|| (operation.run)()));
    }
    let (policy, asked, mut next) = (policies::of(policies::MANY), policies::asked(), 0);
    group.bench_function("decide-10000-each-in-turn", |bench| {
        bench.iter(|| {
            next = (next + 1) % asked.len();
            policy.decide(&asked[next].0, &asked[next].1)
        });
    });
    group.sample_size(10);
    for rules in [100, policies::MANY] {
        group.bench_function(format!("build-{rules}"), |bench| bench.iter(|| policies::of(rules)));
    }
    group.finish();
    criterion.final_summary();
}
