//! Bytes that no library would send.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// How long the first byte of an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a connection that has answered must stay silent for the answer to be
/// taken as complete: it may be kept alive for ever.
const QUIET: Duration = Duration::from_millis(400);

/// Sends `bytes` as they are to `host:port` and returns all that comes back, as
/// text; empty if the server only hangs up.
pub fn raw(address: &str, bytes: &[u8]) -> String {
    let mut connection = TcpStream::connect(address).expect("a connection");
    connection.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
    // A server may hang up before it has read everything.
    let _ = connection.write_all(bytes);
    let started = Instant::now();
    let mut last = started;
    let mut answer = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        match connection.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                answer.extend_from_slice(&buffer[..count]);
                last = Instant::now();
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                if !answer.is_empty() && last.elapsed() > QUIET {
                    break;
                }
                assert!(!answer.is_empty() || started.elapsed() < PATIENCE, "no answer from {address} within {PATIENCE:?}");
            }
            // A reset after an answer does not unsay it.
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}
