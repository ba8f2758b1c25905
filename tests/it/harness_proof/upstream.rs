//! The stand-in for a registry that misbehaves.

use std::time::{Duration, Instant};

use crate::harness::api::Api;
use crate::harness::http::Endpoint;
use crate::harness::{Answer, Upstream, raw};

fn api(upstream: &Upstream) -> Api {
    Api::new(Endpoint::plain(&upstream.address()), "")
}

#[test]
fn it_answers_by_script_and_records_what_it_saw() {
    let upstream = Upstream::start(|request| match request.method() {
        "GET" => Answer::Respond { status: 200, headers: vec![("X-Test", "yes".to_owned())], body: b"hello".to_vec() },
        _ => Answer::status(500),
    });
    let api = api(&upstream);
    let answer = api.request("GET", "/v2/a%2Fb/../x?n=1").header("Accept", "one").header("Accept", "two").send();
    assert_eq!((answer.expect_ok().text(), answer.header("x-test")), ("hello".to_owned(), Some("yes")));
    api.request("PUT", "/x").body(b"body").send().expect(500);
    let chunked = b"PUT /y HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    assert!(raw(&upstream.address(), chunked).starts_with("HTTP/1.1 500"));

    let requests = upstream.requests();
    assert_eq!(requests[0].target(), "/v2/a%2Fb/../x?n=1");
    assert_eq!(requests[0].headers("accept"), ["one", "two"]);
    assert_eq!((requests[1].method(), requests[1].body.as_slice()), ("PUT", b"body".as_slice()));
    assert_eq!(requests[2].body, b"abcde");
    assert!(requests[2].is("PUT", "/y"));
    assert!(upstream.url().starts_with("http://127.0.0.1:"));
}

#[test]
fn it_breaks_in_every_way() {
    let upstream = Upstream::start(|request| match request.target() {
        "/garbage" => Answer::Bytes(b"\x00\xffnonsense\r\n\r\n".to_vec()),
        "/cut" => Answer::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf".to_vec()),
        "/reset" => Answer::Reset(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf".to_vec()),
        "/reset-at-once" => Answer::Reset(Vec::new()),
        _ => Answer::Slowly(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec(), Duration::from_millis(5)),
    });
    let api = api(&upstream);
    for target in ["/garbage", "/cut", "/reset", "/reset-at-once"] {
        let answer = api.request("GET", target).try_send();
        assert!(answer.is_err(), "{target} gave a whole answer");
    }
    let started = Instant::now();
    assert_eq!(api.request("GET", "/slow").send().expect_ok().text(), "ok");
    assert!(started.elapsed() > Duration::from_millis(150), "it was too fast");
}

#[test]
fn what_hangs_ends_with_the_stand_in() {
    let upstream = Upstream::start(|_| Answer::Hang);
    let api = api(&upstream);
    let client = std::thread::spawn(move || api.request("GET", "/v2/").try_send());
    std::thread::sleep(Duration::from_millis(300));
    assert!(!client.is_finished(), "it answered");
    drop(upstream);
    assert!(client.join().expect("the client's thread").is_err());
}
