//! A client of HTTP/2 that keeps one connection, over cleartext or TLS.

use std::sync::Arc;

use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Request};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_rustls::TlsConnector;

/// One connection.
pub struct Multiplexed {
    runtime: Runtime,
    sender: SendRequest<Bytes>,
    /// `http://host:port` or `https://…`.
    origin: String,
}

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Multiplexed {
    /// With prior knowledge.
    pub fn plain(address: &str) -> Self {
        Self::connect(address, None)
    }

    /// By ALPN.
    pub fn secure(address: &str, authority: &CertificateDer<'static>) -> Self {
        Self::connect(address, Some(authority))
    }

    fn connect(address: &str, authority: Option<&CertificateDer<'static>>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let sender = runtime.block_on(async {
            let tcp = TcpStream::connect(address).await.expect("a connection");
            match authority {
                None => handshake(tcp).await,
                Some(authority) => {
                    let host = address.rsplit_once(':').expect("host:port").0.to_owned();
                    let name = ServerName::try_from(host).expect("a host name or address");
                    let tls = connector(authority).connect(name, tcp).await.expect("TLS");
                    assert_eq!(tls.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()), "what ALPN agreed on");
                    handshake(tls).await
                }
            }
        });
        let scheme = if authority.is_some() { "https" } else { "http" };
        Self { runtime, sender, origin: format!("{scheme}://{address}") }
    }

    pub fn request(&self, method: &str, target: &str) -> http::request::Builder {
        Request::builder().method(method).uri(format!("{}{target}", self.origin))
    }

    /// Sends one request and waits for its answer.
    pub fn send(&self, request: http::request::Builder, body: impl Into<Bytes>) -> Reply {
        let request = request.body(()).expect("a request");
        self.runtime.block_on(exchange(self.sender.clone(), request, body.into()))
    }

    /// Sends all of them at once, and waits for all answers.
    pub fn send_all(&self, requests: Vec<http::request::Builder>) -> Vec<Reply> {
        let running: Vec<_> = requests
            .into_iter()
            .map(|request| {
                let request = request.body(()).expect("a request");
                self.runtime.spawn(exchange(self.sender.clone(), request, Bytes::new()))
            })
            .collect();
        running.into_iter().map(|reply| self.runtime.block_on(reply).expect("a reply")).collect()
    }
}

fn connector(authority: &CertificateDer<'static>) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(authority.clone()).expect("an authority made by this harness");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("TLS 1.2 and 1.3");
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsConnector::from(Arc::new(config))
}

async fn handshake(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> SendRequest<Bytes> {
    let (sender, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
    // How it ends is seen by the requests on it.
    tokio::spawn(async move { connection.await.unwrap_or_default() });
    sender
}

async fn exchange(sender: SendRequest<Bytes>, request: Request<()>, body: Bytes) -> Reply {
    let mut sender = sender.ready().await.expect("a connection that takes requests");
    let (answer, mut upload) = sender.send_request(request, body.is_empty()).expect("a stream");
    if !body.is_empty() {
        upload.send_data(body, true).expect("a body");
    }
    let (head, mut incoming) = answer.await.expect("an answer").into_parts();
    let mut body = Vec::new();
    while let Some(part) = incoming.data().await {
        let part = part.expect("a part of the body");
        incoming.flow_control().release_capacity(part.len()).expect("a window");
        body.extend_from_slice(&part);
    }
    Reply { status: head.status.as_u16(), headers: head.headers, body: body.into() }
}
