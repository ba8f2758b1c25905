//! A `Location`, or a `Link`: no client is sent past the gate.

use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::upstream::location::{Addresses, rewrite};

/// The registry's address with its port written and left out.
const UPSTREAMS: [(&str, &str, u16); 3] =
    [("http", "registry.internal:5001", 5001), ("http", "registry.internal", 80), ("https", "registry.internal", 443)];

pub fn check(input: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(input) else { return };
    // A client takes no URL with other bytes; such a header is left as it is.
    if value.to_str().is_err() {
        return;
    }
    for (scheme, authority, port) in UPSTREAMS {
        for prefix in ["", "/registry"] {
            let upstream = Authority::from_static(authority);
            let host = HeaderValue::from_static("registry.example");
            let scheme = Scheme::try_from(scheme).expect("a scheme");
            let addresses = Addresses { upstream: &upstream, scheme: &scheme, hosts: [Some(&host), None], prefix };

            let before = text(&value).to_owned();
            let after = rewritten(&value, header::LOCATION, &addresses);
            let is_ours = |url: &str| points_at(url, scheme.as_str()) == Some(("registry.internal".to_owned(), Some(port)));
            assert!(!is_ours(&after), "{before:?} becomes {after:?}");
            // Elsewhere is where it pointed before, or nowhere.
            if points_at(&after, scheme.as_str()).is_some() {
                assert_eq!(after, before, "another host is not left alone");
            }
            let again = rewritten(&HeaderValue::from_str(&after).expect("a value"), header::LOCATION, &addresses);
            assert!(again == after || !prefix.is_empty(), "{after:?} becomes {again:?}");

            let links = rewritten(&value, header::LINK, &addresses);
            for url in links.split('<').skip(1).filter_map(|part| part.split_once('>')).map(|(url, _)| url) {
                assert!(!is_ours(url), "{before:?} becomes {links:?}");
            }
        }
    }
}

fn rewritten(value: &HeaderValue, name: HeaderName, addresses: &Addresses<'_>) -> String {
    let mut headers = HeaderMap::new();
    headers.insert(&name, value.clone());
    rewrite(&mut headers, addresses);
    text(&headers[name]).to_owned()
}

fn text(value: &HeaderValue) -> &str {
    value.to_str().expect("text")
}

/// Host and port that a client goes to for a URL or a reference without a scheme;
/// `None` where it stays where it is. `None` for a port that is no number.
fn points_at(url: &str, own_scheme: &str) -> Option<(String, Option<u16>)> {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https") => (scheme, rest),
        _ => (own_scheme, url.strip_prefix("//")?),
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let usual = if scheme.eq_ignore_ascii_case("https") { 443 } else { 80 };
    match host.rsplit_once(':') {
        Some((name, "")) => Some((name.to_ascii_lowercase(), Some(usual))),
        Some((name, port)) => Some((name.to_ascii_lowercase(), port.parse().ok())),
        None => Some((host.to_ascii_lowercase(), Some(usual))),
    }
}
