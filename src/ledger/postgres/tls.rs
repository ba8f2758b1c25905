//! TLS to the database. Wherever it is used, the certificate and the host's name
//! are verified: encryption towards whoever answers would protect nothing.

use std::path::PathBuf;

use rustls::RootCertStore;
use thiserror::Error;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::{Address, Tls};
use crate::trust;

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
        (Some(file), _) => trust::roots_from(file).map_err(|cause| TlsError::Authorities { file: file.clone(), cause })?,
        (None, Tls::IfOffered) => trust::system_roots().unwrap_or_else(|_| RootCertStore::empty()),
        (None, Tls::Always) => trust::system_roots().map_err(TlsError::NoSystemRoots)?,
    };
    Ok(MakeRustlsConnect::new(trust::tls_trusting(roots)?))
}
