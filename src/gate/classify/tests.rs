use http::{Method, Uri};

use super::*;
use crate::oci::{Digest, TagCase};

const DIGEST: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

fn classified(method: &str, target: &str) -> Result<Intent, Refusal> {
    classified_by(TagCase::Keep, method, target)
}

fn classified_by(tag_case: TagCase, method: &str, target: &str) -> Result<Intent, Refusal> {
    let method: Method = method.parse().expect("a method");
    let target: Uri = target.parse().expect("a target that hyper accepts");
    let passthrough = ["/token".to_owned(), "/artifacts-uploads/".to_owned()];
    classify(&method, &target, &passthrough, tag_case)
}

fn intent(method: &str, target: &str) -> Intent {
    classified(method, target).unwrap_or_else(|refusal| panic!("{method} {target}: {}", refusal.cause()))
}

fn status(method: &str, target: &str) -> u16 {
    match classified(method, target) {
        Ok(intent) => panic!("{method} {target} was read as {intent:?}"),
        Err(refusal) => refusal.into_answer("test").status().as_u16(),
    }
}

fn name(text: &str) -> RepositoryName {
    RepositoryName::parse(text).expect(text)
}

fn key(repository: &str, tag: &str) -> TagKey {
    TagKey { repository: name(repository), tag: Tag::parse(tag).expect(tag) }
}

#[test]
fn every_row_of_the_table_is_recognised() {
    let blob = format!("/v2/driftwood/web/blobs/{DIGEST}");
    let manifest = format!("/v2/driftwood/web/manifests/{DIGEST}");
    let referrers = format!("/v2/driftwood/web/referrers/{DIGEST}?artifactType=a%2Fb");
    for (method, target, kind) in [
        ("GET", "/v2/", Kind::Base),
        ("HEAD", "/v2/", Kind::Base),
        ("GET", manifest.as_str(), Kind::Manifest),
        ("HEAD", &manifest, Kind::Manifest),
        ("GET", &blob, Kind::Blob),
        ("HEAD", &blob, Kind::Blob),
        ("POST", "/v2/driftwood/web/blobs/uploads/", Kind::Upload),
        ("POST", "/v2/driftwood/web/blobs/uploads/?mount=sha256:ab&from=other/repo", Kind::Upload),
        ("PATCH", "/v2/driftwood/web/blobs/uploads/0b-1_2.3=?_state=x-_%3D", Kind::Upload),
        ("PUT", "/v2/driftwood/web/blobs/uploads/0b?_state=x&digest=sha256:ab", Kind::Upload),
        ("GET", "/v2/driftwood/web/blobs/uploads/0b", Kind::Upload),
        ("DELETE", "/v2/driftwood/web/blobs/uploads/0b", Kind::Upload),
        ("GET", "/v2/driftwood/web/tags/list?n=2&last=1.4", Kind::Tags),
        ("GET", &referrers, Kind::Referrers),
        ("GET", "/v2/_catalog?n=10", Kind::Extension),
        ("GET", "/v2/_oci/ext/discover", Kind::Extension),
        ("POST", "/token", Kind::Passthrough),
        ("GET", "/artifacts-uploads/namespaces/a/uploads/b?x=y", Kind::Passthrough),
    ] {
        match intent(method, target) {
            Intent::Pass(pass) => {
                assert_eq!(pass.kind, kind, "{method} {target}");
                assert_eq!(pass.target.as_str(), target, "{method} {target} is its own rendering");
            }
            other => panic!("{method} {target}: {other:?}"),
        }
    }
    assert!(
        matches!(intent("GET", "/v2/driftwood/web/manifests/1.4.0"), Intent::Pull(pull) if pull.key == key("driftwood/web", "1.4.0"))
    );
    assert!(matches!(intent("DELETE", "/v2/a/manifests/1.4.0"), Intent::DeleteTag(delete) if delete.what == key("a", "1.4.0")));
    assert!(matches!(intent("DELETE", &manifest), Intent::DeleteManifest(_)));
    assert!(matches!(intent("DELETE", &blob), Intent::DeleteBlob(_)));
}

#[test]
fn pushes_name_their_tags() {
    let push = |target: &str| match intent("PUT", target) {
        Intent::Push(push) => push,
        other => panic!("{target}: {other:?}"),
    };
    let by_tag = push("/v2/a/manifests/1.4.0?ns=registry.example");
    assert_eq!((by_tag.digest, by_tag.tags), (None, vec![Tag::parse("1.4.0").expect("a tag")]));
    let by_digest = push(&format!("/v2/a/manifests/{DIGEST}?tag=1.4.0&tag=%6catest&tag=1.4.0"));
    assert_eq!(by_digest.digest, Some(Digest::parse(DIGEST).expect("a digest")));
    assert_eq!(by_digest.tags.iter().map(Tag::as_str).collect::<Vec<_>>(), ["1.4.0", "latest"]);
    assert!(push(&format!("/v2/a/manifests/{DIGEST}")).tags.is_empty());
}

#[test]
fn names_made_of_keywords_are_split_at_the_last_keyword() {
    for (target, repository) in [
        ("/v2/manifests/manifests/manifests/manifests", "manifests/manifests"),
        ("/v2/a/blobs/uploads/manifests/1.4.0", "a/blobs/uploads"),
        ("/v2/tags/list/manifests/1.4.0", "tags/list"),
        ("/v2/a/manifests/1.4.0/manifests/1.4.0", "a/manifests/1.4.0"),
    ] {
        assert!(matches!(intent("GET", target), Intent::Pull(pull) if pull.key.repository == name(repository)), "{target}");
    }
    assert!(
        matches!(intent("GET", "/v2/a/manifests/tags/list"), Intent::Pass(Pass { kind: Kind::Tags, repository: Some(repository), .. }) if repository == name("a/manifests"))
    );
    assert!(
        matches!(intent("POST", "/v2/tags/blobs/uploads/"), Intent::Pass(Pass { kind: Kind::Upload, repository: Some(repository), .. }) if repository == name("tags"))
    );
}

#[test]
fn what_a_registry_might_repair_is_refused() {
    for target in [
        "/v2/a/manifests/1%2E4%2E0",
        "/v2/a/%6Danifests/1.4.0",
        "/v2/a%2Fmanifests/1.4.0",
        "/v2%2Fa/manifests/1.4.0",
        "/%76%32/a/manifests/1.4.0",
        "/v2//a/manifests/1.4.0",
        "//v2/a/manifests/1.4.0",
        "/v2/a//manifests/1.4.0",
        "/v2/a/manifests//1.4.0",
        "/v2/a/manifests/1.4.0/",
        "/v2/a/manifests/",
        "/v2/a/./manifests/1.4.0",
        "/v2/a/../a/manifests/1.4.0",
        "/v2/./a/manifests/1.4.0",
        "/v2/../v2/a/manifests/1.4.0",
        "/v2/a/manifests/../manifests/1.4.0",
        "/v2/A/manifests/1.4.0",
        "/v2/manifests/1.4.0",
        "/v2",
        "/V2/a/manifests/1.4.0",
        "/v1/a/manifests/1.4.0",
        "/api/v1/repository/a/tag/1.4.0",
        "/api/v2.0/projects/a",
        "/token/../v2/a/manifests/1.4.0",
        "/artifacts-uploads/../v2/a/manifests/1.4.0",
        "/artifacts-uploads//v2",
        "/v2/a/manifests/1.4.0?tag=1.4.1",
        "/v2/a/manifests/1.4.0?ns=a;tag=1",
        "http://other/v2/a/manifests/1.4.0",
        "*",
    ] {
        assert!((400..500).contains(&status("PUT", target)), "{target}");
    }
}

#[test]
fn odd_methods_and_queries_are_refused() {
    for method in ["POST", "PATCH", "OPTIONS", "TRACE", "get", "Put", "LINK"] {
        assert_eq!(status(method, "/v2/a/manifests/1.4.0"), 405, "{method}");
    }
    assert_eq!(status("PUT", "/v2/"), 405);
    assert_eq!(status("POST", "/v2/_catalog"), 405);
    assert_eq!(status("PUT", &format!("/v2/a/manifests/{DIGEST}?Tag=1.4.0")), 400);
    assert_eq!(status("PUT", &format!("/v2/a/manifests/{DIGEST}?tag[]=1.4.0")), 400);
    assert_eq!(status("PUT", &format!("/v2/a/manifests/{DIGEST}?tag=1.4.0%20")), 400);
    assert_eq!(status("PUT", &format!("/v2/a/manifests/{DIGEST}?tag=")), 400);
    assert_eq!(status("DELETE", &format!("/v2/a/manifests/{DIGEST}?force=1")), 400);
    let many: String = (0..=MOST_TAGS).map(|number| format!("&tag=t{number}")).collect();
    assert_eq!(status("PUT", &format!("/v2/a/manifests/{DIGEST}?{}", &many[1..])), 414);
}

#[test]
fn where_the_registry_folds_tags_every_tag_is_folded() {
    let folded = |method: &str, target: &str| {
        classified_by(TagCase::Fold, method, target).unwrap_or_else(|refusal| panic!("{method} {target}: {}", refusal.cause()))
    };
    for method in ["GET", "HEAD"] {
        let Intent::Pull(pull) = folded(method, "/v2/a/manifests/V1.4.0-RC.1?ns=Registry") else { panic!("no pull") };
        assert_eq!((pull.key, pull.target.as_str()), (key("a", "v1.4.0-rc.1"), "/v2/a/manifests/v1.4.0-rc.1?ns=Registry"));
    }
    let Intent::DeleteTag(delete) = folded("DELETE", "/v2/a/manifests/V1.4.0") else { panic!("no delete") };
    assert_eq!((delete.what, delete.target.as_str()), (key("a", "v1.4.0"), "/v2/a/manifests/v1.4.0"));
    let tags = |target: &str| match folded("PUT", target) {
        Intent::Push(push) => push.tags.iter().map(ToString::to_string).collect::<Vec<_>>(),
        other => panic!("{target}: {other:?}"),
    };
    assert_eq!(tags("/v2/a/manifests/V1.4.0"), ["v1.4.0"]);
    assert_eq!(tags(&format!("/v2/a/manifests/{DIGEST}?tag=V1.4.0&tag=LATEST&tag=v1.4.0&tag=%4catest")), ["v1.4.0", "latest"]);
    // Two names of one tag are one of those that are counted.
    let many: String = (0..MOST_TAGS).map(|number| format!("&tag=t{number}&tag=T{number}")).collect();
    assert_eq!(tags(&format!("/v2/a/manifests/{DIGEST}?{}", &many[1..])).len(), MOST_TAGS);
}

#[test]
fn nothing_but_tags_is_folded() {
    for (method, target) in [
        ("GET", "/v2/a/tags/list?n=2&last=V1.4.0"),
        ("PATCH", "/v2/a/blobs/uploads/0B-x?_state=AbC"),
        ("GET", "/v2/_catalog?last=A"),
        ("GET", "/artifacts-uploads/A/manifests/B"),
    ] {
        let Ok(Intent::Pass(pass)) = classified_by(TagCase::Fold, method, target) else { panic!("{method} {target}") };
        assert_eq!(pass.target.as_str(), target);
    }
    // Repositories have no upper-case letters, folded or not.
    assert!(classified_by(TagCase::Fold, "PUT", "/v2/A/manifests/1.4.0").is_err());
    assert!(classified_by(TagCase::Fold, "PUT", "/v2/a/Manifests/1.4.0").is_err());
}
