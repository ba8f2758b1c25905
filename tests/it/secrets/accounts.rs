//! The proxy's own password, and the tokens that it gets for it.

use super::expect_no_canary_anywhere;
use crate::harness::{Answer, Image, Pushonce, Upstream};

/// A registry that lets everybody push and nobody look, and names a token service.
fn registry(realm: &str) -> Upstream {
    let challenge = format!("Bearer realm=\"{realm}\",service=\"registry\"");
    Upstream::start(move |request| match request.method() {
        "PUT" => Answer::status(201),
        _ => Answer::Respond { status: 401, headers: vec![("WWW-Authenticate", challenge.clone())], body: Vec::new() },
    })
}

#[test]
fn no_password_and_no_token_of_an_account_is_written() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("password");
    std::fs::write(&file, "canary-of-a-file").expect("a file with a password");
    let answers: [(u16, &str); 8] = [
        (200, r#"{"token": "canary", "expires_in": 300}"#),
        (200, r#"{"token": "canary\n", "expires_in": 300}"#),
        (200, r#"{"token": ["canary"]}"#),
        (200, r#"{"expires_in": "canary"}"#),
        (200, "canary"),
        (401, "canary"),
        (500, "canary"),
        (307, "canary"),
    ];
    let file = file.display().to_string();
    for (number, (status, body)) in answers.into_iter().enumerate() {
        let tokens = Upstream::start(move |_| {
            let headers = vec![("Location", "http://ada:canary@127.0.0.1:1/canary".to_owned())];
            Answer::Respond { status, headers, body: body.as_bytes().to_vec() }
        });
        let registry = registry(&format!("{}/token", tokens.url()));
        let builder = Pushonce::in_front_of(&registry.url()).environment("PUSHONCE_LOG__FILTER", "trace");
        let builder = builder.environment("PUSHONCE_LOG__FORMAT", if number % 2 == 0 { "json" } else { "text" });
        let builder = builder.setting("upstream.username = \"gate\"");
        let proxy = match number % 3 {
            0 => builder.setting("upstream.password = \"canary-of-the-configuration\""),
            1 => builder.environment("PUSHONCE_UPSTREAM__PASSWORD", "canary-of-the-environment"),
            _ => builder.setting(&format!("upstream.password_file = \"{file}\"")),
        };
        let proxy = proxy.start();
        proxy.put_manifest("web:1.4.0", &Image::random().manifest).expect_unavailable();
        proxy.delete(&format!("web@{}", Image::random().digest()));
        assert!(!tokens.requests().is_empty(), "the token service was never asked");
        expect_no_canary_anywhere(&proxy);
    }
}

#[test]
fn a_realm_that_cannot_be_reached_is_not_written_either() {
    for realm in ["http://ada:canary@127.0.0.1:1/token?canary=canary", "canary", "ftp://canary/"] {
        let registry = registry(realm);
        let proxy = Pushonce::in_front_of(&registry.url())
            .environment("PUSHONCE_LOG__FILTER", "trace")
            .setting("upstream.username = \"gate\"\nupstream.password = \"canary\"")
            .start();
        proxy.put_manifest("web:1.4.0", &Image::random().manifest).expect_unavailable();
        expect_no_canary_anywhere(&proxy);
    }
}
