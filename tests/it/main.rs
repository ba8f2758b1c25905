//! The integration tests: real registries, real clients, real processes.

mod adopt;
mod audit;
mod bad_input;
mod clients;
mod conformance;
mod crash;
mod decisions;
mod gate;
mod harness;
mod harness_proof;
mod hostile;
mod large;
mod operator;
mod pages;
mod races;
mod release_log;
mod replicas;
mod secrets;
mod shared_ledger;
mod signing_in;
mod webhooks;
mod who_may_see;
mod wire;
mod worked_examples;
