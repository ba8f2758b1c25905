//! HTTP/2 by hand: frames that no library would send (RFC 9113, RFC 7541).

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::cases::unescape;

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;

const HEAD: usize = 9;

#[derive(Debug)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

/// A frame as bytes.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a frame").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A header block without compression: each field literal, with a new name.
pub fn block<'a>(fields: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0);
        for text in [name, value] {
            push_length(&mut bytes, text.len());
            bytes.extend_from_slice(text);
        }
    }
    bytes
}

/// An integer with a prefix of seven bits (RFC 7541, section 5.1).
fn push_length(bytes: &mut Vec<u8>, length: usize) {
    if length < 127 {
        return bytes.push(length as u8);
    }
    bytes.push(127);
    let mut rest = length - 127;
    while rest >= 128 {
        bytes.push((rest % 128) as u8 | 128);
        rest /= 128;
    }
    bytes.push(rest as u8);
}

/// `GET` of a path, whole.
pub fn get(stream: u32, path: &str) -> Vec<u8> {
    request(stream, "GET", path, END_STREAM)
}

/// The head of a request; `flags` says whether a body follows.
pub fn request(stream: u32, method: &str, path: &str, flags: u8) -> Vec<u8> {
    let fields = [(":method", method), (":scheme", "http"), (":authority", "registry.example"), (":path", path)];
    let fields = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    frame(HEADERS, flags | END_HEADERS, stream, &block(fields))
}

/// One connection with prior knowledge.
pub struct Connection {
    tcp: TcpStream,
    unread: Vec<u8>,
}

impl Connection {
    /// Connects and sends the preface with empty settings.
    pub fn open(address: &str) -> Self {
        let mut connection = Self::silent(address);
        connection.send(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).expect("a fresh connection takes the preface");
        connection
    }

    /// Connects and sends nothing.
    pub fn silent(address: &str) -> Self {
        let tcp = TcpStream::connect(address).expect("a connection");
        tcp.set_nodelay(true).expect("an option of a socket");
        tcp.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
        Self { tcp, unread: Vec::new() }
    }

    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.tcp.write_all(bytes)
    }

    /// The next frame; `None` at the end of the connection. Pings and settings are
    /// acknowledged on the way.
    pub fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.take() {
                if matches!(frame.kind, PING | SETTINGS) && frame.flags & ACK == 0 {
                    let payload = if frame.kind == PING { frame.payload.as_slice() } else { &[] };
                    let _ = self.send(&self::frame(frame.kind, ACK, 0, payload));
                }
                return Some(frame);
            }
            let mut buffer = [0; 16 * 1024];
            match self.tcp.read(&mut buffer) {
                Ok(0) => return None,
                Ok(count) => self.unread.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("no frame: {error}"),
            }
        }
    }

    fn take(&mut self) -> Option<Frame> {
        let length = [0, *self.unread.first()?, *self.unread.get(1)?, *self.unread.get(2)?];
        let end = HEAD + u32::from_be_bytes(length) as usize;
        if self.unread.len() < end {
            return None;
        }
        let bytes: Vec<u8> = self.unread.drain(..end).collect();
        let stream = u32::from_be_bytes([bytes[5], bytes[6], bytes[7], bytes[8]]) & 0x7fff_ffff;
        Some(Frame { kind: bytes[3], flags: bytes[4], stream, payload: bytes[HEAD..].to_vec() })
    }
}

/// The `:status` of an answer, which every server writes first.
pub fn status(block: &[u8]) -> String {
    // The servers of old may begin with a change of the table's size.
    let start = block.iter().position(|byte| byte & 0b1110_0000 != 0b0010_0000).unwrap_or(0);
    let block = &block[start..];
    const STATIC: [&str; 7] = ["200", "204", "206", "304", "400", "404", "500"];
    match block.first().copied().unwrap_or(0) {
        indexed @ 0x88..=0x8e => STATIC[usize::from(indexed - 0x88)].to_owned(),
        _ if block.get(1).is_some_and(|length| length & 0x80 == 0) => String::from_utf8_lossy(&block[2..5]).into_owned(),
        _ => digits(&block[2..2 + usize::from(block[1] & 0x7f)]),
    }
}

/// Three digits in the Huffman code (RFC 7541, appendix B): 0 to 2 have five bits,
/// the others six.
fn digits(code: &[u8]) -> String {
    let bits: String = code.iter().map(|byte| format!("{byte:08b}")).collect();
    let (mut text, mut rest) = (String::new(), bits.as_str());
    while text.len() < 3 && rest.len() >= 5 {
        let five = u32::from_str_radix(&rest[..5], 2).expect("bits");
        let (digit, used) =
            if five < 3 { (five, 5) } else { (u32::from_str_radix(&rest[..6], 2).expect("bits") - 0b011001 + 3, 6) };
        text.push(char::from_digit(digit, 10).unwrap_or('?'));
        rest = &rest[used..];
    }
    text
}

/// Sends the frames that `lines` describe and returns, for each stream that they
/// open, the status or `reset`; and `goaway` or `closed` where the connection ends.
///
/// `HEADERS 1 END_STREAM END_HEADERS` is followed by fields, two spaces before each;
/// `DATA 1` and `RAW TYPE FLAGS STREAM` by text, two spaces before each line. The
/// preface and settings are sent first, unless the first line is `SILENT`.
pub fn converse(address: &str, lines: &[String]) -> Vec<String> {
    let is_silent = lines.first().is_some_and(|line| line == "SILENT");
    let mut connection = if is_silent { Connection::silent(address) } else { Connection::open(address) };
    let mut open = BTreeMap::new();
    let described = &lines[usize::from(is_silent)..];
    let mut frames = Vec::new();
    let starts = described.iter().enumerate().filter(|(_, line)| !line.starts_with("  "));
    for (at, line) in starts {
        let details: Vec<&str> = described[at + 1..].iter().map_while(|line| line.strip_prefix("  ")).collect();
        frames.extend(describe(line, &details, &mut open));
    }
    let _ = connection.send(&frames);
    let mut end = None;
    while open.values().any(Option::is_none) || (open.is_empty() && end.is_none()) {
        let Some(frame) = connection.next() else {
            end.get_or_insert("closed");
            break;
        };
        match frame.kind {
            HEADERS => _ = open.insert(frame.stream, Some(status(&frame.payload))),
            RST_STREAM => _ = open.entry(frame.stream).or_default().get_or_insert_with(|| "reset".to_owned()),
            GOAWAY => end = Some("goaway"),
            _ => {}
        }
    }
    open.into_values().flatten().chain(end.map(str::to_owned)).collect()
}

fn describe(line: &str, details: &[&str], open: &mut BTreeMap<u32, Option<String>>) -> Vec<u8> {
    let words: Vec<&str> = line.split(' ').collect();
    let number = |at: usize| words[at].parse::<u32>().unwrap_or_else(|_| panic!("`{line}` has no number at {at}"));
    let named = |word: &&str| match *word {
        "END_STREAM" => END_STREAM,
        "END_HEADERS" => END_HEADERS,
        "PADDED" => 8,
        other => panic!("no flag `{other}`"),
    };
    let flags = || words[2..].iter().map(named).fold(0, |all, flag| all | flag);
    let text = || details.iter().flat_map(|line| unescape(line)).collect::<Vec<u8>>();
    match words[0] {
        kind @ ("HEADERS" | "CONTINUATION") => {
            let fields: Vec<_> = details.iter().map(|line| field(line)).collect();
            let fields = fields.iter().map(|(name, value)| (name.as_slice(), value.as_slice()));
            open.entry(number(1)).or_default();
            frame(if kind == "HEADERS" { HEADERS } else { CONTINUATION }, flags(), number(1), &block(fields))
        }
        "DATA" => frame(DATA, flags(), number(1), &text()),
        "RAW" => frame(number(1) as u8, number(2) as u8, number(3), &text()),
        _ => panic!("no frame `{line}`"),
    }
}

/// `name: value`; the name of a pseudo-header begins with a colon.
fn field(line: &str) -> (Vec<u8>, Vec<u8>) {
    let at = line[1..].find(':').map(|at| at + 1).unwrap_or_else(|| panic!("`{line}` is no field"));
    let value = &line[at + 1..];
    (unescape(&line[..at]), unescape(value.strip_prefix(' ').unwrap_or(value)))
}

#[test]
fn statuses_are_read_in_every_form() {
    assert_eq!(status(&[0x8c]), "400");
    assert_eq!(status(&[0x20, 0x88]), "200");
    assert_eq!(status(&[0x08, 0x03, b'4', b'3', b'1']), "431");
    // RFC 7541, appendices C.6.1 and C.6.2.
    assert_eq!(status(&[0x48, 0x82, 0x64, 0x02]), "302");
    assert_eq!(status(&[0x48, 0x83, 0x64, 0x0e, 0xff]), "307");
}
