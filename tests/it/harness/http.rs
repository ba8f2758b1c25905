//! A plain HTTP/1.1 client that sends exactly what a test says.
//!
//! Ordinary clients tidy up: they rewrite `..` and backslashes in paths, merge
//! headers, retry and follow redirects. This one does none of that. Every
//! request has a connection of its own.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::exchange::{Exchange, Headers};

/// Longer than any answer should take; a test fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a server is: `host:port`, and the authority that signed its certificate
/// if it speaks TLS.
#[derive(Clone)]
pub struct Endpoint {
    pub address: String,
    pub authority: Option<CertificateDer<'static>>,
}

/// One request, headers in order and as often as the test names them.
#[derive(Clone)]
pub struct Request {
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

impl Endpoint {
    pub fn plain(address: &str) -> Self {
        Self { address: address.to_owned(), authority: None }
    }

    /// Sends `request` and reads the whole answer.
    pub fn send(&self, request: &Request) -> io::Result<Exchange> {
        let mut body = Vec::new();
        let mut exchange = self.stream(request, &mut request.body.as_slice(), request.body.len() as u64, &mut body)?;
        exchange.body = body;
        Ok(exchange)
    }

    /// Sends `length` bytes of `upload` as the body, whatever `request.body` is,
    /// and writes the body of the answer to `download`. Neither is kept in memory.
    pub fn stream(&self, request: &Request, upload: &mut dyn Read, length: u64, download: &mut dyn Write) -> io::Result<Exchange> {
        let mut stream = self.connect()?;
        // A server that answers early and hangs up breaks the pipe; what it
        // answered counts, so the error only matters if there is no answer.
        let sent = stream
            .write_all(self.head(request, length).as_bytes())
            .and_then(|()| io::copy(&mut upload.take(length), &mut stream))
            .and_then(|_| stream.flush());
        let mut reader = BufReader::with_capacity(128 * 1024, stream);
        let (status, headers) = read_head(&mut reader).map_err(|error| sent.err().unwrap_or(error))?;
        if request.method != "HEAD" && status != 204 && status != 304 {
            read_body(&mut reader, &headers, download)?;
        }
        Ok(Exchange { request: request.clone(), status, headers, body: Vec::new() })
    }

    fn connect(&self) -> io::Result<Box<dyn Stream>> {
        let tcp = TcpStream::connect(&self.address)?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        tcp.set_write_timeout(Some(PATIENCE))?;
        let Some(authority) = &self.authority else { return Ok(Box::new(tcp)) };
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone()).expect("an authority made by this harness");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("TLS 1.2 and 1.3");
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let host = self.address.rsplit_once(':').expect("host:port").0.to_owned();
        let name = ServerName::try_from(host).expect("a host name or address");
        let session = ClientConnection::new(Arc::new(config), name).expect("a TLS session");
        Ok(Box::new(StreamOwned::new(session, tcp)))
    }

    fn head(&self, request: &Request, length: u64) -> String {
        let mut head = format!("{} {} HTTP/1.1\r\nConnection: close\r\n", request.method, request.target);
        if !request.headers.iter().any(|(name, _)| name == "Host") {
            head.push_str(&format!("Host: {}\r\n", self.address));
        }
        for (name, value) in &request.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if length > 0 || matches!(request.method.as_str(), "PUT" | "POST" | "PATCH") {
            head.push_str(&format!("Content-Length: {length}\r\n"));
        }
        head + "\r\n"
    }
}

/// Reads a status line and headers; interim answers (1xx) are passed over.
fn read_head(reader: &mut impl BufRead) -> io::Result<(u16, Headers)> {
    loop {
        let line = read_line(reader)?;
        let status = line.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)).and_then(|code| code.parse().ok());
        let status: u16 = status.ok_or_else(|| io::Error::other(format!("not an HTTP answer: {line:?}")))?;
        let mut headers = Vec::new();
        loop {
            let line = read_line(reader)?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(|| io::Error::other(format!("not a header: {line:?}")))?;
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        if status >= 200 {
            return Ok((status, Headers(headers)));
        }
    }
}

/// A body that ends before its announced length is an error, never a short body.
fn read_body(reader: &mut impl BufRead, headers: &Headers, sink: &mut dyn Write) -> io::Result<()> {
    if headers.get("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        loop {
            let line = read_line(reader)?;
            let size = u64::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16).map_err(io::Error::other)?;
            copy_exactly(reader, size, sink)?;
            if read_line(reader)?.is_empty() && size == 0 {
                return Ok(());
            }
        }
    }
    match headers.get("content-length") {
        Some(length) => copy_exactly(reader, length.parse().map_err(io::Error::other)?, sink),
        None => io::copy(reader, sink).map(drop),
    }
}

fn copy_exactly(reader: &mut impl BufRead, length: u64, sink: &mut dyn Write) -> io::Result<()> {
    let copied = io::copy(&mut reader.take(length), sink)?;
    if copied < length {
        let message = format!("the body ended after {copied} of {length} bytes");
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
    }
    Ok(())
}

fn read_line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    if reader.read_until(b'\n', &mut line)? == 0 {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection was closed before the answer was complete"));
    }
    Ok(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned())
}
