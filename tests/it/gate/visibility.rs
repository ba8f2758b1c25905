//! Who may know, and who may change, is the registry's to say.

use crate::harness::api::Api;
use crate::harness::exchange::Exchange;
use crate::harness::registry::{PASSWORD, USER};
use crate::harness::{Answer, Image, Pushonce, Registry, Upstream};

use super::{DELETABLE, state};

/// A proxy that knows 1.4.0, the image that it means, and everybody who may not:
/// nobody, a stranger, and the developer with a wrong password.
struct Guarded {
    proxy: Pushonce,
    image: Image,
    registry: Registry,
}

impl Guarded {
    fn start() -> Self {
        let registry = Registry::with().basic_auth().start();
        let proxy = Pushonce::in_front_of(&registry.url()).policy(DELETABLE).start();
        let image = Image::random();
        proxy.signed_in(USER, PASSWORD).push("web:1.4.0", &image).expect_created();
        proxy.signed_in(USER, PASSWORD).push("web:1.4.0", &Image::random()).expect_refused();
        proxy.signed_in(USER, PASSWORD).pull("web:1.4.0").expect_ok();
        Self { proxy, image, registry }
    }

    fn outsiders(&self) -> [Api; 3] {
        let anonymous: &Api = &self.proxy;
        [anonymous.clone(), self.proxy.signed_in("stranger", PASSWORD), self.proxy.signed_in(USER, "wrong")]
    }
}

/// The registry's own 401, which says nothing about the tag.
#[track_caller]
fn expect_challenge(answer: &Exchange) {
    assert_eq!(answer.expect(401).header("www-authenticate"), Some("Basic realm=\"test\""), "{answer}");
    if answer.request.method != "HEAD" {
        answer.expect_code("UNAUTHORIZED");
    }
    assert!(!answer.text().contains("sha256:"), "it names a digest\n{answer}");
    assert!(answer.header("docker-content-digest").is_none(), "it names a digest\n{answer}");
}

#[test]
fn a_refused_push_without_rights_learns_nothing() {
    let guarded = Guarded::start();
    for outsider in guarded.outsiders() {
        for image in [&Image::random(), &guarded.image] {
            expect_challenge(&outsider.put_manifest("web:1.4.0", &image.manifest));
            let target = format!("/v2/web/manifests/{}?tag=1.4.0&tag=latest", image.digest());
            let draft = outsider.request("PUT", &target).header("Content-Type", &image.manifest.media_type);
            expect_challenge(&draft.body(&image.manifest.bytes).send());
        }
    }
    assert_eq!(guarded.registry.as_user().tags("web"), ["1.4.0"]);
}

#[test]
fn a_pinned_pull_without_rights_learns_nothing() {
    let guarded = Guarded::start();
    for outsider in guarded.outsiders() {
        for name in ["web:1.4.0", "web:9.9.9"] {
            expect_challenge(&outsider.pull(name));
            expect_challenge(&outsider.head(name));
        }
    }
    assert_eq!(state(&guarded.proxy, "web", "9.9.9"), None);
}

#[test]
fn a_delete_without_rights_burns_nothing() {
    let guarded = Guarded::start();
    for outsider in guarded.outsiders() {
        for name in ["web:1.4.0".to_owned(), "web:9.9.9".to_owned(), format!("web@{}", guarded.image.digest())] {
            expect_challenge(&outsider.delete(&name));
        }
    }
    assert_eq!(state(&guarded.proxy, "web", "1.4.0").as_deref(), Some("sealed"));
    guarded.proxy.signed_in(USER, PASSWORD).pull("web:1.4.0").expect_ok();
}

#[test]
fn a_push_without_rights_claims_nothing() {
    let guarded = Guarded::start();
    let user = guarded.proxy.signed_in(USER, PASSWORD);
    for (outsider, tag) in guarded.outsiders().iter().zip(["2.0.0", "2.0.1", "2.0.2"]) {
        expect_challenge(&outsider.put_manifest(&format!("web:{tag}"), &Image::random().manifest));
        assert_eq!(state(&guarded.proxy, "web", tag), None);
        user.push(&format!("web:{tag}"), &Image::random()).expect_created();
    }
}

#[test]
fn a_burnt_tag_is_not_shown_without_rights() {
    let guarded = Guarded::start();
    let user = guarded.proxy.signed_in(USER, PASSWORD);
    user.delete(&format!("web@{}", guarded.image.digest())).expect(202);
    for outsider in guarded.outsiders() {
        expect_challenge(&outsider.pull("web:1.4.0"));
        expect_challenge(&outsider.put_manifest("web:1.4.0", &guarded.image.manifest));
    }
    user.pull("web:1.4.0").expect_not_found();
}

#[test]
fn an_open_claim_is_not_finished_without_rights() {
    use crate::harness::{Fault, Faults};
    let registry = Registry::with().basic_auth().start();
    let faults = Faults::in_front_of(registry.address());
    let proxy = Pushonce::in_front_of(&faults.url()).start();
    let user = proxy.signed_in(USER, PASSWORD);
    let image = Image::random();
    faults.once(|request| request.is("PUT", "/manifests/1.4.0"), Fault::Cut);
    user.push("web:1.4.0", &image).expect_unavailable();
    expect_challenge(&proxy.put_manifest("web:1.4.0", &Image::random().manifest));
    expect_challenge(&proxy.put_manifest("web:1.4.0", &image.manifest));
    expect_challenge(&proxy.pull("web:1.4.0"));
    assert_eq!(state(&proxy, "web", "1.4.0").as_deref(), Some("open"));
    user.put_manifest("web:1.4.0", &image.manifest).expect_created();
}

#[test]
fn who_may_read_but_not_push_is_told_so_by_the_registry() {
    // docker-registry knows all rights or none, so a stand-in with a reader.
    let image = Image::random();
    let (digest, bytes) = (image.digest(), image.manifest.bytes.clone());
    let upstream = Upstream::start(move |request| {
        let may_push = request.header("authorization") == Some("Bearer pusher");
        match request.method() {
            "PUT" if may_push => Answer::status(201),
            "PUT" | "DELETE" => Answer::status(403),
            _ if request.target().contains("/1.5.") => Answer::status(404),
            _ => Answer::Respond { status: 200, headers: vec![("Docker-Content-Digest", digest.clone())], body: bytes.clone() },
        }
    });
    let proxy = Pushonce::in_front_of(&upstream.url()).start();
    let put = |token: &str, tag: &str, image: &Image| {
        let draft = proxy.request("PUT", &format!("/v2/web/manifests/{tag}")).header("Authorization", token);
        draft.header("Content-Type", &image.manifest.media_type).body(&image.manifest.bytes).send()
    };
    put("Bearer reader", "1.5.0", &Image::random()).expect(403).expect_code("DENIED");
    assert_eq!(state(&proxy, "web", "1.5.0"), None);
    put("Bearer pusher", "1.5.0", &Image::random()).expect_created();
    put("Bearer pusher", "1.4.0", &image).expect_created();
    proxy.request("DELETE", "/v2/web/manifests/latest").header("Authorization", "Bearer reader").send().expect(403);
}

/// A registry that hides from everybody whatever is there, and takes every push.
fn hiding() -> Upstream {
    Upstream::start(|request| match request.method() {
        "PUT" => Answer::status(201),
        "DELETE" if request.target().contains("/manifests/sha256:") => Answer::status(404),
        "DELETE" => Answer::status(202),
        _ if request.target() == "/v2/" => Answer::status(200),
        _ => Answer::status(404),
    })
}

#[test]
fn who_may_push_and_is_shown_nothing_cannot_overwrite_what_may_be_there() {
    let upstream = hiding();
    let proxy = Pushonce::in_front_of(&upstream.url()).start();
    let image = Image::random();
    let by_tag = proxy.put_manifest("web:1.4.0", &image.manifest);
    let target = format!("/v2/web/manifests/{}?tag=1.4.0&tag=latest", image.digest());
    let draft = proxy.request("PUT", &target).header("Content-Type", &image.manifest.media_type);
    let by_digest = draft.body(&image.manifest.bytes).send();
    for refused in [by_tag, by_digest] {
        let message = refused.expect(403).expect_code("DENIED");
        assert!(message.starts_with("the registry hides web from who pushes here"), "{message}");
        assert!(message.contains("upstream.username"), "{message}");
    }
    let named = |tag: &str| upstream.requests().iter().any(|request| request.is("PUT", &format!("/manifests/{tag}")));
    assert!(!named("1.4.0") && !named("latest"), "a tag was pointed blindly");
    assert_eq!(state(&proxy, "web", "1.4.0"), None, "a refused push claimed the tag");
    // What may move needs no look.
    proxy.put_manifest("web:latest", &image.manifest).expect_created();
}

#[test]
fn who_may_delete_and_is_shown_nothing_cannot_delete_what_may_be_there() {
    let upstream = hiding();
    let proxy = Pushonce::in_front_of(&upstream.url()).policy(DELETABLE).start();
    proxy.delete("web:1.4.0").expect(404);
    proxy.delete("web:latest").expect(202);
    let deleted: Vec<String> =
        upstream.requests().iter().filter(|request| request.is("DELETE", "0")).map(|request| request.target().to_owned()).collect();
    assert!(!deleted.contains(&"/v2/web/manifests/1.4.0".to_owned()), "{deleted:?}");
}

#[test]
fn who_may_push_but_not_see_a_tag_is_not_told_what_it_means() {
    let image = Image::random();
    let (digest, bytes) = (image.digest(), image.manifest.bytes.clone());
    let upstream = Upstream::start(move |request| {
        let may_read = request.header("authorization") == Some("Bearer reader");
        match request.method() {
            "PUT" => Answer::status(201),
            _ if request.target() == "/v2/" => Answer::status(200),
            _ if may_read => {
                Answer::Respond { status: 200, headers: vec![("Docker-Content-Digest", digest.clone())], body: bytes.clone() }
            }
            _ => Answer::status(404),
        }
    });
    let proxy = Pushonce::in_front_of(&upstream.url()).start();
    proxy.request("GET", "/v2/web/manifests/1.4.0").header("Authorization", "Bearer reader").send().expect_ok();
    let message = proxy.put_manifest("web:1.4.0", &Image::random().manifest).expect_refused();
    assert_eq!(message, "tag web:1.4.0 is immutable (rule \"releases\"): it was pushed before; push a new tag, such as 1.4.1");
}
