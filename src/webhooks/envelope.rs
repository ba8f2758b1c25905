//! An event as it is delivered: CloudEvents 1.0, structured mode, JSON.

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use serde::Serialize;

use crate::ledger::event::Event;
use crate::ledger::log::Leaf;

pub(super) const CONTENT_TYPE: &str = "application/cloudevents+json";

/// How much of a leaf's hash is in an id, in bytes.
const DISTINCT: usize = 8;

/// <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>
#[derive(Serialize)]
struct Envelope<'a> {
    specversion: &'static str,
    id: &'a str,
    source: &'a str,
    #[serde(rename = "type")]
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    time: Timestamp,
    datacontenttype: &'static str,
    data: &'a Event,
}

/// What tells an event from every other of the log: its position, and the beginning of its
/// hash, since a log that was restored from a backup has other events at the same places.
pub fn id(leaf: &Leaf) -> String {
    format!("{}-{}", leaf.position, HEXLOWER.encode(&leaf.hash.0[..DISTINCT]))
}

/// The body of a delivery. `data` is the text of the leaf, byte for byte.
pub(super) fn body(source: &str, id: &str, event: &Event) -> Result<Vec<u8>, serde_json::Error> {
    let subject = event.repository.as_ref().map(|repository| match &event.tag {
        Some(tag) => format!("{repository}:{tag}"),
        None => repository.to_string(),
    });
    let kind = format!("pushonce.tag.{}", event.outcome);
    let (specversion, datacontenttype) = ("1.0", "application/json");
    serde_json::to_vec(&Envelope { specversion, id, source, kind, subject, time: event.at, datacontenttype, data: event })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::event::{Action, Outcome};
    use crate::ledger::tree::Hash;
    use crate::ledger::{Note, TagKey};
    use crate::oci::{RepositoryName, Tag};

    fn leaf() -> Leaf {
        let key = TagKey { repository: RepositoryName::parse("web").expect("a name"), tag: Tag::parse("1.4.0").expect("a tag") };
        let at: Timestamp = "2026-11-24T15:03:10.402Z".parse().expect("a time");
        let event = Event::of("default", &key, Action::Push, Outcome::Pushed, &Note::from(at));
        Leaf { position: 41, hash: Hash::of_leaf(event.text().as_bytes()), number: 42, event }
    }

    #[test]
    fn a_body_has_the_text_of_the_leaf() {
        let leaf = leaf();
        let id = id(&leaf);
        assert_eq!(id.len(), "41-".len() + 2 * DISTINCT);
        let body = String::from_utf8(body("pushonce/default", &id, &leaf.event).expect("JSON")).expect("text");
        let expected = format!(
            r#"{{"specversion":"1.0","id":"{id}","source":"pushonce/default","type":"pushonce.tag.pushed","subject":"web:1.4.0","time":"2026-11-24T15:03:10.402Z","datacontenttype":"application/json","data":{}}}"#,
            leaf.event.text()
        );
        assert_eq!(body, expected);
    }

    #[test]
    fn an_act_without_a_tag_has_no_subject() {
        let event = Event { repository: None, tag: None, ..leaf().event };
        let body = String::from_utf8(body("pushonce/default", "1", &event).expect("JSON")).expect("text");
        assert!(!body.contains("subject"), "{body}");
    }
}
