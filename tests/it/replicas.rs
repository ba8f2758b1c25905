//! Real processes under faults: replicas, a registry and a ledger with links between
//! them that break by a seed, killed at every step of the protocol. What the clients
//! are told is compared with what one tag can be told.
//!
//! `REPLICAS_SEEDS=100 cargo test --test it replicas::` runs every failpoint with a
//! hundred seeds; `REPLICAS_POINT=gate-claimed REPLICAS_SEED=7` runs one again.

mod cluster;
mod contents;
mod history;
mod plan;
mod run;
mod spec;
mod tally;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use pushonce::failpoint;

use crate::harness::{Postgres, Registry};

use self::plan::{Action, Plan};
use self::run::World;
use self::tally::Tally;

/// Seeds for each failpoint where nobody says how many.
const SEEDS: u64 = 1;

/// Runs at a time where nobody says how many: most of their time they wait for
/// something that is late.
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
    // All points with one seed after the other, so that whoever stops half-way has some of each.
    let plans: Vec<Plan> = seeds.flat_map(|seed| points.clone().map(move |point| Plan::new(point, seed, replicas))).collect();
    assert!(!plans.is_empty(), "no failpoint has the name {only:?}");
    plans
}

/// Makes all runs, some at a time, and tells what they came to.
fn run_all(plans: &[Plan], world: impl Fn() -> World + Sync) {
    let (next, tally, failures) = (AtomicUsize::new(0), Mutex::new(Tally::default()), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        let at_once = switch("REPLICAS_AT_ONCE").map_or(AT_ONCE, |text| text.parse().expect("a number"));
        for _ in 0..at_once.min(plans.len()) {
            scope.spawn(|| {
                let world = world();
                while let Some(plan) = plans.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match run::run(plan, &world) {
                        Ok(one) => tally.lock().expect("the tally").add_and_tell(one, plans.len()),
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
    run_all(&plans(1), || World { registry: Registry::start(), database: None });
}

#[test]
fn three_replicas_on_postgresql() {
    run_all(&plans(3), || World { registry: Registry::start(), database: Some(Postgres::start(&[])) });
}

/// What the checks are worth: replicas that do not share a ledger acknowledge two
/// digests for one tag, where both look before either has pointed it.
#[test]
fn replicas_with_ledgers_of_their_own_are_found_out() {
    let world = World { registry: Registry::start(), database: None };
    let slowly = || [Some("gate-looked=sleep(1500)".to_owned()), None];
    let push = |content| vec![(content, Action::Push { tag: 0, content })];
    let plan = Plan {
        point: "none",
        seed: 0,
        replicas: 2,
        failpoints: vec![slowly(), slowly()],
        kills: Vec::new(),
        clients: vec![push(0), push(1)],
        there_before: None,
        percent: 0,
    };
    // On a busy machine one of the two may have pointed the tag before the other looks.
    let failure = (0..5).find_map(|_| run::run(&plan, &world).err()).expect("two winners are found");
    assert!(failure.contains("double_winners: 1"), "{failure}");
    assert!(failure.contains("no one tag can have answered as 1.4.0"), "{failure}");
}
