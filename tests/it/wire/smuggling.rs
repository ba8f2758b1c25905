//! The registry gets the requests that were meant, and no other; where a request
//! can be read in two ways, its client is refused and hung up on.
//!
//! Each payload of `tests/smuggling` is sent whole and in small pieces. After each
//! an honest request works, on the same connection where that goes on.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use super::cases::{Case, read};
use super::frames;
use crate::harness::process::eventually;
use crate::harness::wire::Recorded;
use crate::harness::{Answer, Pushonce, Upstream};

/// Longer than any timeout of the proxy under test where it should hang up.
const PATIENCE: Duration = Duration::from_secs(25);

/// Larger payloads are sent whole only.
const LARGEST_IN_PIECES: usize = 2000;

const AFTERWARDS: &str = "GET /v2/afterwards/tags/list";
const ON_THE_SAME: &str = "GET /v2/on-the-same-connection/tags/list";

/// A registry that takes everything, and the proxy in front of it.
pub struct Stage {
    upstream: Upstream,
    pub proxy: Pushonce,
    /// What the registry should have got so far.
    expected: Vec<String>,
}

impl Stage {
    fn start(settings: &[&str]) -> Self {
        let upstream = Upstream::start(|request| match request.method() {
            "GET" | "HEAD" => Answer::Respond { status: 200, headers: Vec::new(), body: b"{}".to_vec() },
            _ => Answer::status(202),
        });
        let builder = settings.iter().fold(Pushonce::in_front_of(&upstream.url()), |builder, line| builder.setting(line));
        let proxy = builder.start();
        let expected = upstream.requests().iter().map(render).collect();
        Self { upstream, proxy, expected }
    }

    /// Waits for nothing: whoever calls has an answer to a request that was sent
    /// after those in question.
    #[track_caller]
    fn expect_upstream(&mut self, wanted: impl IntoIterator<Item = String>, what: &str) {
        self.expected.extend(wanted);
        let requests = self.upstream.requests();
        let got: Vec<String> = requests.iter().map(render).filter(|request| request != "GET /v2/").collect();
        let wanted: Vec<String> = self.expected.iter().filter(|request| *request != "GET /v2/").cloned().collect();
        assert_eq!(got, wanted, "{what}: what the registry got");
        requests.iter().for_each(expect_plain);
    }

    #[track_caller]
    fn expect_honest_request(&mut self, what: &str) {
        let answer = self.proxy.request("GET", AFTERWARDS.trim_start_matches("GET ")).send();
        assert_eq!(answer.status, 200, "{what}: the honest request after it\n{answer}");
        self.expect_upstream([AFTERWARDS.to_owned()], what);
    }

    /// Ends the proxy, so that what it may still have been about to send is sent.
    fn end(mut self, what: &str) {
        assert!(self.proxy.terminate().success());
        self.expect_upstream([], what);
    }
}

/// `METHOD target`, and the length of the body where there is one.
fn render(request: &Recorded) -> String {
    let line = format!("{} {}", request.method(), request.target());
    let announced = request.header("content-length").and_then(|length| length.parse().ok());
    match (announced, request.body.len()) {
        (Some(announced), length) if length < announced => format!("{line} cut"),
        (_, 0) => line,
        (_, length) => format!("{line} {length}"),
    }
}

/// Nothing that goes to the registry can be read in two ways.
#[track_caller]
fn expect_plain(request: &Recorded) {
    let head = &request.head;
    assert!(!head.replace("\r\n", "").contains(|byte: char| byte.is_ascii_control() && byte != '\t'), "control bytes: {head:?}");
    assert!(head.lines().skip(1).all(|line| line.is_empty() || !line.starts_with([' ', '\t'])), "a folded line: {head:?}");
    assert_eq!(request.headers("host").len(), 1, "{head:?}");
    assert!(request.headers("content-length").len() + request.headers("transfer-encoding").len() <= 1, "{head:?}");
    for name in ["expect", "upgrade", "http2-settings", "te", "trailer", "keep-alive", "proxy-connection", "x-http-method-override"]
    {
        assert!(request.header(name).is_none(), "{name} was passed on: {head:?}");
    }
}

/// Sends every payload of a file over HTTP/1.1.
fn replay(file: &str, settings: &[&str]) {
    let mut stage = Stage::start(settings);
    for case in read(file) {
        let payload = case.payload();
        for pieces in [payload.len().max(1), 7] {
            if pieces == 7 && payload.len() > LARGEST_IN_PIECES {
                continue;
            }
            let how = if pieces == 7 { "in pieces" } else { "at once" };
            let got = converse(&stage.proxy, &case, payload.chunks(pieces));
            case.expect_client(&got, how);
            let kept = got.last().filter(|last| *last == "kept").map(|_| ON_THE_SAME.to_owned());
            let what = format!("{} ({how})", case.name);
            stage.expect_honest_request_after(case.upstream.iter().cloned().chain(kept), &what);
        }
    }
    stage.end(file);
}

impl Stage {
    #[track_caller]
    fn expect_honest_request_after(&mut self, wanted: impl Iterator<Item = String>, what: &str) {
        self.expected.extend(wanted);
        // A request that was cut is recorded when its connection ends, which nothing
        // orders before the next request.
        let wanted = self.expected.iter().filter(|request| *request != "GET /v2/").count();
        let recorded = || self.upstream.requests().iter().map(render).filter(|request| request != "GET /v2/").count();
        eventually(Duration::from_secs(10), what, || (recorded() >= wanted).then_some(()));
        self.expect_honest_request(what);
    }
}

/// Sends the payload and returns the statuses of the answers, and then `closed`,
/// or `kept` where the same connection serves one more request.
fn converse<'a>(proxy: &Pushonce, case: &Case, pieces: impl Iterator<Item = &'a [u8]>) -> Vec<String> {
    let mut connection = TcpStream::connect(proxy.address()).expect("a connection");
    connection.set_nodelay(true).expect("an option of a socket");
    for piece in pieces {
        // A server that has seen enough hangs up.
        if connection.write_all(piece).is_err() {
            break;
        }
    }
    let wanted = &case.client[0];
    let is_kept = wanted.last().is_some_and(|last| last == "kept");
    let mut answer = Vec::new();
    if is_kept {
        let answers = wanted.len() - 1;
        let mut is_open = true;
        while is_open && statuses(&answer).len() < answers {
            is_open = read_more(&case.name, &mut connection, &mut answer);
        }
        let target = ON_THE_SAME.trim_start_matches("GET ");
        let _ = write!(connection, "GET {target} HTTP/1.1\r\nHost: registry.example\r\nConnection: close\r\n\r\n");
    }
    while read_more(&case.name, &mut connection, &mut answer) {}
    let _ = connection.shutdown(Shutdown::Both);
    let mut got = statuses(&answer);
    let served_one_more = is_kept && got.len() >= wanted.len() && got.last().is_some_and(|last| last == "200");
    if served_one_more {
        got.pop();
    }
    got.push(if served_one_more { "kept" } else { "closed" }.to_owned());
    got
}

/// Whether there may be more.
fn read_more(name: &str, connection: &mut TcpStream, answer: &mut Vec<u8>) -> bool {
    let started = Instant::now();
    connection.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut buffer = [0; 16 * 1024];
    match connection.read(&mut buffer) {
        Ok(0) => false,
        Ok(count) => {
            answer.extend_from_slice(&buffer[..count]);
            true
        }
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            let text = String::from_utf8_lossy(answer);
            panic!("{name}: the connection is still open after {:?} of silence: {text}", started.elapsed());
        }
        Err(_) => false,
    }
}

/// The status codes of a stream of answers, whose bodies never hold such a line.
fn statuses(answer: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(answer);
    let lines = text.match_indices("HTTP/1.").filter_map(|(at, _)| text.get(at + "HTTP/1.1 ".len()..at + "HTTP/1.1 200".len()));
    lines.filter(|code| code.bytes().all(|byte| byte.is_ascii_digit())).map(str::to_owned).collect()
}

/// Sends every payload of a file as frames of HTTP/2.
fn replay_http2(file: &str, settings: &[&str]) {
    let mut stage = Stage::start(settings);
    for case in read(file) {
        let got = frames::converse(stage.proxy.address(), &case.lines);
        case.expect_client(&got, "HTTP/2");
        stage.expect_honest_request_after(case.upstream.iter().cloned(), &case.name);
    }
    stage.end(file);
}

#[test]
fn a_length_beside_chunks_is_refused() {
    replay("length-beside-chunks.txt", &[]);
}

#[test]
fn every_spelling_of_a_transfer_encoding_is_chunked_or_refused() {
    replay("transfer-encodings.txt", &[]);
}

#[test]
fn every_spelling_of_a_length_is_one_number_or_refused() {
    replay("lengths.txt", &[]);
}

#[test]
fn chunks_are_plain_or_refused() {
    replay("chunks.txt", &[]);
}

#[test]
fn lines_of_a_head_are_plain_or_refused() {
    replay("heads.txt", &[]);
}

#[test]
fn request_lines_are_plain_or_refused() {
    replay("request-lines.txt", &[]);
}

#[test]
fn bodies_upgrades_and_expectations_are_plain_or_refused() {
    replay("methods.txt", &[]);
}

#[test]
fn pipelined_requests_are_each_read_for_themselves() {
    replay("pipelining.txt", &[]);
}

#[test]
fn heads_over_the_limits_are_refused() {
    replay("sizes.txt", &[]);
}

#[test]
fn what_never_becomes_whole_is_ended_by_the_timeouts() {
    replay("incomplete.txt", &["server.header_timeout = \"1s\"", "server.body_idle_timeout = \"1s\""]);
}

#[test]
fn frames_of_http_2_are_plain_or_refused() {
    replay_http2("http2.txt", &[]);
}

#[test]
fn what_never_becomes_whole_over_http_2_is_ended_by_the_timeouts() {
    replay_http2("http2-incomplete.txt", &["server.header_timeout = \"1s\"", "server.body_idle_timeout = \"1s\""]);
}
