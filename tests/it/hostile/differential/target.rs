//! Random requests: valid ones of every kind, and the same with a few changes.

use std::fmt;

use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::harness::image::sha256;

/// A manifest that needs no blobs, so that every repository accepts it.
pub const MANIFEST: &str = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;

/// A method and a target.
#[derive(Clone, Debug)]
pub struct Case {
    pub method: String,
    pub target: String,
}

impl Case {
    /// The request, byte for byte, with [`MANIFEST`] as the body of a PUT.
    pub fn bytes(&self, host: &str, agent: &str) -> Vec<u8> {
        let body = if self.method == "PUT" { MANIFEST } else { "" };
        let length = match self.method.as_str() {
            "PUT" | "POST" | "PATCH" => format!("Content-Length: {}\r\n", body.len()),
            _ => String::new(),
        };
        let head = format!(
            "{self} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nUser-Agent: {agent}\r\nAccept: */*\r\n\
             Content-Type: application/vnd.oci.image.index.v1+json\r\n{length}\r\n"
        );
        (head + body).into_bytes()
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.target)
    }
}

/// Requests of which about half are as the specification has them.
pub fn cases() -> impl Strategy<Value = Case> {
    let target = (path(), query()).prop_map(|(path, query)| path + &query);
    let changes = prop_oneof![1 => Just(Vec::new()), 1 => prop::collection::vec(change(), 1..3)];
    let target =
        (target, changes).prop_map(|(target, changes)| changes.into_iter().fold(target, |target, change| change.on(target)));
    (method(), target).prop_map(|(method, target)| Case { method, target })
}

fn method() -> impl Strategy<Value = String> {
    let methods = [(5, "PUT"), (3, "GET"), (1, "HEAD"), (3, "DELETE"), (1, "POST"), (1, "PATCH")];
    prop::strategy::Union::new_weighted(methods.map(|(weight, method)| (weight, Just(method.to_owned()))).to_vec())
}

fn repository() -> impl Strategy<Value = String> {
    let keywords = select(vec!["manifests", "blobs", "uploads", "tags", "list", "referrers", "v2", "latest", "1.4.0"]);
    let component = prop_oneof![
        3 => keywords.prop_map(str::to_owned),
        2 => "[a-z0-9]{1,4}((\\.|_|__|--?)[a-z0-9]{1,3}){0,2}",
        1 => "[a-z0-9]([a-zA-Z0-9._-]{0,4}[a-z0-9])?",
    ];
    prop_oneof![
        2 => Just("driftwood/web".to_owned()),
        4 => prop::collection::vec(component, 1..4).prop_map(|components| components.join("/")),
    ]
}

fn tag() -> impl Strategy<Value = String> {
    let known = select(vec!["1.4.0", "v1.4.0", "git-9f3c2a1", "latest", "1.4", "manifests", "list", "uploads"]);
    prop_oneof![4 => known.prop_map(str::to_owned), 1 => "[a-zA-Z0-9_][a-zA-Z0-9._-]{0,8}", 1 => "[0-9]\\.[0-9]\\.[0-9](-rc\\.[0-9])?"]
}

fn digest() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => Just(sha256(MANIFEST.as_bytes())),
        1 => "sha256:[0-9a-f]{64}",
        1 => "[a-z0-9+]{1,6}:[0-9a-fA-F]{1,64}",
    ]
}

fn path() -> impl Strategy<Value = String> {
    let upload = "[0-9a-f]{8}-[0-9a-f]{4}";
    let end = prop_oneof![
        8 => tag().prop_map(|tag| format!("manifests/{tag}")),
        5 => digest().prop_map(|digest| format!("manifests/{digest}")),
        2 => digest().prop_map(|digest| format!("blobs/{digest}")),
        1 => Just("blobs/uploads/".to_owned()),
        1 => upload.prop_map(|upload| format!("blobs/uploads/{upload}")),
        1 => Just("tags/list".to_owned()),
        1 => digest().prop_map(|digest| format!("referrers/{digest}")),
    ];
    prop_oneof![
        30 => (repository(), end).prop_map(|(repository, end)| format!("/v2/{repository}/{end}")),
        1 => select(vec!["/v2/", "/v2/_catalog", "/v2", "/"]).prop_map(str::to_owned),
    ]
}

fn query() -> impl Strategy<Value = String> {
    let key = select(vec!["tag", "tag", "tag", "ns", "n", "last", "digest", "mount", "from", "_state", "Tag", "x"]);
    let value = prop_oneof![3 => tag(), 1 => digest(), 1 => repository(), 1 => "[ -~]{0,6}"];
    let pairs = prop::collection::vec((key, value).prop_map(|(key, value)| format!("{key}={value}")), 1..3);
    prop_oneof![5 => Just(String::new()), 1 => pairs.prop_map(|pairs| format!("?{}", pairs.join("&")))]
}

/// One change of a target.
#[derive(Clone, Debug)]
enum Change {
    Encode(Index, bool),
    EncodeTwice(Index),
    Insert(Index, String),
    Replace(Index, char),
    Delete(Index),
    UpperCase(Index),
    Append(String),
}

fn change() -> impl Strategy<Value = Change> {
    let pieces = vec![
        "/",
        "//",
        "/./",
        "/../",
        "/x/../",
        "%2F",
        "%2f",
        "%2e%2e/",
        "%00",
        "%20",
        "\\",
        ";",
        "?",
        "#",
        "&",
        "=",
        ":",
        "@",
        "+",
        "~",
        ".",
        "-",
        "manifests",
        "/manifests/",
        "/blobs/uploads/",
        "/tags/list",
        "%C0%AE",
        "%zz",
        "é",
        " ",
        "\t",
    ];
    let piece = || select(pieces.clone()).prop_map(str::to_owned);
    prop_oneof![
        4 => (any::<Index>(), any::<bool>()).prop_map(|(place, upper)| Change::Encode(place, upper)),
        1 => any::<Index>().prop_map(Change::EncodeTwice),
        4 => (any::<Index>(), piece()).prop_map(|(place, piece)| Change::Insert(place, piece)),
        2 => (any::<Index>(), "[ -~]").prop_map(|(place, letter)| Change::Replace(place, letter.chars().next().unwrap_or('/'))),
        1 => any::<Index>().prop_map(Change::Delete),
        1 => any::<Index>().prop_map(Change::UpperCase),
        2 => piece().prop_map(Change::Append),
    ]
}

impl Change {
    fn on(self, target: String) -> String {
        let mut letters: Vec<String> = target.chars().map(String::from).collect();
        if letters.is_empty() {
            return target;
        }
        let encoded = |letter: &str| letter.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
        match self {
            Self::Encode(place, upper) => {
                let letter = place.get_mut(&mut letters);
                *letter = if upper { encoded(letter) } else { encoded(letter).to_lowercase() };
            }
            Self::EncodeTwice(place) => {
                let letter = place.get_mut(&mut letters);
                *letter = encoded(letter).replace('%', "%25");
            }
            Self::Insert(place, piece) => place.get_mut(&mut letters).push_str(&piece),
            Self::Replace(place, letter) => *place.get_mut(&mut letters) = letter.to_string(),
            Self::Delete(place) => place.get_mut(&mut letters).clear(),
            Self::UpperCase(place) => {
                let letter = place.get_mut(&mut letters);
                *letter = letter.to_uppercase();
            }
            Self::Append(piece) => letters.push(piece),
        }
        letters.concat()
    }
}
