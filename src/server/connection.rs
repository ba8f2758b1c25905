//! One client connection: which protocol it speaks, and how it ends.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::drain::Drain;
use super::preface::Begun;
use super::stalled::Stalled;
use super::streams::{Parts, Streams};
use super::wire::Watched;
use crate::answer::Answer;
use crate::buffers::{self, Buffers};
use crate::config::valid;
use crate::gate::{CurrentGate, Peer};
use crate::metrics::Metrics;
use crate::upstream::body::IdleLimit;

/// How long a connection that was accepted before shutdown began has for its first request,
/// which may be on its way.
const LAST_CALL: Duration = Duration::from_secs(2);

/// How connections are served.
#[derive(Debug)]
pub struct Protocols {
    http1: http1::Builder,
    /// The same with less room, for when there are many.
    http1_tight: http1::Builder,
    buffers: Buffers,
    http2: http2::Builder<Streams>,
    header_timeout: Duration,
    header_limit: usize,
    idle: IdleLimit,
    metrics: Arc<Metrics>,
}

impl Protocols {
    pub fn new(server: &valid::Server, metrics: Arc<Metrics>) -> Self {
        let idle = IdleLimit::new(server, &metrics);
        let mut http1 = http1::Builder::new();
        http1.timer(TokioTimer::new()).header_read_timeout(server.header_timeout).max_header_size(server.header_limit);
        let mut http1_tight = http1.clone();
        // What is buffered holds a whole head, whose limit is another.
        http1_tight.max_buf_size(buffers::TIGHT.max(server.header_limit));
        let mut http2 = http2::Builder::new(Streams::new(idle.clone(), Arc::clone(&metrics)));
        http2
            .timer(TokioTimer::new())
            .max_concurrent_streams(server.max_streams)
            .max_header_list_size(u32::try_from(server.header_limit).unwrap_or(u32::MAX))
            .max_pending_accept_reset_streams(server.max_resets)
            .keep_alive_interval(server.header_timeout)
            .adaptive_window(true);
        let buffers = Buffers::default();
        Self {
            http1,
            http1_tight,
            buffers,
            http2,
            header_timeout: server.header_timeout,
            header_limit: server.header_limit,
            idle,
            metrics,
        }
    }

    /// Serves a connection to its end. What goes wrong on it concerns its client
    /// alone.
    pub async fn serve(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        tls: Option<Arc<ServerConfig>>,
        current: Arc<CurrentGate>,
        drain: &Drain,
    ) {
        let stream = Stalled::new(stream, self.idle.clone());
        let served = match tls {
            Some(tls) => self.serve_tls(stream, peer.ip(), tls, current, drain).await,
            None => self.serve_plain(stream, peer.ip(), current, drain).await,
        };
        if let Err(cause) = served {
            if let Some(limit) = limit_behind(&cause) {
                self.metrics.limit(limit).count();
            }
            tracing::debug!(%cause, "a connection ended early");
        }
    }

    async fn serve_tls(
        &self,
        stream: Stalled<TcpStream>,
        peer: IpAddr,
        tls: Arc<ServerConfig>,
        current: Arc<CurrentGate>,
        drain: &Drain,
    ) -> io::Result<()> {
        let stream = self.in_time(drain, TlsAcceptor::from(tls).accept(stream)).await?;
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let stream = self.in_time(drain, Begun::read(stream)).await?;
        let peer = Peer { address: peer, secure: true };
        match (is_http2, stream.is_http2()) {
            (true, true) => self.serve_http2(stream, peer, current, drain).await,
            (true, false) => Err(io::Error::new(io::ErrorKind::InvalidData, "HTTP/2 was agreed on and is not spoken")),
            (false, _) => self.serve_http1(stream, peer, current, drain).await,
        }
    }

    async fn serve_plain(
        &self,
        stream: Stalled<TcpStream>,
        peer: IpAddr,
        current: Arc<CurrentGate>,
        drain: &Drain,
    ) -> io::Result<()> {
        let peer = Peer { address: peer, secure: false };
        let stream = self.in_time(drain, Begun::read(stream)).await?;
        if stream.is_http2() {
            self.serve_http2(stream, peer, current, drain).await
        } else {
            self.serve_http1(stream, peer, current, drain).await
        }
    }

    /// A step before the first request. hyper would wait for the preface of HTTP/2
    /// without end, and shutdown for a client that sends nothing.
    async fn in_time<T>(&self, drain: &Drain, step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        let last_call = async {
            drain.begun().await;
            sleep(LAST_CALL).await;
        };
        tokio::select! {
            done = timeout(self.header_timeout, step) => done?,
            () = last_call => Err(io::Error::other("no request had come when shutdown began")),
        }
    }

    async fn serve_http1<S>(&self, stream: S, peer: Peer, current: Arc<CurrentGate>, drain: &Drain) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        // hyper takes its limit as the most it buffers, and answers 431 above.
        let (stream, verdicts) = Watched::new(stream, 2 * self.header_limit);
        let service = service_fn(move |request: Request<Incoming>| {
            let (gate, verdict) = (current.get(), verdicts.next());
            async move { Ok::<Answer, Infallible>(super::answer(gate, request, peer, verdict).await) }
        });
        let wide = self.buffers.wide();
        let http1 = if wide.is_some() { &self.http1 } else { &self.http1_tight };
        until_drained(http1.serve_connection(TokioIo::new(stream), service), drain).await
    }

    async fn serve_http2<S>(&self, stream: S, peer: Peer, current: Arc<CurrentGate>, drain: &Drain) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = service_fn(move |request: Request<Incoming>| {
            let gate = current.get();
            async move { Ok::<_, Infallible>(super::answer(gate, request, peer, Ok(())).await.map(Parts::new)) }
        });
        until_drained(self.http2.serve_connection(TokioIo::new(stream), service), drain).await
    }
}

/// A connection that can be told to end after what runs on it.
trait Graceful: Future<Output = hyper::Result<()>> {
    fn end_soon(self: Pin<&mut Self>);
}

macro_rules! graceful {
    ($connection:ty where $($bounds:tt)*) => {
        impl<I, S> Graceful for $connection where $($bounds)* {
            fn end_soon(self: Pin<&mut Self>) {
                self.graceful_shutdown();
            }
        }
    };
}
graceful!(http1::Connection<I, S> where
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    S: hyper::service::HttpService<Incoming, ResBody = crate::answer::AnswerBody>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>);
graceful!(http2::Connection<I, S, Streams> where
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    S: hyper::service::HttpService<Incoming, ResBody = Parts<crate::answer::AnswerBody>>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::Future: Send + 'static);

/// The key of the limit that ended a connection, where it was one that is not counted
/// elsewhere.
fn limit_behind(cause: &io::Error) -> Option<&'static str> {
    let Some(inner) = cause.get_ref() else {
        return (cause.kind() == io::ErrorKind::TimedOut && cause.raw_os_error().is_none()).then_some("header_timeout");
    };
    let cause = inner.downcast_ref::<hyper::Error>()?;
    if cause.is_parse_too_large() {
        return Some("header_limit");
    }
    if cause.is_timeout() {
        return Some("header_timeout");
    }
    let cause = std::error::Error::source(cause)?.downcast_ref::<h2::Error>()?;
    (cause.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM)).then_some("max_resets")
}

async fn until_drained(connection: impl Graceful, drain: &Drain) -> io::Result<()> {
    tokio::pin!(connection);
    let ended = tokio::select! {
        // First: a request that has come already is taken before shutdown is looked at.
        biased;
        ended = connection.as_mut() => ended,
        () = drain.begun() => {
            connection.as_mut().end_soon();
            connection.await
        }
    };
    ended.map_err(io::Error::other)
}
