//! The real gate and the real ledgers under a network that fails as a seed says.
//!
//! One seed is one small world, with virtual time: replicas of pushonce, a registry
//! and a ledger behind the network of [turmoil](https://docs.rs/turmoil), and clients
//! that push equal and different bytes, pull, delete, and try again. Messages are late
//! or lost, links break, hosts stop and come back, the registry answers with errors.
//! When all of it is over, [`judge`] says what did not hold. The same seed gives the
//! same log, to the byte.
//!
//! `SIMULATION_SEEDS=10000 cargo test --lib simulation` runs that many seeds, and
//! `SIMULATION_SEED=7` that one with its log. See docs/RELIABILITY.md.

mod client;
mod dice;
mod driver;
mod engine;
mod flaw;
mod judge;
mod judge_log;
mod plan;
mod registry;
mod replica;
mod remote;
mod tests;
mod world;
