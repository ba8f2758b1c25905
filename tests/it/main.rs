//! The integration tests: real registries, real clients, real processes.

mod bad_input;
mod clients;
mod crash;
mod harness;
mod harness_proof;
mod large;
mod races;
