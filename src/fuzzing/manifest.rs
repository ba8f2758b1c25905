//! A content type on the first line, a manifest behind it: what is accepted has
//! schema version 2, and every child is a digest that stands in the text.

use std::collections::HashSet;

use serde_json::Value;

use super::first_line;
use crate::oci::manifest::Manifest;

pub fn check(input: &[u8]) {
    let (content_type, body) = first_line(input);
    let Ok(content_type) = std::str::from_utf8(content_type) else { return };
    let stored = Manifest::parse_stored(body);
    let Ok(manifest) = Manifest::parse(Some(content_type), body) else {
        // Whatever the registry holds is read without a word about its version.
        assert_eq!(stored.is_ok(), serde_json::from_slice::<Value>(body).is_ok_and(|value| value.is_object()));
        return;
    };
    let stored = stored.expect("what may be pushed may be stored");
    assert_eq!(manifest.children(), stored.children());
    assert!(!content_type.contains("manifest.v1") || !content_type.starts_with("application/vnd.docker.distribution"));

    let value: Value = serde_json::from_slice(body).expect("JSON");
    assert_eq!(value["schemaVersion"], 2);
    assert!(value.get("fsLayers").is_none() && value["schemaVersion"].is_u64());
    let mut seen = HashSet::new();
    for key in keys(std::str::from_utf8(body).expect("JSON is UTF-8")) {
        assert!(seen.insert(key.to_lowercase()), "{key} is written twice");
    }

    let mut strings = Vec::new();
    collect(&value["manifests"], &mut strings);
    for child in manifest.children() {
        assert!(strings.contains(&child.digest.as_str()), "{} stands nowhere in the text", child.digest);
    }
    // And the other way round: no descriptor of the list is missed.
    for descriptor in value["manifests"].as_array().into_iter().flatten() {
        let Some(digest) = descriptor["digest"].as_str().filter(|digest| is_sha256(digest)) else { continue };
        assert!(manifest.children().iter().any(|child| child.digest.as_str() == digest), "{digest} is missed");
    }
}

/// The keys of the outermost object as they are written, twins included.
fn keys(text: &str) -> Vec<String> {
    let (mut keys, mut depth, mut at) = (Vec::new(), 0, 0);
    while let Some(byte) = text.as_bytes().get(at) {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            b'"' => {
                let start = at;
                at += 1;
                while text.as_bytes()[at] != b'"' {
                    at += if text.as_bytes()[at] == b'\\' { 2 } else { 1 };
                }
                if depth == 1 && text[at + 1..].trim_start().starts_with(':') {
                    keys.push(serde_json::from_str(&text[start..=at]).expect("a string"));
                }
            }
            _ => {}
        }
        at += 1;
    }
    keys
}

fn collect<'a>(value: &'a Value, strings: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => strings.push(text),
        Value::Array(list) => list.iter().for_each(|item| collect(item, strings)),
        Value::Object(object) => object.values().for_each(|item| collect(item, strings)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn is_sha256(text: &str) -> bool {
    let hex = text.strip_prefix("sha256:").unwrap_or_default();
    hex.len() == 64 && hex.bytes().all(|byte| b"0123456789abcdef".contains(&byte))
}
