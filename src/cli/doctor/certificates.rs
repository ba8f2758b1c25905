//! The certificates of the configuration: whether they can be used, and for how long.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use x509_parser::prelude::{FromDer, Pem, X509Certificate};
use x509_parser::revocation_list::CertificateRevocationList;

use super::Finding;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::server::Offered;
use crate::trust;

/// Whoever renews certificates does it earlier.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);

pub(super) fn look(config: &Config) -> Vec<Finding> {
    let now = SystemClock.now();
    let mut findings = Vec::new();
    if let Some(tls) = &config.server.tls {
        match Offered::new(tls) {
            Ok(_) => findings.extend(chain("server.tls_certificate", &tls.certificate, Role::Shown, now)),
            Err(cause) => findings.push(Finding::failed("certificate", cause.to_string(), "mend the file that is named")),
        }
        if let Some(clients) = &tls.clients {
            findings.extend(chain("server.tls_client_ca", &clients.ca, Role::Authorities, now));
            findings.extend(clients.crl.iter().flat_map(|file| lists(file, now)));
        }
    }
    if let Some(identity) = &config.upstream.identity {
        findings.extend(chain("upstream.client_certificate", &identity.certificate, Role::Shown, now));
    }
    findings.extend(config.upstream.ca_file.iter().flat_map(|file| chain("upstream.ca_file", file, Role::Authorities, now)));
    findings
}

/// What a file has certificates for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// To be shown, with its issuers: as good as the first that ends.
    Shown,
    /// Authorities: as good as the last, since old ones stand beside new ones.
    Authorities,
}

/// Every certificate of a file.
fn chain(key: &str, file: &Path, role: Role, now: Timestamp) -> Option<Finding> {
    let shown = format!("{key} ({})", file.display());
    let certificates = match trust::certificates(file) {
        Ok(certificates) => certificates,
        Err(cause) => return Some(Finding::failed("certificate", format!("{shown}: {cause}"), "mend the file")),
    };
    let ends = certificates.iter().map(|certificate| {
        let (_, certificate) = X509Certificate::from_der(certificate).map_err(|cause| cause.to_string())?;
        let validity = certificate.validity();
        Ok((validity.not_before.timestamp(), validity.not_after.timestamp()))
    });
    match ends.collect::<Result<Vec<_>, String>>() {
        Err(cause) => Some(Finding::failed("certificate", format!("{shown} cannot be read: {cause}"), "mend the file")),
        Ok(ends) => {
            let (begins, ends) = (ends.iter().map(|(begin, _)| *begin), ends.iter().map(|(_, end)| *end));
            let (begin, end) = match role {
                Role::Shown => (begins.max()?, ends.min()?),
                Role::Authorities => (begins.min()?, ends.max()?),
            };
            Some(judged(&shown, begin, end, now))
        }
    }
}

/// Every list of revoked certificates in a file.
fn lists(file: &Path, now: Timestamp) -> Vec<Finding> {
    let shown = format!("server.tls_client_crl ({})", file.display());
    let failed = |cause: String| vec![Finding::failed("certificate", format!("{shown}: {cause}"), "mend the file")];
    let bytes = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(cause) => return failed(cause.to_string()),
    };
    let mut findings = Vec::new();
    for pem in Pem::iter_from_buffer(&bytes) {
        let pem = match pem {
            Ok(pem) => pem,
            Err(cause) => return failed(cause.to_string()),
        };
        match CertificateRevocationList::from_der(&pem.contents) {
            Err(cause) => return failed(cause.to_string()),
            Ok((_, list)) => match list.next_update() {
                Some(end) => findings.push(judged(&shown, list.last_update().timestamp(), end.timestamp(), now)),
                None => findings.push(Finding::ok("certificate", format!("{shown} names no end"))),
            },
        }
    }
    findings
}

/// By when it begins and ends, in Unix time.
fn judged(shown: &str, begin: i64, end: i64, now: Timestamp) -> Finding {
    let date =
        |second: i64| Timestamp::from_second(second).map_or_else(|_| second.to_string(), |at| at.strftime("%Y-%m-%d").to_string());
    let left = SignedDuration::from_secs(end.saturating_sub(now.as_second()));
    let remedy = "renew it; pushonce reads certificates again when they change";
    if begin > now.as_second() {
        let words = format!("{shown} counts from {} on", date(begin));
        Finding::failed("certificate", words, "set the clock, or wait")
    } else if left.is_negative() {
        Finding::failed("certificate", format!("{shown} has ended on {}", date(end)), remedy)
    } else if left < SOON {
        Finding::warning("certificate", format!("{shown} ends on {}, in {} days", date(end), left.as_hours() / 24), remedy)
    } else {
        Finding::ok("certificate", format!("{shown} is good until {}", date(end)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Health;
    use super::*;

    #[test]
    fn dates_are_judged_to_the_second() {
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().expect("a time");
        let at = |days: i64| now.as_second() + days * 86_400;
        for (begin, end, health, words) in [
            (at(-1), at(14), Health::Ok, "is good until 2026-12-08"),
            (at(-1), at(14) - 1, Health::Warning, "ends on 2026-12-08, in 13 days"),
            (at(-1), now.as_second(), Health::Warning, "in 0 days"),
            (at(-2), now.as_second() - 1, Health::Failed, "has ended on 2026-11-24"),
            (at(1), at(90), Health::Failed, "counts from 2026-11-25 on"),
        ] {
            let finding = judged("x", begin, end, now);
            assert_eq!(finding.health, health, "{finding:?}");
            assert!(finding.words.contains(words), "{finding:?}");
        }
    }
}
