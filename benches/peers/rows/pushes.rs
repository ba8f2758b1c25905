//! Pushes of manifests to docker-registry, and what is beside them.

use Subject::{Direct, EnvoyRule, Nginx, NginxRule, Pushonce};

use super::{Behind::RegistryOnDisk, Row, Run::Through, Turn};
use crate::client::{Connection, request};
use crate::load::{Figures, requests};
use crate::peer::{Peer, Subject};
use crate::world::{World, push, put_blobs};

const ALL: &[Subject] = &[Direct, Nginx, NginxRule, EnvoyRule, Pushonce];
const WHO_TAKE_IT_AGAIN: &[Subject] = &[Direct, Nginx, Pushonce];
const WHO_REFUSE: &[Subject] = &[NginxRule, EnvoyRule, Pushonce];

pub const ROWS: &[Row] = &[
    Row { name: "PUT of a moving tag", subjects: ALL, run: Through(RegistryOnDisk, moving) },
    Row { name: "first PUT of an immutable tag", subjects: ALL, run: Through(RegistryOnDisk, first) },
    Row { name: "further tags of the same build", subjects: ALL, run: Through(RegistryOnDisk, further) },
    Row { name: "identical re-push", subjects: WHO_TAKE_IT_AGAIN, run: Through(RegistryOnDisk, again) },
    Row { name: "refused re-push", subjects: WHO_REFUSE, run: Through(RegistryOnDisk, refused) },
    Row { name: "manifest GET from docker-registry", subjects: WHO_TAKE_IT_AGAIN, run: Through(RegistryOnDisk, read) },
];

/// Pushes in a turn, one after the other on one connection.
const PUSHES: usize = 200;

/// A repository that no other turn uses, with the blobs of the manifests.
fn repository(peer: &Peer, turn: Turn) -> String {
    let name = format!("bench/{}-{}-{}", format!("{:?}", peer.subject).to_lowercase(), turn.row, turn.round);
    put_blobs(&mut Connection::open(&peer.target).expect("a connection"), &name);
    name
}

/// The same with a release in it, and a connection.
fn released(peer: &Peer, turn: Turn) -> (String, Connection) {
    let repository = repository(peer, turn);
    let mut connection = Connection::open(&peer.target).expect("a connection");
    connection.ask(&push(&repository, "1.4.0", "a release")).expect("an answer").expect(201);
    (repository, connection)
}

fn moving(_: &World, peer: &Peer, turn: Turn) -> Figures {
    let repository = repository(peer, turn);
    requests(peer, 1, PUSHES, |connection, number| {
        connection.ask(&push(&repository, "latest", &number.to_string())).expect("an answer").expect(201);
    })
}

fn first(_: &World, peer: &Peer, turn: Turn) -> Figures {
    let repository = repository(peer, turn);
    requests(peer, 1, PUSHES, |connection, number| {
        connection.ask(&push(&repository, &format!("1.0.{number}"), &number.to_string())).expect("an answer").expect(201);
    })
}

/// Builds with four tags each; the first push of each is made before the clock starts.
fn further(_: &World, peer: &Peer, turn: Turn) -> Figures {
    const FURTHER: usize = 3;
    let repository = repository(peer, turn);
    let mut before = Connection::open(&peer.target).expect("a connection");
    for build in 0..PUSHES / FURTHER {
        before.ask(&push(&repository, &format!("1.{build}.0"), &build.to_string())).expect("an answer").expect(201);
    }
    requests(peer, 1, PUSHES / FURTHER * FURTHER, |connection, number| {
        let (build, tag) = (number / FURTHER, number % FURTHER + 1);
        connection.ask(&push(&repository, &format!("1.{build}.{tag}"), &build.to_string())).expect("an answer").expect(201);
    })
}

fn again(_: &World, peer: &Peer, turn: Turn) -> Figures {
    let repository = repository(peer, turn);
    let push = push(&repository, "1.4.0", "a release");
    requests(peer, 1, PUSHES, |connection, _| {
        connection.ask(&push).expect("an answer").expect(201);
    })
}

fn refused(_: &World, peer: &Peer, turn: Turn) -> Figures {
    let (repository, mut before) = released(peer, turn);
    let other = push(&repository, "1.4.0", "another one");
    before.ask(&other).expect("an answer").expect(409);
    requests(peer, 1, PUSHES, |connection, _| {
        connection.ask(&other).expect("an answer").expect(409);
    })
}

fn read(_: &World, peer: &Peer, turn: Turn) -> Figures {
    let (repository, _) = released(peer, turn);
    let asked = request("GET", &format!("/v2/{repository}/manifests/1.4.0"), &[], &[]);
    requests(peer, 1, PUSHES, |connection, _| {
        connection.ask(&asked).expect("an answer").expect(200);
    })
}
