//! TLS to the database. Wherever it is used, the certificate and the host's name
//! are verified: encryption towards whoever answers would protect nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::{Address, Tls};

/// Why no TLS could be set up.
#[derive(Debug, Error)]
pub enum TlsError {
    #[error("{}: cannot read the certificate authorities of `sslrootcert` in ledger.url: {cause}", .file.display())]
    Authorities { file: PathBuf, cause: String },
    #[error("the system has no certificate authorities ({0}): install ca-certificates, or set `sslrootcert` in ledger.url")]
    NoSystemRoots(String),
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
}

pub(super) fn connector(address: &Address) -> Result<MakeRustlsConnect, TlsError> {
    let roots = match (&address.authorities, address.tls) {
        (_, Tls::Never) => RootCertStore::empty(),
        (Some(file), _) => roots_from(file)?,
        (None, Tls::IfOffered) => system_roots().unwrap_or_else(|_| RootCertStore::empty()),
        (None, Tls::Always) => system_roots()?,
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(MakeRustlsConnect::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

fn roots_from(file: &Path) -> Result<RootCertStore, TlsError> {
    let failed = |cause: String| TlsError::Authorities { file: file.to_owned(), cause };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|cause| failed(cause.to_string()))? {
        let certificate = certificate.map_err(|cause| failed(cause.to_string()))?;
        roots.add(certificate).map_err(|cause| failed(cause.to_string()))?;
    }
    if roots.is_empty() { Err(failed("there is no certificate in it".to_owned())) } else { Ok(roots) }
}

fn system_roots() -> Result<RootCertStore, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let causes: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
        return Err(TlsError::NoSystemRoots(causes.join("; ")));
    }
    Ok(roots)
}
