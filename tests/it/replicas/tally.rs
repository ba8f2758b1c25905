//! What many runs came to.

use std::collections::BTreeMap;
use std::fmt;

use super::history::Wrongs;

#[derive(Default)]
pub struct Tally {
    pub runs: usize,
    pub operations: usize,
    /// Tags whose content a delete took away that nobody saw the end of; all of them
    /// had it again after a push of the same bytes.
    pub healed: usize,
    /// Answers by what they said.
    pub answers: BTreeMap<String, usize>,
    /// What befell connections.
    pub faults: BTreeMap<&'static str, usize>,
    /// Processes that were killed, by what killed them.
    pub kills: BTreeMap<String, usize>,
    pub wrongs: Wrongs,
}

impl Tally {
    pub fn add(&mut self, other: Self) {
        self.runs += other.runs;
        self.operations += other.operations;
        self.healed += other.healed;
        self.wrongs += other.wrongs;
        other.answers.into_iter().for_each(|(name, count)| *self.answers.entry(name).or_default() += count);
        other.faults.into_iter().for_each(|(name, count)| *self.faults.entry(name).or_default() += count);
        other.kills.into_iter().for_each(|(name, count)| *self.kills.entry(name).or_default() += count);
    }
}

impl Tally {
    /// Adds a run, and tells now and then how it goes.
    pub fn add_and_tell(&mut self, other: Self, of: usize) {
        self.add(other);
        if self.runs.is_multiple_of(100) && self.runs < of {
            println!("of {of} runs so far: {self}");
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Wrongs { double_winners, acknowledged_and_lost, resurrected } = self.wrongs;
        writeln!(f, "{} runs, {} operations; {:?}", self.runs, self.operations, self.answers)?;
        writeln!(f, "{} tags had lost their content to an unfinished delete, and got it back with the same bytes", self.healed)?;
        writeln!(f, "{} faults on links: {:?}", self.faults.values().sum::<usize>(), self.faults)?;
        writeln!(f, "{} kills: {:?}", self.kills.values().sum::<usize>(), self.kills)?;
        write!(
            f,
            "double winners {double_winners}, acknowledged and lost {acknowledged_and_lost}, resurrected tombstones {resurrected}"
        )
    }
}
