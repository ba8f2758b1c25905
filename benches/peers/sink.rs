//! A registry that takes every upload at once: it reads the body and answers.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use super::client::AT_ONCE;

/// Serves until the process ends.
pub fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            // A client that goes away is no concern of the sink.
            thread::spawn(move || drop(serve(client)));
        }
    });
    address
}

fn serve(client: TcpStream) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut answers = client.try_clone()?;
    let mut reader = BufReader::with_capacity(AT_ONCE, client);
    loop {
        let (mut length, mut is_chunked, mut line) = (0_u64, false, String::new());
        loop {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let lower = line.trim_end().to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().map_err(io::Error::other)?;
            } else if lower.starts_with("transfer-encoding:") {
                is_chunked = true;
            } else if lower.is_empty() {
                break;
            }
        }
        if is_chunked {
            skip_chunks(&mut reader)?;
        } else {
            skip(&mut reader, length)?;
        }
        answers.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nLocation: /v2/bench/blobs/uploads/next\r\n\r\n")?;
    }
}

fn skip_chunks(reader: &mut impl BufRead) -> io::Result<()> {
    let mut line = String::new();
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let size = u64::from_str_radix(line.trim(), 16).map_err(io::Error::other)?;
        skip(reader, size + 2)?;
        if size == 0 {
            return Ok(());
        }
    }
}

fn skip(reader: &mut impl BufRead, mut left: u64) -> io::Result<()> {
    while left > 0 {
        let ready = reader.fill_buf()?.len() as u64;
        if ready == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let used = ready.min(left);
        reader.consume(usize::try_from(used).map_err(io::Error::other)?);
        left -= used;
    }
    Ok(())
}
