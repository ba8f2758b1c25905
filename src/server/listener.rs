//! Accepts connections and serves each in a task of its own.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;

use super::connection::Protocols;
use super::drain::Drain;
use super::tls::{self, TlsError};
use crate::config::valid;
use crate::gate::Gate;
use crate::metrics::{Metrics, Running};

/// The pause after `accept` failed, mostly for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Why the listener could not be opened.
#[derive(Debug, Error)]
pub enum ListenerError {
    #[error("cannot listen on {address}: {cause}")]
    Bind { address: SocketAddr, cause: io::Error },
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// The data listener, bound and not yet serving.
#[derive(Debug)]
pub struct Listener {
    tcp: TcpListener,
    gate: Arc<Gate>,
    metrics: Arc<Metrics>,
    protocols: Arc<Protocols>,
    tls: Option<Arc<ServerConfig>>,
    /// A place for each connection; without one nothing is accepted.
    places: Arc<Semaphore>,
}

/// A connection's place, given back when it ends, however it ends.
type Place = (OwnedSemaphorePermit, Running);

impl Listener {
    pub async fn bind(
        address: SocketAddr,
        server: &valid::Server,
        gate: Arc<Gate>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, ListenerError> {
        let tls = server.tls.as_ref().map(tls::settings).transpose()?;
        let tcp = TcpListener::bind(address).await.map_err(|cause| ListenerError::Bind { address, cause })?;
        let places = Arc::new(Semaphore::new(server.max_connections));
        metrics.connections_limit.set(i64::try_from(server.max_connections).unwrap_or(i64::MAX));
        let protocols = Arc::new(Protocols::new(server, Arc::clone(&metrics)));
        Ok(Self { tcp, gate, metrics, protocols, tls, places })
    }

    /// The address, with the port that was chosen where the configuration says 0.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
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
        let (gate, protocols, tls, draining) =
            (Arc::clone(&self.gate), Arc::clone(&self.protocols), self.tls.clone(), drain.clone());
        drain.connections().spawn(async move {
            protocols.serve(stream, peer, tls, gate, &draining).await;
            drop(place);
        });
    }
}
