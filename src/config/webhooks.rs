//! The list of webhooks in the server file.

use std::path::Path;
use std::time::Duration;

use data_encoding::BASE64;
use http::Uri;
use secrecy::{ExposeSecret, SecretSlice};

use super::diagnostic::Diagnostic;
use super::policy_file::pattern_mistake;
use super::raw::{Report, Section, WEBHOOK_KEYS};
use super::server_file::{ReadFile, password};
use super::valid::Webhook;
use super::words::{self, Mistake};
use crate::ledger::event::Outcome;
use crate::policy::RepositoryPattern;

/// How a secret begins (Standard Webhooks, "Secret serialization").
const SECRET: &str = "whsec_";

/// How many bytes a secret has.
const SECRET_LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;

/// Reads every `[[webhook]]`; what comes back is only good if nothing was reported.
pub(super) fn webhooks(top: &Section<'_>, directory: &Path, files: ReadFile<'_>, report: &Report) -> Vec<Webhook> {
    let mut webhooks: Vec<Webhook> = Vec::new();
    for value in top.items("webhook", "webhooks") {
        let section = top.item("webhook", value, WEBHOOK_KEYS);
        let Some(webhook) = webhook(&section, directory, files, report) else { continue };
        if webhooks.iter().any(|earlier| earlier.name == webhook.name) {
            let place = section.place_of("name").unwrap_or_else(|| section.header_place());
            let diagnostic = Diagnostic::new(place, format!("two webhooks are called `{}`", webhook.name));
            report.push(diagnostic.label("the second").hint("give every webhook its own name"));
        }
        webhooks.push(webhook);
    }
    webhooks
}

fn webhook(section: &Section<'_>, directory: &Path, files: ReadFile<'_>, report: &Report) -> Option<Webhook> {
    let name = section.read("name", words::name);
    if name.is_none() {
        section.missing("name", r#"name = "chat""#);
    }
    let url = section.read("url", url);
    if url.is_none() {
        section.missing("url", r#"url = "https://hooks.example.com/pushonce""#);
    }
    let secret = secret(section, directory, files, report);
    if secret.is_none() {
        section.missing("secret_file", r#"secret_file = "webhook-secret""#);
    }
    let known: Vec<(&str, Outcome)> = Outcome::ALL.iter().map(|outcome| (outcome.as_str(), *outcome)).collect();
    let outcomes = list(section, "outcomes", |text| words::word(text, &known), report);
    let pattern = |text: &str| RepositoryPattern::parse(text).map_err(pattern_mistake);
    let repositories = list(section, "repositories", pattern, report);
    let ca_file = section.read("ca_file", words::path).map(|file| directory.join(file));
    let timeout = section.duration("timeout", Duration::from_millis(1)).unwrap_or(Duration::from_secs(10));
    Some(Webhook {
        name: name?,
        url: url?,
        secret: secret?,
        outcomes: outcomes.unwrap_or_else(default_outcomes),
        repositories: repositories.unwrap_or_default(),
        ca_file,
        timeout,
    })
}

/// All that change what a tag means, and those that somebody has to see to.
fn default_outcomes() -> Vec<Outcome> {
    let is_told = |outcome: &Outcome| {
        outcome.points() || matches!(outcome, Outcome::Refused | Outcome::Drifted | Outcome::Missing | Outcome::Repaired)
    };
    Outcome::ALL.iter().copied().filter(is_told).collect()
}

/// A list that is not empty; `None` where it is absent or wrong.
fn list<T>(section: &Section<'_>, key: &str, read: impl Fn(&str) -> Result<T, Mistake>, report: &Report) -> Option<Vec<T>> {
    let (values, place) = section.list(key, read)?;
    if values.is_empty() {
        let diagnostic = Diagnostic::new(place, format!("`webhook.{key}` is empty"));
        report.push(diagnostic.label("nothing would be delivered").hint("remove the key to have the default"));
    }
    Some(values)
}

/// Where events are sent.
fn url(text: &str) -> Result<String, Mistake> {
    let wrong =
        |label: &str| Mistake::new("is no address of a webhook", label, "write a URL such as `https://hooks.example.com/pushonce`");
    let uri: Uri = text.parse().map_err(|_| wrong("not a URL"))?;
    match (uri.scheme_str(), uri.authority()) {
        (Some("https" | "http"), Some(authority)) if authority.as_str().contains('@') => {
            Err(Mistake::new("has a user in it", "credentials", "take them out: events are signed with the secret"))
        }
        (Some("https" | "http"), Some(authority)) if !authority.host().is_empty() => Ok(text.to_owned()),
        (Some("https" | "http"), _) => Err(wrong("no host")),
        _ => Err(wrong("neither `https://` nor `http://` in front")),
    }
}

fn secret(section: &Section<'_>, directory: &Path, files: ReadFile<'_>, report: &Report) -> Option<SecretSlice<u8>> {
    let text = password::in_file((section, "secret_file"), directory, None, files, report)?;
    let encoded = text.expose_secret().trim().strip_prefix(SECRET);
    let bytes = encoded.and_then(|encoded| BASE64.decode(encoded.as_bytes()).ok());
    let secret = bytes.filter(|bytes| SECRET_LENGTHS.contains(&bytes.len())).map(SecretSlice::from);
    if secret.is_none() {
        let place = section.place_of("secret_file").unwrap_or_else(|| section.header_place());
        let diagnostic = Diagnostic::new(place, "the file that `webhook.secret_file` names has no secret of a webhook in it");
        let hint = "make one with `echo \"whsec_$(openssl rand -base64 32)\"`";
        report.push(diagnostic.label("`whsec_` and 24 to 64 bytes in Base64").hint(hint));
    }
    secret
}
