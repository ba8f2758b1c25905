//! The harness, proved on the real registry: what the other tests rely on.

mod clients;
mod faults;
mod link;
mod packaging;
mod proxy;
mod registry;
mod upstream;
