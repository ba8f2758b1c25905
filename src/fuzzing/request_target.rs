//! `METHOD target` is either refused or read the way every registry reads it, those that
//! fold the case of tags among them.

use std::sync::LazyLock;

use http::{Method, Uri};
use regex::Regex;

use crate::gate::classify;
use crate::gate::intent::{Delete, Intent, Kind, Pull, Push};
use crate::ledger::TagKey;
use crate::oci::TagCase;

/// distribution-spec, "Pulling manifests".
const NAME: &str = r"^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$";
const TAG: &str = r"^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$";

pub fn check(input: &[u8]) {
    let Some((method, target)) = read(input) else { return };
    for tag_case in TagCase::ALL {
        judge(&method, &target, tag_case);
    }
}

fn judge(method: &Method, target: &Uri, tag_case: TagCase) {
    let passthrough = ["/token".to_owned(), "/artifacts-uploads/".to_owned()];
    let Ok(intent) = classify(method, target, &passthrough, tag_case) else { return };

    let rendering = rendered(&intent);
    let again: Uri = rendering.parse().expect("the rendering is a target");
    let as_it_is = classify(method, &again, &passthrough, TagCase::Keep).ok();
    assert_eq!(as_it_is.as_ref(), Some(&intent), "{rendering} is read differently");

    let (path, query) = rendering.split_once('?').unwrap_or((&rendering, ""));
    assert!(!path.contains(['%', '\\', ';']) && !path.contains("//"), "{rendering} is not plain");
    assert!(path.split('/').all(|segment| !matches!(segment, "." | "..")), "{rendering} has a dot segment");
    assert!(!query.contains([';', '#', '"', '\\']), "{rendering} is not plain");
    needs_every_encoding(query);

    // Whoever decodes the raw target before routing finds what was rendered.
    assert_eq!(named(&decoded(target.path()), tag_case), path, "the raw path says something else");
    let mut raw_query = pairs(target.query().unwrap_or_default());
    if !matches!(intent, Intent::Push(_)) {
        assert_eq!(pairs(query), raw_query, "the raw query says something else");
    }
    for (_, tag) in raw_query.iter_mut().filter(|(name, _)| name == "tag" && tag_case == TagCase::Fold) {
        tag.make_ascii_lowercase();
    }
    names_what_the_path_names(method, &intent, path, &raw_query);
}

/// The path with its tag by the name that the registry has it under.
fn named(path: &str, tag_case: TagCase) -> String {
    match (tag_case, path.rsplit_once("/manifests/")) {
        (TagCase::Fold, Some((repository, last)))
            if repository.starts_with("/v2/") && !repository.starts_with("/v2/_") && !last.contains([':', '/']) =>
        {
            format!("{repository}/manifests/{}", last.to_ascii_lowercase())
        }
        _ => path.to_owned(),
    }
}

fn read(input: &[u8]) -> Option<(Method, Uri)> {
    let space = input.iter().position(|byte| *byte == b' ')?;
    Some((Method::from_bytes(&input[..space]).ok()?, Uri::try_from(&input[space + 1..]).ok()?))
}

/// What the registry would be asked.
fn rendered(intent: &Intent) -> String {
    match intent {
        Intent::Pass(pass) => pass.target.to_string(),
        Intent::Pull(Pull { target, .. })
        | Intent::DeleteTag(Delete { target, .. })
        | Intent::DeleteManifest(Delete { target, .. })
        | Intent::DeleteBlob(Delete { target, .. }) => target.to_string(),
        Intent::Push(Push { repository, digest: None, tags }) => {
            assert_eq!(tags.len(), 1, "a push by tag has one tag");
            format!("/v2/{repository}/manifests/{}", tags[0])
        }
        Intent::Push(Push { repository, digest: Some(digest), tags }) => {
            let tags: Vec<String> = tags.iter().map(|tag| format!("tag={tag}")).collect();
            format!("/v2/{repository}/manifests/{digest}?{}", tags.join("&")).trim_end_matches('?').to_owned()
        }
    }
}

/// Splits a path by nothing but its text.
fn plain_split(path: &str) -> Option<(&'static str, &str, &str)> {
    let rest = path.strip_prefix("/v2/")?;
    if let Some(repository) = rest.strip_suffix("/tags/list") {
        return Some(("tags", repository, ""));
    }
    ["manifests", "blobs/uploads", "blobs", "referrers"].into_iter().find_map(|keyword| {
        let (repository, last) = rest.rsplit_once(&format!("/{keyword}/"))?;
        (!last.contains('/')).then_some((keyword, repository, last))
    })
}

fn names_what_the_path_names(method: &Method, intent: &Intent, path: &str, query: &[(String, String)]) {
    static NAMES: LazyLock<Regex> = LazyLock::new(|| Regex::new(NAME).expect("the grammar of names"));
    static TAGS: LazyLock<Regex> = LazyLock::new(|| Regex::new(TAG).expect("the grammar of tags"));
    let is_read = matches!(*method, Method::GET | Method::HEAD);
    let split = plain_split(path);
    let is = |keyword: &str, repository: &str, last: &str| {
        assert_eq!(split, Some((keyword, repository, last)), "{path} names something else");
        assert!(NAMES.is_match(repository) && repository.len() <= 255, "{repository} is no name");
    };
    let is_tag = |TagKey { repository, tag }: &TagKey| {
        is("manifests", repository.as_str(), tag.as_str());
        assert!(TAGS.is_match(tag.as_str()), "{tag} is no tag");
    };
    match intent {
        Intent::Pull(pull) => {
            assert!(is_read && pull.method == method);
            is_tag(&pull.key);
        }
        Intent::Push(push) => {
            assert_eq!(method, Method::PUT);
            assert!(push.tags.iter().all(|tag| TAGS.is_match(tag.as_str())));
            let last = push.digest.as_ref().map_or_else(|| push.tags[0].as_str(), |digest| digest.as_str());
            is("manifests", push.repository.as_str(), last);
            if push.digest.is_some() {
                // Whoever takes the values of `tag`, as a form or not, finds these.
                let asked = query.iter().filter(|(name, _)| name == "tag").map(|(_, value)| value.as_str());
                let set: Vec<&str> = push.tags.iter().map(|tag| tag.as_str()).collect();
                assert!(asked.clone().all(|tag| set.contains(&tag)), "a tag was lost: {query:?}");
                assert!(set.iter().all(|tag| asked.clone().any(|asked| asked == *tag)), "a tag was made up: {set:?}");
            }
        }
        Intent::DeleteTag(delete) => {
            assert_eq!(method, Method::DELETE);
            is_tag(&delete.what);
        }
        Intent::DeleteManifest(delete) => {
            assert_eq!(method, Method::DELETE);
            is("manifests", delete.what.0.as_str(), delete.what.1.as_str());
        }
        Intent::DeleteBlob(delete) => {
            assert_eq!(method, Method::DELETE);
            is("blobs", delete.what.as_str(), path.rsplit('/').next().unwrap_or_default());
        }
        Intent::Pass(pass) => {
            assert_eq!(pass.method, method);
            let may_write = matches!(pass.kind, Kind::Upload) || (pass.kind == Kind::Passthrough && *method == Method::POST);
            assert!(is_read || may_write, "{method} {path} passes as {:?}", pass.kind);
            let keyword = match pass.kind {
                Kind::Manifest => "manifests",
                Kind::Blob => "blobs",
                Kind::Upload => "blobs/uploads",
                Kind::Tags => "tags",
                Kind::Referrers => "referrers",
                Kind::Base | Kind::Extension | Kind::Passthrough => {
                    let is_outside = |path: &str| path == "/v2/" || path.starts_with("/v2/_") || !path.starts_with("/v2");
                    assert!(pass.repository.is_none() && is_outside(path), "{path} passes as {:?}", pass.kind);
                    return;
                }
            };
            let (found, repository, last) = split.unwrap_or_else(|| panic!("{path} passes as {keyword}"));
            is(keyword, pass.repository.as_ref().map_or("", |repository| repository.as_str()), last);
            assert!(found != "manifests" || last.contains(':'), "a tag passes undecided: {repository}:{last}");
        }
    }
}

fn needs_every_encoding(query: &str) {
    for (at, _) in query.match_indices('%') {
        let byte = u8::from_str_radix(&query[at + 1..at + 3], 16).expect("two digits");
        assert!(!byte.is_ascii_alphanumeric() && !b"-._~".contains(&byte), "{query} encodes {:?}", char::from(byte));
    }
}

fn pairs(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(name, value)| (decoded(name), decoded(value))).collect()
}

/// Undoes percent-encodings, as far as they are any; a byte becomes a character.
fn decoded(text: &str) -> String {
    let mut decoded = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let encoded = rest.strip_prefix('%').and_then(|_| u8::from_str_radix(rest.get(1..3)?, 16).ok());
        decoded.push(encoded.map_or(first, char::from));
        rest = &rest[if encoded.is_some() { 3 } else { first.len_utf8() }..];
    }
    decoded
}
