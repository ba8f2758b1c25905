//! The link that breaks: each mishap does what its name says, and a seed says which.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use crate::harness::link::Mishap;
use crate::harness::random::Seeded;
use crate::harness::{Link, Weather};

const PATIENCE: Duration = Duration::from_secs(10);

/// A server that answers each question of four bytes with eight, and tells what it
/// heard; the empty question is the end.
fn server() -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address").to_string();
    let (tell, heard) = channel();
    thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let tell = tell.clone();
            thread::spawn(move || {
                let mut question = [0; 4];
                while client.read_exact(&mut question).is_ok() {
                    let question = String::from_utf8_lossy(&question).into_owned();
                    let _ = client.write_all(question.repeat(2).as_bytes());
                    let _ = tell.send(question);
                }
                let _ = tell.send(String::new());
            });
        }
    });
    (address, heard)
}

fn connect(link: &Link) -> TcpStream {
    let client = TcpStream::connect(link.address()).expect("a connection");
    client.set_read_timeout(Some(PATIENCE)).expect("a limit");
    client
}

/// The answer, or what there is of it.
fn ask(client: &mut TcpStream, question: &str) -> String {
    let _ = client.write_all(question.as_bytes());
    let mut answer = Vec::new();
    let mut buffer = [0; 8];
    while answer.len() < 2 * question.len() {
        match client.read(&mut buffer) {
            Ok(count @ 1..) => answer.extend_from_slice(&buffer[..count]),
            Ok(0) | Err(_) => break,
        }
    }
    String::from_utf8(answer).expect("text")
}

fn hear(heard: &Receiver<String>) -> String {
    heard.recv_timeout(PATIENCE).expect("the server hears")
}

#[test]
fn nothing_happens_before_it_is_unleashed_and_after_it_is_healed() {
    let (address, _heard) = server();
    let link = Link::always(&address, Mishap::Cut, 0);
    assert_eq!(ask(&mut connect(&link), "one."), "one.one.");
    link.unleash();
    assert_eq!(ask(&mut connect(&link), "two."), "");
    link.heal();
    assert_eq!(ask(&mut connect(&link), "thre"), "threthre");
    assert_eq!(link.injected().into_iter().collect::<Vec<_>>(), [("cut", 1)]);
}

#[test]
fn each_mishap_comes_at_its_turn() {
    let mishaps = [
        (Mishap::Cut, "", false),
        (Mishap::LoseAnswer, "", true),
        (Mishap::TearAnswer, "two.", true),
        (Mishap::HalfClose, "two.two.", true),
        (Mishap::Delay(50), "two.two.", true),
    ];
    for (mishap, answer, is_heard) in mishaps {
        let (address, heard) = server();
        let link = Link::always(&address, mishap, 1);
        link.unleash();
        let mut client = connect(&link);
        assert_eq!(ask(&mut client, "one."), "one.one.", "{mishap:?}");
        assert_eq!(hear(&heard), "one.");
        assert_eq!(ask(&mut client, "two."), answer, "{mishap:?}");
        assert_eq!(hear(&heard), if is_heard { "two." } else { "" }, "{mishap:?}");
        if let Mishap::Delay(_) = mishap {
            assert_eq!(ask(&mut client, "thre"), "threthre");
        } else {
            assert_eq!(ask(&mut client, "thre"), "", "{mishap:?}");
        }
    }
    let (address, _heard) = server();
    let link = Link::always(&address, Mishap::Refuse, 0);
    link.unleash();
    assert_eq!(ask(&mut connect(&link), "one."), "");
}

#[test]
fn the_same_seed_does_the_same_to_the_same_connections() {
    let fates = |seed| {
        let (address, _heard) = server();
        let link = Link::to(&address, Weather { percent: 60, turns: 2 }, Seeded::new(seed, 1));
        link.unleash();
        let fate = |_| {
            let mut client = connect(&link);
            [ask(&mut client, "one."), ask(&mut client, "two.")]
        };
        (0..20).map(fate).collect::<Vec<_>>()
    };
    assert_eq!(fates(7), fates(7));
    assert_ne!(fates(7), fates(8));
}
