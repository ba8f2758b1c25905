//! HTTP/2, over cleartext with prior knowledge and over TLS by ALPN.

use http::header::{ACCEPT, CONTENT_TYPE, LOCATION};

use super::curl::Curl;
use super::multiplexed::{Multiplexed, Reply};
use super::secure::Secure;
use crate::harness::api::Api;
use crate::harness::image::sha256;
use crate::harness::{Image, Pushonce, Registry, random};

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

const LARGE: usize = 64 << 20;

/// The most memory that the proxy may have had resident after a large blob each way.
const MOST_MIB: u64 = 128;

/// Uploads the blobs of `image` and puts its manifest, all on one connection.
fn push(client: &Multiplexed, origin: &str, name: &str, image: &Image) -> Reply {
    let (repository, tag) = name.split_once(':').expect("a tag");
    for blob in &image.blobs {
        let begun = client.send(client.request("POST", &format!("/v2/{repository}/blobs/uploads/")), "");
        assert_eq!(begun.status, 202, "{begun:?}");
        let location = begun.headers[LOCATION].to_str().expect("a location");
        let target = location.strip_prefix(origin).unwrap_or(location);
        assert!(target.starts_with('/'), "{location} leads away from {origin}");
        let uploaded = client.send(client.request("PUT", &format!("{target}&digest={}", sha256(blob))), blob.clone());
        assert_eq!(uploaded.status, 201, "{uploaded:?}");
    }
    let request = client.request("PUT", &format!("/v2/{repository}/manifests/{tag}"));
    client.send(request.header(CONTENT_TYPE, &image.manifest.media_type), image.manifest.bytes.clone())
}

fn pull(client: &Multiplexed, name: &str) -> Reply {
    let (repository, tag) = name.split_once(':').expect("a tag");
    client.send(client.request("GET", &format!("/v2/{repository}/manifests/{tag}")).header(ACCEPT, OCI_MANIFEST), "")
}

/// A push, an identical one, another one that is refused, and a pull that returns
/// the first bytes though the registry's tag was moved.
fn prove(client: &Multiplexed, proxy: &Api, registry: &Registry) {
    let (first, second) = (Image::random(), Image::random());
    let pushed = push(client, &proxy.url(), "web:1.4.0", &first);
    assert_eq!((pushed.status, &pushed.headers["docker-content-digest"]), (201, &first.digest().parse().expect("a value")));
    assert_eq!(push(client, &proxy.url(), "web:1.4.0", &first).status, 201, "the identical push");

    let refused = push(client, &proxy.url(), "web:1.4.0", &second);
    let alike = proxy.push("web:1.4.0", &second);
    alike.expect_refused();
    assert_eq!((refused.status, refused.body.as_ref()), (409, alike.body.as_slice()));

    registry.put_tag_behind_the_back("web:1.4.0", &second);
    let pulled = pull(client, "web:1.4.0");
    assert_eq!((pulled.status, pulled.body.as_ref()), (200, first.manifest.bytes.as_slice()), "a pinned pull");
}

#[test]
fn a_push_a_refusal_and_a_pinned_pull_over_cleartext() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    prove(&Multiplexed::plain(proxy.address()), &proxy, &registry);
}

#[test]
fn a_push_a_refusal_and_a_pinned_pull_over_tls() {
    let registry = Registry::start();
    let proxy = Secure::in_front_of(&registry.url(), &[]);
    prove(&Multiplexed::secure(proxy.address(), &proxy.certificates.authority), &proxy, &registry);
}

#[test]
fn curl_speaks_http_2_with_prior_knowledge_and_http_1_1_without() {
    let registry = Registry::start();
    let (proxy, curl) = (Pushonce::start(&registry), Curl::new());
    let url = format!("{}/v2/", proxy.url());
    assert_eq!(curl.version_and_status(&["--http2-prior-knowledge", &url]), "2 200");
    assert_eq!(curl.version_and_status(&["--http1.1", &url]), "1.1 200");
    assert_eq!(curl.version_and_status(&["--http1.0", &url]), "1 200");
}

#[test]
fn alpn_decides_over_tls() {
    let registry = Registry::start();
    let (proxy, curl) = (Secure::in_front_of(&registry.url(), &[]), Curl::new());
    let (url, authority) = (format!("{}/v2/", proxy.url()), proxy.certificates.path("ca.pem").display().to_string());
    let ask = |option: &str| curl.version_and_status(&["--cacert", &authority, option, &url]);
    assert_eq!(ask("--http2"), "2 200");
    assert_eq!(ask("--http1.1"), "1.1 200");
    assert_eq!(ask("--no-alpn"), "1.1 200");
}

/// A large blob up and down with curl; the proxy holds no more than a window of it.
fn carry(curl: &Curl, proxy: &Pushonce, api: &Api, options: &[&str]) {
    let bytes = random::bytes(LARGE);
    std::fs::write(curl.directory().join("blob"), &bytes).expect("a file");
    let digest = sha256(&bytes);
    let begun = api.request("POST", "/v2/web/blobs/uploads/").send();
    let origin = api.url();
    let target = format!("{origin}{}", api.location(begun.expect(202)));
    let upload =
        ["--request", "PATCH", "--header", "Content-Type: application/octet-stream", "--dump-header", "head", "--upload-file"];
    let sent = curl.version_and_status(&[options, &upload, &["blob", target.as_str()]].concat());
    assert_eq!(sent, "2 202");
    let head = std::fs::read_to_string(curl.directory().join("head")).expect("the head of the answer");
    let location = head.lines().find_map(|line| line.strip_prefix("location: ")).expect("a location");
    let target = location.strip_prefix(origin.as_str()).unwrap_or(location);
    api.request("PUT", &format!("{target}&digest={digest}")).send().expect_created();

    let got = curl.version_and_status(&[options, &[&format!("{origin}/v2/web/blobs/{digest}")]].concat());
    assert_eq!(got, "2 200");
    assert_eq!(sha256(&std::fs::read(curl.directory().join("answer")).expect("the blob")), digest);
    assert!(proxy.peak_rss_mib() < MOST_MIB, "{} MiB were resident", proxy.peak_rss_mib());
}

#[test]
fn a_large_blob_goes_up_and_down_over_cleartext() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    carry(&Curl::new(), &proxy, &proxy, &["--http2-prior-knowledge"]);
}

#[test]
fn a_large_blob_goes_up_and_down_over_tls() {
    let registry = Registry::start();
    let proxy = Secure::in_front_of(&registry.url(), &[]);
    let authority = proxy.certificates.path("ca.pem").display().to_string();
    carry(&Curl::new(), &proxy.proxy, &proxy, &["--http2", "--cacert", &authority]);
}

#[test]
fn many_pulls_at_once_on_one_connection_each_get_their_own() {
    const TAGS: usize = 10;
    const PULLS: usize = 200;
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let images: Vec<Image> = (0..TAGS).map(|_| Image::random()).collect();
    for (number, image) in images.iter().enumerate() {
        proxy.push(&format!("web:1.4.{number}"), image).expect_created();
    }
    let client = Multiplexed::plain(proxy.address());
    // From here on the client knows how many streams there may be, and lets the others wait.
    assert_eq!(client.send(client.request("GET", "/v2/"), "").status, 200);
    let request =
        |number: usize| client.request("GET", &format!("/v2/web/manifests/1.4.{}", number % TAGS)).header(ACCEPT, OCI_MANIFEST);
    let replies = client.send_all((0..PULLS).map(request).collect());
    for (number, reply) in replies.iter().enumerate() {
        assert_eq!(reply.status, 200, "pull {number}");
        assert_eq!(reply.body.as_ref(), images[number % TAGS].manifest.bytes.as_slice(), "pull {number}");
    }
    assert_eq!(proxy.metric("pushonce_connections", &[]), 1.0, "all of them on one connection");
}
