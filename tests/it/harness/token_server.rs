//! A token service (distribution, "Token Authentication Specification"): users with
//! a right for each action, and signed tokens that docker-registry accepts.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use data_encoding::{BASE32_NOPAD, BASE64, BASE64URL_NOPAD};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, PublicKeyData, SigningKey};
use serde_json::{Value, json};

use super::upstream::{Answer, Upstream};
use super::wire::Recorded;

/// Who the tokens are for, as challenges name it.
pub const SERVICE: &str = "registry.test";
pub const ISSUER: &str = "tokens.test";

/// What tokens are signed with, by its name in the header of a token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Algorithm {
    Rs256,
    Es256,
}

/// A running token service, over plain HTTP on a loopback port.
pub struct TokenServer {
    server: Upstream,
    issuer: Arc<Issuer>,
    certificate: String,
}

struct Issuer {
    algorithm: Algorithm,
    key: KeyPair,
    key_id: String,
    /// Seconds that the service says its tokens are good for. The tokens themselves
    /// are good for longer than any test runs.
    lifetime: AtomicU64,
    /// Whether it gives all of what it is asked for, or nothing.
    is_strict: AtomicBool,
    users: Mutex<Vec<User>>,
    issued: Mutex<Vec<String>>,
}

struct User {
    name: String,
    password: String,
    actions: Vec<String>,
}

impl TokenServer {
    pub fn start() -> Self {
        Self::signing_with(Algorithm::Es256)
    }

    pub fn signing_with(algorithm: Algorithm) -> Self {
        let kind = if algorithm == Algorithm::Rs256 { &PKCS_RSA_SHA256 } else { &PKCS_ECDSA_P256_SHA256 };
        let key = KeyPair::generate_for(kind).expect("a key");
        let certificate = CertificateParams::new(vec![ISSUER.to_owned()]).expect("parameters of a certificate");
        let certificate = certificate.self_signed(&key).expect("a certificate").pem();
        let key_id = key_id(&key.subject_public_key_info());
        let (users, issued, lifetime) = (Mutex::default(), Mutex::default(), AtomicU64::new(300));
        let is_strict = AtomicBool::new(false);
        let issuer = Arc::new(Issuer { algorithm, key, key_id, lifetime, is_strict, users, issued });
        let answering = Arc::clone(&issuer);
        Self { server: Upstream::start(move |request| answering.answer(request)), issuer, certificate }
    }

    /// The URL that challenges name.
    pub fn realm(&self) -> String {
        format!("{}/token", self.server.url())
    }

    /// Lets a user do `actions` in every repository.
    pub fn user(&self, name: &str, password: &str, actions: &[&str]) {
        let actions = actions.iter().map(|action| (*action).to_owned()).collect();
        let user = User { name: name.to_owned(), password: password.to_owned(), actions };
        self.issuer.users.lock().expect("the users").push(user);
    }

    /// Lets the service say that its tokens are good for so many seconds.
    pub fn lifetime(&self, seconds: u64) {
        self.issuer.lifetime.store(seconds, Ordering::Relaxed);
    }

    /// Lets the service give all of what it is asked for, or nothing.
    pub fn strict(&self, is_strict: bool) {
        self.issuer.is_strict.store(is_strict, Ordering::Relaxed);
    }

    /// A token for one repository, without asking over HTTP.
    pub fn issue(&self, subject: &str, repository: &str, actions: &[&str]) -> String {
        self.issuer.issue(subject, &json!([{"type": "repository", "name": repository, "actions": actions}]))
    }

    /// What a token that this service has issued lets its bearer do in a repository;
    /// `None` for a token of somebody else.
    pub fn actions_of(&self, token: &str, repository: &str) -> Option<Vec<String>> {
        if !self.issuer.issued.lock().expect("the tokens").iter().any(|issued| issued == token) {
            return None;
        }
        let claims = BASE64URL_NOPAD.decode(token.split('.').nth(1)?.as_bytes()).ok()?;
        let claims: Value = serde_json::from_slice(&claims).ok()?;
        let of_repository = claims["access"].as_array()?.iter().filter(|access| access["name"] == repository);
        let actions = of_repository.filter_map(|access| access["actions"].as_array()).flatten();
        Some(actions.filter_map(|action| action.as_str().map(str::to_owned)).collect())
    }

    /// Every request for a token so far.
    pub fn requests(&self) -> Vec<Recorded> {
        self.server.requests()
    }

    /// How many tokens `user` asked for.
    pub fn asked_by(&self, user: &str) -> usize {
        self.requests().iter().filter(|request| credentials(request).is_some_and(|(name, _)| name == user)).count()
    }

    /// Writes what a registry must trust, and the lines of its configuration.
    pub fn registry_config(&self, directory: &Path) -> String {
        let bundle = directory.join("tokens.pem");
        std::fs::write(&bundle, &self.certificate).expect("the certificate of the token service");
        let (realm, bundle) = (self.realm(), bundle.display());
        format!("auth:\n  token: {{realm: \"{realm}\", service: {SERVICE}, issuer: {ISSUER}, rootcertbundle: {bundle}}}\n")
    }
}

impl Issuer {
    fn answer(&self, request: &Recorded) -> Answer {
        let (user, password) = credentials(request).unwrap_or_default();
        let is_known = |other: &User| other.name == user && other.password == password;
        if !user.is_empty() && !self.users.lock().expect("the users").iter().any(is_known) {
            return answer(401, &json!({"errors": [{"code": "UNAUTHORIZED", "message": "wrong user or password"}]}));
        }
        let query = request.target().split_once('?').map_or("", |(_, query)| query);
        let scopes: Vec<String> = query.split('&').filter_map(|pair| pair.strip_prefix("scope=")).map(decode).collect();
        let access: Vec<Value> = scopes.iter().filter_map(|scope| self.granted(&user, scope)).collect();
        let given: usize = access.iter().filter_map(|access| access["actions"].as_array()).map(Vec::len).sum();
        let wanted: usize = scopes.iter().map(|scope| scope.split(',').count()).sum();
        if self.is_strict.load(Ordering::Relaxed) && given < wanted {
            return answer(403, &json!({"errors": [{"code": "DENIED", "message": "not all of that"}]}));
        }
        let token = self.issue(&user, &Value::Array(access));
        answer(200, &json!({"token": token, "expires_in": self.lifetime.load(Ordering::Relaxed)}))
    }

    /// The part of a scope, such as `repository:driftwood/web:pull,push`, that a user has.
    fn granted(&self, user: &str, scope: &str) -> Option<Value> {
        let mut parts = scope.splitn(3, ':');
        let (kind, name, wanted) = (parts.next()?, parts.next()?, parts.next()?);
        let users = self.users.lock().expect("the users");
        let own = users.iter().filter(|other| other.name == user).flat_map(|user| &user.actions);
        let actions: Vec<&String> =
            own.filter(|action| wanted == "*" || wanted.split(',').any(|wanted| wanted == *action)).collect();
        Some(json!({"type": kind, "name": name, "actions": actions}))
    }

    fn issue(&self, subject: &str, access: &Value) -> String {
        let name = if self.algorithm == Algorithm::Rs256 { "RS256" } else { "ES256" };
        let number = self.issued.lock().expect("the tokens").len();
        let header = json!({"typ": "JWT", "alg": name, "kid": self.key_id});
        // From 1970 to 2100, so that no clock of any machine matters.
        let claims = json!({
            "iss": ISSUER, "sub": subject, "aud": SERVICE, "nbf": 0, "iat": 0, "exp": 4_102_444_800_u64,
            "jti": format!("{number}"), "access": access,
        });
        let encode = |part: &Value| BASE64URL_NOPAD.encode(part.to_string().as_bytes());
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let token = format!("{signed}.{}", BASE64URL_NOPAD.encode(&self.sign(signed.as_bytes())));
        self.issued.lock().expect("the tokens").push(token.clone());
        token
    }

    /// RFC 7518, sections 3.3 and 3.4: PKCS #1 for RSA, two plain numbers for ECDSA.
    fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        match self.algorithm {
            Algorithm::Rs256 => self.key.sign(bytes).expect("a signature"),
            Algorithm::Es256 => {
                let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &self.key.serialize_der()).expect("the key");
                key.sign(&SystemRandom::new(), bytes).expect("a signature").as_ref().to_vec()
            }
        }
    }
}

/// The name under which docker-registry knows a key of its bundle (libtrust): 240
/// bits of a hash, in Base32, in groups of four.
fn key_id(public_key: &[u8]) -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, public_key);
    let text = BASE32_NOPAD.encode(&hash.as_ref()[..30]);
    text.as_bytes().chunks(4).map(|group| String::from_utf8_lossy(group).into_owned()).collect::<Vec<_>>().join(":")
}

fn credentials(request: &Recorded) -> Option<(String, String)> {
    let encoded = request.header("authorization")?.strip_prefix("Basic ")?;
    let pair = String::from_utf8(BASE64.decode(encoded.as_bytes()).ok()?).ok()?;
    pair.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()))
}

/// Undoes percent-encoding.
fn decode(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (code, rest) = part.split_at(2.min(part.len()));
        bytes.push(u8::from_str_radix(code, 16).expect("a percent-encoding"));
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).expect("text")
}

fn answer(status: u16, body: &Value) -> Answer {
    let headers = vec![("Content-Type", "application/json".to_owned())];
    Answer::Respond { status, headers, body: body.to_string().into_bytes() }
}
