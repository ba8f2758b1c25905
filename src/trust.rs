//! Whom TLS towards a server trusts, and what a client of it shows.

use std::path::Path;
use std::sync::Arc;

use rustls::client::{ResolvesClientCert, Resumption};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// The certificates in a PEM file, at least one. An error is its cause in words, without
/// the file.
pub fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(file).map_err(|cause| cause.to_string())?;
    let certificates: Vec<_> = read.collect::<Result<_, _>>().map_err(|cause| cause.to_string())?;
    if certificates.is_empty() { Err("there is no certificate in it".to_owned()) } else { Ok(certificates) }
}

/// The authorities in a PEM file. An error is its cause in words, without the file.
pub fn roots_from(file: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots.add(certificate).map_err(|cause| cause.to_string())?;
    }
    Ok(roots)
}

/// The authorities of the system. An error is in words why there are none.
pub fn system_roots() -> Result<RootCertStore, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let causes: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
        return Err(causes.join("; "));
    }
    Ok(roots)
}

/// TLS that trusts `roots` and nobody else, and shows no certificate of its own.
pub fn tls_trusting(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    tls_showing(roots, None)
}

/// The same, with what it shows where the server asks.
pub fn tls_showing(roots: RootCertStore, own: Option<Arc<dyn ResolvesClientCert>>) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = builder.with_root_certificates(roots);
    Ok(match own {
        None => builder.with_no_client_auth(),
        Some(own) => {
            let mut config = builder.with_client_cert_resolver(own);
            // A session that is resumed shows no certificate, so that a renewed one would wait.
            config.resumption = Resumption::disabled();
            config
        }
    })
}
