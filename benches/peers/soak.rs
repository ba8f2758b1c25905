//! Everything at once, for as long as it is told: what grows, and what becomes slower?
//!
//! `make soak` runs it for ten minutes, `SOAK_SECONDS=3600` for an hour. Clients push and
//! pull through pushonce before a real docker-registry, on connections that they keep and
//! on ones that they drop. Memory, descriptors and latency are read at intervals, and the
//! end is compared with the time after the beginning; it fails where they are not flat.

mod clients;
mod flat;

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use self::clients::{Client, Times};
use self::flat::Sample;
use super::peer::{Peer, Subject};
use super::{setting, world};

/// Ten minutes.
const SECONDS: u64 = 600;
/// So many looks at what is used, whatever the time.
const SAMPLES: u32 = 30;

pub fn run() -> ExitCode {
    let seconds = setting("SOAK_SECONDS").map_or(SECONDS, |text| text.parse().expect("SOAK_SECONDS is a number"));
    let place = tempfile::Builder::new().prefix("pushonce-soak-").tempdir().expect("a directory");
    let registry = world::registry(place.path());
    let peer = Peer::start(Subject::Pushonce, registry.address, None, place.path());
    let tree = peer.tree.as_ref().expect("pushonce runs");
    clients::prepare(&peer.target);

    let (stop, times) = (AtomicBool::new(false), Times::default());
    let mut samples = Vec::new();
    println!("{}", Sample::HEAD);
    thread::scope(|scope| {
        let clients = Client::ALL.map(|client| {
            let (target, stop, times) = (&peer.target, &stop, &times);
            scope.spawn(move || client.run(target, stop, times))
        });
        let begun = Instant::now();
        for number in 1..=SAMPLES {
            let due = Duration::from_secs(seconds) * number / SAMPLES;
            thread::sleep(due.saturating_sub(begun.elapsed()));
            let sample = Sample::of(begun.elapsed(), tree, times.take());
            println!("{sample}");
            samples.push(sample);
            // One that got an answer it does not expect ends the run.
            if clients.iter().any(|client| client.is_finished()) {
                break;
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    match flat::judge(&samples) {
        Ok(()) => {
            println!("flat: memory, descriptors and latency");
            ExitCode::SUCCESS
        }
        Err(grown) => {
            eprintln!("not flat: {}", grown.join("; "));
            ExitCode::FAILURE
        }
    }
}
