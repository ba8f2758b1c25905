//! What a seed decides before anything happens.

use std::time::Duration;

use bytes::Bytes;

use super::dice::Dice;
use crate::config::valid::WhenLedgerIsDown;
use crate::ledger::TagKey;
use crate::oci::{Algorithm, Digest, RepositoryName, Tag};

pub const REPOSITORY: &str = "web";
pub const REGISTRY: &str = "registry";
pub const LEDGER: &str = "ledger";
pub const REPLICAS: [&str; 3] = ["replica-a", "replica-b", "replica-c"];
const CLIENTS: [&str; 4] = ["ada", "bob", "cyd", "dan"];

/// When the faults end, in milliseconds of virtual time.
pub const CALM: u64 = 8_000;

const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A manifest that clients push.
#[derive(Clone, Debug)]
pub struct Content {
    pub media_type: &'static str,
    pub bytes: Bytes,
    pub digest: Digest,
    /// Where it is an index: the place of the manifest that it lists.
    pub child: Option<usize>,
}

/// A tag and the manifests that are pushed to it.
#[derive(Clone, Debug)]
pub struct TagPlan {
    pub key: TagKey,
    /// Whether its rule lets it be deleted.
    pub may_go: bool,
    pub contents: Vec<usize>,
    /// What the registry points it at before anybody pushes through the gate.
    pub before: Option<usize>,
}

/// What happens to the network or to a host, and for how many milliseconds.
#[derive(Clone, Debug)]
pub enum Fault {
    /// No message passes, either way.
    Cut(&'static str, &'static str),
    /// No message passes from the first to the second.
    CutOneWay(&'static str, &'static str),
    /// Messages wait and pass at the end.
    Hold(&'static str, &'static str),
    /// The host stops in the middle of whatever it does.
    Stop(&'static str),
}

#[derive(Clone, Debug)]
pub struct FaultPlan {
    pub at: u64,
    pub lasts: u64,
    pub fault: Fault,
}

/// A world as its seed makes it.
#[derive(Clone, Debug)]
pub struct Plan {
    pub replicas: &'static [&'static str],
    pub clients: &'static [&'static str],
    /// How many requests each client makes, and how long it waits between them at most,
    /// in milliseconds.
    pub requests: u64,
    pub pause: u64,
    pub contents: Vec<Content>,
    pub tags: Vec<TagPlan>,
    /// Tags that move as they like.
    pub moving: Vec<TagKey>,
    pub faults: Vec<FaultPlan>,
    /// Whether nothing fails: then only what happens at the same time matters.
    pub is_fair: bool,
    pub sqlite: bool,
    pub when_ledger_is_down: WhenLedgerIsDown,
    pub slowest: Duration,
    /// The share of messages that break their link for a while.
    pub loss: f64,
    /// How many of a thousand requests the registry answers badly.
    pub bad_answers: u64,
}

impl Plan {
    pub fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed, "plan");
        let contents = contents();
        let is_fair = dice.in_thousand(200);
        let replicas = &REPLICAS[..*dice.pick(&[1, 2, 3, 3])];
        let clients = &CLIENTS[..*dice.pick(&[2, 3, 4])];
        let mut tags = Vec::new();
        let names = [("1.0.0", false), ("rc-1", true), ("1.0.1", false), ("rc-2", true)];
        for (name, may_go) in &names[..*dice.pick(&[1, 2, 2, 4])] {
            let [first, second] = two(&mut dice, contents.len());
            let before = dice.in_thousand(200).then(|| *dice.pick(&[0, 1, 2]));
            tags.push(TagPlan { key: key(name), may_go: *may_go, contents: vec![first, second], before });
        }
        let mut faults = faults(&mut dice, replicas, clients);
        if is_fair {
            faults.clear();
        }
        let moving = ["latest", "1.0"][..*dice.pick(&[0, 1, 1, 2])].iter().map(|tag| key(tag)).collect();
        Self {
            replicas,
            clients,
            requests: dice.between(4, 8),
            pause: *dice.pick(&[20, 200, 800]),
            contents,
            tags,
            moving,
            faults,
            sqlite: dice.in_thousand(250),
            when_ledger_is_down: *dice.pick(&[WhenLedgerIsDown::Serve, WhenLedgerIsDown::Refuse]),
            slowest: Duration::from_millis(*dice.pick(&[10, 40, 150, 400])),
            loss: if is_fair { 0.0 } else { *dice.pick(&[0.0, 0.002, 0.01]) },
            bad_answers: if is_fair { 0 } else { *dice.pick(&[0, 80, 250]) },
            is_fair,
        }
    }

    pub fn tag(&self, key: &TagKey) -> Option<&TagPlan> {
        self.tags.iter().find(|tag| tag.key == *key)
    }
}

pub fn repository() -> RepositoryName {
    RepositoryName::parse(REPOSITORY).expect("a name")
}

pub fn key(tag: &str) -> TagKey {
    TagKey { repository: repository(), tag: Tag::parse(tag).expect("a tag") }
}

/// Four images, and an index of the first one.
fn contents() -> Vec<Content> {
    let mut contents: Vec<Content> = (0..4).map(image).collect();
    let child = &contents[0];
    let listed = format!(r#"{{"mediaType":"{IMAGE}","digest":"{}","size":{}}}"#, child.digest.as_str(), child.bytes.len());
    let text = format!(r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[{listed}]}}"#);
    contents.push(content(INDEX, text, Some(0)));
    contents
}

fn image(number: usize) -> Content {
    let config = Digest::of(Algorithm::Sha256, b"{}");
    let config = format!(r#"{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{}","size":2}}"#, config.as_str());
    let text =
        format!(r#"{{"schemaVersion":2,"mediaType":"{IMAGE}","config":{config},"layers":[],"annotations":{{"n":"{number}"}}}}"#);
    content(IMAGE, text, None)
}

fn content(media_type: &'static str, text: String, child: Option<usize>) -> Content {
    let bytes = Bytes::from(text);
    let digest = Digest::of(Algorithm::Sha256, &bytes);
    Content { media_type, bytes, digest, child }
}

fn two(dice: &mut Dice, of: usize) -> [usize; 2] {
    let first = usize::try_from(dice.below(of as u64)).expect("an index");
    let other = usize::try_from(dice.below(of as u64 - 1)).expect("an index");
    [first, if other < first { other } else { other + 1 }]
}

fn faults(dice: &mut Dice, replicas: &[&'static str], clients: &[&'static str]) -> Vec<FaultPlan> {
    let mut faults = Vec::new();
    for _ in 0..dice.between(0, 10) {
        let replica = *dice.pick(replicas);
        let other = match dice.below(5) {
            0 | 1 => REGISTRY,
            2 | 3 => LEDGER,
            _ => *dice.pick(clients),
        };
        let fault = match dice.below(8) {
            0 | 1 => Fault::Cut(replica, other),
            2 => Fault::CutOneWay(replica, other),
            3 => Fault::CutOneWay(other, replica),
            4 | 5 => Fault::Hold(replica, other),
            6 => Fault::Stop(replica),
            _ => Fault::Stop(dice.pick::<&'static str>(&[REGISTRY, LEDGER])),
        };
        faults.push(FaultPlan { at: dice.between(50, CALM - 3_000), lasts: dice.between(50, 3_000), fault });
    }
    faults
}
