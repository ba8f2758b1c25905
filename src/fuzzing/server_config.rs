//! A server file behind lines of environment variables: whatever stands in them,
//! the mistakes can be shown, and what is accepted is safe to run.

use std::path::Path;

use secrecy::ExposeSecret;

use crate::config::{Config, parse_server};

pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let mut environment = Vec::new();
    let mut rest = text;
    while let Some((line, after)) = rest.split_once('\n') {
        let Some((name, value)) = line.split_once('=').filter(|(name, _)| name.starts_with("PUSHONCE_")) else { break };
        environment.push((name.to_owned(), value.to_owned()));
        rest = after;
    }
    // Every file that the text names says the same.
    match parse_server(Path::new("/etc/pushonce.toml"), rest, &environment, "default = \"immutable\"\n") {
        Ok(config) => is_safe(&config),
        Err(diagnostics) => {
            assert!(!diagnostics.is_empty(), "refused without a reason");
            assert!(!diagnostics.render(false).is_empty() && !diagnostics.render(true).is_empty());
        }
    }
}

fn is_safe(config: &Config) {
    let upstream = &config.upstream;
    assert!(["http", "https"].contains(&upstream.scheme.as_str()));
    assert!(!upstream.authority.as_str().contains('@') && !upstream.authority.host().is_empty());
    let is_plain =
        |path: &str| path.split('/').skip(1).all(|part| !["", ".", ".."].contains(&part)) && !path.contains(['%', '?', '#', '\\']);
    assert!(is_plain(&upstream.prefix) && !upstream.prefix.ends_with('/'), "prefix {}", upstream.prefix);
    let server = &config.server;
    for path in &server.passthrough {
        let bare = path.strip_suffix('/').unwrap_or(path);
        assert!(path.starts_with('/') && is_plain(bare) && bare != "/v2" && !path.starts_with("/v2/"), "{path} passes");
    }
    for size in [server.manifest_limit, server.header_limit] {
        assert!((1 << 10..=1 << 30).contains(&size), "a limit of {size}");
    }
    for time in [server.header_timeout, server.body_idle_timeout, upstream.response_timeout, upstream.manifest_timeout] {
        assert!(!time.is_zero() && time.as_secs() <= 24 * 60 * 60, "a timeout of {time:?}");
    }
    assert!(config.listen != config.admin.listen || config.listen.port() == 0);
    if let Some(service) = &upstream.service {
        assert!(!service.username.contains(':') && !service.password.expose_secret().is_empty());
    }
}
