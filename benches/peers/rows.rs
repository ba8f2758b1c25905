//! What is measured: one row for each thing that clients do.

mod blobs;
mod images;
mod manifests;
mod memory;
mod pushes;
mod start;

use super::load::Figures;
use super::peer::{Peer, Subject};
use super::world::World;

/// A thing that clients do, and who is measured with it.
pub struct Row {
    pub name: &'static str,
    pub subjects: &'static [Subject],
    pub run: Run,
}

/// How a row is measured.
#[derive(Clone, Copy)]
pub enum Run {
    /// Through proxies that stand there for all rounds.
    Through(Behind, fn(&World, &Peer, Turn) -> Figures),
    /// Through one that was started just now, before the fast registry.
    Fresh(fn(&Peer) -> Figures),
    /// The row starts what it needs.
    Alone(fn(&World, Subject) -> Figures),
}

/// What the proxies of a row stand before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Behind {
    /// The fast registry, by plain HTTP or TLS between client and proxy.
    Files,
    FilesTls,
    Sink,
    SinkTls,
    /// docker-registry, with its files in memory, so that no disk is measured.
    Registry,
    /// docker-registry with its files on the disk, where the ledger is as well.
    RegistryOnDisk,
}

impl Behind {
    pub const ALL: [Self; 6] = [Self::Files, Self::FilesTls, Self::Sink, Self::SinkTls, Self::Registry, Self::RegistryOnDisk];
}

/// Tells one measurement from the others, for tags that nobody has pushed.
#[derive(Clone, Copy)]
pub struct Turn {
    pub row: usize,
    pub round: usize,
}

pub fn all() -> Vec<&'static Row> {
    [blobs::ROWS, manifests::ROWS, pushes::ROWS, memory::ROWS, start::ROWS, images::ROWS].into_iter().flatten().collect()
}

pub use self::images::stop;

const PROXIES: &[Subject] = &[Subject::Direct, Subject::Nginx, Subject::Haproxy, Subject::Envoy, Subject::Pushonce];
const STARTED: &[Subject] = &[Subject::Nginx, Subject::Haproxy, Subject::Envoy, Subject::Pushonce];
