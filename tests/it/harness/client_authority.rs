//! Certificates for clients of tests, and lists of revoked ones.

use std::path::Path;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer, KeyIdMethod, KeyPair,
    RevokedCertParams, date_time_ymd,
};

/// An authority that signs the certificates of clients, and revokes them.
pub struct ClientAuthority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl ClientAuthority {
    pub fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut authority = CertificateParams::new(Vec::new()).expect("parameters of an authority");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.distinguished_name.push(DnType::CommonName, "authority of clients");
        let certificate = authority.self_signed(&key).expect("a certificate");
        Self { certificate, issuer: Issuer::new(authority, key) }
    }

    /// The authority's own certificate.
    pub fn write(&self, file: &Path) {
        std::fs::write(file, self.certificate.pem()).expect("a PEM file");
    }

    /// A client with this serial number: `NAME.pem` and `NAME.key`.
    pub fn write_client(&self, directory: &Path, name: &str, serial: u64) {
        let key = KeyPair::generate().expect("a key");
        let mut client = CertificateParams::new(Vec::new()).expect("parameters of a client");
        client.distinguished_name.push(DnType::CommonName, name);
        client.serial_number = Some(serial.into());
        let certificate = client.signed_by(&key, &self.issuer).expect("a certificate");
        std::fs::write(directory.join(format!("{name}.pem")), certificate.pem()).expect("a PEM file");
        std::fs::write(directory.join(format!("{name}.key")), key.serialize_pem()).expect("a PEM file");
    }

    /// A list of the serial numbers that count no more, which itself counts to the end of
    /// `until`, a year.
    pub fn write_revoked(&self, file: &Path, revoked: &[u64], until: i32) {
        let begin = date_time_ymd(2020, 1, 1);
        let revoked = revoked.iter().map(|serial| RevokedCertParams {
            serial_number: (*serial).into(),
            revocation_time: begin,
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: begin,
            next_update: date_time_ymd(until, 12, 31),
            crl_number: 1.into(),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&self.issuer).expect("a list");
        std::fs::write(file, list.pem().expect("PEM")).expect("a PEM file");
    }
}
