//! What the gate promises, on a real registry: a row of its table, or a sentence
//! of its story, for each test.

mod adoption;
mod append_only;
mod audit;
mod delete;
mod delete_races;
mod delete_replicas;
mod events;
mod forward_only;
mod further_tags;
mod known;
mod multi_tag;
mod pull;
mod pull_rules;
mod push;
mod reconciler;
mod recovery;
mod refusals;
mod rejections;
mod table;
mod tag_case;
mod visibility;
mod without_ledger;

use std::io::Write;
use std::net::TcpStream;

use rusqlite::{Connection, OptionalExtension};

use crate::harness::pushonce::POLICY;
use crate::harness::{Faults, Image, Pushonce, Registry};

/// Both of a release's own tag and nothing else may ever go: its rule allows it.
pub const DELETABLE: &str = r#"
[[rule]]
name = "releases"
tags = ["semver:x.y.z"]
mutability = "immutable"
delete = "allow"
"#;

/// A registry, a fault proxy in front of it, and pushonce in front of both.
struct Chain {
    proxy: Pushonce,
    faults: Faults,
    registry: Registry,
}

impl Chain {
    fn start() -> Self {
        Self::under(POLICY)
    }

    /// The same with a policy of the test's own.
    fn under(policy: &str) -> Self {
        let registry = Registry::start();
        let faults = Faults::in_front_of(registry.address());
        let proxy = Pushonce::in_front_of(&faults.url()).policy(policy).start();
        Self { proxy, faults, registry }
    }

    /// `METHOD reference` of every manifest request that reached the registry,
    /// in order.
    fn manifest_requests(&self) -> Vec<String> {
        let requests = self.faults.requests();
        let manifests = requests.iter().filter_map(|request| {
            let (_, reference) = request.target().rsplit_once("/manifests/")?;
            Some(format!("{} {reference}", request.method()))
        });
        manifests.collect()
    }
}

/// The ledger's file, as somebody else on the machine can open it.
fn ledger(proxy: &Pushonce) -> Connection {
    Connection::open(proxy.directory().join("ledger.db")).expect("the ledger's file")
}

/// The state that the ledger has a tag in; `None` where it has no row.
fn state(proxy: &Pushonce, repository: &str, tag: &str) -> Option<String> {
    let sql = "SELECT state FROM tags WHERE repository = ?1 AND tag = ?2";
    ledger(proxy).query_row(sql, [repository, tag], |row| row.get(0)).optional().expect("the state of a tag")
}

/// Stores an image without naming it, as every push begins.
fn store(registry: &Registry, repository: &str, image: &Image) {
    registry.push(&format!("{repository}@{}", image.digest()), image).expect_created();
}

/// Sends the PUT of a manifest and does not wait for the answer.
fn send_push(address: &str, path: &str, image: &Image) -> TcpStream {
    let manifest = &image.manifest;
    let head = format!(
        "PUT {path} HTTP/1.1\r\nHost: a\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n",
        manifest.media_type,
        manifest.bytes.len()
    );
    let mut client = TcpStream::connect(address).expect("a connection");
    client.write_all(&[head.as_bytes(), &manifest.bytes].concat()).expect("a request");
    client
}
