//! Seeds that hold, seeds that replay, and faults that are found.

#![cfg(test)]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::thread;

use super::driver::{Outcome, run, run_plan};
use super::flaw::Flaw;
use super::plan::Plan;

/// How many seeds run without being asked for more.
const SEEDS: u64 = 150;

/// How many seeds a planted fault may take to be found.
const TO_FIND: u64 = 1_000;

/// What a simulation in which it never happens does not try.
const HAPPENS: [&str; 17] = [
    "pushes acknowledged",
    "pushes refused",
    "pushes undecided",
    "pushes without an answer",
    "pushes rejected by the registry",
    "pulls answered",
    "tags deleted",
    "manifests deleted",
    "claims joined",
    "adopt",
    "yield",
    "withdraw",
    "links cut",
    "links held",
    "hosts stopped",
    "bad answers of the registry",
    "ledger calls without an answer",
];

#[expect(clippy::disallowed_methods, reason = "the number of seeds is the caller's")]
fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn seeds_hold() {
    if let Some(seed) = variable("SIMULATION_SEED") {
        let outcome = run(seed, None);
        println!("{}", outcome.log.join("\n"));
        return assert!(outcome.broken.is_empty(), "seed {seed}: {:#?}", outcome.broken);
    }
    let seeds = variable("SIMULATION_SEEDS").unwrap_or(SEEDS);
    let (mut counts, mut broken) = (BTreeMap::new(), String::new());
    for (seed, outcome) in run_all(seeds) {
        outcome.counts.into_iter().for_each(|(what, count)| *counts.entry(what).or_insert(0) += count);
        if !outcome.broken.is_empty() {
            writeln!(broken, "seed {seed}: {}", outcome.broken.join("\n    ")).expect("a line");
        }
    }
    println!("{seeds} seeds");
    for what in HAPPENS.iter().filter(|what| seeds >= SEEDS && !counts.contains_key(*what)) {
        writeln!(broken, "in {seeds} seeds there is nothing of: {what}").expect("a line");
    }
    counts.iter().for_each(|(what, count)| println!("{count:>9} {what}"));
    assert!(
        broken.is_empty(),
        "{broken}replay one with SIMULATION_SEED=… cargo test --lib simulation::tests::seeds_hold -- --nocapture"
    );
}

/// Runs the seeds below `seeds`, where there are many on every processor; without logs.
fn run_all(seeds: u64) -> Vec<(u64, Outcome)> {
    let processors = thread::available_parallelism().map_or(1, |number| number.get() as u64);
    let threads = if seeds < 1_000 { 1 } else { processors };
    let share = |first: u64| {
        let run_one = |seed| (seed, Outcome { log: Vec::new(), ..run(seed, None) });
        (first..seeds).step_by(usize::try_from(threads).expect("a number")).map(run_one).collect::<Vec<_>>()
    };
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|first| scope.spawn(move || share(first))).collect();
        running.into_iter().flat_map(|thread| thread.join().expect("the seeds run")).collect()
    })
}

#[test]
fn both_engines_give_one_log() {
    for seed in 0..10 {
        let on = |sqlite| run_plan(seed, Plan { sqlite, ..Plan::new(seed) }, None).log;
        let (sqlite, memory) = (on(true), on(false));
        let differ = sqlite.iter().zip(&memory).find(|(one, other)| one != other);
        assert!(differ.is_none() && sqlite.len() == memory.len(), "{}: seed {seed}: {differ:#?}", "INV-10");
    }
}

#[test]
fn a_seed_replays_to_the_byte() {
    for seed in 0..10 {
        let [Outcome { log: first, .. }, Outcome { log: second, .. }] = [run(seed, None), run(seed, None)];
        let differ = first.iter().zip(&second).find(|(one, other)| one != other);
        assert!(differ.is_none() && first.len() == second.len(), "seed {seed}: {differ:#?}");
        assert!(first.len() > 50, "seed {seed} does nothing");
    }
}

#[test]
fn planted_faults_are_found() {
    for flaw in Flaw::ALL {
        let broken_by = |seed| {
            let plan = Plan { bad_answers: 250, ..Plan::new(seed) };
            Some((seed, run_plan(seed, plan, Some(flaw)).broken.into_iter().next()?))
        };
        let (seed, broken) =
            (0..TO_FIND).find_map(broken_by).unwrap_or_else(|| panic!("{flaw:?} was not found in {TO_FIND} seeds"));
        println!("{flaw:?}: seed {seed}: {broken}");
    }
}
