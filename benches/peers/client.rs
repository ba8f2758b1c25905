//! A client that costs little: blocking HTTP/1.1, which reads what it gets.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// How much is read and written at once.
pub const AT_ONCE: usize = 256 * 1024;

/// No answer takes so long; a peer that hangs ends the run.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where requests go.
#[derive(Clone)]
pub struct Target {
    pub address: SocketAddr,
    pub tls: Option<Arc<ClientConfig>>,
}

pub struct Connection {
    stream: Stream,
    buffer: Box<[u8]>,
    /// What was read and not used yet.
    ready: std::ops::Range<usize>,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// The head of an answer.
pub struct Answer {
    pub status: u16,
    pub head: String,
    length: Option<u64>,
}

/// Trusts one authority.
pub fn trusting(authority: CertificateDer<'static>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(authority).expect("an authority");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("TLS");
    Arc::new(config.with_root_certificates(roots).with_no_client_auth())
}

impl Connection {
    pub fn open(target: &Target) -> io::Result<Self> {
        let tcp = TcpStream::connect(target.address)?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        tcp.set_write_timeout(Some(PATIENCE))?;
        let stream = match &target.tls {
            None => Stream::Plain(tcp),
            Some(tls) => {
                let name = ServerName::try_from("localhost").expect("a name");
                let session = ClientConnection::new(Arc::clone(tls), name).map_err(io::Error::other)?;
                Stream::Tls(Box::new(StreamOwned::new(session, tcp)))
            }
        };
        Ok(Self { stream, buffer: vec![0; AT_ONCE].into_boxed_slice(), ready: 0..0 })
    }

    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(stream) => stream.write_all(bytes),
            Stream::Tls(stream) => stream.write_all(bytes),
        }
    }

    /// Sends a request and reads the answer to its end.
    pub fn ask(&mut self, request: &[u8]) -> io::Result<Answer> {
        self.write(request)?;
        let answer = self.head()?;
        if !request.starts_with(b"HEAD ") {
            self.skip_body(&answer)?;
        }
        Ok(answer)
    }

    pub fn head(&mut self) -> io::Result<Answer> {
        let mut head = Vec::new();
        loop {
            let before = head.len().saturating_sub(3);
            head.extend_from_slice(&self.buffer[self.ready.clone()]);
            if let Some(end) = head[before..].windows(4).position(|window| window == b"\r\n\r\n") {
                let behind = head.len() - (before + end + 4);
                self.ready.start = self.ready.end - behind;
                head.truncate(before + end + 4);
                let head = String::from_utf8(head).map_err(io::Error::other)?;
                return Answer::read(head);
            }
            self.read()?;
        }
    }

    /// Reads and forgets; returns how many bytes came.
    pub fn skip_body(&mut self, answer: &Answer) -> io::Result<u64> {
        if matches!(answer.status, 204 | 304) {
            return Ok(0);
        }
        match answer.length {
            Some(length) => self.skip(length).map(|()| length),
            None => self.skip_chunks(),
        }
    }

    fn skip_chunks(&mut self) -> io::Result<u64> {
        let mut total = 0;
        loop {
            let size = u64::from_str_radix(self.line()?.trim(), 16).map_err(io::Error::other)?;
            self.skip(size)?;
            self.line()?;
            total += size;
            if size == 0 {
                return Ok(total);
            }
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') {
            if self.ready.is_empty() {
                self.read()?;
            }
            line.push(self.buffer[self.ready.start]);
            self.ready.start += 1;
        }
        String::from_utf8(line).map_err(io::Error::other)
    }

    fn skip(&mut self, mut left: u64) -> io::Result<()> {
        while left > 0 {
            if self.ready.is_empty() {
                self.read()?;
            }
            let used = self.ready.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            self.ready.start += used;
            left -= used as u64;
        }
        Ok(())
    }

    /// Reads once into the empty buffer.
    fn read(&mut self) -> io::Result<()> {
        let count = match &mut self.stream {
            Stream::Plain(stream) => stream.read(&mut self.buffer)?,
            Stream::Tls(stream) => stream.read(&mut self.buffer)?,
        };
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.ready = 0..count;
        Ok(())
    }
}

impl Answer {
    fn read(head: String) -> io::Result<Self> {
        let status = head.get(9..12).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| io::Error::other(format!("no status in {head:?}")))?;
        let length = header(&head, "content-length").and_then(|length| length.parse().ok());
        Ok(Self { status, head, length })
    }

    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "another answer than expected:\n{}", self.head);
        self
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
}

/// A request with its body.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nAccept: {ACCEPT}\r\nUser-Agent: bench\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    if !matches!(method, "GET" | "HEAD") {
        text += &format!("Content-Length: {}\r\n", body.len());
    }
    text += "\r\n";
    [text.as_bytes(), body].concat()
}

const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json, */*";

/// Uploads a blob in one PUT (distribution-spec, end-4a and end-6).
pub fn put_blob(connection: &mut Connection, repository: &str, digest: &str, bytes: &[u8]) {
    let begin = request("POST", &format!("/v2/{repository}/blobs/uploads/"), &[], &[]);
    let begun = connection.ask(&begin).expect("an answer").expect(202);
    let location = begun.header("location").expect("a location");
    let path = location.find("/v2/").map_or(location, |at| &location[at..]);
    let separator = if path.contains('?') { '&' } else { '?' };
    let finish = format!("{path}{separator}digest={digest}");
    connection.ask(&request("PUT", &finish, &[], bytes)).expect("an answer").expect(201);
}
