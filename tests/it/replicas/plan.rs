//! What a run does, by its failpoint and its seed.

use crate::harness::random::Seeded;

use super::spec::Content;

/// Clients at once.
pub const CLIENTS: usize = 4;
/// What each of them does.
const STEPS: usize = 7;

/// The policy of a run: deletes of the first kind of tag are denied.
pub const POLICY: &str = r#"
[[rule]]
name = "kept"
tags = ["semver:x.y.z"]
mutability = "immutable"

[[rule]]
name = "loose"
tags = ["loose-*"]
mutability = "immutable"
delete = "allow"
"#;

/// A tag, and the contents that are pushed to it.
pub struct Target {
    pub name: &'static str,
    pub contents: &'static [Content],
    pub may_be_deleted: bool,
}

/// The tags share contents, so that a delete of a manifest finds another tag on it.
pub const TAGS: [Target; 3] = [
    Target { name: "1.4.0", contents: &[0, 1], may_be_deleted: false },
    Target { name: "loose-a", contents: &[1, 2, 3], may_be_deleted: true },
    Target { name: "loose-b", contents: &[3, 4], may_be_deleted: true },
];

/// One more content than the tags have, which nobody has pushed when all is over.
pub const CONTENTS: usize = 6;
pub const PROBE: Content = 5;

#[derive(Clone, Copy, Debug)]
pub enum Action {
    Push { tag: usize, content: Content },
    Pull { tag: usize },
    Delete { content: Content },
}

/// Something that is killed when so many operations have begun.
#[derive(Clone, Copy, Debug)]
pub struct Kill {
    pub after: usize,
    pub what: Victim,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Victim {
    Replica(usize),
    Database,
}

/// A run. What its programs do in which order is theirs; all else follows from this.
#[derive(Clone, Debug)]
pub struct Plan {
    pub point: &'static str,
    pub seed: u64,
    pub replicas: usize,
    /// What `FAILPOINTS` says to each replica at its first start, and at its second.
    pub failpoints: Vec<[Option<String>; 2]>,
    pub kills: Vec<Kill>,
    /// What each client does, through which replica.
    pub clients: Vec<Vec<(usize, Action)>>,
    /// A tag that somebody had pushed to the registry before.
    pub there_before: Option<(usize, Content)>,
    /// Of a hundred connections, those that meet a mishap.
    pub percent: usize,
}

impl Plan {
    pub fn new(point: &'static str, seed: u64, replicas: usize) -> Self {
        let choices =
            &mut Seeded::new(seed, point.bytes().fold(replicas as u64, |sum, byte| sum * 31 % (1 << 40) + u64::from(byte)));
        let failpoints = failpoints(point, replicas, choices);
        let there_before = (point == "gate-adopting" || choices.chance(25)).then(|| {
            let tag = choices.below(TAGS.len());
            (tag, choices.pick(TAGS[tag].contents))
        });
        let operations = CLIENTS * STEPS;
        let mut kills = Vec::new();
        if choices.chance(50) {
            kills.push(Kill { after: choices.below(operations), what: Victim::Replica(choices.below(replicas)) });
        }
        if choices.chance(40) {
            kills.push(Kill { after: choices.below(operations), what: Victim::Database });
        }
        let clients = (0..CLIENTS).map(|_| (0..STEPS).map(|_| (choices.below(replicas), action(choices))).collect()).collect();
        let percent = choices.pick(&[0, 20, 40, 60]);
        Self { point, seed, replicas, failpoints, kills, clients, there_before, percent }
    }

    /// How this very run is made again.
    pub fn replay(&self) -> String {
        let test = if self.replicas == 1 { "one_replica" } else { "three_replicas" };
        format!("REPLICAS_POINT={} REPLICAS_SEED={} cargo test --test it replicas::{test} -- --nocapture", self.point, self.seed)
    }
}

/// The failpoint kills every replica the first, second, … time that it is passed. What
/// only a roll-forward passes needs a claim that somebody left open first.
fn failpoints(point: &'static str, replicas: usize, choices: &mut Seeded) -> Vec<[Option<String>; 2]> {
    let kill = |point: &str, passed: usize| Some(format!("{point}={passed}*off->1*return"));
    let needs_open_claim = matches!(point, "gate-reconciling" | "gate-joined" | "gate-rolled");
    let leaves_open = needs_open_claim.then(|| choices.below(replicas));
    let most = if point.starts_with("ledger") { 8 } else { 3 };
    let of_replica = |number: usize| match leaves_open {
        Some(first) if first == number => [kill(choices.pick(&["gate-claimed", "gate-looked"]), choices.below(2)), kill(point, 0)],
        Some(_) => [kill(point, 0), None],
        None => [kill(point, choices.below(most)), None],
    };
    (0..replicas).map(of_replica).collect()
}

fn action(choices: &mut Seeded) -> Action {
    let tag = choices.below(TAGS.len());
    let content = choices.pick(TAGS[tag].contents);
    match choices.below(100) {
        0..45 => Action::Push { tag, content },
        45..75 => Action::Pull { tag },
        // What the first tag has to itself is never deleted.
        _ => Action::Delete { content: content.max(1) },
    }
}
