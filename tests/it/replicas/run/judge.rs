//! The questions at the end of a run, and whether all that was told fits together.

use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension};

use super::super::history::{Wrongs, is_linearizable, wrongs};
use super::super::plan::{PROBE, TAGS};
use super::super::spec::{Content, Ret, Tag};
use super::Run;

/// How long a tag may stay undecided once all is well.
const PATIENCE: Duration = Duration::from_secs(30);

impl Run<'_> {
    /// Now that all is well: what is decided, what every replica says, what the ledger
    /// has, and whether all that was told fits together.
    pub(super) fn judge(&self) -> Vec<String> {
        let mut failures = Vec::new();
        for tag in 0..TAGS.len() {
            failures.extend(self.decide(tag).err());
        }
        let seen: Vec<_> = (0..TAGS.len()).map(|tag| self.pull_everywhere(tag, &mut failures)).collect();
        for (tag, row) in self.rows().into_iter().enumerate() {
            let name = TAGS[tag].name;
            let row = row.as_ref().map(|(state, content)| (state.as_str(), *content));
            let last = match (row, seen[tag]) {
                (Some(("sealed", content)), Some(Ret::Pulled(pulled))) if content == pulled => Tag::Sealed(content),
                (Some(("sealed", content)), Some(Ret::NotFound)) => {
                    failures.extend(self.heal(tag, content).err());
                    Tag::Gone(content)
                }
                (Some(("burnt", content)), Some(Ret::NotFound)) => Tag::Burnt(content),
                other => {
                    failures.push(format!("the ledger and the pulls of {name} differ: {other:?}"));
                    continue;
                }
            };
            let entries = self.history.of_tag(tag);
            let wrongs = wrongs(&entries, last);
            if wrongs != Wrongs::default() {
                failures.push(format!("{name} is {last:?}: {wrongs:?}"));
            }
            if !is_linearizable(&entries) {
                failures.push(format!("no one tag can have answered as {name}"));
            }
            self.tally.lock().expect("the tally").wrongs += wrongs;
        }
        failures
    }

    /// What every replica says; all of them say the same.
    fn pull_everywhere(&self, tag: usize, failures: &mut Vec<String>) -> Option<Ret> {
        let pulls: Vec<_> = (0..self.plan.replicas).map(|replica| self.pull_patiently(replica, tag)).collect();
        if pulls.iter().any(|pulled| *pulled != pulls[0] || pulled.is_none()) {
            failures.push(format!("the replicas pull {}: {pulls:?}", TAGS[tag].name));
        }
        pulls[0]
    }

    /// A delete that nobody saw the end of has taken the content away; pushing the same
    /// bytes brings it back, and nothing else does.
    fn heal(&self, tag: usize, content: Content) -> Result<(), String> {
        let (ret, said) = self.push(self.cluster.directly(0), tag, content, "to heal it");
        let pulled = self.pull_patiently(0, tag);
        self.tally.lock().expect("the tally").healed += 1;
        match (ret, pulled) {
            (Some(Ret::Accepted), Some(Ret::Pulled(pulled))) if pulled == content => Ok(()),
            other => Err(format!("the content of {} does not come back: {other:?} {said}", TAGS[tag].name)),
        }
    }

    /// Pushes what nobody has pushed until the tag is decided. A claim whose content a
    /// delete took away is decided by nothing but the same bytes, so all are tried.
    fn decide(&self, tag: usize) -> Result<(), String> {
        let mut said = String::new();
        for round in 0..8 {
            for content in [PROBE].iter().chain(TAGS[tag].contents.iter().filter(|_| round > 1)) {
                let (ret, words) = self.push(self.cluster.directly(0), tag, *content, "at the end");
                if ret.is_some() {
                    return Ok(());
                }
                said = words;
            }
            thread::sleep(Duration::from_millis(50 << round));
        }
        Err(format!("{} stays undecided: {said}", TAGS[tag].name))
    }

    fn pull_patiently(&self, replica: usize, tag: usize) -> Option<Ret> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let pulled = self.pull(self.cluster.directly(replica), tag, &format!("at the end, replica {replica}"));
            if pulled.is_some() || Instant::now() > deadline {
                return pulled;
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// State and content of every tag in the ledger.
    fn rows(&self) -> Vec<Option<(String, Content)>> {
        let row = |name: &str| match &self.world.database {
            Some(database) => {
                let repository = &self.contents.repository;
                let sql = format!("SELECT state, digest FROM tags WHERE repository = '{repository}' AND tag = '{name}'");
                let line = database.sql("postgres", &sql);
                line.split_once('|').map(|(state, digest)| (state.to_owned(), digest.to_owned()))
            }
            None => {
                let ledger = Connection::open(self.cluster.ledger_file(0)).expect("the ledger's file");
                let sql = "SELECT state, digest FROM tags WHERE repository = ?1 AND tag = ?2";
                let found = ledger.query_row(sql, [&self.contents.repository, name], |row| Ok((row.get(0)?, row.get(1)?)));
                found.optional().expect("a row of the ledger")
            }
        };
        let named = |(state, digest): (String, String)| (state, self.contents.named(&digest));
        TAGS.iter().map(|tag| row(tag.name).map(named)).collect()
    }
}
