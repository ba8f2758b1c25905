//! Who asks: the headers that go upstream, and what may be said of them.

use std::fmt;

use aws_lc_rs::hmac;
use data_encoding::{BASE64, BASE64URL_NOPAD};
use http::header::{AUTHORIZATION, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName};
use serde_json::Value;

use crate::upstream::Trust;

/// The longest name of a user that a log line carries, in characters.
const LONGEST_USER: usize = 128;

/// One client's request, as the gate acts on its behalf; or the gate itself.
pub struct Caller {
    /// Prepared by the upstream; contains credentials.
    pub headers: HeaderMap,
    pub request_id: String,
    pub account: Account,
    /// The host that the client asked, where a rule of the policy looks at it.
    pub asked_host: Option<String>,
}

/// Whose credentials those of a [`Caller`] are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Account {
    Client,
    /// The gate's own, to read with, or nobody's where it has none.
    Own,
}

/// A keyed hash over everything in a request that could say who asks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Credential([u8; 32]);

impl Caller {
    /// Whose eyes may decide what the caller's do not see.
    pub fn trust(&self) -> Trust {
        match self.account {
            Account::Client => Trust::OrService,
            Account::Own => Trust::Client,
        }
    }

    /// The user of Basic, or the `sub` of a bearer token. Claimed, not proven: it
    /// is logged only once the registry has accepted the credentials.
    pub fn claimed_user(&self) -> Option<String> {
        let value = self.headers.get(AUTHORIZATION)?.to_str().ok()?;
        let (scheme, credentials) = value.split_once(' ')?;
        let user = match scheme.to_ascii_lowercase().as_str() {
            "basic" => {
                let decoded = String::from_utf8(BASE64.decode(credentials.trim().as_bytes()).ok()?).ok()?;
                // Some send a token in place of the name, and no password.
                decoded.split_once(':').filter(|(_, password)| !password.is_empty())?.0.to_owned()
            }
            "bearer" => {
                let payload = BASE64URL_NOPAD.decode(credentials.trim().split('.').nth(1)?.as_bytes()).ok()?;
                let claims: Value = serde_json::from_slice(&payload).ok()?;
                claims.get("sub")?.as_str()?.to_owned()
            }
            _ => return None,
        };
        let user: String = user.chars().filter(|letter| !letter.is_control()).take(LONGEST_USER).collect();
        (!user.is_empty()).then_some(user)
    }

    /// Every header counts that is not known to say nothing about the caller, so
    /// that no unusual way of signing in is overlooked.
    pub fn credential(&self, key: &hmac::Key) -> Credential {
        let mut lines: Vec<_> = self.headers.iter().filter(|(name, _)| !is_impersonal(name)).collect();
        lines.sort_by_key(|(name, _)| name.as_str());
        let mut context = hmac::Context::with_key(key);
        for (name, value) in lines {
            for part in [name.as_str().as_bytes(), value.as_bytes()] {
                context.update(&(part.len() as u64).to_be_bytes());
                context.update(part);
            }
        }
        let mut credential = [0; 32];
        credential.copy_from_slice(&context.sign().as_ref()[..32]);
        Credential(credential)
    }
}

fn is_impersonal(name: &HeaderName) -> bool {
    const PREFIXES: [&str; 5] = ["accept", "content-", "if-", "x-forwarded-", "via"];
    *name == HOST || *name == USER_AGENT || PREFIXES.iter().any(|prefix| name.as_str().starts_with(prefix))
}

/// Shows no header, since any could be a credential.
impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("request_id", &self.request_id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(pairs: &[(&'static str, &str)]) -> Caller {
        let headers = pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().expect("a value"))).collect();
        Caller { headers, request_id: "test".to_owned(), account: Account::Client, asked_host: None }
    }

    #[test]
    fn the_user_is_read_from_basic_and_bearer() {
        let basic = format!("Basic {}", BASE64.encode(b"ada:secret"));
        assert_eq!(caller(&[("authorization", &basic)]).claimed_user().as_deref(), Some("ada"));
        let bearer = format!("bearer x.{}.y", BASE64URL_NOPAD.encode(br#"{"sub":"ci\nbot"}"#));
        assert_eq!(caller(&[("authorization", &bearer)]).claimed_user().as_deref(), Some("cibot"));
        for nonsense in ["", "Basic", "Basic !", "Bearer a", "Bearer a.b.c", "Digest x"] {
            assert_eq!(caller(&[("authorization", nonsense)]).claimed_user(), None, "{nonsense}");
        }
    }

    #[test]
    fn another_credential_has_another_hash_wherever_it_stands() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"key");
        let of = |pairs: &[(&'static str, &str)]| caller(pairs).credential(&key);
        let ada = of(&[("authorization", "Basic ada"), ("accept", "a")]);
        assert_eq!(ada, of(&[("accept", "b"), ("authorization", "Basic ada"), ("user-agent", "x")]));
        assert_ne!(ada, of(&[("authorization", "Basic bob")]));
        assert_ne!(ada, of(&[("authorization", "Basic ada"), ("cookie", "session=1")]));
        assert_ne!(ada, of(&[("x-private-token", "Basic ada")]));
    }

    #[test]
    fn debug_shows_no_header() {
        let shown = format!("{:?}", caller(&[("authorization", "Basic c2VjcmV0"), ("x-token", "hunter2")]));
        assert!(!shown.contains("c2VjcmV0") && !shown.contains("hunter2"), "{shown}");
    }
}
