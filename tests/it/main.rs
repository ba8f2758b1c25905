//! The integration tests: real registries, real clients, real processes.

mod harness;
mod harness_proof;
mod wire;
