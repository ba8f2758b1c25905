//! What the tests stand on: real registries, real clients, the proxy itself, and
//! stand-ins that break in chosen ways. Everything has its own ports and
//! directories, and is gone when its value is dropped.

pub mod api;
pub mod blobs;
pub mod browser;
pub mod certificates;
pub mod client_authority;
pub mod clients;
pub mod containerd;
pub mod dockerd;
pub mod exchange;
pub mod faults;
pub mod folding;
pub mod gate;
pub mod granting;
pub mod home;
pub mod http;
pub mod image;
pub mod link;
pub mod oci_client;
pub mod ports;
#[expect(dead_code, reason = "the library's own tests use the rest of it")]
pub mod postgres;
pub mod process;
pub mod pushonce;
pub mod python;
pub mod random;
pub mod raw;
pub mod registry;
pub mod replica;
pub mod run;
pub mod series;
pub mod token_server;
pub mod upstream;
pub mod wire;

pub use clients::{Buildah, Client, Podman, Skopeo};
pub use containerd::Containerd;
pub use dockerd::Dockerd;
pub use faults::{Fault, Faults};
pub use gate::Gate;
pub use granting::{Denial, Granting};
pub use image::Image;
pub use link::{Link, Weather};
pub use oci_client::OciClient;
pub use postgres::Postgres;
pub use pushonce::Pushonce;
pub use python::{Dxf, Helm, Oras};
pub use raw::raw;
pub use registry::Registry;
pub use replica::Shared;
pub use token_server::{Algorithm, TokenServer};
pub use upstream::{Answer, Upstream};
