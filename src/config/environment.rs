//! Environment variables that override keys of the server file.

use std::sync::LazyLock;

use regex::Regex;

use super::diagnostic::{Diagnostic, Place};
use super::raw::{KEYS, Report};
use super::words::did_you_mean;

const PREFIX: &str = "PUSHONCE_";

/// The variables that name a key.
pub(super) struct Environment<'a>(Vec<(&'a str, &'a str)>);

/// The variable that overrides a key: `PUSHONCE_UPSTREAM__URL`, `PUSHONCE_LISTEN`.
pub fn variable_name(section: &str, key: &str) -> String {
    let separator = if section.is_empty() { "" } else { "__" };
    format!("{PREFIX}{}{separator}{}", section.to_ascii_uppercase(), key.to_ascii_uppercase())
}

impl<'a> Environment<'a> {
    /// Variables with other prefixes are not ours to judge; an unknown one with
    /// our prefix is a mistake, since it was surely meant to change something.
    pub(super) fn new(variables: &'a [(String, String)], report: &Report) -> Self {
        let known: Vec<String> =
            KEYS.iter().flat_map(|(section, keys)| keys.iter().map(|key| variable_name(section, key))).collect();
        let mut ours = Vec::new();
        for (name, value) in variables.iter().filter(|(name, _)| name.starts_with(PREFIX) && !is_service_link(name)) {
            if known.contains(name) {
                ours.push((&**name, &**value));
                continue;
            }
            let place = Place::Variable { name: name.clone(), value: value.clone() };
            let hint = did_you_mean(name, known.iter().map(String::as_str))
                .unwrap_or_else(|| "variables are called `PUSHONCE_SECTION__KEY`, such as `PUSHONCE_UPSTREAM__URL`".to_owned());
            report.push(Diagnostic::new(place, format!("the environment variable {name} names no key")).hint(hint));
        }
        Self(ours)
    }

    pub(super) fn get(&self, section: &str, key: &str) -> Option<(&'a str, &'a str)> {
        let wanted = variable_name(section, key);
        self.0.iter().copied().find(|(name, _)| *name == wanted)
    }
}

/// Kubernetes tells every pod about the services around it: one called `pushonce`
/// or `pushonce-admin` gives `PUSHONCE_SERVICE_HOST`, `PUSHONCE_PORT_5000_TCP` and
/// more (kubernetes.io, "Discovering services"). Nobody meant those for us.
fn is_service_link(name: &str) -> bool {
    static SHAPE: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(
            "^PUSHONCE(?:_[A-Z0-9]+)*_(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?\
             |PORT(?:_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)?)$",
        )
        .ok()
    });
    SHAPE.as_ref().is_some_and(|shape| shape.is_match(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_keys() {
        assert_eq!(variable_name("", "listen"), "PUSHONCE_LISTEN");
        assert_eq!(variable_name("upstream", "ca_file"), "PUSHONCE_UPSTREAM__CA_FILE");
    }

    #[test]
    fn service_links_are_left_alone() {
        for name in ["PUSHONCE_SERVICE_HOST", "PUSHONCE_PORT", "PUSHONCE_ADMIN_SERVICE_PORT_HTTP", "PUSHONCE_PORT_5000_TCP_ADDR"] {
            assert!(is_service_link(name), "{name}");
        }
        for name in ["PUSHONCE_LISTEN", "PUSHONCE_UPSTREAM__PORT", "PUSHONCE_PORTS", "PUSHONCE_SERVICE"] {
            assert!(!is_service_link(name), "{name}");
        }
    }
}
