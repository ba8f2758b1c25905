//! Reads along with hyper, byte for byte, and judges what hyper would forgive.
//!
//! hyper drops a Content-Length beside a Transfer-Encoding, joins equal lengths and
//! takes a bare LF for a line end before anybody can see it. A server in front that
//! reads such a request differently could smuggle a second one. So each head is
//! judged by its raw bytes here, in the order in which hyper hands the requests
//! over, and a body that is not framed plainly ends the connection.

mod chunks;
mod head;

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

use self::chunks::Chunks;
use self::head::{Framing, Head};
use super::preface::PREFACE;
use super::writing::writes_to_its_stream;

/// What is wrong with a head; the text goes to the client.
pub type Verdict = Result<(), &'static str>;

/// The verdicts on the heads of one connection that are not asked for yet.
#[derive(Clone, Debug, Default)]
pub struct Verdicts(Arc<Mutex<VecDeque<Verdict>>>);

impl Verdicts {
    /// The verdict on the next request of the connection.
    pub fn next(&self) -> Verdict {
        let next = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        next.unwrap_or(Err("the request was not seen on the wire"))
    }

    fn push(&self, verdict: Verdict) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(verdict);
    }
}

/// A connection that is read along.
#[derive(Debug)]
pub struct Watched<S> {
    stream: S,
    reader: Reader,
    /// Why nothing is handed over any more.
    failure: Option<&'static str>,
}

/// Bytes that are not framed plainly.
#[derive(Debug)]
struct Unframed {
    cause: &'static str,
    /// How many bytes at the end of what was read must not be handed over.
    withheld: usize,
}

impl<S> Watched<S> {
    /// `largest_head` must be more than hyper takes, so that hyper answers first.
    pub fn new(stream: S, largest_head: usize) -> (Self, Verdicts) {
        let verdicts = Verdicts::default();
        let reader = Reader { state: State::Start(Vec::new()), verdicts: verdicts.clone(), largest_head };
        (Self { stream, reader, failure: None }, verdicts)
    }
}

#[derive(Debug)]
struct Reader {
    state: State,
    verdicts: Verdicts,
    largest_head: usize,
}

#[derive(Debug)]
enum State {
    /// Nothing but a part of the HTTP/2 preface has come.
    Start(Vec<u8>),
    Head(Head),
    /// This many bytes of a body are still to come.
    Length(u64),
    Chunks(Chunks),
    /// HTTP/2, or a head that was refused: the rest is not judged.
    Over,
}

impl Reader {
    /// Reads along; fails where a body is not framed plainly.
    fn read(&mut self, mut bytes: &[u8]) -> Result<(), Unframed> {
        while !bytes.is_empty() {
            match &mut self.state {
                State::Over => return Ok(()),
                State::Start(seen) => {
                    seen.extend_from_slice(bytes);
                    if seen.starts_with(&PREFACE) {
                        self.state = State::Over;
                        return Ok(());
                    }
                    if PREFACE.starts_with(seen) {
                        return Ok(());
                    }
                    let seen = std::mem::take(seen);
                    self.state = State::Head(Head::default());
                    return self.read(&seen);
                }
                State::Head(head) => {
                    match head.read(bytes, self.largest_head) {
                        Ok(Some(rest)) => bytes = rest,
                        Ok(None) => return Ok(()),
                        Err(cause) => return Err(Unframed { cause, withheld: bytes.len() }),
                    }
                    let framing = head.judge();
                    self.verdicts.push(framing.map(drop));
                    self.state = match framing {
                        Ok(Framing::Length(0)) => State::Head(Head::default()),
                        Ok(Framing::Length(length)) => State::Length(length),
                        Ok(Framing::Chunked) => State::Chunks(Chunks::default()),
                        Err(_) => State::Over,
                    };
                }
                State::Length(left) => {
                    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                    *left -= taken as u64;
                    bytes = &bytes[taken..];
                    if *left == 0 {
                        self.state = State::Head(Head::default());
                    }
                }
                State::Chunks(chunks) => {
                    let (taken, is_whole) = chunks.read(bytes);
                    bytes = &bytes[taken..];
                    match is_whole {
                        Ok(true) => self.state = State::Head(Head::default()),
                        Ok(false) => {}
                        Err(cause) => return Err(Unframed { cause, withheld: bytes.len() }),
                    }
                }
            }
        }
        Ok(())
    }
}

/// The verdicts on a stream that comes in parts of one size, and whether the
/// connection ends early.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn verdicts_in_parts(stream: &[u8], size: usize, largest_head: usize) -> (Vec<Verdict>, bool) {
    let (mut watched, verdicts) = Watched::new((), largest_head);
    let is_broken = stream.chunks(size).any(|part| watched.reader.read(part).is_err());
    let seen = verdicts.0.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect();
    (seen, is_broken)
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let watched = self.get_mut();
        let refuse = |cause| Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, cause)));
        if let Some(cause) = watched.failure {
            return refuse(cause);
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut watched.stream).poll_read(cx, buf))?;
        if let Err(Unframed { cause, withheld }) = watched.reader.read(&buf.filled()[before..]) {
            watched.failure = Some(cause);
            // What came before is handed over first, so that a head in it is answered.
            let good = buf.filled().len().saturating_sub(withheld).max(before);
            buf.set_filled(good);
            if good == before {
                return refuse(cause);
            }
        }
        Poll::Ready(Ok(()))
    }
}

writes_to_its_stream!(Watched);

#[cfg(test)]
mod tests {
    use super::*;

    /// The verdicts on a stream that comes in parts of every size, and whether the
    /// connection ends. The parts must not matter.
    fn verdicts(stream: &[u8]) -> (Vec<Verdict>, bool) {
        let whole = verdicts_in_parts(stream, stream.len().max(1), 1024);
        for size in 1..stream.len() {
            assert_eq!(verdicts_in_parts(stream, size, 1024), whole, "in parts of {size}");
        }
        whole
    }

    #[test]
    fn plain_requests_pass_one_after_the_other() {
        let stream = b"PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\nHost: a\r\n\r\n\
            PATCH /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n\
            HEAD /d HTTP/1.1\r\nHost: a\r\n\r\n";
        assert_eq!(verdicts(stream), (vec![Ok(()); 4], false));
    }

    #[test]
    fn a_second_request_hidden_in_a_body_is_not_taken_for_one() {
        let stream = b"PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 27\r\n\r\nGET /b HTTP/1.1\r\nHost: b\r\n\r\n";
        assert_eq!(verdicts(stream).0.len(), 1);
    }

    #[test]
    fn what_hyper_forgives_is_refused() {
        for head in [
            "PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
            "PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
            "PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n",
            "PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\n",
            "PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\n",
            "PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\n",
            "PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
            "PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
            "PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n",
            "PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \r\n\r\n",
            "PUT /a HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
            "PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n",
            "PUT /a HTTP/1.1\r\nHost: a\r\nX: a\r\n folded\r\n\r\n",
            "PUT /a HTTP/1.1\r\nHost: a\nX: a\r\n\r\n",
            "PUT /a HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
            "PUT /a HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
            "PUT /a HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
            "PUT /a HTTP/1.1\r\nHost: a\r\n: empty\r\n\r\n",
            "PUT  /a HTTP/1.1\r\nHost: a\r\n\r\n",
            "PUT /a b HTTP/1.1\r\nHost: a\r\n\r\n",
            "PUT /a\\b HTTP/1.1\r\nHost: a\r\n\r\n",
            "PUT /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
            "PUT /a HTTP/1.2\r\nHost: a\r\n\r\n",
            "PUT /a\r\n\r\n",
            "\r\nPUT /a HTTP/1.1\r\nHost: a\r\n\r\n",
        ] {
            let (verdicts, is_broken) = verdicts(head.as_bytes());
            assert!(matches!(verdicts.as_slice(), [Err(_), ..]) || is_broken, "{head:?} passed: {verdicts:?}");
        }
    }

    #[test]
    fn a_body_that_is_not_framed_plainly_ends_the_connection() {
        for body in [
            "3;x=y\r\nabc\r\n0\r\n\r\n",
            "3\nabc\n0\n\n",
            "0x3\r\nabc\r\n",
            "-1\r\n",
            "3 \r\nabc\r\n",
            "3\r\nabcd\r\n",
            "0\r\nX: y\r\n\r\n",
            "\r\n",
            "11111111111111111\r\n",
        ] {
            let stream = format!("PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
            assert!(verdicts(stream.as_bytes()).1, "{body:?} passed");
        }
    }

    #[test]
    fn http_2_frames_by_itself() {
        assert_eq!(verdicts(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"), (vec![], false));
    }

    #[test]
    fn an_endless_head_ends_the_connection() {
        let endless = [b"GET /a HTTP/1.1\r\nX: ".as_slice(), &[b'a'; 1100]].concat();
        assert!(verdicts(&endless).1);
        // One with an end is too large as well, also where it comes at once.
        assert_eq!(verdicts(&[&endless, b"\r\n\r\n".as_slice()].concat()), (vec![], true));
    }
}
