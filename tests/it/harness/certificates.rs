//! Certificates for servers of tests.

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::CertificateDer;

/// An authority and a certificate for 127.0.0.1 signed by it: `ca.pem`, `server.pem`,
/// `server.key`. Returns the authority.
pub fn write_certificates(directory: &Path) -> CertificateDer<'static> {
    let authority_key = KeyPair::generate().expect("a key");
    let mut authority = CertificateParams::new(Vec::new()).expect("parameters of an authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_certificate = authority.self_signed(&authority_key).expect("a certificate");
    let server_key = KeyPair::generate().expect("a key");
    let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
    let mut server = CertificateParams::new(names).expect("parameters of a server");
    // OpenSSL takes a certificate for self-signed where subject and issuer are alike.
    server.distinguished_name.push(DnType::CommonName, "server of a test");
    let issuer = Issuer::new(authority, authority_key);
    let certificate = server.signed_by(&server_key, &issuer).expect("a certificate");
    let write = |name: &str, pem: String| std::fs::write(directory.join(name), pem).expect("a PEM file");
    write("ca.pem", authority_certificate.pem());
    write("server.pem", certificate.pem());
    write("server.key", server_key.serialize_pem());
    authority_certificate.der().clone()
}
