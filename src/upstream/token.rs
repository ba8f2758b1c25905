//! Service credentials: how the gate signs in by itself, for what the client's own
//! credentials do not allow: looks, and the end of a claim that somebody left open.
//!
//! What the registry asks for is learnt from its challenge: Basic, or a bearer
//! token of its token service (the Docker token specification). They are sent to
//! the registry and to the token service that it names, and to nobody else.

use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_auth::parser::ChallengeParser;
use moka::Expiry;
use moka::future::Cache;
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use thiserror::Error;
use tokio::sync::OnceCell;

use crate::causes::with_causes;
use crate::config::valid;
use crate::oci::RepositoryName;

/// How long a token is good for where the token service does not say.
const USUAL_LIFETIME: u64 = 60;

/// How much earlier a token is given up, so that none expires on its way.
const MARGIN: Duration = Duration::from_secs(5);

/// How many tokens are kept, one for each repository and access.
const MOST_TOKENS: u64 = 10_000;

/// Why the gate could not sign in.
#[derive(Clone, Debug, Error)]
pub enum SignInError {
    #[error("the registry's challenge cannot be learnt: {0}")]
    NoChallenge(String),
    #[error("the registry's challenge cannot be answered: {0}")]
    Challenge(String),
    #[error("the token service gave no token: {0}")]
    NoToken(String),
    #[error("the token service gave no token: it answered {0}")]
    Refused(StatusCode),
}

/// What the gate wants to do in a repository. No more is asked for than that, since
/// some token services give all of what they are asked for or nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Access {
    Pull,
    Push,
}

impl Access {
    /// The actions of a token's scope (distribution, "Token Scope Documentation").
    fn actions(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "pull,push",
        }
    }
}

/// A user of the registry that the gate may act as.
#[derive(Debug)]
pub struct ServiceAccount {
    user: String,
    password: SecretString,
    client: reqwest::Client,
    /// `…/v2/`, where the challenge is learnt.
    base: String,
    scheme: OnceCell<Scheme>,
    /// By their scope.
    tokens: Cache<String, Arc<Token>>,
}

#[derive(Clone, Debug)]
pub(crate) enum Scheme {
    /// The registry asks for nothing.
    Open,
    Basic,
    Bearer {
        realm: Url,
        service: Option<String>,
    },
}

struct Token {
    header: HeaderValue,
    lifetime: Duration,
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

impl ServiceAccount {
    pub fn new(service: valid::Service, client: reqwest::Client, base: String) -> Self {
        let valid::Service { username: user, password } = service;
        let tokens = Cache::builder().max_capacity(MOST_TOKENS).expire_after(UntilExpired).build();
        Self { user, password, client, base, scheme: OnceCell::new(), tokens }
    }

    /// Puts the credentials for `access` to `repository` in place of whatever is there.
    pub async fn sign(&self, headers: &mut HeaderMap, repository: &RepositoryName, access: Access) -> Result<(), SignInError> {
        self.sign_for(headers, format!("repository:{repository}:{}", access.actions())).await
    }

    /// The same for the list of repositories.
    pub async fn sign_for_catalog(&self, headers: &mut HeaderMap) -> Result<(), SignInError> {
        self.sign_for(headers, "registry:catalog:*".to_owned()).await
    }

    async fn sign_for(&self, headers: &mut HeaderMap, scope: String) -> Result<(), SignInError> {
        headers.remove(AUTHORIZATION);
        match self.scheme.get_or_try_init(|| self.learn()).await? {
            Scheme::Open => {}
            Scheme::Basic => {
                headers.insert(AUTHORIZATION, self.basic()?);
            }
            Scheme::Bearer { realm, service } => {
                let fetch = self.fetch_token(realm, service.as_deref(), &scope);
                let token = self.tokens.try_get_with_by_ref(scope.as_str(), fetch).await.map_err(|cause| (*cause).clone())?;
                headers.insert(AUTHORIZATION, token.header.clone());
            }
        }
        Ok(())
    }

    async fn learn(&self) -> Result<Scheme, SignInError> {
        let answer = self.client.get(&self.base).send().await;
        let answer = answer.map_err(|cause| SignInError::NoChallenge(with_causes(&cause)))?;
        match answer.status() {
            StatusCode::OK => return Ok(Scheme::Open),
            StatusCode::UNAUTHORIZED => {}
            status => return Err(SignInError::NoChallenge(format!("GET /v2/ is answered with {status}"))),
        }
        let texts: Vec<_> = answer.headers().get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok()).collect();
        scheme_of(&texts.join(", "), &self.base)
    }

    async fn fetch_token(&self, realm: &Url, service: Option<&str>, scope: &str) -> Result<Arc<Token>, SignInError> {
        let mut request = self.client.get(realm.clone()).query(&[("scope", scope)]);
        if let Some(service) = service {
            request = request.query(&[("service", service)]);
        }
        let answer = request.header(AUTHORIZATION, self.basic()?).send().await;
        let answer = answer.map_err(|cause| SignInError::NoToken(with_causes(&cause.without_url())))?;
        if answer.status().is_client_error() && answer.status() != StatusCode::TOO_MANY_REQUESTS {
            return Err(SignInError::Refused(answer.status()));
        }
        if answer.status() != StatusCode::OK {
            return Err(SignInError::NoToken(format!("it answered {}", answer.status())));
        }
        let body = answer.bytes().await.map_err(|cause| SignInError::NoToken(with_causes(&cause.without_url())))?;
        // What is wrong with the answer is not repeated: it may hold a token.
        let answer: TokenAnswer =
            serde_json::from_slice(&body).map_err(|_| SignInError::NoToken("its answer is not a token in JSON".to_owned()))?;
        let token = answer.token.or(answer.access_token);
        let token = token.ok_or_else(|| SignInError::NoToken("its answer has no token".to_owned()))?;
        let lifetime = Duration::from_secs(answer.expires_in.unwrap_or(USUAL_LIFETIME)).saturating_sub(MARGIN);
        Ok(Arc::new(Token { header: secret_header(&format!("Bearer {token}"))?, lifetime }))
    }

    fn basic(&self) -> Result<HeaderValue, SignInError> {
        let pair = format!("{}:{}", self.user, self.password.expose_secret());
        secret_header(&format!("Basic {}", data_encoding::BASE64.encode(pair.as_bytes())))
    }
}

/// The scheme that a challenge asks for (RFC 9110, section 11.6.1), bearer before
/// basic.
pub(crate) fn scheme_of(challenges: &str, registry: &str) -> Result<Scheme, SignInError> {
    let parsed: Result<Vec<_>, _> = ChallengeParser::new(challenges).collect();
    let parsed = parsed.map_err(|cause| SignInError::Challenge(cause.to_string()))?;
    if let Some(bearer) = parsed.iter().find(|challenge| challenge.scheme.eq_ignore_ascii_case("bearer")) {
        let value = |name: &str| {
            bearer.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_unescaped())
        };
        let realm = value("realm").ok_or_else(|| SignInError::Challenge("it has no realm".to_owned()))?;
        let realm: Url = realm.parse().map_err(|_| SignInError::Challenge("its realm is not a URL".to_owned()))?;
        if realm.scheme() != "https" && !(registry.starts_with("http:") && realm.scheme() == "http") {
            return Err(SignInError::Challenge("its realm is not https, and the password must not be sent in clear".to_owned()));
        }
        if !realm.username().is_empty() || realm.password().is_some() {
            return Err(SignInError::Challenge("its realm names a user of its own".to_owned()));
        }
        return Ok(Scheme::Bearer { realm, service: value("service") });
    }
    let has_basic = parsed.iter().any(|challenge| challenge.scheme.eq_ignore_ascii_case("basic"));
    if has_basic { Ok(Scheme::Basic) } else { Err(SignInError::Challenge("it is neither Basic nor Bearer".to_owned())) }
}

/// A header value that debug output does not show.
fn secret_header(text: &str) -> Result<HeaderValue, SignInError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| SignInError::NoToken("it is no header value".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

/// A token is kept until shortly before it expires.
struct UntilExpired;

impl Expiry<String, Arc<Token>> for UntilExpired {
    fn expire_after_create(&self, _: &String, token: &Arc<Token>, _: std::time::Instant) -> Option<Duration> {
        Some(token.lifetime)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scheme(challenge: &str, registry: &str) -> Result<Scheme, SignInError> {
        scheme_of(challenge, registry)
    }

    #[test]
    fn challenges_are_understood() {
        let bearer = r#"Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a:pull""#;
        let found = scheme(bearer, "https://registry.example/v2/").expect("a scheme");
        assert!(
            matches!(&found, Scheme::Bearer { realm, service } if realm.as_str() == "https://auth.example/token"
            && service.as_deref() == Some("registry.example")),
            "{found:?}"
        );
        assert!(matches!(scheme(r#"Basic realm="x""#, "http://r/v2/"), Ok(Scheme::Basic)));
        assert!(matches!(scheme(&format!(r#"Basic realm="x", {bearer}"#), "https://r/v2/"), Ok(Scheme::Bearer { .. })));
    }

    #[test]
    fn the_password_is_not_sent_in_clear_for_a_registry_over_tls() {
        let challenge = r#"Bearer realm="http://auth.example/token""#;
        assert!(scheme(challenge, "https://registry.example/v2/").is_err());
        assert!(scheme(challenge, "http://registry.example/v2/").is_ok());
    }

    #[test]
    fn other_challenges_are_refused() {
        for challenge in [
            "",
            "Bearer",
            r#"Bearer service="x""#,
            r#"Bearer realm="not a url""#,
            r#"Bearer realm="ftp://x/""#,
            r#"Bearer realm="https://user:password@auth.example/""#,
            "Negotiate",
        ] {
            assert!(scheme(challenge, "http://r/v2/").is_err(), "{challenge}");
        }
    }
}
