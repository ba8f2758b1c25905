//! Who may look at the second listener.
//!
//! With `admin.token_file` everybody has to give the token, but for the probes. Without,
//! the listener is on loopback, and the one thing to fear is a page in a browser on this
//! machine that reaches it under a name of its own (DNS rebinding): so the name must be
//! one of loopback.

use std::net::IpAddr;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{AppendHeaders, IntoResponse, Response};
use data_encoding::BASE64;
use secrecy::{ExposeSecret, SecretString};

/// What anybody may ask for, since those who probe have no secret.
const PROBES: [&str; 2] = ["/livez", "/readyz"];

/// What is asked for: programs send the first, browsers the second. Each in a line of its
/// own, since Chromium sees no second one in a line.
const CHALLENGES: [&str; 2] = ["Bearer realm=\"pushonce\"", "Basic realm=\"pushonce, the token as password\", charset=\"UTF-8\""];

/// Lets a request through, or says what it lacks.
pub(super) async fn judge(State(token): State<Arc<Option<SecretString>>>, request: Request, next: Next) -> Response {
    match refused(token.as_ref().as_ref(), &request) {
        Some(refused) => refused,
        None => next.run(request).await,
    }
}

fn refused(token: Option<&SecretString>, request: &Request) -> Option<Response> {
    let text = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    if PROBES.contains(&request.uri().path()) {
        return None;
    }
    match token {
        Some(token) => {
            let is_known = text(header::AUTHORIZATION).and_then(given).is_some_and(|given| is_same(&given, token));
            let words = "give the token of `admin.token_file`: Authorization: Bearer TOKEN, or as the password of any user\n";
            let challenges = CHALLENGES.map(|challenge| (header::WWW_AUTHENTICATE, challenge));
            (!is_known).then(|| (StatusCode::UNAUTHORIZED, AppendHeaders(challenges), words).into_response())
        }
        None => {
            let words = "ask for it as 127.0.0.1 or localhost, or set `admin.token_file`\n";
            (!text(header::HOST).is_some_and(is_loopback)).then(|| (StatusCode::MISDIRECTED_REQUEST, words).into_response())
        }
    }
}

/// The token of `Bearer`, or the password of `Basic`.
fn given(value: &str) -> Option<String> {
    let (scheme, credentials) = value.split_once(' ')?;
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" => Some(credentials.trim().to_owned()),
        "basic" => {
            let decoded = String::from_utf8(BASE64.decode(credentials.trim().as_bytes()).ok()?).ok()?;
            Some(decoded.split_once(':')?.1.to_owned())
        }
        _ => None,
    }
}

/// Compared by their digests, so that the time says nothing of either.
fn is_same(given: &str, token: &SecretString) -> bool {
    let [given, token] = [given, token.expose_secret()].map(|text| digest(&SHA256, text.as_bytes()));
    verify_slices_are_equal(given.as_ref(), token.as_ref()).is_ok()
}

/// Whether a `Host` names this machine alone.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_comes_in_two_ways() {
        let basic = format!("Basic {}", BASE64.encode(b"any one:secret:word"));
        for (value, expected) in [
            ("Bearer  word", Some("word")),
            ("bearer word", Some("word")),
            (basic.as_str(), Some("secret:word")),
            ("Basic !", None),
            ("Digest word", None),
            ("word", None),
        ] {
            assert_eq!(given(value).as_deref(), expected, "{value}");
        }
        let token = SecretString::from("word");
        assert!(is_same("word", &token) && !is_same("words", &token) && !is_same("", &token));
    }

    #[test]
    fn a_name_of_loopback_is_this_machine() {
        for (host, expected) in [
            ("127.0.0.1:9090", true),
            ("localhost", true),
            ("LocalHost:80", true),
            ("[::1]:9090", true),
            ("127.9.9.9", true),
            ("example.com:9090", false),
            ("10.0.0.1", false),
            ("localhost.example.com", false),
            ("", false),
        ] {
            assert_eq!(is_loopback(host), expected, "{host}");
        }
    }
}
