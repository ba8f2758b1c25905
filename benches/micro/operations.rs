//! The operations that are timed and counted.

use std::hint::black_box;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use http::header::{ACCEPT, AUTHORIZATION, CONNECTION, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use jiff::Timestamp;
use pushonce::gate::{Known, classify};
use pushonce::ledger::{Origin, Record, State, TagKey};
use pushonce::metrics::Metrics;
use pushonce::oci::{Algorithm, Digest, RepositoryName, Tag, TagCase};
use pushonce::policy::Mutability;
use pushonce::refusal::{Immutable, Meaning, Refusal};
use pushonce::upstream::{Upstream, manifest_target};

use super::policies;

/// Something that happens to most requests, or to each of a kind.
pub struct Operation {
    /// As `instructions.txt` has it.
    pub name: &'static str,
    pub run: Box<dyn Fn()>,
}

/// How many tags are remembered where one is looked up.
const KNOWN: usize = 1_000;

pub fn all() -> Vec<Operation> {
    let mut all = classifying();
    all.extend(deciding());
    all.extend(rendering());
    all.push(refusing());
    all.push(looking_up());
    all
}

/// What is done and given away again, both counted.
fn operation<T>(name: &'static str, run: impl Fn() -> T + 'static) -> Operation {
    let run = Box::new(move || drop(black_box(run())));
    Operation { name, run }
}

fn digest() -> Digest {
    Digest::of(Algorithm::Sha256, b"a manifest")
}

fn key(repository: &str, tag: &str) -> TagKey {
    TagKey { repository: RepositoryName::parse(repository).expect("a name"), tag: Tag::parse(tag).expect("a tag") }
}

/// The targets that are sent upstream are rendered here as well, but for those by digest.
fn classifying() -> Vec<Operation> {
    let digest = digest();
    let reading = |name, method: Method, target: String| {
        let target: Uri = target.parse().expect("a target");
        operation(name, move || classify(&method, black_box(&target), &[], TagCase::Keep).expect("an intent"))
    };
    vec![
        reading("classify-blob", Method::GET, format!("/v2/driftwood/web/blobs/{digest}")),
        reading("classify-upload", Method::PATCH, "/v2/driftwood/web/blobs/uploads/5b3c71cf-f6a1?_state=aZ0-_%3D".to_owned()),
        reading("classify-manifest-by-digest", Method::GET, format!("/v2/driftwood/web/manifests/{digest}")),
        reading("classify-manifest-by-tag", Method::GET, "/v2/driftwood/web/manifests/1.4.0".to_owned()),
        reading("classify-push-by-tag", Method::PUT, "/v2/driftwood/web/manifests/1.4.0".to_owned()),
        reading(
            "classify-push-of-four-tags",
            Method::PUT,
            format!("/v2/driftwood/web/manifests/{digest}?tag=1.4.0&tag=1.4&tag=1&tag=latest"),
        ),
    ]
}

fn deciding() -> Vec<Operation> {
    let mut all = Vec::new();
    for (rules, names) in [
        (1, ["decide-1-match", "decide-1-none", "decide-1-referrers"].as_slice()),
        (100, &["decide-100-none", "decide-100-first", "decide-100-last"]),
        (policies::MANY, &["decide-10000-none", "decide-10000-first", "decide-10000-last"]),
    ] {
        let policy = Arc::new(policies::of(rules));
        let last = rules - 1;
        for name in names {
            let (key, rule) = match name.rsplit('-').next().expect("a word") {
                "none" => (key("other/web", "1.4.0"), "default".to_owned()),
                "referrers" => (key("other/web", &format!("sha256-{}", "a".repeat(64))), "referrers".to_owned()),
                "last" => (key(&policies::repository(last), &policies::tag(last)), format!("service {last}")),
                _ => (key(&policies::repository(0), &policies::tag(0)), "service 0".to_owned()),
            };
            let policy = Arc::clone(&policy);
            assert_eq!(*policy.decide(&key.repository, &key.tag).rule, *rule, "{name}");
            all.push(operation(name, move || policy.decide(black_box(&key.repository), black_box(&key.tag))));
        }
    }
    all
}

/// What a client such as containerd sends.
fn client_headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        (HOST, "registry.example.com"),
        (USER_AGENT, "containerd/2.1.4"),
        (ACCEPT, "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, */*"),
        (AUTHORIZATION, "Bearer eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJqZW5raW5zIn0.c2lnbmF0dXJl"),
        (CONNECTION, "keep-alive"),
        (HeaderName::from_static("x-forwarded-for"), "192.0.2.7"),
    ] {
        headers.append(name, HeaderValue::from_static(value));
    }
    headers
}

fn rendering() -> Vec<Operation> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/pushonce.toml");
    let config = pushonce::config::load(&file, &[]).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let metrics = Arc::new(Metrics::new().expect("metrics"));
    let upstream = Upstream::new(config.upstream, &config.server, metrics).expect("a registry");
    let (headers, peer) = (client_headers(), IpAddr::from([10, 0, 0, 7]));
    let (repository, digest) = (RepositoryName::parse("driftwood/web").expect("a name"), digest());
    vec![
        operation("render-headers", move || upstream.prepare(black_box(&headers).clone(), peer, false)),
        operation("render-target-by-digest", move || manifest_target(black_box(&repository), digest.as_str()).expect("a target")),
    ]
}

fn refusing() -> Operation {
    let key = key("driftwood/web", "1.4.0");
    let verdict = policies::of(1).decide(&RepositoryName::parse(&policies::repository(0)).expect("a name"), &key.tag);
    assert_eq!(verdict.mutability, Mutability::Immutable);
    let digest = digest();
    operation("refuse-immutable", move || {
        let meaning = Meaning::Bytes { digest: digest.clone(), since: Timestamp::UNIX_EPOCH };
        let refused = Immutable { key: key.clone(), verdict: verdict.clone(), meaning, is_assembled: false };
        Refusal::Immutable(Box::new(refused)).into_answer("9f3c2a1b4d5e-17")
    })
}

fn looking_up() -> Operation {
    let known = Known::default();
    let tags: Vec<TagKey> = (0..KNOWN).map(|number| key("driftwood/web", &format!("1.4.{number}"))).collect();
    for tag in &tags {
        let record = Record { digest: digest(), state: State::Sealed, origin: Origin::Pushed, since: Timestamp::UNIX_EPOCH };
        known.remember(tag, &record);
    }
    let asked = tags[KNOWN / 2].clone();
    operation("look-up-known-tag", move || known.last(black_box(&asked)).expect("a row"))
}
