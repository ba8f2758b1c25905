//! The certificate that pushonce shows a registry which asks for one.
//!
//! Its files are read again for each connection, so that a renewed certificate counts from
//! the next one on. Connections are opened rarely: they are kept.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::CertifiedKey;
use thiserror::Error;

use crate::config::valid;
use crate::trust;

/// Why there is no certificate to show.
#[derive(Clone, Debug, Error)]
pub enum IdentityError {
    #[error("{file}: cannot read the certificate of upstream.client_certificate: {cause}")]
    Certificate { file: PathBuf, cause: String },
    #[error("{file}: cannot read the private key of upstream.client_key: {cause}")]
    Key { file: PathBuf, cause: String },
    #[error("upstream.client_certificate and upstream.client_key cannot be used together: {0}")]
    Pair(rustls::Error),
}

/// A certificate with its key, from files that may change.
#[derive(Debug)]
pub struct Identity {
    files: valid::Identity,
    last: Mutex<Last>,
}

/// The newest that could be read.
#[derive(Debug)]
struct Last {
    key: Arc<CertifiedKey>,
    /// Whether it was said that a newer one cannot be read.
    is_told: bool,
}

impl Identity {
    pub fn new(files: &valid::Identity) -> Result<Self, IdentityError> {
        let last = Last { key: read(files)?, is_told: false };
        Ok(Self { files: files.clone(), last: Mutex::new(last) })
    }
}

impl ResolvesClientCert for Identity {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let fresh = read(&self.files);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match fresh {
            Ok(key) => *last = Last { key, is_told: false },
            Err(cause) if !last.is_told => {
                tracing::warn!(%cause, "the certificate for the registry cannot be read again; the one before is shown");
                last.is_told = true;
            }
            Err(_) => {}
        }
        Some(Arc::clone(&last.key))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

fn read(files: &valid::Identity) -> Result<Arc<CertifiedKey>, IdentityError> {
    let certificates = trust::certificates(&files.certificate)
        .map_err(|cause| IdentityError::Certificate { file: files.certificate.clone(), cause })?;
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|cause| IdentityError::Key { file: files.key.clone(), cause: cause.to_string() })?;
    CertifiedKey::from_der(certificates, key, &default_provider()).map(Arc::new).map_err(IdentityError::Pair)
}
