//! Ends a stream of HTTP/2 whose client takes nothing of its answer.
//!
//! hyper asks a body for more only once the client's window has room for what it was
//! given before, so a limit inside the body is never reached while a client grants
//! no window. This one watches from outside: each stream is a task, and ending the
//! task resets the stream.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::rt::Executor;
use tokio::task_local;
use tokio::time::{Instant, Sleep, sleep};

use crate::metrics::{Metrics, Running};
use crate::upstream::body::IdleLimit;

/// The most that is given at once, so that whoever reads slowly is seen to read.
const PART: usize = 64 * 1024;

task_local! {
    /// The part that the client of this stream has yet to make room for; 0 for none.
    static AWAITED: Arc<AtomicU64>;
}

/// Runs the streams of connections.
#[derive(Clone, Debug)]
pub struct Streams {
    idle: IdleLimit,
    metrics: Arc<Metrics>,
}

impl Streams {
    pub fn new(idle: IdleLimit, metrics: Arc<Metrics>) -> Self {
        Self { idle, metrics }
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        let stream = Taken { stream: Box::pin(stream), awaited: Arc::default(), part: 0, clock: None, idle: self.idle.clone() };
        let running = Running::count(&self.metrics.streams);
        tokio::spawn(async move {
            stream.await;
            drop(running);
        });
    }
}

/// A stream that ends with its answer, or when a part of it is not taken in time.
struct Taken<F> {
    stream: Pin<Box<F>>,
    awaited: Arc<AtomicU64>,
    /// The part that the clock runs for.
    part: u64,
    clock: Option<Pin<Box<Sleep>>>,
    idle: IdleLimit,
}

impl<F: Future<Output = ()>> Future for Taken<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let taken = self.get_mut();
        let stream = taken.stream.as_mut();
        if AWAITED.sync_scope(Arc::clone(&taken.awaited), || stream.poll(cx)).is_ready() {
            return Poll::Ready(());
        }
        let part = taken.awaited.load(Ordering::Relaxed);
        if part == 0 {
            taken.part = 0;
            return Poll::Pending;
        }
        let clock = taken.clock.get_or_insert_with(|| Box::pin(sleep(taken.idle.longest)));
        if part != taken.part {
            taken.part = part;
            clock.as_mut().reset(Instant::now() + taken.idle.longest);
        }
        ready!(clock.as_mut().poll(cx));
        taken.idle.reached.count();
        Poll::Ready(())
    }
}

/// The body of an answer in parts. Its last byte is a part of its own, so that the
/// stream is not left to the library before there is room for all of it.
#[derive(Debug)]
pub struct Parts<B> {
    body: B,
    left: Bytes,
    given: u64,
}

impl<B> Parts<B> {
    pub fn new(body: B) -> Self {
        Self { body, left: Bytes::new(), given: 0 }
    }

    /// Nobody listens outside of a stream, as in a test.
    fn await_client(part: u64) {
        let _ = AWAITED.try_with(|awaited| awaited.store(part, Ordering::Relaxed));
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Parts<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let parts = self.get_mut();
        Self::await_client(0);
        if parts.left.is_empty() {
            match ready!(Pin::new(&mut parts.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => parts.left = data,
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                end => return Poll::Ready(end),
            }
        }
        let length = match parts.left.len() {
            long if long > PART => PART,
            last if last > 1 && parts.body.is_end_stream() => last - 1,
            all => all,
        };
        parts.given += 1;
        Self::await_client(parts.given);
        Poll::Ready(Some(Ok(Frame::data(parts.left.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (mut hint, left) = (self.body.size_hint(), self.left.len() as u64);
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + left);
        }
        hint.set_lower(hint.lower() + left);
        hint
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, Full};

    use super::*;

    #[tokio::test]
    async fn a_body_is_given_in_parts_and_its_last_byte_alone() {
        for (length, parts) in [
            (0, vec![]),
            (1, vec![1]),
            (2, vec![1, 1]),
            (PART, vec![PART - 1, 1]),
            (PART + 1, vec![PART, 1]),
            (2 * PART + 7, vec![PART, PART, 6, 1]),
        ] {
            let mut body = Parts::new(Full::new(Bytes::from(vec![0; length])));
            let mut given = Vec::new();
            while !body.is_end_stream() {
                let left = length - given.iter().sum::<usize>();
                assert_eq!(body.size_hint().exact(), Some(left as u64));
                let frame = body.frame().await.expect("a frame").expect("a part");
                given.push(frame.into_data().expect("data").len());
            }
            assert_eq!(given, parts, "{length} bytes");
        }
    }
}
