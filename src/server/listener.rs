//! Accepts connections and serves each in a task of its own.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use super::drain::Drain;
use super::wire::Watched;
use crate::config::valid;
use crate::gate::Gate;
use crate::metrics::Metrics;

/// The pause after `accept` failed, mostly for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// The largest head of a request, in bytes; hyper answers 431 above.
const LARGEST_HEAD: usize = 64 * 1024;

/// Why the listener could not be opened.
#[derive(Debug, Error)]
#[error("cannot listen on {address}: {cause}")]
pub struct ListenerError {
    address: SocketAddr,
    cause: io::Error,
}

/// The data listener, bound and not yet serving.
#[derive(Debug)]
pub struct Listener {
    tcp: TcpListener,
    gate: Arc<Gate>,
    metrics: Arc<Metrics>,
    http: http1::Builder,
}

impl Listener {
    pub async fn bind(
        address: SocketAddr,
        server: &valid::Server,
        gate: Arc<Gate>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, ListenerError> {
        let tcp = TcpListener::bind(address).await.map_err(|cause| ListenerError { address, cause })?;
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(server.header_timeout).max_header_size(LARGEST_HEAD);
        Ok(Self { tcp, gate, metrics, http })
    }

    /// The address, with the port that was chosen where the configuration says 0.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Serves until `drain` begins; the connections end by themselves then.
    pub async fn serve(self, drain: Drain) {
        loop {
            let accepted = tokio::select! {
                accepted = self.tcp.accept() => accepted,
                () = drain.begun() => return,
            };
            match accepted {
                Ok((stream, peer)) => self.spawn(stream, peer, &drain),
                Err(cause) => {
                    tracing::warn!(%cause, "a connection could not be accepted");
                    sleep(PAUSE).await;
                }
            }
        }
    }

    fn spawn(&self, stream: TcpStream, peer: SocketAddr, drain: &Drain) {
        if let Err(cause) = stream.set_nodelay(true) {
            tracing::debug!(%cause, "the connection ended before it began");
            return;
        }
        let (stream, verdicts) = Watched::new(stream, 2 * LARGEST_HEAD);
        let gate = Arc::clone(&self.gate);
        let service = service_fn(move |request| {
            let (gate, verdicts) = (Arc::clone(&gate), verdicts.clone());
            async move { Ok::<_, Infallible>(super::answer(gate, request, peer.ip(), &verdicts).await) }
        });
        let connection = self.http.serve_connection(TokioIo::new(stream), service);
        let (begun, open) = (drain.clone(), self.metrics.connections.clone());
        drain.connections().spawn(async move {
            open.inc();
            tokio::pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = begun.begun() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            open.dec();
            if let Err(cause) = ended {
                tracing::debug!(%cause, "a connection ended early");
            }
        });
    }
}
