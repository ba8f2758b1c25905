//! Refuses what hyper accepts, though two servers could read it in two ways.

use http::header::{CONTENT_LENGTH, EXPECT, HOST, TRANSFER_ENCODING, UPGRADE};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, Request, Version};

use crate::refusal::Refusal;

/// Checks the head of a request before anything else looks at it, and brings a
/// request of HTTP/2 into the form of HTTP/1.1: the authority in `Host`.
pub fn check<B>(request: Request<B>) -> Result<Request<B>, Refusal> {
    let request = if request.version() == Version::HTTP_2 { from_http2(request)? } else { request };
    check_head(request.version(), request.method(), request.headers())?;
    Ok(request)
}

/// RFC 9113, section 8.3.1: `:authority` says what `Host` says, if both are there.
fn from_http2<B>(mut request: Request<B>) -> Result<Request<B>, Refusal> {
    let uri = request.uri().clone();
    if let Some(authority) = uri.authority() {
        let authority =
            HeaderValue::from_str(authority.as_str()).map_err(|_| Refusal::malformed("the authority is malformed".to_owned()))?;
        if request.headers().get_all(HOST).iter().any(|host| *host != authority) {
            return Err(Refusal::malformed("Host and :authority differ".to_owned()));
        }
        request.headers_mut().insert(HOST, authority);
    }
    if request.headers().contains_key(TRANSFER_ENCODING) {
        return Err(Refusal::malformed("HTTP/2 has no Transfer-Encoding".to_owned()));
    }
    let target = uri.path_and_query().cloned().ok_or_else(|| Refusal::malformed("the request has no path".to_owned()))?;
    *request.uri_mut() = target.into();
    Ok(request)
}

/// RFC 9112, sections 3.2, 6.1 and 11.2.
fn check_head(version: Version, method: &Method, headers: &HeaderMap) -> Result<(), Refusal> {
    let count = |name| headers.get_all(name).iter().count();
    let lengths = count(CONTENT_LENGTH);
    let encodings: Vec<_> = headers.get_all(TRANSFER_ENCODING).iter().collect();
    let has_body = !encodings.is_empty() || headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0");

    let hosts: Vec<_> = headers.get_all(HOST).iter().collect();
    match hosts.as_slice() {
        [host] if is_host(host.as_bytes()) => {}
        [] if version < Version::HTTP_11 => {}
        [] => return refuse("a request needs a Host header"),
        [_] => return refuse("the Host header is malformed"),
        _ => return refuse("a request has one Host header"),
    }
    if lengths > 1 || (lengths == 1 && !encodings.is_empty()) {
        return refuse("a request has either one Content-Length or a Transfer-Encoding");
    }
    let is_chunked = |encoding: &&HeaderValue| encoding.as_bytes().eq_ignore_ascii_case(b"chunked");
    if encodings.len() > 1 || !encodings.iter().all(is_chunked) {
        return refuse("the only Transfer-Encoding is chunked, once");
    }
    if headers.contains_key(UPGRADE) {
        return refuse("protocols are not upgraded here");
    }
    if headers.get_all(EXPECT).iter().any(|expect| !expect.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        return refuse("the only Expect is 100-continue");
    }
    if has_body && (method.is_safe() || *method == Method::DELETE) {
        return refuse("GET, HEAD and DELETE have no body here");
    }
    Ok(())
}

/// `host` or `host:port`, without a user.
fn is_host(host: &[u8]) -> bool {
    !host.contains(&b'@') && Authority::try_from(host).is_ok()
}

fn refuse(message: &str) -> Result<(), Refusal> {
    Err(Refusal::malformed(message.to_owned()))
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    fn is_refused(method: &Method, pairs: &[(&'static str, &'static str)]) -> bool {
        let headers: HeaderMap = pairs.iter().fold(HeaderMap::new(), |mut headers, (name, value)| {
            headers.append(HeaderName::from_static(name), value.parse().expect("a value"));
            headers
        });
        check_head(Version::HTTP_11, method, &headers).is_err()
    }

    #[test]
    fn honest_requests_pass() {
        for (method, pairs) in [
            (Method::GET, &[("host", "registry.example:5000")][..]),
            (Method::HEAD, &[("host", "[::1]:5000"), ("content-length", "0")]),
            (Method::PUT, &[("host", "a"), ("content-length", "12")]),
            (Method::PATCH, &[("host", "a"), ("transfer-encoding", "chunked"), ("expect", "100-continue")]),
        ] {
            assert!(!is_refused(&method, pairs), "{method} {pairs:?}");
        }
        assert!(check_head(Version::HTTP_10, &Method::GET, &HeaderMap::new()).is_ok());
    }

    #[test]
    fn ambiguous_requests_are_refused() {
        for (method, pairs) in [
            (Method::GET, &[][..]),
            (Method::GET, &[("host", "a"), ("host", "a")]),
            (Method::GET, &[("host", "user@a")]),
            (Method::GET, &[("host", "a b")]),
            (Method::GET, &[("host", "")]),
            (Method::PUT, &[("host", "a"), ("content-length", "1"), ("content-length", "1")]),
            (Method::PUT, &[("host", "a"), ("content-length", "1"), ("transfer-encoding", "chunked")]),
            (Method::PUT, &[("host", "a"), ("transfer-encoding", "gzip, chunked")]),
            (Method::PUT, &[("host", "a"), ("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")]),
            (Method::GET, &[("host", "a"), ("upgrade", "h2c")]),
            (Method::PUT, &[("host", "a"), ("expect", "200-ok")]),
            (Method::GET, &[("host", "a"), ("content-length", "1")]),
            (Method::DELETE, &[("host", "a"), ("transfer-encoding", "chunked")]),
        ] {
            assert!(is_refused(&method, pairs), "{method} {pairs:?}");
        }
    }
}
