//! Blobs: down and up, one stream, eight and more, plain and with TLS.

use Behind::{Files, FilesTls, Registry, Sink, SinkTls};
use Run::Through;

use super::{Behind, PROXIES, Row, Run, STARTED};
use crate::client::{Connection, put_blob};
use crate::load::{Figures, Framing, download, streams, upload};
use crate::peer::{Peer, Subject};
use crate::world::{BLOB, BLOB_DIGEST, MIB, digest_of};

const REAL: &[Subject] = &[Subject::Direct, Subject::Nginx, Subject::Pushonce];

/// A GiB in each turn, or as many blobs as there are streams.
pub const ROWS: &[Row] = &[
    Row { name: "blob GET, 1 stream", subjects: PROXIES, run: Through(Files, |_, peer, _| get(peer, 1)) },
    Row { name: "blob GET, 8 streams", subjects: PROXIES, run: Through(Files, |_, peer, _| get(peer, 8)) },
    Row { name: "blob GET, 32 streams", subjects: PROXIES, run: Through(Files, |_, peer, _| get(peer, 32)) },
    Row { name: "blob GET, 1 stream, TLS", subjects: STARTED, run: Through(FilesTls, |_, peer, _| get(peer, 1)) },
    Row { name: "blob GET, 8 streams, TLS", subjects: STARTED, run: Through(FilesTls, |_, peer, _| get(peer, 8)) },
    Row { name: "blob upload, 1 stream", subjects: PROXIES, run: Through(Sink, |_, peer, _| put(peer, 1, Framing::Whole)) },
    Row { name: "blob upload, 8 streams", subjects: PROXIES, run: Through(Sink, |_, peer, _| put(peer, 8, Framing::Whole)) },
    Row { name: "blob upload, chunked", subjects: PROXIES, run: Through(Sink, |_, peer, _| put(peer, 1, Framing::Chunked)) },
    Row { name: "blob upload, 1 stream, TLS", subjects: STARTED, run: Through(SinkTls, |_, peer, _| put(peer, 1, Framing::Whole)) },
    Row {
        name: "blob upload, 8 streams, TLS",
        subjects: STARTED,
        run: Through(SinkTls, |_, peer, _| put(peer, 8, Framing::Whole)),
    },
    Row {
        name: "blob upload, chunked, TLS",
        subjects: STARTED,
        run: Through(SinkTls, |_, peer, _| put(peer, 1, Framing::Chunked)),
    },
    Row { name: "blob upload to docker-registry", subjects: REAL, run: Through(Registry, |_, peer, _| put_to_registry(peer)) },
    Row { name: "blob GET from docker-registry", subjects: REAL, run: Through(Registry, |_, peer, _| get_from_registry(peer)) },
];

fn get(peer: &Peer, streams: u64) -> Figures {
    let times = (1024 * MIB / BLOB / streams).max(1);
    download(peer, streams, times, &format!("/v2/bench/blobs/{BLOB_DIGEST}"), BLOB)
}

fn put(peer: &Peer, streams: u64, framing: Framing) -> Figures {
    upload(peer, streams, 8 / streams, 128 * MIB, framing)
}

/// How large a blob of the real registry is.
const REAL_BLOB: u64 = 256 * MIB;

fn real_blob() -> Vec<u8> {
    vec![7; usize::try_from(REAL_BLOB).expect("a size")]
}

fn put_to_registry(peer: &Peer) -> Figures {
    let blob = real_blob();
    let digest = digest_of(&blob);
    streams(peer, 1, REAL_BLOB, |connection| put_blob(connection, "real", digest.as_str(), &blob))
}

fn get_from_registry(peer: &Peer) -> Figures {
    let blob = real_blob();
    let digest = digest_of(&blob);
    put_blob(&mut Connection::open(&peer.target).expect("a connection"), "real", digest.as_str(), &blob);
    download(peer, 1, 4, &format!("/v2/real/blobs/{digest}"), REAL_BLOB)
}
