//! The integration tests: real registries, real clients, real processes.

mod conformance;
mod harness;
mod harness_proof;
mod hostile;
