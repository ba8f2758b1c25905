//! A proxy that speaks TLS, with an authority that its clients know.

use std::ops::Deref;
use std::path::PathBuf;

use rustls::pki_types::CertificateDer;
use tempfile::TempDir;

use crate::harness::Pushonce;
use crate::harness::api::Api;
use crate::harness::certificates::write_certificates;
use crate::harness::http::Endpoint;

/// Certificates in a directory of their own: `ca.pem`, `server.pem`, `server.key`.
pub struct Certificates {
    directory: TempDir,
    pub authority: CertificateDer<'static>,
}

impl Certificates {
    pub fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("pushonce-it-tls-").tempdir().expect("a temporary directory");
        let authority = write_certificates(directory.path());
        Self { directory, authority }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The settings that name the certificate and the key.
    pub fn settings(&self) -> [String; 2] {
        settings(&self.path("server.pem"), &self.path("server.key"))
    }
}

pub fn settings(certificate: &std::path::Path, key: &std::path::Path) -> [String; 2] {
    let line = |name: &str, path: &std::path::Path| format!("server.{name} = \"{}\"", path.display());
    [line("tls_certificate", certificate), line("tls_key", key)]
}

/// A running proxy; as an [`Api`] it is spoken to over TLS.
pub struct Secure {
    pub proxy: Pushonce,
    pub certificates: Certificates,
    api: Api,
}

impl Secure {
    pub fn in_front_of(url: &str, more: &[&str]) -> Self {
        let certificates = Certificates::new();
        let lines = certificates.settings();
        let lines = lines.iter().map(String::as_str).chain(more.iter().copied());
        let proxy = lines.fold(Pushonce::in_front_of(url), |builder, line| builder.setting(line)).start();
        let endpoint = Endpoint { address: proxy.address().to_owned(), authority: Some(certificates.authority.clone()) };
        Self { api: Api::new(endpoint, ""), proxy, certificates }
    }
}

impl Deref for Secure {
    type Target = Api;

    fn deref(&self) -> &Api {
        &self.api
    }
}
