//! What was asked and answered, in the order in which it was; and whether one tag
//! can have answered so (linearizability, Herlihy and Wing 1990).

use std::collections::HashSet;
use std::fmt;
use std::sync::Mutex;

use stateright::semantics::SequentialSpec;

use super::spec::{Content, Op, Ret, Tag};

/// One operation on one tag. An operation that got no answer, or one that leaves
/// open whether it was carried out, may take effect at any time later, or never.
#[derive(Clone, Debug)]
pub struct Entry {
    pub tag: usize,
    pub op: Op,
    /// What the client and the answer were, for people.
    pub words: String,
    invoked: usize,
    returned: Option<(usize, Ret)>,
}

/// The record of a run. Times are the order of its events.
#[derive(Default)]
pub struct History(Mutex<Record>);

#[derive(Default)]
struct Record {
    now: usize,
    entries: Vec<Entry>,
}

/// An operation that was asked and not answered yet.
#[derive(Clone, Copy)]
#[must_use = "without an answer it counts as unknown"]
pub struct Asked(usize);

/// What nobody may be told, counted apart from the checker.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Wrongs {
    pub double_winners: usize,
    pub acknowledged_and_lost: usize,
    pub resurrected: usize,
}

impl History {
    pub fn ask(&self, tag: usize, op: Op) -> Asked {
        let mut record = self.0.lock().expect("the record");
        record.now += 1;
        let invoked = record.now;
        record.entries.push(Entry { tag, op, words: String::new(), invoked, returned: None });
        Asked(record.entries.len() - 1)
    }

    /// `None`: nobody knows whether it was or will be carried out.
    pub fn answer(&self, asked: Asked, ret: Option<Ret>, words: &str) {
        let mut record = self.0.lock().expect("the record");
        record.now += 1;
        let now = record.now;
        let entry = &mut record.entries[asked.0];
        entry.returned = ret.map(|ret| (now, ret));
        words.clone_into(&mut entry.words);
    }

    /// The answer, and at once, before anybody asks again, one more operation.
    pub fn answer_and(&self, asked: Asked, ret: Ret, words: &str, op: Op) {
        let mut record = self.0.lock().expect("the record");
        let now = record.now;
        record.now += 3;
        let entry = &mut record.entries[asked.0];
        entry.returned = Some((now + 1, ret));
        words.clone_into(&mut entry.words);
        let tag = entry.tag;
        record.entries.push(Entry { tag, op, words: words.to_owned(), invoked: now + 2, returned: Some((now + 3, Ret::Done)) });
    }

    pub fn of_tag(&self, tag: usize) -> Vec<Entry> {
        self.0.lock().expect("the record").entries.iter().filter(|entry| entry.tag == tag).cloned().collect()
    }
}

/// Whether some order of these operations, each between its question and its answer,
/// is one that a single tag could have had. stateright's own search forgets where it
/// has been and takes for ever on a run's history; this one remembers (Lowe, "Testing
/// for linearizability", 2017), and is compared with that one below.
pub fn is_linearizable(entries: &[Entry]) -> bool {
    // A pull without an answer says nothing.
    let entries: Vec<&Entry> = entries.iter().filter(|entry| entry.returned.is_some() || entry.op != Op::Pull).collect();
    assert!(entries.len() <= 128, "more operations than bits");
    let answered = bits(&entries, |entry| entry.returned.is_some());
    let (mut seen, mut waiting) = (HashSet::new(), vec![(0_u128, Tag::Free)]);
    while let Some((done, tag)) = waiting.pop() {
        if done & answered == answered {
            return true;
        }
        if !seen.insert((done, tag)) {
            continue;
        }
        let left = |number: &usize| done & (1 << number) == 0;
        let first_answer = (0..entries.len()).filter(left).filter_map(|number| entries[number].returned.map(|(at, _)| at)).min();
        for number in (0..entries.len()).filter(left) {
            let entry = entries[number];
            let mut next = tag;
            let is_possible = match entry.returned {
                _ if first_answer.is_some_and(|first| first < entry.invoked) => false,
                Some((_, ret)) => next.is_valid_step(&entry.op, &ret),
                // One that changes nothing may as well never happen.
                None => {
                    next.invoke(&entry.op);
                    next != tag
                }
            };
            if is_possible {
                waiting.push((done | 1 << number, next));
            }
        }
    }
    false
}

fn bits(entries: &[&Entry], is_set: impl Fn(&Entry) -> bool) -> u128 {
    entries.iter().enumerate().filter(|(_, entry)| is_set(entry)).map(|(number, _)| 1 << number).sum()
}

/// Counts what must be zero. `last` is what the tag is when all is well again.
pub fn wrongs(entries: &[Entry], last: Tag) -> Wrongs {
    let answered = |op: fn(Op) -> Option<Content>, ret: Ret| {
        let found = entries.iter().filter(move |entry| entry.returned.is_some_and(|(_, other)| other == ret));
        let mut found: Vec<Content> = found.filter_map(|entry| op(entry.op)).collect();
        found.sort_unstable();
        found.dedup();
        found
    };
    let accepted = answered(|op| if let Op::Push(content) = op { Some(content) } else { None }, Ret::Accepted);
    let burnt = entries.iter().any(|entry| entry.returned.is_some_and(|(_, ret)| ret == Ret::RefusedBurnt));
    let is_lost =
        |content: &&Content| !matches!(last, Tag::Sealed(means) | Tag::Gone(means) | Tag::Burnt(means) if means == **content);
    Wrongs {
        double_winners: accepted.len().saturating_sub(1),
        acknowledged_and_lost: accepted.iter().filter(is_lost).count(),
        resurrected: usize::from(burnt && !matches!(last, Tag::Burnt(_))),
    }
}

impl std::ops::AddAssign for Wrongs {
    fn add_assign(&mut self, other: Self) {
        self.double_winners += other.double_winners;
        self.acknowledged_and_lost += other.acknowledged_and_lost;
        self.resurrected += other.resurrected;
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tag, op, words, invoked, returned } = self;
        match returned {
            Some((returned, ret)) => write!(f, "tag {tag} {invoked:>4}–{returned:<4} {op:?} → {ret:?}   {words}"),
            None => write!(f, "tag {tag} {invoked:>4}–     {op:?} → unknown   {words}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use stateright::semantics::{ConsistencyTester, LinearizabilityTester};

    use super::*;
    use crate::harness::random::Seeded;

    type Told = (Op, usize, Option<(usize, Ret)>);

    /// A history from `(op, invoked, answer)`, where the answer is `(returned, ret)`.
    fn history(entries: &[Told]) -> Vec<Entry> {
        let entry = |(op, invoked, returned): &Told| Entry {
            tag: 0,
            op: *op,
            words: String::new(),
            invoked: *invoked,
            returned: *returned,
        };
        entries.iter().map(entry).collect()
    }

    const A: Content = 0;
    const B: Content = 1;

    #[test]
    fn what_one_tag_can_answer_is_accepted() {
        let histories = [
            // Two pushes at once: one wins, the other is told.
            history(&[(Op::Push(A), 1, Some((4, Ret::Refused(B)))), (Op::Push(B), 2, Some((3, Ret::Accepted)))]),
            // A push without an answer takes effect when somebody comes with other bytes.
            history(&[
                (Op::Push(A), 1, None),
                (Op::Pull, 2, Some((3, Ret::NotFound))),
                (Op::Push(B), 4, Some((5, Ret::Refused(A)))),
            ]),
            // Or never.
            history(&[(Op::Push(A), 1, None), (Op::Push(B), 2, Some((3, Ret::Accepted)))]),
            // A delete that was lost half-way: the content is gone, its bytes may come back.
            history(&[
                (Op::Push(A), 1, Some((2, Ret::Accepted))),
                (Op::TakeAway(A), 3, None),
                (Op::Burn(A), 4, None),
                (Op::Pull, 5, Some((6, Ret::NotFound))),
                (Op::Push(A), 7, Some((8, Ret::Accepted))),
                (Op::Pull, 9, Some((10, Ret::Pulled(A)))),
                (Op::Push(B), 11, Some((12, Ret::RefusedBurnt))),
            ]),
        ];
        for history in histories {
            assert!(is_linearizable(&history), "{history:#?}");
        }
    }

    #[test]
    fn what_no_tag_can_answer_is_found() {
        let accepted = |content, at| (Op::Push(content), at, Some((at + 1, Ret::Accepted)));
        let pulled = |ret, at| (Op::Pull, at, Some((at + 1, ret)));
        let broken = [
            ("two winners", history(&[accepted(A, 1), accepted(B, 3)])),
            (
                "two winners at once",
                history(&[(Op::Push(A), 1, Some((3, Ret::Accepted))), (Op::Push(B), 2, Some((4, Ret::Accepted)))]),
            ),
            ("an acknowledged push that is lost", history(&[accepted(A, 1), pulled(Ret::NotFound, 3)])),
            ("other bytes than were acknowledged", history(&[accepted(A, 1), (Op::Push(B), 3, None), pulled(Ret::Pulled(B), 4)])),
            ("a stale pull", history(&[(Op::Push(A), 1, None), pulled(Ret::Pulled(A), 2), pulled(Ret::NotFound, 4)])),
            ("bytes that nobody had pushed yet", history(&[pulled(Ret::Pulled(A), 1), accepted(A, 3)])),
            (
                "a tombstone that rises",
                history(&[accepted(A, 1), (Op::Burn(A), 3, Some((4, Ret::Done))), accepted(A, 5), pulled(Ret::Pulled(A), 7)]),
            ),
            ("a refusal that names other bytes", history(&[accepted(A, 1), (Op::Push(B), 3, Some((4, Ret::Refused(2))))])),
            ("a refusal by bytes that were never pushed", history(&[(Op::Push(B), 1, Some((2, Ret::Refused(A))))])),
            (
                "content that is not put back",
                history(&[
                    accepted(A, 1),
                    (Op::TakeAway(A), 3, Some((6, Ret::Done))),
                    pulled(Ret::NotFound, 4),
                    (Op::PutBack(A), 7, Some((8, Ret::Done))),
                    pulled(Ret::NotFound, 9),
                ]),
            ),
        ];
        for (what, history) in broken {
            assert!(!is_linearizable(&history), "{what}");
        }
    }

    #[test]
    fn wrongs_are_counted() {
        let accepted = |content, at| (Op::Push(content), at, Some((at + 1, Ret::Accepted)));
        let two = history(&[accepted(A, 1), accepted(B, 3)]);
        let counted = wrongs(&two, Tag::Sealed(B));
        assert_eq!(counted, Wrongs { double_winners: 1, acknowledged_and_lost: 1, resurrected: 0 });
        let risen = history(&[accepted(A, 1), (Op::Push(B), 3, Some((4, Ret::RefusedBurnt)))]);
        assert_eq!(wrongs(&risen, Tag::Sealed(A)).resurrected, 1);
        assert_eq!(wrongs(&risen, Tag::Burnt(A)), Wrongs::default());
    }

    /// What stateright's checker says. Its lanes have one operation at a time.
    fn as_stateright_says(entries: &[Entry]) -> bool {
        let mut tester = LinearizabilityTester::new(Tag::Free);
        let mut events = Vec::new();
        for (lane, entry) in entries.iter().enumerate() {
            events.push((entry.invoked, lane, Err(entry.op)));
            events.extend(entry.returned.map(|(returned, ret)| (returned, lane, Ok(ret))));
        }
        events.sort_by_key(|(at, ..)| *at);
        for (_, lane, event) in events {
            let told = match event {
                Err(op) => tester.on_invoke(lane, op),
                Ok(ret) => tester.on_return(lane, ret),
            };
            told.expect("a lane for each operation");
        }
        tester.is_consistent()
    }

    #[test]
    fn the_search_finds_what_stateright_finds() {
        let (mut good, mut bad) = (0, 0);
        for seed in 0..3_000 {
            let choices = &mut Seeded::new(seed, 0);
            let count = 2 + choices.below(5);
            let mut moments: Vec<usize> = (0..2 * count).collect();
            let mut take = |choices: &mut Seeded| moments.swap_remove(choices.below(moments.len()));
            let entry = |_| {
                let op = choices.pick(&[Op::Push(A), Op::Push(B), Op::Pull, Op::TakeAway(A), Op::PutBack(A), Op::Burn(A)]);
                let rets: &[Ret] = match op {
                    Op::Push(_) => {
                        &[Ret::Accepted, Ret::Accepted, Ret::Refused(A), Ret::Refused(B), Ret::RefusedUnnamed, Ret::RefusedBurnt]
                    }
                    Op::Pull => &[Ret::Pulled(A), Ret::Pulled(B), Ret::NotFound],
                    _ => &[Ret::Done],
                };
                let (one, other) = (take(choices), take(choices));
                let returned = (!choices.chance(20)).then(|| (one.max(other), choices.pick(rets)));
                (op, one.min(other), returned)
            };
            let entries = history(&(0..count).map(entry).collect::<Vec<_>>());
            let found = is_linearizable(&entries);
            assert_eq!(found, as_stateright_says(&entries), "seed {seed}: {entries:#?}");
            *(if found { &mut good } else { &mut bad }) += 1;
        }
        assert!(good > 500 && bad > 500, "{good} good and {bad} bad histories");
    }
}
