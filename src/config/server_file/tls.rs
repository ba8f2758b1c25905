//! Certificates: that of the data listener with those of its clients, and the one that the
//! registry is shown.

use std::path::{Path, PathBuf};

use http::uri::Scheme;

use crate::config::diagnostic::Diagnostic;
use crate::config::raw::{Report, Section};
use crate::config::valid::{Clients, Identity, Tls};
use crate::config::words;

/// Certificate and key or none; clients are asked for a certificate only beside them.
pub(super) fn listener(section: &Section<'_>, directory: &Path, report: &Report) -> Option<Tls> {
    let pair = pair(section, directory, "tls_certificate", "tls_key");
    let (ca, crl) = (file(section, directory, "tls_client_ca"), file(section, directory, "tls_client_crl"));
    let is_plain = !section.is_given("tls_certificate") && !section.is_given("tls_key");
    if is_plain && (ca.is_some() || crl.is_some()) {
        let key = if ca.is_some() { "tls_client_ca" } else { "tls_client_crl" };
        let message = format!("`server.{key}` is given, and the listener speaks plain HTTP");
        let hint = "write `tls_certificate` and `tls_key` as well: certificates of clients are part of TLS";
        refuse(section, report, key, message, hint);
    } else if ca.is_none() && crl.is_some() && !section.is_given("tls_client_ca") {
        section.missing("tls_client_ca", "tls_client_ca = \"clients-ca.pem\"");
    }
    let (certificate, key) = pair?;
    Some(Tls { certificate, key, clients: ca.map(|ca| Clients { ca, crl }) })
}

/// Certificate and key or none.
pub(super) fn identity(section: &Section<'_>, directory: &Path, scheme: &Scheme, report: &Report) -> Option<Identity> {
    let (certificate, key) = pair(section, directory, "client_certificate", "client_key")?;
    if *scheme == Scheme::HTTP && section.is_given("url") {
        let message = "`upstream.client_certificate` is given, and `upstream.url` is plain HTTP".to_owned();
        let hint = "begin `upstream.url` with https://, or remove `client_certificate` and `client_key`";
        refuse(section, report, "client_certificate", message, hint);
    }
    Some(Identity { certificate, key })
}

fn pair(section: &Section<'_>, directory: &Path, certificate: &str, key: &str) -> Option<(PathBuf, PathBuf)> {
    match (file(section, directory, certificate), file(section, directory, key)) {
        (Some(certificate), Some(key)) => return Some((certificate, key)),
        (Some(_), None) if !section.is_given(key) => section.missing(key, &format!("{key} = \"key.pem\"")),
        (None, Some(_)) if !section.is_given(certificate) => {
            section.missing(certificate, &format!("{certificate} = \"certificate.pem\""));
        }
        _ => {}
    }
    None
}

fn file(section: &Section<'_>, directory: &Path, key: &str) -> Option<PathBuf> {
    section.read(key, words::path).map(|file| directory.join(file))
}

fn refuse(section: &Section<'_>, report: &Report, key: &str, message: String, hint: &str) {
    let place = section.place_of(key).unwrap_or_else(|| section.header_place());
    report.push(Diagnostic::new(place, message).label("has no effect").hint(hint));
}
