//! The server's side of HTTP/1.1 for the stand-ins: reads requests as they came.

use std::io::{self, BufRead, Read};

/// A request as it came over the wire.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Request line and headers, byte for byte, with the empty line at the end.
    pub head: String,
    /// The body, freed of chunks.
    pub body: Vec<u8>,
}

impl Recorded {
    pub fn method(&self) -> &str {
        self.head.split(' ').next().unwrap_or_default()
    }

    /// The target as it was sent, query included.
    pub fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    /// Whether it has this method and a path that ends so.
    pub fn is(&self, method: &str, end_of_path: &str) -> bool {
        let path = self.target().split('?').next().unwrap_or_default();
        self.method() == method && path.ends_with(end_of_path)
    }

    pub fn headers(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.filter(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).first().copied()
    }
}

/// Reads the next head; `None` at the end of the connection.
pub fn read_head(reader: &mut impl BufRead) -> io::Result<Option<Recorded>> {
    let mut head = Vec::new();
    loop {
        let before = head.len();
        if reader.read_until(b'\n', &mut head)? == 0 {
            return Ok(None);
        }
        if matches!(&head[before..], b"\r\n" | b"\n") {
            return Ok(Some(Recorded { head: String::from_utf8_lossy(&head).into_owned(), body: Vec::new() }));
        }
    }
}

/// Reads the body that belongs to a head.
pub fn read_body(reader: &mut impl BufRead, head: &Recorded) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    if head.header("transfer-encoding").is_some() {
        loop {
            let size = read_chunk_size(reader)?;
            reader.take(size).read_to_end(&mut body)?;
            let mut end = String::new();
            reader.read_line(&mut end)?;
            if size == 0 {
                return Ok(body);
            }
        }
    }
    let length = head.header("content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
    reader.take(length).read_to_end(&mut body)?;
    Ok(body)
}

fn read_chunk_size(reader: &mut impl BufRead) -> io::Result<u64> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    u64::from_str_radix(line.trim(), 16).map_err(io::Error::other)
}
