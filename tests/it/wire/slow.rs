//! Ten thousand clients that never come to an end, and one that is honest.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::harness::process::eventually;
use crate::harness::{Image, Pushonce, Registry};

/// How many, where the system allows this process and the proxy as many descriptors.
const SLOW: u64 = 10_000;

/// What the other tests of this process and the proxy itself need.
const DESCRIPTORS_BESIDES: u64 = 2_000;

/// The most memory that the proxy may have had resident (docs/RELIABILITY.md).
const MOST_MIB: u64 = 400;

const HONEST: usize = 20;

/// How a slow client begins; afterwards it sends a byte of a header now and then.
const BEGINNINGS: [&[u8]; 4] =
    [b"GET /v2/ HTTP/1.1\r\nHost: a\r\nX-Slow: ", b"PUT /v2/web/manifests/1.4.0 HTTP/1.1\r\n", b"G", b"PRI * HTTP/2"];

/// Raises the limit of this process, and says how many slow clients fit.
fn affordable() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
        .expect("the own limit, up to the hard one");
    limit.maximum.map_or(SLOW, |hard| SLOW.min(hard.saturating_sub(DESCRIPTORS_BESIDES)))
}

/// Whether the proxy has hung up; what it said before is passed over.
fn is_over(client: &mut TcpStream) -> bool {
    let mut buffer = [0; 1024];
    loop {
        match client.read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != ErrorKind::WouldBlock,
        }
    }
}

#[test]
fn ten_thousand_slow_clients_leave_room_for_honest_ones_and_are_ended() {
    let count = affordable();
    let registry = Registry::start();
    let proxy = Pushonce::in_front_of(&registry.url()).setting("server.header_timeout = \"60s\"").start();
    let before = proxy.rss_mib();
    let mut clients: Vec<TcpStream> = (0..count as usize)
        .map(|number| {
            let mut client = TcpStream::connect(proxy.address()).expect("a connection");
            client.write_all(BEGINNINGS[number % BEGINNINGS.len()]).expect("a fresh connection takes bytes");
            client.set_nonblocking(true).expect("an option of a socket");
            client
        })
        .collect();
    eventually(Duration::from_secs(30), "all are connected", || {
        (proxy.metric("pushonce_connections", &[]) >= count as f64).then_some(())
    });

    for number in 0..HONEST {
        // Only those of a header: the others would become malformed.
        for client in clients.iter_mut().step_by(BEGINNINGS.len()) {
            let _ = client.write(b"a");
        }
        let (name, image) = (format!("web:1.4.{number}"), Image::random());
        proxy.push(&name, &image).expect_created();
        assert_eq!(proxy.pull(&name).expect_ok().body, image.manifest.bytes);
        proxy.push(&name, &Image::random()).expect_refused();
    }
    let peak = proxy.peak_rss_mib();
    println!("{count} slow clients: {before} MiB resident before, {peak} MiB at most, {HONEST} honest pushes and pulls");
    assert!(peak < MOST_MIB, "{peak} MiB were resident with {count} slow clients");

    eventually(Duration::from_secs(180), "all are hung up on", || clients.iter_mut().all(is_over).then_some(()));
    eventually(Duration::from_secs(30), "all are gone", || (proxy.metric("pushonce_connections", &[]) == 0.0).then_some(()));
    proxy.pull("web:1.4.0").expect_ok();
}
