//! pushonce: a reverse proxy that makes the release tags of an OCI registry
//! immutable.
//!
//! A request is parsed once ([`gate`] `classify`), judged by the [`policy`], and
//! carried out against the [`upstream`] registry. The first push of an immutable
//! tag is claimed in the [`ledger`] before the tag is pointed; from then on the
//! ledger, not the registry, says what the tag means. `docs/ARCHITECTURE.md`
//! follows one push through the files.
//!
//! A module uses only modules above it in this list.

pub mod failpoint;
pub mod causes;
pub mod trust;
pub mod clock;
pub mod oci;
pub mod policy;
pub mod ledger;
pub mod questions;
pub mod checkpoint;
pub mod config;
pub mod buffers;
pub mod metrics;
pub mod notary;
pub mod webhooks;
pub mod upstream;
pub mod answer;
pub mod refusal;
pub mod gate;
pub mod audits;
pub mod server;
pub mod reload;
pub mod admin;
pub mod telemetry;
pub mod cli;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
#[cfg(test)]
pub mod simulation;
