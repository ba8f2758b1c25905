//! Connections to the registry that are kept for the next request.

use std::time::Duration;

use crate::harness::process::eventually;
use crate::harness::{Image, Pushonce, Registry};

/// The states of `/proc/net/tcp` in which this side has not closed: established, and
/// closed by the other side.
const OPEN: [&str; 2] = ["01", "08"];

/// How many connections of this machine to `port` are open on this side.
fn connections(port: &str) -> usize {
    let port = format!(":{:04X}", port.parse::<u16>().expect("a port"));
    let table = std::fs::read_to_string("/proc/net/tcp").expect("the connections");
    let fields = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let is_open = |fields: &Vec<&str>| fields.get(3).is_some_and(|state| OPEN.contains(state));
    fields.filter(|fields| fields.get(2).is_some_and(|remote| remote.ends_with(&port)) && is_open(fields)).count()
}

#[test]
fn what_the_registry_closes_is_dropped_though_nobody_asks() {
    let mut registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    proxy.push("web:latest", &Image::random()).expect_created();
    let address = registry.address().to_owned();
    let (_, port) = address.rsplit_once(':').expect("a port");
    assert!(connections(port) > 0, "no connection was kept");
    registry.stop();
    eventually(Duration::from_secs(10), "a closed connection is dropped", || (connections(port) == 0).then_some(()));
    registry.start_again();
    proxy.pull("web:latest").expect(200);
}
