//! The registry: whether it is there, what time it has, and whom it takes pushonce for.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::Finding;
use crate::causes::with_causes;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::metrics::Metrics;
use crate::upstream::{Probe, ProbeError, Seen, SideError, Upstream, UpstreamError};

/// Further apart two clocks must not be: tokens are good for minutes, and the log says
/// when something happened.
const APART: SignedDuration = SignedDuration::from_secs(30);

pub(super) async fn look(config: &Config) -> Vec<Finding> {
    let url = format!("{}://{}{}", config.upstream.scheme, config.upstream.authority, config.upstream.prefix);
    let set_up = |cause: &SideError| {
        let remedy = "mend what `upstream.ca_file`, `client_certificate` and `client_key` name";
        vec![Finding::failed("registry", with_causes(cause), remedy)]
    };
    let probe = match Probe::new(&config.upstream) {
        Ok(probe) => probe,
        Err(cause) => return set_up(&cause),
    };
    let seen = match probe.look().await {
        Ok(seen) => seen,
        Err(cause) => return vec![away(&url, &cause)],
    };
    let mut findings = vec![Finding::ok("registry", format!("{url} answers GET /v2/ with {}", seen.status.as_u16()))];
    findings.extend(clock(&seen));
    findings.push(user(config).await);
    findings
}

fn away(url: &str, cause: &ProbeError) -> Finding {
    let remedy = match cause {
        ProbeError::NoAnswer(_) => {
            "start it, mend `upstream.url`, or let this machine reach it; TLS needs `upstream.ca_file` for an authority of your own"
        }
        ProbeError::Status(_) => "look whether `upstream.url` is a registry, with its path prefix and without /v2",
    };
    Finding::failed("registry", format!("{url}: {}", with_causes(cause)), remedy)
}

/// Nothing where the registry does not say what time it has.
fn clock(seen: &Seen) -> Option<Finding> {
    let date = seen.date.as_deref().and_then(|date| jiff::fmt::rfc2822::parse(date).ok())?.timestamp();
    Some(compared(SystemClock.now(), date))
}

fn compared(ours: Timestamp, theirs: Timestamp) -> Finding {
    let apart = ours.duration_since(theirs).abs();
    if apart <= APART {
        return Finding::ok("clock", "agrees with the registry's");
    }
    let words = format!("this machine's is {ours:.0}, the registry's {theirs:.0}: {} s apart", apart.as_secs());
    Finding::warning("clock", words, "let both follow a time server; the log says when something happened by this one")
}

/// Whether pushonce's own user is let in.
async fn user(config: &Config) -> Finding {
    let Some(service) = &config.upstream.service else {
        return Finding::ok("own user", "none is set: pushonce sees what its clients are let see, and finishes no claim by itself");
    };
    let name = &service.username;
    let upstream = Metrics::new().map_err(|cause| cause.to_string()).and_then(|metrics| {
        Upstream::new(config.upstream.clone(), &config.server, Arc::new(metrics)).map_err(|cause| with_causes(&cause))
    });
    let remedy = "mend `upstream.username` and its password, or give that user the right to pull in the registry";
    match upstream {
        Err(cause) => Finding::failed("own user", cause, remedy),
        Ok(upstream) => match upstream.catalog().await {
            Ok(names) => Finding::ok("own user", format!("`{name}` is let in, and sees {} repositories", names.len())),
            // A registry need not have such a list.
            Err(UpstreamError::NoCatalog(status @ (404 | 405 | 501))) => {
                Finding::ok("own user", format!("`{name}` could not be tried: the registry has no list of repositories ({status})"))
            }
            Err(cause) => Finding::failed("own user", format!("`{name}`: {}", with_causes(&cause)), remedy),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::Health;
    use super::*;

    #[test]
    fn clocks_that_are_far_apart_are_warned_of() {
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        assert_eq!(compared(at("2026-11-24T10:00:00Z"), at("2026-11-24T10:00:30Z")).health, Health::Ok);
        for theirs in ["2026-11-24T10:00:31Z", "2026-11-24T09:59:00Z"] {
            let finding = compared(at("2026-11-24T10:00:00Z"), at(theirs));
            assert_eq!(finding.health, Health::Warning);
            assert!(finding.words.contains("2026-11-24T10:00:00Z, the registry's 2026-11-24T"), "{}", finding.words);
        }
    }
}
