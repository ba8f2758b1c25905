//! Every kind of request, and what becomes of it.

use crate::harness::image::{Manifest, sha256};
use crate::harness::{Answer, Image, Pushonce, Registry, Upstream, random};

use super::Chain;

#[test]
fn the_base_is_answered_by_the_registry() {
    let chain = Chain::start();
    for method in ["GET", "HEAD"] {
        let before = chain.faults.count(method, "/v2/");
        let answer = chain.proxy.request(method, "/v2/").send();
        assert_eq!(answer.expect_ok().header("docker-distribution-api-version"), Some("registry/2.0"));
        assert_eq!(chain.faults.count(method, "/v2/"), before + 1);
    }
}

#[test]
fn blobs_are_read_whole_and_in_part() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let bytes = random::bytes(200_000);
    let digest = sha256(&bytes);
    registry.upload_blob("driftwood/web", &bytes).expect_created();

    assert_eq!(proxy.get_blob("driftwood/web", &digest).expect_ok().body, bytes);
    let target = format!("/v2/driftwood/web/blobs/{digest}");
    let head = proxy.request("HEAD", &target).send();
    assert_eq!(head.expect_ok().header("content-length"), Some("200000"));
    let part = proxy.request("GET", &target).header("Range", "bytes=10-19").send();
    assert_eq!(part.expect(206).body, bytes[10..20]);
    proxy.get_blob("driftwood/web", &sha256(b"unknown")).expect_not_found().expect_code("BLOB_UNKNOWN");
}

#[test]
fn blobs_are_uploaded_at_once_in_chunks_and_by_mount() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let bytes = random::bytes(150_000);
    let digest = sha256(&bytes);
    proxy.upload_blob("a", &bytes).expect_created().expect_digest(&digest);
    proxy.upload_blob_in_chunks("b", &bytes, 40_001).expect_created();
    proxy.upload_blob_from("c", &digest, &mut bytes.as_slice(), 150_000).expect("an answer").expect_created();
    proxy.mount_blob("d", &digest, "a").expect_created();
    for repository in ["a", "b", "c", "d"] {
        assert_eq!(registry.get_blob(repository, &digest).expect_ok().body, bytes, "the blob in {repository}");
    }
    proxy.mount_blob("e", &sha256(b"unknown"), "a").expect(202);
}

#[test]
fn an_upload_is_asked_about_and_cancelled() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let begun = proxy.request("POST", "/v2/web/blobs/uploads/").send();
    begun.expect(202);
    let sent = proxy.request("PATCH", &proxy.location(&begun)).header("Content-Range", "0-9").body(&[7; 10]).send();
    sent.expect(202);
    let session = proxy.location(&sent);
    let asked = proxy.request("GET", &session).send();
    assert_eq!(asked.expect(204).header("range"), Some("0-9"));
    assert!(asked.header("docker-upload-uuid").is_some(), "{asked}");
    proxy.request("DELETE", &session).send().expect(204);
    proxy.request("GET", &session).send().expect_not_found().expect_code("BLOB_UPLOAD_UNKNOWN");
}

#[test]
fn a_manifest_travels_by_digest_without_a_name() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let image = Image::random();
    let name = format!("web@{}", image.digest());
    proxy.push(&name, &image).expect_created().expect_digest(&image.digest());
    assert_eq!(proxy.pull(&name).expect_ok().body, image.manifest.bytes);
    proxy.head(&name).expect_ok().expect_digest(&image.digest());
    assert!(registry.tags("web").is_empty(), "a push by digest named something");
}

#[test]
fn a_moving_tag_advances_freely() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    for tag in ["latest", "1.4", "1", "nightly"] {
        let name = format!("web:{tag}");
        for image in [Image::random(), Image::random()] {
            proxy.push(&name, &image).expect_created().expect_digest(&image.digest());
            assert_eq!(proxy.tag_digest(&name), Some(image.digest()), "{tag}");
            assert_eq!(registry.tag_digest(&name), Some(image.digest()), "{tag}");
        }
    }
}

#[test]
fn lists_are_read_page_by_page_through_the_proxy() {
    for prefix in ["", "/registry"] {
        let registry = Registry::with().prefix(prefix).start();
        let proxy = Pushonce::start(&registry);
        let image = Image::random();
        for name in ["a:1", "b:1", "c:1", "c:2", "c:3"] {
            proxy.push(name, &image).expect_created();
        }
        assert_eq!(pages(&proxy, "/v2/_catalog?n=2", "repositories"), [vec!["a", "b"], vec!["c"]], "below {prefix:?}");
        assert_eq!(pages(&proxy, "/v2/c/tags/list?n=100", "tags"), [["1", "2", "3"]], "below {prefix:?}");
    }
}

/// Follows `Link` as a client does, which knows nothing of the registry behind.
fn pages(proxy: &Pushonce, first: &str, list: &str) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut next = Some(first.to_owned());
    while let Some(target) = next {
        let page = proxy.request("GET", &target).send();
        let body: serde_json::Value = serde_json::from_slice(&page.expect_ok().body).expect("JSON");
        let mut names: Vec<String> = serde_json::from_value(body[list].clone()).expect("a list of names");
        names.sort();
        pages.push(names);
        next = page.header("link").map(|link| {
            let url = link.strip_prefix('<').and_then(|link| link.split_once('>')).expect("a Link").0;
            assert!(url.starts_with("/v2/"), "the Link leads away from the proxy\n{page}");
            url.to_owned()
        });
    }
    pages
}

#[test]
fn referrers_and_extensions_are_read_from_the_registry() {
    let upstream = Upstream::start(|request| {
        let headers = vec![("OCI-Filters-Applied", "artifactType".to_owned()), ("X-Target", request.target().to_owned())];
        Answer::Respond { status: 200, headers, body: b"{\"manifests\":[]}".to_vec() }
    });
    let proxy = Pushonce::in_front_of(&upstream.url()).start();
    for target in [format!("/v2/web/referrers/{}?artifactType=a", sha256(b"")), "/v2/_oci/ext/discover".to_owned()] {
        let answer = proxy.request("GET", &target).send();
        assert_eq!(answer.expect_ok().header("x-target"), Some(target.as_str()));
        assert_eq!(answer.header("oci-filters-applied"), Some("artifactType"));
        proxy.request("POST", &target).send().expect(405);
    }
}

#[test]
fn manifests_of_schema_version_1_are_refused() {
    let chain = Chain::start();
    let image = Image::random();
    let current = image.manifest.media_type.as_str();
    let old = br#"{"schemaVersion":1,"name":"web","tag":"1.4.0","architecture":"amd64","fsLayers":[],"history":[]}"#;
    let disguised: [(&str, &[u8]); 6] = [
        ("application/vnd.docker.distribution.manifest.v1+json", old),
        ("application/vnd.docker.distribution.manifest.v1+prettyjws", &image.manifest.bytes),
        ("", &image.manifest.bytes),
        ("application/json", &image.manifest.bytes),
        ("application/json; charset=utf-8", old),
        (current, old),
    ];
    for (media_type, bytes) in disguised {
        let manifest = Manifest::new(media_type, bytes);
        for name in ["web:latest".to_owned(), "web:1.4.0".to_owned(), format!("web@{}", manifest.digest())] {
            chain.proxy.put_manifest(&name, &manifest).expect(400).expect_code("MANIFEST_INVALID");
        }
    }
    let untyped = chain.proxy.request("PUT", "/v2/web/manifests/latest").body(&image.manifest.bytes).send();
    untyped.expect(400).expect_code("MANIFEST_INVALID");
    assert!(chain.manifest_requests().is_empty(), "{:?}", chain.manifest_requests());
}

#[test]
fn other_methods_and_paths_never_reach_the_registry() {
    let chain = Chain::start();
    let before = chain.faults.requests().len();
    let digest = sha256(b"");
    let methods = [
        ("POST", "/v2/".to_owned(), "GET, HEAD"),
        ("POST", "/v2/web/manifests/1.4.0".to_owned(), "GET, HEAD, PUT, DELETE"),
        ("PATCH", format!("/v2/web/manifests/{digest}"), "GET, HEAD, PUT, DELETE"),
        ("PUT", format!("/v2/web/blobs/{digest}"), "GET, HEAD, DELETE"),
        ("PUT", "/v2/web/blobs/uploads/".to_owned(), "POST"),
        ("DELETE", "/v2/web/tags/list".to_owned(), "GET, HEAD"),
        ("DELETE", "/v2/_catalog".to_owned(), "GET, HEAD"),
    ];
    for (method, target, allow) in methods {
        let answer = chain.proxy.request(method, &target).send();
        answer.expect(405).expect_code("UNSUPPORTED");
        assert_eq!(answer.header("allow"), Some(allow), "{answer}");
    }
    for target in ["/", "/v2", "/v1/search", "/v2/web", "/v2/web/tags", "/debug/pprof/", "/token", "/metrics", "/v2/web/manifest/1"]
    {
        chain.proxy.request("GET", target).send().expect_not_found();
    }
    for target in
        ["/v2/web/manifests/1%2E4%2E0", "/v2/web//manifests/1.4.0", "/v2/a/../web/manifests/1.4.0", "/v2/web/manifests/1.4.0/"]
    {
        let answer = chain.proxy.request("PUT", target).header("Content-Type", "a/b").body(b"{}").send();
        assert!(matches!(answer.status, 400 | 404), "{answer}");
    }
    assert_eq!(chain.faults.requests().len(), before, "something went through");
}

#[test]
fn names_made_of_keywords_are_repositories_like_others() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    for repository in ["manifests", "blobs/uploads", "tags/list", "web/manifests/blobs"] {
        let name = format!("{repository}:1.4.0");
        let image = Image::random();
        proxy.push(&name, &image).expect_created();
        proxy.push(&name, &Image::random()).expect_refused();
        assert_eq!(registry.tag_digest(&name), Some(image.digest()));
    }
}

#[test]
fn paths_outside_the_api_pass_only_where_they_are_listed() {
    let upstream = Upstream::start(|_| Answer::Respond { status: 200, headers: Vec::new(), body: b"passed".to_vec() });
    let proxy = Pushonce::in_front_of(&upstream.url()).setting("server.passthrough = [\"/token\", \"/auth/\"]").start();
    for target in ["/token?service=registry&scope=repository:web:pull", "/auth/login", "/auth/a/b"] {
        assert_eq!(proxy.request("GET", target).send().expect_ok().text(), "passed");
        assert_eq!(upstream.requests().last().map(|request| request.target().to_owned()).as_deref(), Some(target));
    }
    proxy.request("POST", "/token").body(b"grant_type=password").send().expect_ok();
    let before = upstream.requests().len();
    for target in ["/tokens", "/token/", "/auth", "/auth/../v2/web/manifests/1.4.0", "/auth//x", "/other"] {
        proxy.request("GET", target).send().expect_not_found();
    }
    proxy.request("DELETE", "/token").send().expect(405);
    assert_eq!(upstream.requests().len(), before, "something else went through");
}
