//! The certificate of the data listener.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;

use crate::config::valid;

/// Why TLS cannot be offered.
#[derive(Debug, Error)]
pub enum TlsError {
    #[error("{file}: cannot read the certificate of server.tls_certificate: {cause}")]
    Certificate { file: PathBuf, cause: String },
    #[error("{file}: cannot read the private key of server.tls_key: {cause}")]
    Key { file: PathBuf, cause: String },
    #[error("server.tls_certificate and server.tls_key cannot be used together: {0}")]
    Pair(rustls::Error),
    #[error("TLS cannot be set up: {0}")]
    Setup(rustls::Error),
}

/// TLS 1.2 and 1.3 as rustls sees fit, HTTP/2 before HTTP/1.1 by ALPN (RFC 7301).
pub fn settings(files: &valid::Tls) -> Result<Arc<ServerConfig>, TlsError> {
    let certificates = certificates(&files.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|cause| TlsError::Key { file: files.key.clone(), cause: cause.to_string() })?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(TlsError::Setup)?;
    let mut config = builder.with_no_client_auth().with_single_cert(certificates, key).map_err(TlsError::Pair)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |cause: String| TlsError::Certificate { file: file.to_owned(), cause };
    let read = CertificateDer::pem_file_iter(file).map_err(|cause| failed(cause.to_string()))?;
    let certificates: Vec<_> = read.collect::<Result<_, _>>().map_err(|cause| failed(cause.to_string()))?;
    if certificates.is_empty() { Err(failed("there is no certificate in it".to_owned())) } else { Ok(certificates) }
}
