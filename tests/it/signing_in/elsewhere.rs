//! No credential goes anywhere but to the registry that is configured.

use std::sync::atomic::{AtomicBool, Ordering};

use data_encoding::BASE64;

use super::{GATE, Stage};
use crate::harness::wire::Recorded;
use crate::harness::{Answer, Image, Pushonce, Upstream};

/// Redirects everything to `elsewhere`, but shows `/v2/`.
fn redirecting(elsewhere: &Upstream, status: u16) -> Upstream {
    let to = elsewhere.url();
    Upstream::start(move |request| {
        if request.target() == "/v2/" {
            return Answer::status(200);
        }
        let headers = vec![("Location", format!("{to}{}?X-Signature=a%2Fb", request.target()))];
        Answer::Respond { status, headers, body: Vec::new() }
    })
}

#[test]
fn a_redirect_of_a_read_is_the_client_s_to_follow() {
    let elsewhere = Upstream::start(|_| Answer::status(200));
    let digest = Image::random().digest();
    for status in [301, 302, 307, 308] {
        let registry = redirecting(&elsewhere, status);
        let proxy = Pushonce::in_front_of(&registry.url()).start();
        let client = proxy.signed_in("developer", "canary-password");
        for path in [format!("web/blobs/{digest}"), "web/manifests/latest".to_owned(), format!("web/manifests/{digest}")] {
            for method in ["GET", "HEAD"] {
                let answer = client.request(method, &format!("/v2/{path}")).send();
                let expected = format!("{}/v2/{path}?X-Signature=a%2Fb", elsewhere.url());
                assert_eq!(answer.expect(status).header("location"), Some(expected.as_str()), "{answer}");
            }
        }
        // An immutable tag means bytes, which nobody has seen here.
        client.pull("web:1.4.0").expect_unavailable();
    }
    assert_eq!(targets(&elsewhere), Vec::<String>::new());
}

/// A registry that shows 1.4.0 once, and answers pulls of its digest so from then on.
fn sending_away(image: &Image, status: u16, elsewhere: String) -> Upstream {
    let (digest, bytes) = (image.digest(), image.manifest.bytes.clone());
    let was_adopted = AtomicBool::new(false);
    Upstream::start(move |request| {
        let of_digest = request.target().ends_with(&digest);
        // The first GET by digest is the one that adopts.
        if of_digest
            && (was_adopted.load(Ordering::Relaxed) || request.method() == "GET" && was_adopted.swap(true, Ordering::Relaxed))
        {
            let headers = vec![("Location", elsewhere.clone()), ("Docker-Content-Digest", digest.clone())];
            return Answer::Respond { status, headers, body: b"other bytes".to_vec() };
        }
        let media_type = "application/vnd.oci.image.manifest.v1+json".to_owned();
        let headers = vec![("Docker-Content-Digest", digest.clone()), ("Content-Type", media_type)];
        Answer::Respond { status: 200, headers, body: bytes.clone() }
    })
}

#[test]
fn a_pinned_pull_that_is_sent_away_gets_an_error_and_no_unchecked_bytes() {
    let elsewhere = Upstream::start(|_| Answer::Respond { status: 200, headers: Vec::new(), body: b"other bytes".to_vec() });
    let image = Image::random();
    for status in [300, 301, 302, 303, 305, 307, 308, 201, 202, 203, 206] {
        let registry = sending_away(&image, status, format!("{}/manifest?X-Signature=canary", elsewhere.url()));
        let proxy = Pushonce::in_front_of(&registry.url()).start();
        let client = proxy.signed_in("developer", "canary-password");
        for _ in 0..2 {
            for answer in [client.pull("web:1.4.0"), client.head("web:1.4.0")] {
                answer.expect(502);
                for header in ["location", "docker-content-digest", "etag"] {
                    assert_eq!(answer.header(header), None, "{answer}");
                }
                assert!(!answer.text().contains("other bytes"), "{answer}");
            }
        }
        let message = client.pull("web:1.4.0").expect_code("UNAVAILABLE");
        assert!(message.starts_with(&format!("the registry answered with {status} instead of the manifest")), "{message}");
        assert!(message.contains("let the registry serve manifests itself"), "{message}");
    }
    assert_eq!(targets(&elsewhere), Vec::<String>::new());
}

#[test]
fn a_redirect_of_a_write_is_not_followed() {
    let elsewhere = Upstream::start(|_| Answer::status(201));
    let registry = redirecting(&elsewhere, 307);
    let proxy = Pushonce::in_front_of(&registry.url()).start();
    let client = proxy.signed_in("developer", "canary-password");
    let image = Image::random();
    let by_digest = format!("web@{}", image.digest());
    for name in ["web:1.4.0", "web:latest", &by_digest] {
        client.put_manifest(name, &image.manifest).expect_unavailable();
    }
    client.delete("web:1.4.0").expect_unavailable();
    client.delete(&by_digest).expect_unavailable();
    client.delete("web:latest").expect(307);
    // Uploads pass as they are: the client sees where it is sent.
    for (method, target) in
        [("POST", "/v2/web/blobs/uploads/"), ("PATCH", "/v2/web/blobs/uploads/1"), ("PUT", "/v2/web/blobs/uploads/1")]
    {
        client.request(method, target).body(b"bytes").send().expect(307);
    }
    assert_eq!(targets(&elsewhere), Vec::<String>::new());
}

#[test]
fn a_redirected_token_service_gets_no_password() {
    let elsewhere = Upstream::start(|_| {
        let headers = vec![("Content-Type", "application/json".to_owned())];
        Answer::Respond { status: 200, headers, body: br#"{"token": "of-a-stranger"}"#.to_vec() }
    });
    let to = format!("{}/token", elsewhere.url());
    let tokens =
        Upstream::start(move |_| Answer::Respond { status: 307, headers: vec![("Location", to.clone())], body: Vec::new() });
    let realm = format!("{}/token", tokens.url());
    let registry = Upstream::start(move |request| match request.method() {
        "PUT" => Answer::status(201),
        _ => {
            let headers = vec![("WWW-Authenticate", format!("Bearer realm=\"{realm}\",service=\"registry\""))];
            Answer::Respond { status: 401, headers, body: Vec::new() }
        }
    });
    let proxy = Pushonce::in_front_of(&registry.url())
        .setting("upstream.username = \"gate\"\nupstream.password = \"gate-password\"")
        .start();
    proxy.put_manifest("web:1.4.0", &Image::random().manifest).expect_unavailable();
    assert!(!tokens.requests().is_empty(), "the token service was never asked");
    assert_eq!(targets(&elsewhere), Vec::<String>::new());
}

#[test]
fn the_token_service_sees_the_proxy_s_account_and_no_client() {
    let stage = Stage::set();
    let proxy = stage.proxy_with_account();
    let client = stage.client(&proxy, &["push"]);
    let image = Image::random();
    client.push("web:1.4.0", &image).expect_created();
    let draft = client.request("PUT", "/v2/web/manifests/1.4.0").header("Content-Type", &image.manifest.media_type);
    let draft = draft.header("Cookie", "session=canary-cookie").header("X-Private-Token", "canary-header");
    draft.body(&image.manifest.bytes).send().expect_created();
    let own = format!("Basic {}", BASE64.encode(format!("{}:{}", GATE.0, GATE.1).as_bytes()));
    let requests = stage.tokens.requests();
    assert!(!requests.is_empty(), "the token service was never asked");
    for request in &requests {
        assert_eq!(request.headers("authorization"), [own.as_str()], "{}", request.head);
        assert!(!request.head.contains("canary"), "{}", request.head);
    }
    // Nor does the registry see both at once.
    let looks: Vec<Recorded> = stage.granting.requests().into_iter().filter(|request| request.header("cookie").is_some()).collect();
    assert!(!looks.is_empty(), "no request carried the client's cookie");
    let token = client.request("GET", "/").request.headers[0].1.clone();
    for look in &looks {
        assert_eq!(look.headers("authorization"), [token.as_str()], "{}", look.head);
    }
}

fn targets(server: &Upstream) -> Vec<String> {
    server.requests().iter().map(|request| request.head.clone()).collect()
}
