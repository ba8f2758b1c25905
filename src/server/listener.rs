//! Accepts connections and serves each in a task of its own.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;

use super::connection::Protocols;
use super::drain::Drain;
use super::tls::{Offered, TlsError};
use crate::config::valid;
use crate::gate::CurrentGate;
use crate::metrics::{Metrics, Running};

/// The pause after `accept` failed, mostly for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Why the listener could not be opened.
#[derive(Debug, Error)]
pub enum ListenerError {
    #[error("cannot listen on {address}: {cause}")]
    Bind { address: SocketAddr, cause: io::Error },
    #[error("the socket that was handed over (LISTEN_FDS) cannot be used: {0}")]
    Handed(io::Error),
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// The data listener, bound and not yet serving.
#[derive(Debug)]
pub struct Listener {
    tcp: TcpListener,
    current: Arc<CurrentGate>,
    metrics: Arc<Metrics>,
    protocols: Arc<Protocols>,
    tls: Option<Arc<Offered>>,
    /// A place for each connection; without one nothing is accepted.
    places: Arc<Semaphore>,
}

/// A connection's place, given back when it ends, however it ends.
type Place = (OwnedSemaphorePermit, Running);

impl Listener {
    /// Listens at `address`; or on the socket that was `handed` over, wherever it is bound.
    pub async fn bind(
        address: SocketAddr,
        handed: Option<std::net::TcpListener>,
        server: &valid::Server,
        current: Arc<CurrentGate>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, ListenerError> {
        let tls = server.tls.as_ref().map(Offered::new).transpose()?.map(Arc::new);
        let tcp = match handed {
            None => TcpListener::bind(address).await.map_err(|cause| ListenerError::Bind { address, cause })?,
            Some(socket) => {
                let taken = socket.set_nonblocking(true).and_then(|()| TcpListener::from_std(socket));
                taken.map_err(ListenerError::Handed)?
            }
        };
        let places = Arc::new(Semaphore::new(server.max_connections));
        metrics.connections_limit.set(i64::try_from(server.max_connections).unwrap_or(i64::MAX));
        let protocols = Arc::new(Protocols::new(server, Arc::clone(&metrics)));
        Ok(Self { tcp, current, metrics, protocols, tls, places })
    }

    /// The address, with the port that was chosen where the configuration says 0.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// What clients are offered; `None` for plain HTTP.
    pub fn offered(&self) -> Option<Arc<Offered>> {
        self.tls.clone()
    }

    /// Serves until `drain` begins; the connections end by themselves then.
    pub async fn serve(self, drain: Drain) {
        loop {
            let accepted = tokio::select! {
                accepted = self.accept() => accepted,
                () = drain.begun() => return,
            };
            match accepted {
                Ok((stream, peer, place)) => self.spawn(stream, peer, place, &drain),
                Err(cause) => {
                    tracing::warn!(%cause, "a connection could not be accepted");
                    sleep(PAUSE).await;
                }
            }
        }
    }

    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr, Place)> {
        if self.places.available_permits() == 0 {
            self.metrics.limit("max_connections").count();
        }
        let permit = Arc::clone(&self.places).acquire_owned().await.map_err(io::Error::other)?;
        let (stream, peer) = self.tcp.accept().await?;
        stream.set_nodelay(true)?;
        Ok((stream, peer, (permit, Running::count(&self.metrics.connections))))
    }

    fn spawn(&self, stream: TcpStream, peer: SocketAddr, place: Place, drain: &Drain) {
        let (current, protocols, tls, draining) =
            (Arc::clone(&self.current), Arc::clone(&self.protocols), self.tls.as_ref().map(|offered| offered.now()), drain.clone());
        drain.connections().spawn(async move {
            protocols.serve(stream, peer, tls, current, &draining).await;
            drop(place);
        });
    }
}
