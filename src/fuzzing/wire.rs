//! The bytes of one connection behind a byte that says in which parts they come.
//!
//! The verdicts do not hang on the parts, and each request that hyper hands over
//! with a good verdict is the one that a plain reading of RFC 9112 finds there:
//! the same method, the same target, the same body.

use std::cell::RefCell;
use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::server::wire::{Verdict, Watched, verdicts_in_parts};

/// The largest head that hyper takes here, in bytes.
const HEAD_LIMIT: usize = 1024;

pub fn check(input: &[u8]) {
    let Some((size, stream)) = input.split_first() else { return };
    let size = usize::from(*size).max(1);
    let whole = verdicts_in_parts(stream, stream.len().max(1), 2 * HEAD_LIMIT);
    for size in [1, size] {
        assert_eq!(verdicts_in_parts(stream, size, 2 * HEAD_LIMIT), whole, "in parts of {size}");
    }

    let expected = plain_requests(stream);
    for (index, believed) in believed(stream, size).iter().enumerate() {
        let plain = expected.get(index).unwrap_or_else(|| panic!("{believed:?} is no request"));
        assert_eq!(believed.method, plain.method);
        assert!(believed.target == plain.target || !plain.target.starts_with('/'), "{believed:?} is {plain:?}");
        assert!(believed.body.is_none() || believed.body == plain.body, "{believed:?} is {plain:?}");
    }
}

/// A request as far as it matters; no body where it did not come whole.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Plain {
    method: String,
    target: String,
    body: Option<Vec<u8>>,
}

/// What hyper hands over and the verdicts let through, on a connection as the
/// listener makes it.
fn believed(stream: &[u8], size: usize) -> Vec<Plain> {
    let (stream, verdicts) = Watched::new(Parts { rest: stream, size }, 2 * HEAD_LIMIT);
    let seen = RefCell::new(Vec::new());
    let service = service_fn(|request: Request<Incoming>| {
        let verdict = verdicts.next();
        let seen = &seen;
        async move { Ok::<_, Infallible>(answer(request, verdict, seen).await) }
    });
    let mut builder = http1::Builder::new();
    builder.max_header_size(HEAD_LIMIT);
    {
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        let mut cx = Context::from_waker(Waker::noop());
        // The stream never waits, so that whoever waits is polled again.
        let ended = (0..10_000).any(|_| connection.as_mut().poll(&mut cx).is_ready());
        assert!(ended, "the connection does not end");
    }
    seen.into_inner()
}

async fn answer(request: Request<Incoming>, verdict: Verdict, seen: &RefCell<Vec<Plain>>) -> Response<Empty<Bytes>> {
    let mut answer = Response::new(Empty::new());
    *answer.status_mut() = http::StatusCode::NOT_FOUND;
    if verdict.is_err() {
        answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        return answer;
    }
    let (method, target) = (request.method().to_string(), request.uri().to_string());
    let index = seen.borrow().len();
    seen.borrow_mut().push(Plain { method, target, body: None });
    let body = request.into_body().collect().await.ok().map(|body| body.to_bytes().to_vec());
    seen.borrow_mut()[index].body = body;
    answer
}

/// The requests of a stream, as far as it is made of nothing else.
fn plain_requests(mut stream: &[u8]) -> Vec<Plain> {
    let mut found = Vec::new();
    while let Some((head, rest)) = split(stream, b"\r\n\r\n") {
        let head = String::from_utf8_lossy(head).into_owned();
        let mut lines = head.split("\r\n");
        let mut words = lines.next().unwrap_or_default().split(' ').map(str::to_owned);
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let fields: Vec<(String, &str)> =
            lines.filter_map(|line| line.split_once(':')).map(|(name, value)| (name.to_lowercase(), value.trim())).collect();
        let value = |wanted: &str| fields.iter().find(|(name, _)| name == wanted).map(|(_, value)| *value);
        let body = match (value("transfer-encoding"), value("content-length")) {
            (Some(_), _) => plain_chunks(rest),
            (None, length) => {
                let length = length.unwrap_or("0").parse().ok();
                length.and_then(|length| rest.split_at_checked(length)).map(|(body, rest)| (body.to_vec(), rest))
            }
        };
        let (body, rest) = body.unzip();
        found.push(Plain { method, target, body });
        let Some(rest) = rest else { break };
        stream = rest;
    }
    found
}

fn plain_chunks(mut stream: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut body = Vec::new();
    loop {
        let (size, rest) = split(stream, b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(size).ok()?, 16).ok()?;
        let (chunk, rest) = rest.split_at_checked(size)?;
        body.extend_from_slice(chunk);
        stream = rest.strip_prefix(b"\r\n")?;
        if size == 0 {
            return Some((body, stream));
        }
    }
}

fn split<'a>(bytes: &'a [u8], by: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes.windows(by.len()).position(|window| window == by)?;
    Some((&bytes[..at], &bytes[at + by.len()..]))
}

/// A client that sends its bytes in parts of one size and then no more, and reads
/// nothing.
struct Parts<'a> {
    rest: &'a [u8],
    size: usize,
}

impl AsyncRead for Parts<'_> {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let (part, rest) = self.rest.split_at(self.size.min(self.rest.len()).min(buf.remaining()));
        buf.put_slice(part);
        self.rest = rest;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Parts<'_> {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
