//! The integration tests: real registries, real clients, real processes.

mod clients;
mod crash;
mod harness;
mod harness_proof;
mod large;
mod races;
