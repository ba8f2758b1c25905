//! One delivery: signed, sent, and what came of it.

use aws_lc_rs::hmac;
use data_encoding::BASE64;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue};
use jiff::Timestamp;
use reqwest::redirect::Policy;
use rustls::RootCertStore;
use secrecy::ExposeSecret;
use thiserror::Error;

use super::WebhookError;
use super::envelope;
use crate::causes::with_causes;
use crate::config::valid::Webhook;
use crate::trust;

// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// Why an event was not delivered.
#[derive(Debug, Error)]
pub(super) enum DeliveryError {
    #[error("the receiver answered {0}")]
    Refused(http::StatusCode),
    #[error("{0}")]
    Failed(String),
}

impl DeliveryError {
    /// As the metrics count it.
    pub(super) fn outcome(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::Failed(_) => "failed",
        }
    }
}

/// What sends to one receiver.
#[derive(Debug)]
pub(super) struct Sender {
    client: reqwest::Client,
    url: String,
    key: hmac::Key,
}

impl Sender {
    /// A client that follows no redirect, so that no event leaves for another host, and
    /// that uses no proxy of the environment.
    pub(super) fn new(webhook: &Webhook) -> Result<Self, WebhookError> {
        let failed = |cause: String| WebhookError { name: webhook.name.clone(), cause };
        let trusted = match &webhook.ca_file {
            Some(file) => trust::roots_from(file).map_err(|cause| {
                failed(format!("{}: cannot read the certificate authorities of ca_file: {cause}", file.display()))
            })?,
            None if webhook.url.starts_with("https:") => trust::system_roots().map_err(|cause| {
                failed(format!("the system has no certificate authorities ({cause}): install ca-certificates, or set ca_file"))
            })?,
            None => RootCertStore::empty(),
        };
        let tls = trust::tls_trusting(trusted).map_err(|cause| failed(format!("TLS cannot be set up: {cause}")))?;
        let builder = reqwest::Client::builder().redirect(Policy::none()).timeout(webhook.timeout).no_proxy();
        let builder = builder.user_agent(concat!("pushonce/", env!("CARGO_PKG_VERSION"))).tls_backend_preconfigured(tls);
        let client = builder.build().map_err(|cause| failed(with_causes(&cause)))?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, webhook.secret.expose_secret());
        Ok(Self { client, url: webhook.url.clone(), key })
    }

    pub(super) async fn send(&self, id: &str, now: Timestamp, body: Vec<u8>) -> Result<(), DeliveryError> {
        let timestamp = now.as_second();
        let signature = sign(&self.key, id, timestamp, &body);
        let request = self.client.post(&self.url).header(CONTENT_TYPE, HeaderValue::from_static(envelope::CONTENT_TYPE));
        let request = request.header(ID, id).header(TIMESTAMP, timestamp.to_string()).header(SIGNATURE, signature);
        // The address may have a secret of the receiver in it.
        let answer = request.body(body).send().await.map_err(|cause| DeliveryError::Failed(with_causes(&cause.without_url())))?;
        if answer.status().is_success() { Ok(()) } else { Err(DeliveryError::Refused(answer.status())) }
    }
}

fn sign(key: &hmac::Key, id: &str, timestamp: i64, body: &[u8]) -> String {
    let mut context = hmac::Context::with_key(key);
    context.update(format!("{id}.{timestamp}.").as_bytes());
    context.update(body);
    format!("v1,{}", BASE64.encode(context.sign().as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the tests of the reference libraries of Standard Webhooks.
    #[test]
    fn signatures_are_those_of_standard_webhooks() {
        let secret = BASE64.decode(b"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("Base64");
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
        let signature = sign(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
