//! The first bytes of a connection, which say whether it is HTTP/2.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};

use super::writing::writes_to_its_stream;

/// HTTP/2 begins so, over cleartext with prior knowledge as well (RFC 9113,
/// section 3.4); no request of HTTP/1 does.
pub const PREFACE: [u8; 24] = *b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection whose first bytes were looked at. They are read again.
#[derive(Debug)]
pub struct Begun<S> {
    stream: S,
    seen: [u8; PREFACE.len()],
    /// The part of `seen` that is still to be read again.
    left: std::ops::Range<usize>,
}

impl<S: AsyncRead + Unpin> Begun<S> {
    /// Reads until the first bytes are the whole preface, or cannot become it.
    /// Takes as long as the client does.
    pub async fn read(mut stream: S) -> io::Result<Self> {
        let (mut seen, mut length) = ([0; PREFACE.len()], 0);
        while length < seen.len() && PREFACE.starts_with(&seen[..length]) {
            let mut buffer = ReadBuf::new(&mut seen[length..]);
            std::future::poll_fn(|cx| Pin::new(&mut stream).poll_read(cx, &mut buffer)).await?;
            match buffer.filled().len() {
                0 => break,
                count => length += count,
            }
        }
        Ok(Self { stream, seen, left: 0..length })
    }

    /// Whether the client speaks HTTP/2.
    pub fn is_http2(&self) -> bool {
        self.left.len() == PREFACE.len() && self.seen == PREFACE
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Begun<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let begun = self.get_mut();
        if begun.left.is_empty() {
            return Pin::new(&mut begun.stream).poll_read(cx, buf);
        }
        let count = begun.left.len().min(buf.remaining());
        buf.put_slice(&begun.seen[begun.left.start..begun.left.start + count]);
        begun.left.start += count;
        Poll::Ready(Ok(()))
    }
}

writes_to_its_stream!(Begun);
