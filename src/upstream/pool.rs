//! Idle connections to the registry, newest first.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::client::conn::http1::SendRequest;
use tokio::time::Instant;

use super::body::RequestBody;

/// Keep-alive connections, ready for the next request. Cheap to clone.
#[derive(Clone)]
pub struct Pool {
    idle: Arc<Mutex<Vec<Idle>>>,
    capacity: usize,
    lifetime: Duration,
}

struct Idle {
    connection: SendRequest<RequestBody>,
    since: Instant,
}

/// A connection in use, with the place it returns to.
pub struct Lease {
    connection: SendRequest<RequestBody>,
    pool: Pool,
}

impl Pool {
    /// Keeps at most `capacity` connections, each idle for at most `lifetime`.
    pub fn new(capacity: usize, lifetime: Duration) -> Self {
        Self { idle: Arc::default(), capacity, lifetime }
    }

    /// The connection that was used last and can take a request now.
    pub fn take(&self) -> Option<Lease> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|idle| !idle.connection.is_closed() && idle.since.elapsed() < self.lifetime);
        let position = idle.iter().rposition(|idle| idle.connection.is_ready())?;
        Some(self.lease(idle.remove(position).connection))
    }

    /// A fresh connection that shall return here.
    pub fn lease(&self, connection: SendRequest<RequestBody>) -> Lease {
        Lease { connection, pool: self.clone() }
    }
}

impl Lease {
    pub fn connection(&mut self) -> &mut SendRequest<RequestBody> {
        &mut self.connection
    }

    /// Puts the connection back. It may still be busy with the end of a request
    /// body: `take` passes over it until it is ready.
    pub fn release(self) {
        let mut idle = self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(Idle { connection: self.connection, since: Instant::now() });
        if idle.len() > self.pool.capacity {
            idle.remove(0);
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("capacity", &self.capacity).field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}
