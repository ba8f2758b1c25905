//! Loads: bodies that stream, and requests one after the other.

use std::thread;
use std::time::{Duration, Instant};

use super::client::{AT_ONCE, Connection, Target, request};
use super::peer::Peer;

const GIB: f64 = (1_u64 << 30) as f64;

/// What a row measures of a subject.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Metric {
    CpuPerGib,
    Throughput,
    CpuPerRequest,
    Rate,
    Median,
    Slowest,
    Memory,
    Time,
    Push,
    Pull,
}

impl Metric {
    pub fn name(self) -> &'static str {
        match self {
            Self::CpuPerGib => "CPU s/GiB",
            Self::Throughput => "GiB/s",
            Self::CpuPerRequest => "CPU µs/request",
            Self::Rate => "requests/s",
            Self::Median => "p50 ms",
            Self::Slowest => "p99 ms",
            Self::Memory => "MiB",
            Self::Time => "seconds",
            Self::Push => "push s",
            Self::Pull => "pull s",
        }
    }
}

pub type Figures = Vec<(Metric, f64)>;

/// Runs `stream` in so many threads, each with a connection of its own that is open
/// before the clock starts; each moves `bytes`.
pub fn streams(peer: &Peer, count: u64, bytes: u64, stream: impl Fn(&mut Connection) + Sync) -> Figures {
    let connections: Vec<Connection> = (0..count).map(|_| warm(&peer.target)).collect();
    let (before, begun) = (peer.cpu(), Instant::now());
    thread::scope(|scope| {
        for mut connection in connections {
            let stream = &stream;
            scope.spawn(move || stream(&mut connection));
        }
    });
    let elapsed = begun.elapsed().as_secs_f64();
    let gib = (count * bytes) as f64 / GIB;
    let mut figures = vec![(Metric::Throughput, gib / elapsed)];
    if peer.tree.is_some() {
        figures.push((Metric::CpuPerGib, (peer.cpu() - before) / gib));
    }
    figures
}

/// A connection on which a request was answered: its handshake is over.
fn warm(target: &Target) -> Connection {
    let mut connection = Connection::open(target).expect("a connection");
    connection.ask(&request("GET", "/v2/", &[], &[])).expect("an answer");
    connection
}

/// Reads `path`, `times` on each stream; `size` is how large it is.
pub fn download(peer: &Peer, count: u64, times: u64, path: &str, size: u64) -> Figures {
    let asked = request("GET", path, &[], &[]);
    streams(peer, count, times * size, |connection| {
        for _ in 0..times {
            connection.write(&asked).expect("a request");
            let answer = connection.head().expect("an answer").expect(200);
            assert_eq!(connection.skip_body(&answer).expect("a body"), size, "a part is missing");
        }
    })
}

/// How an upload is framed.
#[derive(Clone, Copy)]
pub enum Framing {
    /// One PUT with its length.
    Whole,
    /// PATCH in chunks of 32 KiB, as docker sends them.
    Chunked,
}

/// Sends `size` bytes, `times` on each stream.
pub fn upload(peer: &Peer, count: u64, times: u64, size: u64, framing: Framing) -> Figures {
    const CHUNK: usize = 32 * 1024;
    let path = "/v2/bench/blobs/uploads/session";
    let (head, part) = match framing {
        Framing::Whole => (format!("PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n"), vec![7; AT_ONCE]),
        Framing::Chunked => {
            let chunk = [format!("{CHUNK:x}\r\n").into_bytes(), vec![7; CHUNK], b"\r\n".to_vec()].concat();
            (
                format!("PATCH {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"),
                chunk.repeat(AT_ONCE / CHUNK),
            )
        }
    };
    streams(peer, count, times * size, |connection| {
        for _ in 0..times {
            connection.write(head.as_bytes()).expect("a head");
            for _ in 0..size / AT_ONCE as u64 {
                connection.write(&part).expect("a part");
            }
            if let Framing::Chunked = framing {
                connection.write(b"0\r\n\r\n").expect("the end");
            }
            let answer = connection.head().expect("an answer").expect(202);
            connection.skip_body(&answer).expect("a body");
        }
    })
}

/// Asks on `count` connections at once, `each` times on each of them, one request after
/// the other. `ask` gets the connection and a number that no other request has.
pub fn requests(peer: &Peer, count: usize, each: usize, ask: impl Fn(&mut Connection, usize) + Sync) -> Figures {
    let connections: Vec<Connection> = (0..count).map(|_| warm(&peer.target)).collect();
    let (before, begun) = (peer.cpu(), Instant::now());
    let mut times: Vec<Duration> = thread::scope(|scope| {
        let ask = &ask;
        let clients = connections.into_iter().enumerate().map(|(client, mut connection)| {
            scope.spawn(move || {
                let one = |number: usize| {
                    let begun = Instant::now();
                    ask(&mut connection, client * each + number);
                    begun.elapsed()
                };
                (0..each).map(one).collect::<Vec<_>>()
            })
        });
        let clients: Vec<_> = clients.collect();
        clients.into_iter().flat_map(|client| client.join().expect("a client")).collect()
    });
    let elapsed = begun.elapsed().as_secs_f64();
    let cpu = peer.cpu() - before;
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)].as_secs_f64() * 1e3;
    let total = times.len() as f64;
    let mut figures = vec![(Metric::Rate, total / elapsed), (Metric::Median, at(50)), (Metric::Slowest, at(99))];
    if peer.tree.is_some() {
        figures.push((Metric::CpuPerRequest, cpu / total * 1e6));
    }
    figures
}
