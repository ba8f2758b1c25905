//! Bodies on their way through: never gathered, never allowed to stand still.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;
use thiserror::Error;
use tokio::time::{Instant, Sleep, sleep};

use super::pool::Lease;
use crate::config::valid;
use crate::metrics::{Metrics, Reached};

/// Why a body ended before its end.
#[derive(Debug, Error)]
pub enum BodyError {
    #[error("no byte of the body moved for {0:?}")]
    Idle(Duration),
    #[error(transparent)]
    Broken(#[from] hyper::Error),
}

/// How long a body may stand still, and the count of those that did.
#[derive(Clone, Debug)]
pub struct IdleLimit {
    pub longest: Duration,
    pub reached: Reached,
}

impl IdleLimit {
    pub fn new(server: &valid::Server, metrics: &Metrics) -> Self {
        Self { longest: server.body_idle_timeout, reached: metrics.limit("body_idle_timeout") }
    }
}

/// A request body on its way to the registry.
#[derive(Debug)]
pub enum RequestBody {
    /// Bytes at hand; empty for requests without a body.
    Full(Full<Bytes>),
    /// A client's body, passed on as it comes.
    Client(Watched),
}

/// A client's body, with a limit on pauses and a count of what moved.
#[derive(Debug)]
pub struct Watched {
    inner: Incoming,
    idle: IdleTimer,
    moved: Progress,
}

/// Counts the frames that a body has passed on, for whoever waits on the other
/// side to see that it still moves.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<AtomicU64>);

impl Progress {
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl RequestBody {
    pub fn full(bytes: Bytes) -> Self {
        Self::Full(Full::new(bytes))
    }

    pub fn empty() -> Self {
        Self::full(Bytes::new())
    }

    /// A client's body, which may pause for a limited time.
    pub fn client(inner: Incoming, idle: IdleLimit) -> Self {
        Self::Client(Watched { inner, idle: IdleTimer::new(idle), moved: Progress::default() })
    }

    /// The progress of a body that streams.
    pub fn progress(&self) -> Option<Progress> {
        match self {
            Self::Full(_) => None,
            Self::Client(body) => Some(body.moved.clone()),
        }
    }

    /// The same body once more, where its bytes are at hand.
    pub fn repeat(&self) -> Option<Self> {
        match self {
            Self::Full(body) => Some(Self::Full(body.clone())),
            Self::Client(_) => None,
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Full(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
            Self::Client(body) => {
                let frame = ready!(body.idle.poll(cx, |cx| Pin::new(&mut body.inner).poll_frame(cx)));
                body.moved.0.fetch_add(1, Ordering::Relaxed);
                Poll::Ready(without_trailers(frame))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(body) => body.is_end_stream(),
            Self::Client(body) => body.inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(body) => body.size_hint(),
            Self::Client(body) => body.inner.size_hint(),
        }
    }
}

/// Trailers are hop-by-hop here: no registry uses them, and they could carry
/// headers past the checks.
fn without_trailers(frame: Option<Result<Frame<Bytes>, BodyError>>) -> Option<Result<Frame<Bytes>, BodyError>> {
    match frame {
        Some(Ok(frame)) if frame.is_trailers() => None,
        other => other,
    }
}

/// A registry's answer on its way to the client. Hands its connection back to
/// the pool at its end; dropped before, it closes the connection.
pub struct ResponseBody {
    inner: Incoming,
    idle: IdleTimer,
    lease: Option<Lease>,
    /// Why the body ended early, until that is told.
    broken: Option<BodyError>,
}

impl ResponseBody {
    pub(super) fn new(inner: Incoming, idle: IdleLimit, lease: Lease) -> Self {
        let mut body = Self { inner, idle: IdleTimer::new(idle), lease: Some(lease), broken: None };
        body.release_at_end();
        body
    }

    fn release_at_end(&mut self) {
        if self.inner.is_end_stream()
            && let Some(lease) = self.lease.take()
        {
            lease.release();
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let body = self.get_mut();
        if let Some(broken) = body.broken.take() {
            return Poll::Ready(Some(Err(broken)));
        }
        let frame = without_trailers(ready!(body.idle.poll(cx, |cx| {
            let frame = Pin::new(&mut body.inner).poll_frame(cx);
            match (&frame, &mut body.lease) {
                (Poll::Pending, Some(lease)) => {
                    lease.drive(cx);
                    Pin::new(&mut body.inner).poll_frame(cx)
                }
                _ => frame,
            }
        })));
        match &frame {
            Some(Ok(_)) | None => body.release_at_end(),
            Some(Err(_)) => drop(body.lease.take()),
        }
        // hyper drops what it has not sent yet where a body breaks, the head included: it
        // gets the time to send that first.
        if let Some(Err(broken)) = frame {
            body.broken = Some(broken);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").field("size", &self.size_hint()).finish_non_exhaustive()
    }
}

/// Ends a body that stands still. The timer is armed only while the body has
/// nothing to give, so a body that flows never touches it.
#[derive(Debug)]
struct IdleTimer {
    limit: IdleLimit,
    waiting: bool,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl IdleTimer {
    fn new(limit: IdleLimit) -> Self {
        Self { limit, waiting: false, sleep: None }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        next: impl FnOnce(&mut Context<'_>) -> Poll<Option<hyper::Result<Frame<Bytes>>>>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Poll::Ready(frame) = next(cx) {
            self.waiting = false;
            return Poll::Ready(frame.map(|frame| frame.map_err(BodyError::Broken)));
        }
        let longest = self.limit.longest;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep(longest)));
        if !self.waiting {
            self.waiting = true;
            sleep.as_mut().reset(Instant::now() + longest);
        }
        ready!(sleep.as_mut().poll(cx));
        self.limit.reached.count();
        Poll::Ready(Some(Err(BodyError::Idle(longest))))
    }
}
