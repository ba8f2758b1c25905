//! A stand-in for a registry that does what no real one can be made to do.

use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

use super::wire::{Recorded, read_body, read_head};

/// What the stand-in does with one request.
pub enum Answer {
    /// A well-formed answer; the connection is kept.
    Respond { status: u16, headers: Vec<(&'static str, String)>, body: Vec<u8> },
    /// These bytes, well-formed or not; then the connection is closed.
    Bytes(Vec<u8>),
    /// These bytes one by one, with a pause before each; then it is closed.
    Slowly(Vec<u8>, Duration),
    /// These bytes, which may be none; then the connection is reset.
    Reset(Vec<u8>),
    /// Nothing, for as long as the test runs.
    Hang,
}

impl Answer {
    pub fn status(status: u16) -> Self {
        Self::Respond { status, headers: Vec::new(), body: Vec::new() }
    }
}

type Script = dyn Fn(&Recorded) -> Answer + Send + Sync;

/// A running stand-in. Dropping it ends what hangs.
pub struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    script: Box<Script>,
    requests: Mutex<Vec<Recorded>>,
    is_over: AtomicBool,
}

impl Upstream {
    /// Answers every request as `script` says.
    pub fn start(script: impl Fn(&Recorded) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
        let address = listener.local_addr().expect("its address");
        let shared = Arc::new(Shared { script: Box::new(script), requests: Mutex::default(), is_over: AtomicBool::new(false) });
        let server = Arc::clone(&shared);
        thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                if server.is_over.load(Ordering::Relaxed) {
                    break;
                }
                let server = Arc::clone(&server);
                // A client that breaks off is part of the play.
                thread::spawn(move || server.serve(&connection).unwrap_or_default());
            }
        });
        Self { address, shared }
    }

    pub fn address(&self) -> String {
        self.address.to_string()
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every request so far, in order of arrival.
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.requests.lock().expect("the record").clone()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        // Wakes the listener, which then sees that it is over.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn serve(&self, connection: &TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(connection.try_clone()?);
        let mut writer = connection;
        while let Some(mut request) = read_head(&mut reader)? {
            request.body = read_body(&mut reader, &request)?;
            self.requests.lock().expect("the record").push(request.clone());
            match (self.script)(&request) {
                Answer::Respond { status, headers, body } => {
                    writer.write_all(&render(&request, status, &headers, &body))?;
                    if request.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
                        return Ok(());
                    }
                }
                Answer::Bytes(bytes) => return writer.write_all(&bytes),
                Answer::Slowly(bytes, pause) => {
                    for byte in bytes.chunks(1) {
                        thread::sleep(pause);
                        writer.write_all(byte)?;
                    }
                    return Ok(());
                }
                Answer::Reset(bytes) => {
                    writer.write_all(&bytes)?;
                    return reset(connection);
                }
                Answer::Hang => {
                    while !self.is_over.load(Ordering::Relaxed) {
                        thread::sleep(Duration::from_millis(20));
                    }
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

fn render(request: &Recorded, status: u16, headers: &[(&str, String)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} Status\r\n");
    // Or the other side keeps a connection that is about to be closed.
    if request.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
        head.push_str("Connection: close\r\n");
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length")) {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    let mut bytes = (head + "\r\n").into_bytes();
    if request.method() != "HEAD" {
        bytes.extend_from_slice(body);
    }
    bytes
}

/// Lets the close that follows send RST instead of FIN. The pause lets what was
/// written before arrive first.
pub fn reset(connection: &TcpStream) -> std::io::Result<()> {
    thread::sleep(Duration::from_millis(20));
    set_socket_linger(connection, Some(Duration::ZERO))?;
    connection.shutdown(std::net::Shutdown::Read)
}
