//! The head of a request, judged by its raw bytes (RFC 9112, sections 2 to 6).

use memchr::{memchr, memchr_iter, memmem};

const END: &[u8] = b"\r\n\r\n";

/// A head as far as it has come.
#[derive(Debug, Default)]
pub struct Head {
    bytes: Vec<u8>,
}

/// How the body is framed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Framing {
    Length(u64),
    Chunked,
}

impl Head {
    /// Takes bytes up to the end of the head. Returns what comes behind it, or
    /// `None` where the end is not there yet.
    pub fn read<'a>(&mut self, bytes: &'a [u8], largest: usize) -> Result<Option<&'a [u8]>, &'static str> {
        let before = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        let from = before.saturating_sub(END.len() - 1);
        // hyper also takes two bare LFs for the end; such a head must be judged
        // before hyper hands it over.
        let end = find_end(&self.bytes[from..]).map(|end| from + end);
        match end {
            Some(end) if end <= largest => {
                self.bytes.truncate(end);
                Ok(Some(&bytes[end - before..]))
            }
            None if self.bytes.len() <= largest => Ok(None),
            _ => Err("the head of a request is too large"),
        }
    }

    /// How the body is framed, or what is wrong.
    pub fn judge(&self) -> Result<Framing, &'static str> {
        let text = self.bytes.strip_suffix(END).ok_or("lines end with CR LF")?;
        let mut lines = Lines { rest: Some(text) };
        let is_http_11 = request_line(lines.next().unwrap_or_default())?;
        let (mut length, mut chunked) = (None, false);
        for line in lines {
            let (name, value) = field(line)?;
            if name.eq_ignore_ascii_case(b"content-length") {
                let parsed = parse_length(value).ok_or("Content-Length is one number")?;
                if length.replace(parsed).is_some() {
                    return Err("a request has one Content-Length");
                }
            } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
                if chunked || !is_http_11 || !value.eq_ignore_ascii_case(b"chunked") {
                    return Err("the only Transfer-Encoding is chunked, once, over HTTP/1.1");
                }
                chunked = true;
            }
        }
        match (length, chunked) {
            (Some(_), true) => Err("a request has either a Content-Length or a Transfer-Encoding"),
            (length, false) => Ok(Framing::Length(length.unwrap_or(0))),
            (None, true) => Ok(Framing::Chunked),
        }
    }
}

/// Where the head ends: behind an empty line, however its end is written.
fn find_end(bytes: &[u8]) -> Option<usize> {
    memchr_iter(b'\n', bytes).find_map(|line| match &bytes[line + 1..] {
        [b'\n', ..] => Some(line + 2),
        [b'\r', b'\n', ..] => Some(line + 3),
        _ => None,
    })
}

/// `METHOD SP target SP HTTP/1.x`; whether it is HTTP/1.1.
fn request_line(line: &[u8]) -> Result<bool, &'static str> {
    let parts: Vec<_> = line.split(|byte| *byte == b' ').collect();
    let [method, target, version] = parts.as_slice() else { return Err("the request line has three parts") };
    if method.is_empty() || !method.iter().all(|byte| is_token(*byte)) {
        return Err("the method is malformed");
    }
    if target.is_empty() || !target.iter().all(|byte| byte.is_ascii_graphic() && !b"\\#\"<>^`{|}".contains(byte)) {
        return Err("the request target is malformed");
    }
    match *version {
        b"HTTP/1.1" => Ok(true),
        b"HTTP/1.0" => Ok(false),
        _ => Err("the version is HTTP/1.1 or HTTP/1.0"),
    }
}

/// `name: value`, the value without the blanks around it.
fn field(line: &[u8]) -> Result<(&[u8], &[u8]), &'static str> {
    let colon = memchr(b':', line).ok_or("a header has a colon")?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
        return Err("the name of a header is malformed");
    }
    // All of them, since that is faster than to stop early.
    if value.iter().fold(false, |found, byte| found | (byte.is_ascii_control() & (*byte != b'\t'))) {
        return Err("a header has control characters");
    }
    Ok((name, value.trim_ascii()))
}

fn parse_length(value: &[u8]) -> Option<u64> {
    let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    if is_number { std::str::from_utf8(value).ok()?.parse().ok() } else { None }
}

/// RFC 9110, section 5.6.2.
fn is_token(byte: u8) -> bool {
    const TOKEN: [bool; 256] = {
        let (mut table, mut byte) = ([false; 256], 0);
        while byte < 256 {
            table[byte] = matches!(byte as u8, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9'
                | b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~');
            byte += 1;
        }
        table
    };
    TOKEN[usize::from(byte)]
}

/// Lines between CR LF; a lone CR or LF stays inside a line, where no rule allows it.
struct Lines<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest.take()?;
        match memmem::find(rest, b"\r\n") {
            Some(end) => {
                self.rest = Some(&rest[end + 2..]);
                Some(&rest[..end])
            }
            None => Some(rest),
        }
    }
}
