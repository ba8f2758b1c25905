//! Reads the whole log and compares: each leaf with its event, each node with what is below
//! it, and the roots with the checkpoints that were kept elsewhere.

use super::Checkpoint;
use crate::ledger::event::Event;
use crate::ledger::log::Leaf;
use crate::ledger::tree::{Hash, WIDTH, root, root_of_parts};
use crate::ledger::{LedgerError, Log};

/// Leaves of one page.
const PAGE: usize = 1_000;

/// How many problems are told.
const TOLD: usize = 20;

/// What was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verified {
    /// How many events were read.
    pub size: u64,
    pub root: Hash,
    /// How many of the checkpoints are of this log as it is.
    pub checkpoints: usize,
    /// One line each; empty where all is well.
    pub problems: Vec<String>,
}

/// Reads everything. `tell` hears how many events of how many are done.
pub async fn verify(log: &dyn Log, known: &[Checkpoint], tell: &mut dyn FnMut(u64, u64)) -> Result<Verified, LedgerError> {
    let mut reader = Reader { log, known, levels: vec![Vec::new()], size: 0, checkpoints: 0, problems: Vec::new() };
    let size = log.plant().await?;
    reader.compare_checkpoints();
    while reader.size < size && reader.problems.len() < TOLD {
        let leaves = match log.leaves(reader.size, PAGE).await {
            Ok(leaves) => leaves,
            Err(LedgerError::Corrupt(words)) => {
                reader.problems.push(format!("{words}; it was written over"));
                break;
            }
            Err(error) => return Err(error),
        };
        if leaves.is_empty() {
            reader.problems.push(format!("the leaf at position {} has no event: it was taken out", reader.size));
            break;
        }
        for leaf in leaves {
            reader.read(leaf).await?;
        }
        tell(reader.size, size);
    }
    for checkpoint in known.iter().filter(|checkpoint| checkpoint.size > size) {
        let Checkpoint { origin, size: had, .. } = checkpoint;
        reader
            .problems
            .push(format!("the log had {had} events at the checkpoint of {origin}, and has {size}: its end was cut off"));
    }
    let Reader { size, levels, checkpoints, problems, .. } = reader;
    Ok(Verified { size, root: root_of(&levels), checkpoints, problems })
}

struct Reader<'a> {
    log: &'a dyn Log,
    known: &'a [Checkpoint],
    /// Of each level the nodes that have no parent yet.
    levels: Vec<Vec<Hash>>,
    size: u64,
    checkpoints: usize,
    problems: Vec<String>,
}

impl Reader<'_> {
    async fn read(&mut self, leaf: Leaf) -> Result<(), LedgerError> {
        let Leaf { position, hash, number, event } = leaf;
        if position != self.size {
            self.problems.push(format!("the leaf at position {} has no event: it was taken out", self.size));
            self.size = position;
        }
        let found = Hash::of_leaf(event.text().as_bytes());
        if found != hash {
            self.problems.push(format!("event {number}, {}: it, or its hash in the tree, was changed", named(&event)));
        }
        self.size += 1;
        self.add(0, found).await?;
        self.compare_checkpoints();
        Ok(())
    }

    async fn add(&mut self, level: usize, hash: Hash) -> Result<(), LedgerError> {
        let (mut level, mut hash) = (level, hash);
        loop {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            let nodes = &mut self.levels[level];
            nodes.push(hash);
            if (nodes.len() as u64) < WIDTH {
                return Ok(());
            }
            hash = root(nodes);
            nodes.clear();
            level += 1;
            let index = self.size / WIDTH.pow(u32::try_from(level).unwrap_or(u32::MAX)) - 1;
            let stored = self.log.nodes(u32::try_from(level).unwrap_or(u32::MAX), index, 1).await?;
            if stored.first() != Some(&hash) && self.problems.is_empty() {
                self.problems
                    .push(format!("the node {index} of level {level} is not the root of what is below it: it was changed"));
            }
        }
    }

    fn compare_checkpoints(&mut self) {
        for checkpoint in self.known.iter().filter(|checkpoint| checkpoint.size == self.size) {
            if checkpoint.root == root_of(&self.levels) {
                self.checkpoints += 1;
            } else {
                let Checkpoint { origin, size, .. } = checkpoint;
                let words = format!("the first {size} events are not those of the checkpoint of {origin}: the log was rewritten");
                self.problems.push(words);
            }
        }
    }
}

fn root_of(levels: &[Vec<Hash>]) -> Hash {
    root_of_parts(&levels.iter().rev().cloned().collect::<Vec<_>>())
}

fn named(event: &Event) -> String {
    let about = event.key().map_or_else(|| "of the ledger".to_owned(), |key| format!("of {key}"));
    format!("{about} at {}", event.at)
}
