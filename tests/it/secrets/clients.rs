//! What clients send, and what the registry says to them.

use data_encoding::BASE64URL_NOPAD;
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::{CANARY, expect_no_canary, expect_no_canary_anywhere};
use crate::harness::exchange::Exchange;
use crate::harness::registry::{PASSWORD, USER};
use crate::harness::{Answer, Image, Pushonce, Registry, Upstream};

fn traced(url: &str, format: &str) -> Pushonce {
    let builder = Pushonce::in_front_of(url).environment("PUSHONCE_LOG__FILTER", "trace");
    builder.environment("PUSHONCE_LOG__FORMAT", format).start()
}

/// The answer alone, without the request that a failing check would print.
fn said(answer: &Exchange) -> String {
    format!("{} {:?} {}", answer.status, answer.headers, answer.text())
}

#[test]
fn no_credential_of_a_client_is_written_or_repeated() {
    for format in ["json", "text"] {
        let registry = Registry::with().basic_auth().start();
        let proxy = traced(&registry.url(), format);
        let (user, image) = (proxy.signed_in(USER, PASSWORD), Image::random());
        user.push("web:1.4.0", &image).expect_created();

        let token = format!("canary.{}.canary", BASE64URL_NOPAD.encode(br#"{"aud":"canary","sub":"ci"}"#));
        let credentials = [
            ("Authorization", format!("Bearer {token}")),
            ("Authorization", "Bearer canary".to_owned()),
            ("Authorization", "Digest username=\"canary\", response=\"canary\"".to_owned()),
            ("Cookie", "session=canary".to_owned()),
            ("X-Private-Token", "canary".to_owned()),
            ("Proxy-Authorization", "Basic canary".to_owned()),
            ("X-Registry-Auth", "canary".to_owned()),
        ];
        let digest = image.digest();
        let targets =
            ["/v2/", "/v2/web/manifests/1.4.0", "/v2/web/manifests/latest", "/v2/web/tags/list", "/nowhere", "/v2/web/wrong"];
        for (name, value) in &credentials {
            for (method, target) in targets.map(|target| ("GET", target)).into_iter().chain([
                ("PUT", "/v2/web/manifests/1.4.0"),
                ("PUT", "/v2/web/manifests/latest"),
                ("DELETE", "/v2/web/manifests/1.4.0"),
                ("DELETE", &format!("/v2/web/manifests/{digest}")),
                ("POST", "/v2/web/blobs/uploads/"),
                ("TRACE", "/v2/web/manifests/1.4.0"),
            ]) {
                let draft = proxy.request(method, target).header(name, value);
                let body: &[u8] = if method == "PUT" { &image.manifest.bytes } else { &[] };
                let answer = draft.header("Content-Type", &image.manifest.media_type).body(body).send();
                expect_no_canary(&format!("the answer to {method} {target}"), &said(&answer));
            }
        }
        let impostor = proxy.signed_in(USER, "canary");
        expect_no_canary("the answer to a wrong password", &said(&impostor.put_manifest("web:1.4.0", &Image::random().manifest)));
        // Some tools send a token as the name of a user, and no password.
        proxy.signed_in("canary", "").pull("web:1.4.0").expect(401);
        assert!(proxy.log().contains("relayed"), "the log is not complete:\n{}", proxy.log());
        expect_no_canary_anywhere(&proxy);
    }
}

#[test]
fn no_secret_of_a_target_is_written_or_repeated() {
    for format in ["json", "text"] {
        let registry = Registry::start();
        let proxy = traced(&registry.url(), format);
        for target in [
            "/v2/web/blobs/uploads/1?_state=canary",
            "/v2/web/blobs/uploads/1?_state=canary;x",
            "/v2/web/blobs/uploads/1?_state=canary%zz",
            "/v2/web/blobs/uploads/1?_state=canary&&x=1",
            "/v2/web/manifests/1.4.0?access_token=canary",
            "/v2/web/manifests/1.4.0?access_token=canary|",
            "/token?password=canary",
            "http://ada:canary@127.0.0.1/v2/",
            "http://canary@127.0.0.1/v2/web/manifests/1.4.0",
            "//ada:canary@127.0.0.1/v2/",
            "/v2/?_state=%63anary",
        ] {
            for method in ["GET", "PATCH", "PUT", "DELETE", "CONNECT"] {
                let answer = proxy.request(method, target).send();
                expect_no_canary(&format!("the answer to {method} {target}"), &said(&answer));
            }
        }
        // These are repeated to who sent them, and written nowhere.
        for target in [
            "/v2/ada:canary@web/manifests/1.4.0",
            "/v2/web/manifests/ada:canary@",
            "/v2/web/blobs/canary",
            "/v2/web/manifests/1?canary",
        ] {
            for method in ["GET", "PUT", "DELETE"] {
                proxy.request(method, target).send();
            }
        }
        expect_no_canary_anywhere(&proxy);
    }
}

#[test]
fn what_the_registry_says_is_told_and_not_written() {
    for status in [200, 307, 400, 401, 403, 404, 409, 429, 500, 503] {
        let upstream = Upstream::start(move |request| {
            if request.target() == "/v2/" {
                return Answer::status(200);
            }
            let headers = vec![
                ("Content-Type", "application/json".to_owned()),
                ("Location", "http://127.0.0.1:1/?X-Signature=canary".to_owned()),
                ("Set-Cookie", "session=canary".to_owned()),
                ("WWW-Authenticate", "Bearer realm=\"http://ada:canary@127.0.0.1/canary\"".to_owned()),
                ("Warning", "299 - \"canary\"".to_owned()),
            ];
            Answer::Respond {
                status,
                headers,
                body: br#"{"tags":"canary","errors":[{"code":"canary","message":"canary"}]}"#.to_vec(),
            }
        });
        let proxy = traced(&upstream.url(), "json");
        let image = Image::random();
        let by_digest = format!("web@{}", image.digest());
        for name in ["web:1.4.0", "web:latest", &by_digest] {
            proxy.pull(name);
            proxy.head(name);
            proxy.put_manifest(name, &image.manifest);
            proxy.delete(name);
        }
        proxy.request("POST", "/v2/web/blobs/uploads/").send();
        assert!(proxy.log().contains("\"kind\":\"push\""), "the log is not complete:\n{}", proxy.log());
        expect_no_canary_anywhere(&proxy);
    }
}

#[test]
fn no_header_of_http2_is_written() {
    let registry = Registry::with().basic_auth().start();
    let proxy = traced(&registry.url(), "json");
    let address = proxy.address().to_owned();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let status = runtime.block_on(async move {
        let stream = tokio::net::TcpStream::connect(&address).await.expect("a connection");
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("HTTP/2");
        tokio::spawn(connection);
        let request = hyper::Request::get(format!("http://{address}/v2/web/manifests/1.4.0?token={CANARY}"))
            .header("authorization", format!("Bearer {CANARY}"))
            .header("cookie", format!("session={CANARY}"))
            .header("x-private-token", CANARY)
            .body(Empty::<Bytes>::new());
        let answer = sender.send_request(request.expect("a request")).await.expect("an answer");
        let status = answer.status().as_u16();
        answer.into_body().collect().await.expect("a whole answer");
        status
    });
    assert_eq!(status, 401);
    expect_no_canary_anywhere(&proxy);
}
