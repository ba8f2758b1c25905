//! What the data listener shows its clients over TLS, and which of them it lets in.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateRevocationListDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier};
use thiserror::Error;

use crate::config::valid;
use crate::trust;

/// Why TLS cannot be offered.
#[derive(Debug, Error)]
pub enum TlsError {
    #[error("{file}: cannot read the certificate of server.tls_certificate: {cause}")]
    Certificate { file: PathBuf, cause: String },
    #[error("{file}: cannot read the private key of server.tls_key: {cause}")]
    Key { file: PathBuf, cause: String },
    #[error("server.tls_certificate and server.tls_key cannot be used together: {0}")]
    Pair(rustls::Error),
    #[error("{file}: cannot read the certificate authorities of server.tls_client_ca: {cause}")]
    ClientCa { file: PathBuf, cause: String },
    #[error("{file}: cannot read the revoked certificates of server.tls_client_crl: {cause}")]
    ClientCrl { file: PathBuf, cause: String },
    #[error("server.tls_client_ca and server.tls_client_crl cannot be used: {0}")]
    Clients(#[from] VerifierBuilderError),
    #[error("TLS cannot be set up: {0}")]
    Setup(rustls::Error),
}

/// What connections are offered that begin from now on.
#[derive(Debug)]
pub struct Offered {
    files: valid::Tls,
    current: ArcSwap<ServerConfig>,
}

/// Settings that were read from the files and can be offered.
#[derive(Debug)]
pub struct Ready(Arc<ServerConfig>);

impl Offered {
    pub fn new(files: &valid::Tls) -> Result<Self, TlsError> {
        Ok(Self { files: files.clone(), current: ArcSwap::new(settings(files)?) })
    }

    /// Reads the files again.
    pub fn read(&self) -> Result<Ready, TlsError> {
        settings(&self.files).map(Ready)
    }

    pub fn offer(&self, ready: Ready) {
        self.current.store(ready.0);
    }

    pub(super) fn now(&self) -> Arc<ServerConfig> {
        self.current.load_full()
    }
}

/// TLS 1.2 and 1.3 as rustls sees fit, HTTP/2 before HTTP/1.1 by ALPN (RFC 7301).
fn settings(files: &valid::Tls) -> Result<Arc<ServerConfig>, TlsError> {
    let certificates = trust::certificates(&files.certificate)
        .map_err(|cause| TlsError::Certificate { file: files.certificate.clone(), cause })?;
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|cause| TlsError::Key { file: files.key.clone(), cause: cause.to_string() })?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().map_err(TlsError::Setup)?;
    let builder = match &files.clients {
        None => builder.with_no_client_auth(),
        Some(clients) => {
            let roots = trust::roots_from(&clients.ca).map_err(|cause| TlsError::ClientCa { file: clients.ca.clone(), cause })?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            // A list that has expired says nothing of who was revoked since.
            let verifier = verifier.with_crls(revoked(clients)?).enforce_revocation_expiration();
            builder.with_client_cert_verifier(verifier.build()?)
        }
    };
    let mut config = builder.with_single_cert(certificates, key).map_err(TlsError::Pair)?;
    if files.clients.is_some() {
        // A session that is resumed is not asked for a certificate, which may be revoked since.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The lists of revoked certificates (RFC 5280, section 5), one for each authority.
fn revoked(clients: &valid::Clients) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
    let Some(file) = &clients.crl else { return Ok(Vec::new()) };
    let failed = |cause: String| TlsError::ClientCrl { file: file.clone(), cause };
    let read = CertificateRevocationListDer::pem_file_iter(file).map_err(|cause| failed(cause.to_string()))?;
    let lists: Vec<_> = read.collect::<Result<_, _>>().map_err(|cause| failed(cause.to_string()))?;
    if lists.is_empty() {
        return Err(failed("there is no list in it; `openssl crl -inform DER -in FILE` turns a DER file into PEM".to_owned()));
    }
    Ok(lists)
}
