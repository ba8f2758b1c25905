//! Which headers cross the gate, and what it adds.

use std::net::IpAddr;

use http::header::{
    ACCEPT, ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, FORWARDED, HOST, IF_MATCH,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, RANGE, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE, USER_AGENT, VIA,
};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(super) const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Headers that mean one connection only (RFC 9110, section 7.6.1).
static HOP_BY_HOP: [HeaderName; 10] = [
    CONNECTION,
    HeaderName::from_static("http2-settings"),
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Headers with which a server could be told to read another request than the
/// one that was judged.
static OVERRIDES: [HeaderName; 7] = [
    HeaderName::from_static("x-http-method-override"),
    HeaderName::from_static("x-http-method"),
    HeaderName::from_static("x-method-override"),
    HeaderName::from_static("x-original-url"),
    HeaderName::from_static("x-original-method"),
    HeaderName::from_static("x-rewrite-url"),
    HeaderName::from_static("x-forwarded-uri"),
];

/// What an earlier proxy says of the client; believed only where configured.
static FORWARDED_BY_OTHERS: [HeaderName; 7] = [
    FORWARDED,
    X_FORWARDED_FOR,
    X_FORWARDED_HOST,
    X_FORWARDED_PROTO,
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x-forwarded-prefix"),
    HeaderName::from_static("x-real-ip"),
];

/// Headers that ask for a part of the answer, or for another form of it.
static CONDITIONS: [HeaderName; 8] =
    [ACCEPT, ACCEPT_ENCODING, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE];

/// How requests are marked on their way.
#[derive(Debug)]
pub struct Forwarding {
    /// Sent as `Host` in place of the client's; `None` passes the client's on.
    pub host: Option<Authority>,
    /// Whether `X-Forwarded-*` and `Forwarded` of the client are kept.
    pub trust: bool,
}

/// A client's headers as the registry gets them.
pub fn for_upstream(mut headers: HeaderMap, peer: IpAddr, secure: bool, forwarding: &Forwarding) -> HeaderMap {
    remove_hop_by_hop(&mut headers);
    remove(&mut headers, &OVERRIDES);
    headers.remove(EXPECT);
    if !forwarding.trust {
        remove(&mut headers, &FORWARDED_BY_OTHERS);
    }
    let chain = match headers.get(X_FORWARDED_FOR).and_then(|chain| chain.to_str().ok()) {
        Some(chain) => format!("{chain}, {peer}"),
        None => peer.to_string(),
    };
    set(&mut headers, X_FORWARDED_FOR, &chain);
    headers.entry(X_FORWARDED_PROTO).or_insert(HeaderValue::from_static(if secure { "https" } else { "http" }));
    if let Some(host) = headers.get(HOST).cloned() {
        headers.entry(X_FORWARDED_HOST).or_insert(host);
    }
    if let Some(host) = &forwarding.host {
        set(&mut headers, HOST, host.as_str());
    }
    headers.append(VIA, HeaderValue::from_static("1.1 pushonce"));
    headers
}

/// Headers of a request that the gate makes on a client's behalf: who it is and
/// how it came, but nothing about a body or the form of the answer.
pub fn for_check(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    remove(&mut headers, &CONDITIONS);
    remove(&mut headers, &[CONTENT_LENGTH, CONTENT_TYPE, CONTENT_ENCODING]);
    headers
}

/// Headers of a request that the gate makes as itself: nothing of the client but
/// the host that was asked for.
pub fn for_service(headers: &HeaderMap) -> HeaderMap {
    let host = headers.get(HOST).map(|host| (HOST, host.clone()));
    let agent = (USER_AGENT, HeaderValue::from_static(concat!("pushonce/", env!("CARGO_PKG_VERSION"))));
    host.into_iter().chain([agent]).collect()
}

/// Drops what concerns one connection, and what `Connection` names.
pub fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .filter(|name| !KEPT_THOUGH_NAMED.contains(name))
        .collect();
    remove(headers, &named);
    remove(headers, &HOP_BY_HOP);
}

/// `Connection` must not take these away: framing, the target, the credentials.
static KEPT_THOUGH_NAMED: [HeaderName; 5] = [CONTENT_LENGTH, CONTENT_TYPE, HOST, http::header::AUTHORIZATION, X_FORWARDED_FOR];

fn remove(headers: &mut HeaderMap, names: &[HeaderName]) {
    for name in names {
        headers.remove(name);
    }
}

/// `text` comes from parsed values, so it is always a legal header value.
fn set(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers
    }

    fn sent(pairs: &[(&'static str, &'static str)], forwarding: &Forwarding) -> HeaderMap {
        for_upstream(map(pairs), IpAddr::from([10, 0, 0, 7]), false, forwarding)
    }

    const PASS_HOST: Forwarding = Forwarding { host: None, trust: false };

    #[test]
    fn hop_by_hop_headers_and_those_named_in_connection_stay_behind() {
        let headers = sent(
            &[
                ("connection", "close, x-secret"),
                ("connection", "x-other"),
                ("x-secret", "1"),
                ("x-other", "2"),
                ("te", "trailers"),
                ("keep-alive", "5"),
                ("upgrade", "h2c"),
                ("accept", "a"),
                ("accept", "b"),
                ("expect", "100-continue"),
            ],
            &PASS_HOST,
        );
        for gone in ["connection", "x-secret", "x-other", "te", "keep-alive", "upgrade", "expect"] {
            assert!(!headers.contains_key(gone), "{gone} was passed on");
        }
        assert_eq!(headers.get_all("accept").iter().count(), 2, "every Accept line is passed on");
    }

    #[test]
    fn connection_cannot_take_credentials_or_framing_away() {
        let headers = sent(
            &[("connection", "authorization, content-length"), ("authorization", "Basic x"), ("content-length", "3")],
            &PASS_HOST,
        );
        assert_eq!(headers["authorization"], "Basic x");
        assert_eq!(headers["content-length"], "3");
    }

    #[test]
    fn overrides_are_dropped() {
        let headers = sent(&[("x-http-method-override", "PUT"), ("x-original-url", "/v2/"), ("x-rewrite-url", "/v2/")], &PASS_HOST);
        for gone in ["x-http-method-override", "x-original-url", "x-rewrite-url"] {
            assert!(!headers.contains_key(gone), "{gone} was passed on");
        }
    }

    #[test]
    fn forwarded_headers_say_who_asked_and_how() {
        let claims = [
            ("host", "registry.example"),
            ("x-forwarded-for", "1.2.3.4"),
            ("x-forwarded-proto", "https"),
            ("forwarded", "for=1.2.3.4"),
        ];
        let headers = sent(&claims, &PASS_HOST);
        assert_eq!(headers["x-forwarded-for"], "10.0.0.7");
        assert_eq!(headers["x-forwarded-proto"], "http");
        assert_eq!(headers["x-forwarded-host"], "registry.example");
        assert_eq!(headers["host"], "registry.example");
        assert_eq!(headers["via"], "1.1 pushonce");
        assert!(!headers.contains_key("forwarded"));

        let trusting = Forwarding { host: Some(Authority::from_static("upstream:5000")), trust: true };
        let headers = sent(&claims, &trusting);
        assert_eq!(headers["x-forwarded-for"], "1.2.3.4, 10.0.0.7");
        assert_eq!(headers["x-forwarded-proto"], "https");
        assert_eq!(headers["forwarded"], "for=1.2.3.4");
        assert_eq!(headers["host"], "upstream:5000");
        assert_eq!(headers["x-forwarded-host"], "registry.example");
    }

    #[test]
    fn a_check_asks_for_nothing_but_the_whole_answer() {
        let headers = for_check(&map(&[
            ("if-none-match", "x"),
            ("range", "bytes=0-1"),
            ("content-type", "a/b"),
            ("authorization", "Basic x"),
        ]));
        assert_eq!(headers.keys().collect::<Vec<_>>(), ["authorization"]);
    }
}
