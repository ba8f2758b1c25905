//! Every error becomes an HTTP answer here, in one match.
//!
//! What the client reads is chosen here; the cause goes to the log. A refused
//! push is `409 DENIED`, the one shape that every client shows and none retries.

mod immutable;
mod unmoved;

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use hyper::ext::ReasonPhrase;

use crate::answer::Answer;
use crate::ledger::{LedgerError, TagKey};
use crate::oci::manifest::ManifestError;
use crate::oci::{Digest, ErrorCode, error_body};
use crate::policy::Verdict;
use crate::upstream::UpstreamError;

pub use self::immutable::{Immutable, Meaning, day};
pub use self::unmoved::{Unmoved, Why};

/// Seconds after which a client may try again what could not be decided.
const RETRY_SECONDS: HeaderValue = HeaderValue::from_static("5");

/// The most bytes of a reason phrase.
const LONGEST_REASON: usize = 512;

/// Why a request is not carried out.
#[derive(Debug)]
pub enum Refusal {
    /// No such path, as far as the gate knows.
    NoSuchPath,
    /// A path that exists, with a method that it does not take.
    Method {
        allow: &'static str,
    },
    /// A request that cannot be read in exactly one way.
    Malformed {
        code: ErrorCode,
        message: String,
    },
    /// More `tag` parameters than one push may have.
    TooManyTags(usize),
    /// As many blob uploads run as may.
    TooManyUploads,
    Manifest(ManifestError),
    /// The body is not what the digest of the request names.
    WrongDigest {
        named: Digest,
        found: Digest,
    },
    /// A manifest over the limit, in bytes.
    TooLarge(usize),
    /// The body did not arrive whole.
    Body(String),
    /// The tag is immutable and means other bytes, or was deleted.
    Immutable(Box<Immutable>),
    /// The tag moves, but not to these bytes.
    Move(Box<Unmoved>),
    /// A delete that would take an immutable tag, or what it needs.
    Delete {
        message: String,
        rule: Arc<str>,
    },
    /// A pull of a tag that moves, where a rule wants digests.
    Unpinned(String),
    /// A pull of a tag that was deleted, or is not there.
    ManifestUnknown(TagKey),
    /// A pull of an immutable tag that the registry answers with something else than the
    /// manifest, such as a redirect to bytes that nobody has checked.
    Unchecked(StatusCode),
    /// The registry shows the client nothing, not even what it has just stored, so that
    /// whether the tag is taken cannot be seen.
    Blind(TagKey),
    /// No decision could be made; nothing was acknowledged.
    Undecided(String),
    /// The registry's own answer.
    Relayed(Response<Bytes>),
    /// A bug: a task ended without an answer.
    Internal(String),
}

impl Refusal {
    pub fn malformed(message: String) -> Self {
        Self::Malformed { code: ErrorCode::Unsupported, message }
    }

    /// A registry's answer that is no success: a client's mistake is the registry's
    /// to explain, anything else decides nothing.
    pub fn of_registry(response: Response<Bytes>) -> Self {
        if response.status().is_client_error() {
            return Self::Relayed(response);
        }
        Self::Undecided(format!("the registry answered a write with {}", response.status()))
    }

    /// The tag, and its verdict, of a push that a rule refused.
    pub fn refused_push(&self) -> Option<(&TagKey, &Verdict)> {
        match self {
            Self::Immutable(refused) => Some((&refused.key, &refused.verdict)),
            Self::Move(refused) => Some((&refused.key, &refused.verdict)),
            _ => None,
        }
    }

    /// A row that others change while a request is about to.
    pub fn changing(key: &TagKey) -> Self {
        Self::Undecided(format!("the row of {key} changed faster than it could be claimed"))
    }

    /// The verdict as metrics and logs name it.
    pub fn verdict(&self) -> &'static str {
        match self {
            Self::Immutable(_) | Self::Move(_) | Self::Delete { .. } | Self::Unpinned(_) => "refused",
            Self::Undecided(_) | Self::Unchecked(_) | Self::Blind(_) => "undecided",
            Self::Relayed(_) => "relayed",
            Self::ManifestUnknown(_) => "unknown",
            Self::Internal(_) => "failed",
            Self::TooManyUploads => "busy",
            Self::NoSuchPath
            | Self::Method { .. }
            | Self::Malformed { .. }
            | Self::TooManyTags(_)
            | Self::Manifest(_)
            | Self::WrongDigest { .. }
            | Self::TooLarge(_)
            | Self::Body(_) => "malformed",
        }
    }

    /// What the log says; never a credential, never the raw target.
    pub fn cause(&self) -> String {
        match self {
            Self::NoSuchPath => "no such path".to_owned(),
            Self::Method { .. } => "method not allowed".to_owned(),
            // The message repeats what was not understood, and that may be anything.
            Self::Malformed { code, .. } => format!("malformed: {code}"),
            Self::Delete { message, .. } | Self::Unpinned(message) => message.clone(),
            Self::TooManyTags(most) => format!("more than {most} tags"),
            Self::TooManyUploads => "server.max_uploads uploads run already".to_owned(),
            Self::Manifest(error) => error.to_string(),
            Self::WrongDigest { named, found } => format!("the body is {found}, not {named}"),
            Self::TooLarge(limit) => format!("a manifest over {limit} bytes"),
            Self::Body(cause) | Self::Undecided(cause) | Self::Internal(cause) => cause.clone(),
            Self::Immutable(immutable) => immutable.message(),
            Self::Move(unmoved) => unmoved.message(),
            Self::ManifestUnknown(key) => format!("{key} is unknown or deleted"),
            Self::Unchecked(status) => {
                format!(
                    "the registry answered a pull by digest with {status} instead of the manifest, whose bytes cannot be checked"
                )
            }
            Self::Blind(key) => format!(
                "the registry takes the push and hides what it stores, so whether {key} was there before cannot be seen; \
                 set upstream.username"
            ),
            Self::Relayed(response) => format!("the registry answered {}", response.status()),
        }
    }

    /// The answer to the client. `request_id` lets an operator find the log line.
    pub fn into_answer(self, request_id: &str) -> Answer {
        use ErrorCode as Code;
        use StatusCode as Status;
        match self {
            Self::NoSuchPath => error(Status::NOT_FOUND, Code::Unsupported, "no such path behind this registry proxy"),
            Self::Method { allow } => {
                let answer = error(Status::METHOD_NOT_ALLOWED, Code::Unsupported, &format!("this path takes {allow} only"));
                with(answer, ALLOW, HeaderValue::from_static(allow))
            }
            Self::Malformed { code, message } => error(Status::BAD_REQUEST, code, &message),
            Self::TooManyTags(most) => error(
                Status::URI_TOO_LONG,
                Code::TagInvalid,
                &format!("one push may name at most {most} tags; push the others after it"),
            ),
            Self::TooManyUploads => {
                let answer = error(Status::TOO_MANY_REQUESTS, Code::TooManyRequests, "too many uploads run at once; try again");
                with(answer, RETRY_AFTER, RETRY_SECONDS)
            }
            Self::Manifest(cause) => error(Status::BAD_REQUEST, Code::ManifestInvalid, &cause.to_string()),
            Self::WrongDigest { named, found } => {
                error(Status::BAD_REQUEST, Code::DigestInvalid, &format!("the request names {named}, but its body is {found}"))
            }
            Self::TooLarge(limit) => {
                error(Status::PAYLOAD_TOO_LARGE, Code::SizeInvalid, &format!("a manifest may have at most {limit} bytes"))
            }
            Self::Body(cause) => error(Status::BAD_REQUEST, Code::SizeInvalid, &format!("the body did not arrive whole: {cause}")),
            Self::Immutable(immutable) => conflict(&immutable.message()),
            Self::Move(unmoved) => conflict(&unmoved.message()),
            Self::Delete { message, .. } => {
                let answer = error(Status::METHOD_NOT_ALLOWED, Code::Denied, &message);
                // Who shows the status shows the message as well, or one word is enough.
                let answer = with_reason(answer, "Method Not Allowed: immutable");
                with(answer, ALLOW, HeaderValue::from_static("GET, HEAD, PUT"))
            }
            Self::Unpinned(message) => {
                with_reason(error(Status::FORBIDDEN, Code::Denied, &message), &format!("Forbidden: {message}"))
            }
            Self::ManifestUnknown(_) => error(Status::NOT_FOUND, Code::ManifestUnknown, "manifest unknown"),
            Self::Unchecked(status) => {
                let message = format!(
                    "the registry answered with {} instead of the manifest, so that its bytes cannot be checked; \
                     let the registry serve manifests itself (request {request_id})",
                    status.as_u16()
                );
                error(Status::BAD_GATEWAY, Code::Unavailable, &message)
            }
            Self::Blind(key) => {
                let message = format!(
                    "the registry hides {} from who pushes here, so whether tag {key} is free cannot be seen: \
                     push with credentials that may pull as well, or let the operator set upstream.username (request {request_id})",
                    key.repository
                );
                error(Status::FORBIDDEN, Code::Denied, &message)
            }
            Self::Undecided(_) => {
                let message = format!("this cannot be decided now and nothing was acknowledged; try again (request {request_id})");
                with(error(Status::SERVICE_UNAVAILABLE, Code::Unavailable, &message), RETRY_AFTER, RETRY_SECONDS)
            }
            Self::Internal(_) => {
                error(Status::INTERNAL_SERVER_ERROR, Code::Unknown, &format!("internal error (request {request_id})"))
            }
            Self::Relayed(response) => relay(response),
        }
    }
}

/// The registry's answer; one to a HEAD gets the body that a GET would have.
fn relay(mut response: Response<Bytes>) -> Answer {
    if !response.body().is_empty() {
        return response.map(Into::into);
    }
    let (code, message) = match response.status() {
        StatusCode::UNAUTHORIZED => (ErrorCode::Unauthorized, "authentication required"),
        StatusCode::FORBIDDEN => (ErrorCode::Denied, "requested access to the resource is denied"),
        _ => return response.map(Into::into),
    };
    response.headers_mut().remove(CONTENT_LENGTH);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.map(|_| error_body(code, message).into())
}

fn error(status: StatusCode, code: ErrorCode, message: &str) -> Answer {
    let mut answer = Response::new(error_body(code, message).into());
    *answer.status_mut() = status;
    with(answer, CONTENT_TYPE, HeaderValue::from_static("application/json"))
}

/// A push that a rule refuses.
fn conflict(message: &str) -> Answer {
    with_reason(error(StatusCode::CONFLICT, ErrorCode::Denied, message), &format!("Conflict: {message}"))
}

/// Says why on the status line too, for clients that show nothing else. There is none
/// over HTTP/2; over HTTP/1 it may have printable ASCII (RFC 9112, section 4).
fn with_reason(mut answer: Answer, text: &str) -> Answer {
    let plain = text.replace('…', "...");
    let printable = plain.chars().map(|letter| if matches!(letter, ' '..='~') { letter } else { '?' });
    if let Ok(reason) = ReasonPhrase::try_from(printable.take(LONGEST_REASON).collect::<String>()) {
        answer.extensions_mut().insert(reason);
    }
    answer
}

fn with(mut answer: Answer, name: http::HeaderName, value: HeaderValue) -> Answer {
    answer.headers_mut().insert(name, value);
    answer
}

impl From<LedgerError> for Refusal {
    fn from(error: LedgerError) -> Self {
        Self::Undecided(error.to_string())
    }
}

impl From<UpstreamError> for Refusal {
    fn from(error: UpstreamError) -> Self {
        match error {
            UpstreamError::ClientBody(cause) => Self::Body(cause),
            other => Self::Undecided(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_short_and_printable() {
        for (text, shown) in [
            ("Conflict: a: sha256:ab… \"x\"", "Conflict: a: sha256:ab... \"x\"".to_owned()),
            ("a\r\nSet-Cookie: é\0\t", "a??Set-Cookie: ???".to_owned()),
            (&"…".repeat(400), ".".repeat(LONGEST_REASON)),
        ] {
            let answer = with_reason(error(StatusCode::CONFLICT, ErrorCode::Denied, "a"), text);
            let reason = answer.extensions().get::<ReasonPhrase>().map(ReasonPhrase::as_bytes);
            assert_eq!(reason.map(String::from_utf8_lossy).as_deref(), Some(shown.as_str()));
        }
    }
}
