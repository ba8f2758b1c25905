//! Seeds that hold, seeds that replay, and faults that are found.

#![cfg(test)]

use std::collections::BTreeMap;
use std::fmt::Write;

use super::driver::{Outcome, run};
use super::flaw::Flaw;

/// How many seeds run without being asked for more.
const SEEDS: u64 = 150;

/// How many seeds a planted fault may take to be found.
const TO_FIND: u64 = 400;

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
    for seed in 0..seeds {
        let outcome = run(seed, None);
        outcome.counts.into_iter().for_each(|(what, count)| *counts.entry(what).or_insert(0) += count);
        if !outcome.broken.is_empty() {
            writeln!(broken, "seed {seed}: {}", outcome.broken.join("\n    ")).expect("a line");
        }
    }
    println!("{seeds} seeds");
    counts.iter().for_each(|(what, count)| println!("{count:>9} {what}"));
    assert!(broken.is_empty(), "{broken}replay one with SIMULATION_SEED=… cargo test --lib simulation::tests::seeds_hold -- --nocapture");
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
        let found = (0..TO_FIND).find_map(|seed| Some((seed, run(seed, Some(flaw)).broken.into_iter().next()?)));
        let (seed, broken) = found.unwrap_or_else(|| panic!("{flaw:?} was not found in {TO_FIND} seeds"));
        println!("{flaw:?}: seed {seed}: {broken}");
    }
}

#[test]
fn zz_debug() {
    use std::hash::{DefaultHasher, Hash, Hasher};
    for seed in 0..6 {
        let runs: Vec<String> = (0..5).map(|_| { let mut h = DefaultHasher::new(); run(seed, None).log.hash(&mut h); format!("{:x}", h.finish() & 0xffff) }).collect();
        println!("{seed} {runs:?}");
    }
}
