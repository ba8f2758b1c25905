//! Certificates of clients, and that of the listener when it is renewed.

use std::path::Path;

use super::curl::Curl;
use super::secure::{Certificates, Secure};
use crate::harness::api::Api;
use crate::harness::certificates::write_certificates;
use crate::harness::client_authority::ClientAuthority;
use crate::harness::http::Endpoint;
use crate::harness::{Image, Pushonce, Registry};
use crate::operator::reload::until_read;

const ANSWERED: &str = "2 200";

/// A proxy that lets in whom an authority knows, and the authority.
struct Guarded {
    secure: Secure,
    authority: ClientAuthority,
    curl: Curl,
    _registry: Registry,
}

impl Guarded {
    fn start(revoked: Option<&[u64]>) -> Self {
        let (registry, curl, authority) = (Registry::start(), Curl::new(), ClientAuthority::new());
        let at = |name: &str| curl.directory().join(name);
        authority.write(&at("clients.pem"));
        authority.write_client(curl.directory(), "first", 1);
        authority.write_client(curl.directory(), "second", 2);
        let mut lines = vec![format!("server.tls_client_ca = \"{}\"", at("clients.pem").display())];
        if let Some(revoked) = revoked {
            authority.write_revoked(&at("revoked.pem"), revoked, 2100);
            lines.push(format!("server.tls_client_crl = \"{}\"", at("revoked.pem").display()));
        }
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let secure = Secure::in_front_of(&registry.url(), &lines);
        Self { secure, authority, curl, _registry: registry }
    }

    fn ask(&self, arguments: &[&str]) -> crate::harness::run::Run {
        let (ca, url) = (self.secure.certificates.path("ca.pem").display().to_string(), format!("{}/v2/", self.secure.url()));
        let report = ["--output", "answer", "--write-out", "%{http_version} %{http_code}"];
        self.curl.run(&[&report[..], &["--cacert", &ca, url.as_str()], arguments].concat())
    }

    fn as_client(&self, name: &str) -> crate::harness::run::Run {
        self.ask(&["--cert", &format!("{name}.pem"), "--key", &format!("{name}.key")])
    }
}

#[test]
fn only_a_client_with_a_certificate_is_let_in() {
    let guarded = Guarded::start(None);
    assert_eq!(guarded.as_client("first").expect_success().stdout, ANSWERED);
    guarded.ask(&[]).expect_failure();
    let stranger = ClientAuthority::new();
    stranger.write_client(guarded.curl.directory(), "stranger", 3);
    guarded.as_client("stranger").expect_failure();
    // A certificate of the listener's own authority is none of a client.
    let own = |name: &str| guarded.secure.certificates.path(name).display().to_string();
    guarded.ask(&["--cert", &own("server.pem"), "--key", &own("server.key")]).expect_failure();
}

#[test]
fn a_revoked_certificate_is_refused_and_the_list_is_read_again() {
    let guarded = Guarded::start(Some(&[1]));
    guarded.as_client("first").expect_failure();
    assert_eq!(guarded.as_client("second").expect_success().stdout, ANSWERED);
    let list = guarded.curl.directory().join("revoked.pem");
    until_read(&guarded.secure.proxy, "used", || guarded.authority.write_revoked(&list, &[2], 2100));
    assert_eq!(guarded.as_client("first").expect_success().stdout, ANSWERED);
    guarded.as_client("second").expect_failure();
    // What cannot be read changes nothing.
    until_read(&guarded.secure.proxy, "rejected", || std::fs::write(&list, "").expect("written"));
    guarded.as_client("second").expect_failure();
    let ready = guarded.secure.proxy.admin().request("GET", "/readyz").send().expect_ok().text();
    assert!(ready.contains("server.tls_client_crl: there is no list in it"), "{ready}");
}

/// It says nothing of who was revoked since.
#[test]
fn a_list_that_has_expired_lets_nobody_in() {
    let guarded = Guarded::start(Some(&[]));
    assert_eq!(guarded.as_client("first").expect_success().stdout, ANSWERED);
    let list = guarded.curl.directory().join("revoked.pem");
    until_read(&guarded.secure.proxy, "used", || guarded.authority.write_revoked(&list, &[], 2021));
    guarded.as_client("first").expect_failure();
}

#[test]
fn a_renewed_certificate_counts_from_the_next_connection_on() {
    let registry = Registry::start();
    let secure = Secure::in_front_of(&registry.url(), &[]);
    secure.request("GET", "/v2/").send().expect_ok();
    let directory = secure.certificates.path("");
    let mut renewed = None;
    until_read(&secure.proxy, "used", || renewed = Some(write_certificates(&directory)));
    let endpoint = Endpoint { address: secure.address().to_owned(), authority: renewed };
    Api::new(endpoint, "").request("GET", "/v2/").send().expect_ok();
    assert!(secure.request("GET", "/v2/").try_send().is_err(), "the certificate of before is shown");

    // A key that does not fit is not used, and the policy beside it neither.
    let other = Certificates::new();
    until_read(&secure.proxy, "rejected", || {
        std::fs::copy(other.path("server.key"), secure.certificates.path("server.key")).expect("copied");
        secure.proxy.set_policy("default = \"immutable\"\n");
    });
    let endpoint = Endpoint { address: secure.address().to_owned(), authority: renewed_authority(&directory) };
    let still = Api::new(endpoint, "");
    still.push("web:latest", &Image::random()).expect_created();
    still.push("web:latest", &Image::random()).expect_created();
}

/// The authority in `ca.pem`.
fn renewed_authority(directory: &Path) -> Option<rustls::pki_types::CertificateDer<'static>> {
    use rustls::pki_types::pem::PemObject;
    Some(rustls::pki_types::CertificateDer::from_pem_file(directory.join("ca.pem")).expect("a certificate"))
}

#[test]
fn certificates_of_clients_need_tls_and_an_authority() {
    let start = |lines: &[&str]| {
        let builder = lines.iter().fold(Pushonce::in_front_of("http://127.0.0.1:1"), |builder, line| builder.setting(line));
        builder.start_and_fail()
    };
    let run = start(&["server.tls_client_ca = \"ca.pem\""]);
    assert_eq!(run.status.code(), Some(2), "{run}");
    run.expect_said("the listener speaks plain HTTP");
    let certificates = Certificates::new();
    let lines = certificates.settings();
    let run = start(&[&lines[0], &lines[1], "server.tls_client_crl = \"crl.pem\""]);
    assert_eq!(run.status.code(), Some(2), "{run}");
    run.expect_said("tls_client_ca = \"clients-ca.pem\"");
    let run = start(&[&lines[0], &lines[1], "server.tls_client_ca = \"missing.pem\""]);
    assert_eq!(run.status.code(), Some(1), "{run}");
    run.expect_said("server.tls_client_ca").expect_said("missing.pem");
    let crl = format!("server.tls_client_crl = \"{}\"", certificates.path("ca.pem").display());
    let ca = format!("server.tls_client_ca = \"{}\"", certificates.path("ca.pem").display());
    let run = start(&[&lines[0], &lines[1], &ca, &crl]);
    assert_eq!(run.status.code(), Some(1), "{run}");
    run.expect_said("server.tls_client_crl: there is no list in it");
}
