//! The harness, proved on the real registry: what the other tests rely on.

mod clients;
mod faults;
mod packaging;
mod proxy;
mod registry;
mod upstream;
