//! One case of the corpus: a line of text, and the bytes it stands for. The format
//! is described in `tests/corpus/README.md`.

use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use crate::harness::image::Manifest;

/// Longer than any answer takes. A case that takes longer hangs, which is a failure.
const PATIENCE: Duration = Duration::from_secs(20);

/// A line of the corpus.
pub struct Case {
    place: String,
    pub line: String,
}

/// What the words of a line stand for on one stage.
pub struct Words {
    /// `${word}` and what it stands for.
    pub values: Vec<(String, String)>,
    pub other: Manifest,
    pub sealed: Manifest,
}

impl Case {
    /// `None` for an empty line and a comment.
    pub fn read(file: &str, number: usize, line: &str) -> Option<Self> {
        let is_case = !(line.trim().is_empty() || line.starts_with('#'));
        is_case.then(|| Self { place: format!("{file}:{number}"), line: line.to_owned() })
    }

    pub fn is_incomplete(&self) -> bool {
        self.line.ends_with(" ! incomplete")
    }

    /// The request, byte for byte.
    pub fn bytes(&self, host: &str, words: &Words) -> Vec<u8> {
        let line = words.fill_in(self.line.trim_end_matches(" ! incomplete"), host);
        let (head, body) = line.split_once(" < ").map_or((line.as_str(), None), |(head, body)| (head, Some(body)));
        let mut parts = head.split(" | ");
        let request_line = parts.next().unwrap_or_default();
        let request_line = match request_line.strip_suffix(" HTTP/1.0") {
            Some(rest) => format!("{rest} HTTP/1.0"),
            None => format!("{request_line} HTTP/1.1"),
        };
        let own: Vec<&str> = parts.collect();
        let body = body.map(|body| words.body(body));

        let mut head = format!("{request_line}\r\n");
        let automatic = [
            ("Host", Some(host.to_owned())),
            ("Connection", Some("close".to_owned())),
            ("Content-Type", body.as_ref().map(|_| words.other.media_type.clone())),
            ("Content-Length", body.as_ref().map(|body| body.len().to_string())),
        ];
        for (name, value) in automatic {
            let name_of = |header: &&str| header.trim_start_matches('-').split(':').next().is_some_and(|own| own == name);
            if let Some(value) = value.filter(|_| !own.iter().any(name_of)) {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        for header in own.iter().filter(|header| !header.starts_with('-')) {
            head.push_str(&format!("{header}\r\n"));
        }
        let mut bytes = unescape(&(head + "\r\n"));
        bytes.extend(body.unwrap_or_default());
        bytes
    }

    /// Sends the case to `host` and returns the status, 0 where the server hangs up
    /// without one. An error says that it did neither.
    pub fn send(&self, host: &str, words: &Words) -> Result<u16, String> {
        let mut connection = TcpStream::connect(host).expect("a connection");
        connection.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        // A server may hang up before it has read everything.
        let _ = connection.write_all(&self.bytes(host, words));
        if self.is_incomplete() {
            let _ = connection.shutdown(Shutdown::Write);
        }
        let mut answer = Vec::new();
        match connection.read_to_end(&mut answer) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Err(format!("neither an answer nor the end of the connection within {PATIENCE:?}"))
            }
            // A reset after an answer does not unsay it.
            _ => Ok(last_status(&String::from_utf8_lossy(&answer))),
        }
    }
}

/// The status of the final answer; `100 Continue` comes before it.
fn last_status(answer: &str) -> u16 {
    let heads = answer.split("\r\n\r\n").filter_map(|head| head.strip_prefix("HTTP/1."));
    heads.filter_map(|head| head.get(2..5)?.parse().ok()).find(|status| *status >= 200).unwrap_or(0)
}

impl Words {
    fn fill_in(&self, line: &str, host: &str) -> String {
        let line = line.replace("${host}", host);
        let filled = self.values.iter().fold(line, |line, (word, value)| line.replace(&format!("${{{word}}}"), value));
        assert!(!filled.contains("${"), "an unknown word: {filled}");
        filled
    }

    fn body(&self, text: &str) -> Vec<u8> {
        match text {
            "other" => self.other.bytes.clone(),
            "sealed" => self.sealed.bytes.clone(),
            text => unescape(text),
        }
    }
}

/// `\xNN` as the byte; everything else as it stands.
fn unescape(text: &str) -> Vec<u8> {
    let mut parts = text.split("\\x");
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_owned();
    for part in parts {
        match part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                bytes.extend_from_slice(&part.as_bytes()[2..]);
            }
            None => bytes.extend_from_slice(&[b"\\x", part.as_bytes()].concat()),
        }
    }
    bytes
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.line)
    }
}

#[test]
fn a_line_becomes_the_bytes_it_stands_for() {
    let manifest = |bytes: &[u8]| Manifest::new("a/b", bytes);
    let values = vec![("sealed".to_owned(), "sha256:00".to_owned())];
    let words = Words { values, other: manifest(b"{}"), sealed: manifest(b"") };
    let bytes = |line: &str| {
        let case = Case::read("file", 1, line).expect("a case");
        String::from_utf8_lossy(&case.bytes("h:1", &words)).into_owned()
    };
    assert_eq!(bytes("GET /a\\b"), "GET /a\\b HTTP/1.1\r\nHost: h:1\r\nConnection: close\r\n\r\n");
    assert_eq!(bytes("A\\x20 /${sealed} HTTP/1.0 | -Host | -Connection | X: \\x41"), "A  /sha256:00 HTTP/1.0\r\nX: A\r\n\r\n");
    let put = "PUT /${host} HTTP/1.1\r\nHost: h:1\r\nConnection: close\r\nContent-Type: a/b\r\nContent-Length: 2\r\n\r\n{}";
    assert_eq!(bytes("PUT /${host} < other"), put.replace("${host}", "h:1"));
    assert!(bytes("PUT / | Content-Length: 9 < ab\\x63 ! incomplete").ends_with("Content-Length: 9\r\n\r\nabc"));
    assert!(Case::read("file", 1, "# comment").is_none() && Case::read("file", 1, "").is_none());
}
