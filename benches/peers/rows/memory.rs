//! Memory: at rest, and with clients that read slowly.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use super::{Row, Run::Fresh, STARTED};
use crate::client::request;
use crate::load::{Figures, Metric};
use crate::peer::Peer;
use crate::world::BLOB_DIGEST;

pub const ROWS: &[Row] = &[
    Row { name: "memory at rest", subjects: STARTED, run: Fresh(|peer| vec![(Metric::Memory, peer.memory())]) },
    Row { name: "memory, 200 slow streams", subjects: STARTED, run: Fresh(|peer| slow(peer, 200)) },
    Row { name: "memory, 2,000 slow streams", subjects: STARTED, run: Fresh(|peer| slow(peer, 2_000)) },
];

/// How long the streams run before the memory is read.
const LONG_ENOUGH: Duration = Duration::from_secs(4);
/// What each client reads, and how often.
const PART: usize = 16 * 1024;
const PAUSE: Duration = Duration::from_millis(250);

fn slow(peer: &Peer, count: usize) -> Figures {
    let asked = request("GET", &format!("/v2/bench/blobs/{BLOB_DIGEST}"), &[], &[]);
    let mut clients: Vec<TcpStream> = (0..count)
        .map(|_| {
            let mut client = TcpStream::connect(peer.target.address).expect("a connection");
            client.write_all(&asked).expect("a request");
            client
        })
        .collect();
    let begun = Instant::now();
    let mut part = vec![0; PART];
    while begun.elapsed() < LONG_ENOUGH {
        for client in &mut clients {
            // Whoever does not hold them all has no figure.
            if !client.read(&mut part).is_ok_and(|count| count > 0) {
                eprintln!("{}: one of {count} slow streams ended early", peer.subject);
                return Figures::new();
            }
        }
        thread::sleep(PAUSE);
    }
    vec![(Metric::Memory, peer.memory())]
}
