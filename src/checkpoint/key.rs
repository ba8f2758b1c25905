//! Keys that sign checkpoints: Ed25519, in the text form of C2SP signed notes.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::fill;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use data_encoding::{BASE64, HEXLOWER};
use thiserror::Error;

/// The algorithm of signed notes that this is: Ed25519.
const ED25519_NOTE: u8 = 1;

const PRIVATE: &str = "PRIVATE+KEY+";

/// Why a text is no key.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum KeyError {
    #[error("it is no private key: PRIVATE+KEY+NAME+HASH+KEY in one line, as `pushonce log new-key` writes it")]
    Private,
    #[error("it is no verifier key: NAME+HASH+KEY in one line, as `pushonce log new-key` prints it")]
    Public,
    #[error("a key's name has no space and no `+`: `{0}`")]
    Name(String),
    #[error("the operating system gave no random bytes, or the key cannot be made of them")]
    Random,
}

/// A private key with its name.
pub struct Signer {
    name: String,
    seed: [u8; 32],
    pair: Ed25519KeyPair,
}

/// A public key with its name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verifier {
    name: String,
    key: Vec<u8>,
}

impl Signer {
    /// A new key.
    pub fn generate(name: &str) -> Result<Self, KeyError> {
        let mut seed = [0; 32];
        fill(&mut seed).map_err(|_| KeyError::Random)?;
        Self::of(name, seed)
    }

    /// The text form.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let (name, hash, key) = split(text.trim().strip_prefix(PRIVATE).ok_or(KeyError::Private)?).ok_or(KeyError::Private)?;
        let seed = key.try_into().map_err(|_| KeyError::Private)?;
        let signer = Self::of(name, seed)?;
        if signer.verifier().id() != hash { Err(KeyError::Private) } else { Ok(signer) }
    }

    fn of(name: &str, seed: [u8; 32]) -> Result<Self, KeyError> {
        if name.is_empty() || name.contains(|letter: char| letter.is_whitespace() || letter == '+') {
            return Err(KeyError::Name(name.to_owned()));
        }
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| KeyError::Random)?;
        Ok(Self { name: name.to_owned(), seed, pair })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn verifier(&self) -> Verifier {
        Verifier { name: self.name.clone(), key: self.pair.public_key().as_ref().to_vec() }
    }

    /// The signature as a note has it: which key, and what it signed.
    pub fn sign(&self, text: &[u8]) -> Vec<u8> {
        [&self.verifier().id(), self.pair.sign(text).as_ref()].concat()
    }
}

/// Shows the name alone.
impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The private key, to be kept secret.
impl fmt::Display for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[ED25519_NOTE], self.seed.as_slice()].concat();
        write!(f, "{PRIVATE}{}+{}+{}", self.name, HEXLOWER.encode(&self.verifier().id()), BASE64.encode(&key))
    }
}

impl Verifier {
    /// The text form.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let (name, hash, key) = split(text.trim()).ok_or(KeyError::Public)?;
        let verifier = Self { name: name.to_owned(), key };
        if verifier.key.len() != 32 || verifier.id() != hash { Err(KeyError::Public) } else { Ok(verifier) }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    fn id(&self) -> [u8; 4] {
        let text = [self.name.as_bytes(), b"\n", &[ED25519_NOTE], &self.key].concat();
        let mut id = [0; 4];
        id.copy_from_slice(&digest(&SHA256, &text).as_ref()[..4]);
        id
    }

    /// Whether a signature, in Base64, says that this key made it.
    pub fn made(&self, signature: &str) -> bool {
        BASE64.decode(signature.as_bytes()).is_ok_and(|bytes| bytes.starts_with(&self.id()))
    }

    /// Whether it did.
    pub fn verify(&self, text: &[u8], signature: &str) -> bool {
        let Ok(bytes) = BASE64.decode(signature.as_bytes()) else { return false };
        let Some(signature) = bytes.strip_prefix(&self.id()) else { return false };
        UnparsedPublicKey::new(&ED25519, &self.key).verify(text, signature).is_ok()
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[ED25519_NOTE], self.key.as_slice()].concat();
        write!(f, "{}+{}+{}", self.name, HEXLOWER.encode(&self.id()), BASE64.encode(&key))
    }
}

/// Name, hash and the key behind its algorithm. Base64 may have a `+` itself.
fn split(text: &str) -> Option<(&str, [u8; 4], Vec<u8>)> {
    let (name, rest) = text.split_once('+')?;
    let (hash, key) = rest.split_once('+')?;
    let hash = HEXLOWER.decode(hash.as_bytes()).ok()?.try_into().ok()?;
    let key = BASE64.decode(key.as_bytes()).ok()?;
    let (algorithm, key) = key.split_first()?;
    (*algorithm == ED25519_NOTE && !name.is_empty()).then(|| (name, hash, key.to_vec()))
}
