//! The claim protocol as a model, explored to the last state.
//!
//! One tag, two digests, up to three requests at a time, each of which ends and
//! begins anew without bound. `world.rs` is a state, `protocol.rs` says which steps
//! there are, `invariants.rs` what must hold, `flaw.rs` how it must not be done.
//! docs/RELIABILITY.md says what was explored and how to read a counterexample.

mod delete;
mod flaw;
mod invariants;
mod ledger;
mod protocol;
mod pull;
mod push;
mod report;
mod sound;
mod unsound;
mod witness;
mod world;
