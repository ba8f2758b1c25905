//! Manifests: by digest, by a tag that moves, by one that pushonce pins.

use super::{Behind::Files, PROXIES, Row, Run::Through};
use crate::client::request;
use crate::load::{Figures, requests};
use crate::peer::Peer;

pub const ROWS: &[Row] = &[
    Row {
        name: "manifest GET by digest",
        subjects: PROXIES,
        run: Through(Files, |world, peer, _| read(peer, "GET", world.manifest.as_str())),
    },
    Row { name: "manifest GET by moving tag", subjects: PROXIES, run: Through(Files, |_, peer, _| read(peer, "GET", "latest")) },
    Row { name: "manifest GET by immutable tag", subjects: PROXIES, run: Through(Files, |_, peer, _| read(peer, "GET", "1.4.0")) },
    Row {
        name: "manifest HEAD by digest",
        subjects: PROXIES,
        run: Through(Files, |world, peer, _| read(peer, "HEAD", world.manifest.as_str())),
    },
    Row { name: "manifest HEAD by moving tag", subjects: PROXIES, run: Through(Files, |_, peer, _| read(peer, "HEAD", "latest")) },
    Row {
        name: "manifest HEAD by immutable tag",
        subjects: PROXIES,
        run: Through(Files, |_, peer, _| read(peer, "HEAD", "1.4.0")),
    },
];

const CLIENTS: usize = 8;
const EACH: usize = 2_500;

fn read(peer: &Peer, method: &str, reference: &str) -> Figures {
    let asked = request(method, &format!("/v2/bench/manifests/{reference}"), &[], &[]);
    requests(peer, CLIENTS, EACH, |connection, _| {
        connection.ask(&asked).expect("an answer").expect(200);
    })
}
