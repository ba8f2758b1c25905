//! Who may look at the second listener.
//!
//! With `admin.token_file` everybody has to give the token, but for the probes. To grant an
//! exception is a right of its own, with its own token, and nobody has it without. Without,
//! the listener is on loopback, and the one thing to fear is a page in a browser on this
//! machine that reaches it under a name of its own (DNS rebinding): so the name must be
//! one of loopback.

use std::net::IpAddr;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{AppendHeaders, IntoResponse, Response};
use data_encoding::BASE64;
use secrecy::{ExposeSecret, SecretString};

/// The longest name of a user that is kept, in characters.
const LONGEST_USER: usize = 128;

/// What anybody may ask for, since those who probe have no secret.
const PROBES: [&str; 2] = ["/livez", "/readyz"];

/// What is asked for: programs send the first, browsers the second. Each in a line of its
/// own, since Chromium sees no second one in a line.
const CHALLENGES: [&str; 2] = ["Bearer realm=\"pushonce\"", "Basic realm=\"pushonce, the token as password\", charset=\"UTF-8\""];

/// What has to be known, to look and to grant exceptions.
#[derive(Debug)]
pub(super) struct Tokens {
    pub(super) look: Option<SecretString>,
    pub(super) grant: Option<SecretString>,
}

/// Who asks, as far as they say.
#[derive(Clone, Debug)]
pub(super) struct Who(pub(super) String);

/// The one path where something is changed.
const EXCEPTIONS: &str = "/api/v1/exceptions";

/// Lets a request through, or says what it lacks.
pub(super) async fn judge(State(tokens): State<Arc<Tokens>>, mut request: Request, next: Next) -> Response {
    if let Some(refused) = refused(&tokens, &request) {
        return refused;
    }
    let who = text(&request, header::AUTHORIZATION).and_then(given).and_then(|given| given.user);
    request.extensions_mut().insert(Who(who.unwrap_or_else(|| "the admin API".to_owned())));
    next.run(request).await
}

fn text(request: &Request, name: header::HeaderName) -> Option<&str> {
    request.headers().get(name).and_then(|value| value.to_str().ok())
}

fn refused(tokens: &Tokens, request: &Request) -> Option<Response> {
    let path = request.uri().path();
    if PROBES.contains(&path) {
        return None;
    }
    let grants = path == EXCEPTIONS && request.method() == Method::POST;
    let (token, key) = if grants { (&tokens.grant, "admin.exceptions_token_file") } else { (&tokens.look, "admin.token_file") };
    match token {
        Some(token) => {
            let is_known = text(request, header::AUTHORIZATION).and_then(given).is_some_and(|given| is_same(&given.token, token));
            let words = format!("give the token of `{key}`: Authorization: Bearer TOKEN, or as the password of any user\n");
            let challenges = CHALLENGES.map(|challenge| (header::WWW_AUTHENTICATE, challenge));
            (!is_known).then(|| (StatusCode::UNAUTHORIZED, AppendHeaders(challenges), words).into_response())
        }
        None if grants => {
            let words = format!("nobody grants exceptions here: set `{key}`, or run `pushonce exception grant`\n");
            Some((StatusCode::FORBIDDEN, words).into_response())
        }
        None => {
            let words = "ask for it as 127.0.0.1 or localhost, or set `admin.token_file`\n";
            (!text(request, header::HOST).is_some_and(is_loopback))
                .then(|| (StatusCode::MISDIRECTED_REQUEST, words).into_response())
        }
    }
}

/// What an `Authorization` gives.
struct Given {
    token: String,
    user: Option<String>,
}

/// The token of `Bearer`, or the password of `Basic`.
fn given(value: &str) -> Option<Given> {
    let (scheme, credentials) = value.split_once(' ')?;
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" => Some(Given { token: credentials.trim().to_owned(), user: None }),
        "basic" => {
            let decoded = String::from_utf8(BASE64.decode(credentials.trim().as_bytes()).ok()?).ok()?;
            let (user, token) = decoded.split_once(':')?;
            let user: String = user.chars().filter(|letter| !letter.is_control()).take(LONGEST_USER).collect();
            Some(Given { token: token.to_owned(), user: Some(user).filter(|user| !user.is_empty()) })
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
            assert_eq!(given(value).map(|given| given.token).as_deref(), expected, "{value}");
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
