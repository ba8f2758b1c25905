//! Real processes under faults: replicas, a registry and a ledger with links between
//! them that break by a seed, killed at every step of the protocol. What the clients
//! are told is compared with what one tag can be told.
//!
//! `REPLICAS_SEEDS=100 cargo test --test it replicas::` runs every failpoint with a
//! hundred seeds; `REPLICAS_POINT=gate-claimed REPLICAS_SEED=7` runs one again.

mod cluster;
mod history;
mod plan;
mod run;
mod spec;
mod tally;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use pushonce::failpoint;

use crate::harness::Registry;

use self::plan::Plan;
use self::tally::Tally;

/// Seeds for each failpoint where nobody says how many.
const SEEDS: u64 = 1;

/// Runs at a time: most of their time they wait for something that is late.
const AT_ONCE: usize = 4;

#[expect(clippy::disallowed_methods, reason = "a switch for people, not a setting of the program")]
fn switch(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The runs to make: every failpoint with every seed, or the one that was named.
fn plans(replicas: usize) -> Vec<Plan> {
    let number = |name| switch(name).map(|text| text.parse::<u64>().expect("a number"));
    let seeds = match number("REPLICAS_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("REPLICAS_SEEDS").unwrap_or(SEEDS),
    };
    let only = switch("REPLICAS_POINT");
    let points = failpoint::ALL.iter().filter(|point| only.as_deref().is_none_or(|only| only == **point));
    let plans: Vec<Plan> = points.flat_map(|point| seeds.clone().map(|seed| Plan::new(point, seed, replicas))).collect();
    assert!(!plans.is_empty(), "no failpoint has the name {only:?}");
    plans
}

/// Makes all runs, some at a time, and tells what they came to.
fn run_all(plans: &[Plan], run: impl Fn(&Plan) -> Result<Tally, String> + Sync) {
    let (next, tally, failures) = (AtomicUsize::new(0), Mutex::new(Tally::default()), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(plans.len()) {
            scope.spawn(|| {
                while let Some(plan) = plans.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match run(plan) {
                        Ok(one) => tally.lock().expect("the tally").add(one),
                        Err(failure) => {
                            eprintln!("{failure}");
                            failures.lock().expect("the failures").push(failure);
                        }
                    }
                }
            });
        }
    });
    println!("{}", tally.into_inner().expect("the tally"));
    let failures = failures.into_inner().expect("the failures");
    assert!(failures.is_empty(), "{} of {} runs failed:\n{}", failures.len(), plans.len(), failures.join("\n"));
}

#[test]
fn one_replica_on_its_embedded_ledger() {
    let registry = Registry::start();
    run_all(&plans(1), |plan| run::run(plan, &registry));
}
