//! Opens connections to the registry, with TLS where its URL says `https`.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::uri::{Authority, Scheme};
use rustls::client::ResolvesClientCert;
use rustls::pki_types::{InvalidDnsNameError, ServerName};
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::identity::{Identity, IdentityError};
use crate::config::valid;
use crate::trust;

/// Why the connector could not be made from the configuration.
#[derive(Debug, Error)]
pub enum ConnectorError {
    #[error("{file}: cannot read the certificate authorities of upstream.ca_file: {cause}")]
    CaFile { file: PathBuf, cause: String },
    #[error("the system has no certificate authorities ({0}): install ca-certificates, or set upstream.ca_file")]
    NoSystemRoots(String),
    #[error("upstream.url: `{0}` is not a host name that a certificate could carry")]
    Host(String, #[source] InvalidDnsNameError),
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

/// Why no connection could be opened.
#[derive(Debug, Error)]
pub enum ConnectError {
    #[error("cannot connect to {0}: {1}")]
    Refused(Authority, #[source] io::Error),
    #[error("no connection to {0} within {1:?}")]
    Timeout(Authority, Duration),
}

/// Knows how to reach the one registry.
#[derive(Debug)]
pub struct Connector {
    authority: Authority,
    port: u16,
    timeout: Duration,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

impl Connector {
    /// `tls` is `None` exactly where the registry speaks plain HTTP.
    pub fn new(config: &valid::Upstream, tls: Option<Arc<ClientConfig>>) -> Result<Self, ConnectorError> {
        let host = config.authority.host().trim_matches(['[', ']']).to_owned();
        let tls = match tls {
            None => None,
            Some(tls) => {
                let name = ServerName::try_from(host.clone()).map_err(|cause| ConnectorError::Host(host, cause))?;
                Some((tls, name))
            }
        };
        let default_port = if tls.is_some() { 443 } else { 80 };
        let port = config.authority.port_u16().unwrap_or(default_port);
        Ok(Self { authority: config.authority.clone(), port, timeout: config.connect_timeout, tls })
    }

    /// A fresh connection, TLS handshake included.
    pub async fn connect(&self) -> Result<Stream, ConnectError> {
        match timeout(self.timeout, self.open()).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(cause)) => Err(ConnectError::Refused(self.authority.clone(), cause)),
            Err(_) => Err(ConnectError::Timeout(self.authority.clone(), self.timeout)),
        }
    }

    async fn open(&self) -> io::Result<Stream> {
        let host = self.authority.host().trim_matches(['[', ']']);
        #[cfg(test)]
        if turmoil::in_simulation() {
            return turmoil::net::TcpStream::connect((host, self.port)).await.map(Stream::Simulated);
        }
        let tcp = TcpStream::connect((host, self.port)).await?;
        tcp.set_nodelay(true)?;
        match &self.tls {
            None => Ok(Stream::Plain(tcp)),
            Some((tls, name)) => {
                let connector = TlsConnector::from(Arc::clone(tls));
                Ok(Stream::Tls(Box::new(connector.connect(name.clone(), tcp).await?)))
            }
        }
    }
}

/// The TLS settings towards the registry; `None` for plain HTTP.
pub fn tls_settings(config: &valid::Upstream) -> Result<Option<Arc<ClientConfig>>, ConnectorError> {
    if config.scheme == Scheme::HTTP {
        return Ok(None);
    }
    Ok(Some(Arc::new(trust::tls_showing(roots(config)?, identity(config)?)?)))
}

/// What the registry is shown where it asks for a certificate.
pub fn identity(config: &valid::Upstream) -> Result<Option<Arc<dyn ResolvesClientCert>>, IdentityError> {
    let own = config.identity.as_ref().map(Identity::new).transpose()?;
    Ok(own.map(|own| Arc::new(own) as Arc<dyn ResolvesClientCert>))
}

/// The authorities that are trusted with the registry's name.
pub fn roots(config: &valid::Upstream) -> Result<RootCertStore, ConnectorError> {
    match &config.ca_file {
        Some(file) => trust::roots_from(file).map_err(|cause| ConnectorError::CaFile { file: file.clone(), cause }),
        None => trust::system_roots().map_err(ConnectorError::NoSystemRoots),
    }
}

/// A connection, plain or with TLS.
#[derive(Debug)]
pub enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    /// Over the network of the simulation.
    #[cfg(test)]
    Simulated(turmoil::net::TcpStream),
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
            #[cfg(test)]
            Self::Simulated(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
            #[cfg(test)]
            Self::Simulated(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            #[cfg(test)]
            Self::Simulated(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
            #[cfg(test)]
            Self::Simulated(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
            #[cfg(test)]
            Self::Simulated(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            #[cfg(test)]
            Self::Simulated(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
