//! Connections to the registry, idle ones kept for the next request, newest first.
//!
//! A connection in use is driven by whoever waits for its answer, in the same task: a
//! task of its own would be woken, mostly on another core, for every part that passes.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, Sleep, sleep};

use super::body::RequestBody;
use super::connect::Stream;
use crate::buffers::{self, Buffers, Wide};

/// How often idle connections are looked at, so that those that the registry closed go.
const SWEEP: Duration = Duration::from_secs(1);

/// Keep-alive connections, ready for the next request. Cheap to clone.
#[derive(Clone)]
pub struct Pool {
    idle: Arc<Mutex<Idles>>,
    buffers: Arc<Buffers>,
    capacity: usize,
    lifetime: Duration,
}

#[derive(Default)]
struct Idles {
    /// The one that was used last is the last.
    connections: Vec<Idle>,
    /// Whether somebody looks at them once in a while.
    is_swept: bool,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

/// The two halves that hyper makes of a connection.
struct Connection {
    sender: SendRequest<RequestBody>,
    /// Sends and reads when it is polled; none once it is over.
    driver: Option<Box<http1::Connection<TokioIo<Stream>, RequestBody>>>,
    clock: Clock,
    /// Its place among the connections with much room, held for as long as it lasts.
    wide: Option<Wide>,
}

/// A limit on waiting that is set for every request and hardly ever reached: the timer
/// stays as it is until it goes off, and only then is it set to what is left.
struct Clock {
    timer: Pin<Box<Sleep>>,
    until: Instant,
}

/// A connection in use, with the place it returns to.
pub struct Lease {
    connection: Connection,
    pool: Pool,
}

impl Clock {
    fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        while self.timer.as_mut().poll(cx).is_ready() {
            if Instant::now() >= self.until {
                return true;
            }
            self.timer.as_mut().reset(self.until);
        }
        false
    }
}

impl Connection {
    /// Sends and reads what can be sent and read now. Ready once the connection is over;
    /// how it ended is seen by the request on it, and there is nobody else to tell.
    fn drive(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(driver) = &mut self.driver {
            drop(ready!(Pin::new(&mut **driver).poll(cx)));
            self.driver = None;
        }
        Poll::Ready(())
    }

    /// Looks once whether the registry has closed it.
    fn is_over(&mut self) -> bool {
        self.drive(&mut Context::from_waker(Waker::noop())).is_ready()
    }
}

impl Pool {
    /// Keeps at most `capacity` connections, each idle for at most `lifetime`.
    pub fn new(capacity: usize, lifetime: Duration) -> Self {
        Self { idle: Arc::default(), buffers: Arc::default(), capacity, lifetime }
    }

    /// The connection that was used last and can take a request now, of those with much
    /// room where there are any.
    pub fn take(&self) -> Option<Lease> {
        let mut idle = lock(&self.idle);
        while let Some(last) = idle.connections.len().checked_sub(1) {
            let wide = idle.connections.iter().rposition(|idle| idle.connection.wide.is_some());
            let Idle { mut connection, since } = idle.connections.remove(wide.unwrap_or(last));
            if since.elapsed() < self.lifetime && !connection.is_over() && connection.sender.is_ready() {
                return Some(Lease { connection, pool: self.clone() });
            }
        }
        None
    }

    /// A fresh connection that shall return here.
    pub async fn open(&self, stream: Stream) -> hyper::Result<Lease> {
        let wide = self.buffers.wide();
        let mut builder = http1::Builder::new();
        if wide.is_none() {
            builder.max_buf_size(buffers::TIGHT);
        }
        let (sender, driver) = builder.handshake(TokioIo::new(stream)).await?;
        let clock = Clock { timer: Box::pin(sleep(Duration::ZERO)), until: Instant::now() };
        let connection = Connection { sender, driver: Some(Box::new(driver)), clock, wide };
        Ok(Lease { connection, pool: self.clone() })
    }

    fn put(&self, connection: Connection) {
        let mut idle = lock(&self.idle);
        if !idle.is_swept {
            idle.is_swept = true;
            tokio::spawn(sweep(Arc::downgrade(&self.idle), self.lifetime));
        }
        idle.connections.push(Idle { connection, since: Instant::now() });
        if idle.connections.len() > self.capacity {
            idle.connections.remove(0);
        }
    }
}

impl Lease {
    pub fn sender(&mut self) -> &mut SendRequest<RequestBody> {
        &mut self.connection.sender
    }

    /// Begins to wait for an answer.
    pub fn start_clock(&mut self, limit: Duration) {
        self.connection.clock.until = Instant::now() + limit;
    }

    /// Whether the answer was waited for as long as it may be.
    pub fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        self.connection.clock.is_over(cx)
    }

    /// Sends and reads what can be sent and read now. Whoever waits for something of the
    /// connection asks for it once more after this.
    pub fn drive(&mut self, cx: &mut Context<'_>) {
        // Being over is seen in what is waited for.
        let _ = self.connection.drive(cx);
    }

    /// Puts the connection back. One that is still busy with the end of a request body
    /// comes back once it is ready.
    pub fn release(self) {
        let Self { mut connection, pool } = self;
        if connection.is_over() {
            return;
        }
        if connection.sender.is_ready() {
            pool.put(connection);
            return;
        }
        tokio::spawn(async move {
            let is_ready = std::future::poll_fn(|cx| match connection.drive(cx) {
                Poll::Ready(()) => Poll::Ready(false),
                Poll::Pending if connection.sender.is_ready() => Poll::Ready(true),
                Poll::Pending => Poll::Pending,
            });
            if is_ready.await {
                pool.put(connection);
            }
        });
    }
}

/// Drops what is over, until nothing is left.
async fn sweep(idle: Weak<Mutex<Idles>>, lifetime: Duration) {
    loop {
        sleep(SWEEP).await;
        let Some(idle) = idle.upgrade() else { return };
        let mut idle = lock(&idle);
        idle.connections.retain_mut(|idle| idle.since.elapsed() < lifetime && !idle.connection.is_over());
        if idle.connections.is_empty() {
            idle.is_swept = false;
            return;
        }
    }
}

fn lock(idle: &Mutex<Idles>) -> MutexGuard<'_, Idles> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("capacity", &self.capacity).field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}
