//! Patterns of many rules as one automaton.
//!
//! What a name costs depends on its length and on how many patterns match it, not on how
//! many there are: the automaton is deterministic, made state by state as names need
//! them, and at the end of a name its state lists the patterns that match.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::panic::{RefUnwindSafe, UnwindSafe};

use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson::pikevm::PikeVM;
use regex_automata::nfa::thompson::{NFA, WhichCaptures};
use regex_automata::util::pool::Pool;
use regex_automata::{Anchored, Input, MatchKind, PatternID, PatternSet as Matching};

use super::PolicyError;

/// Bytes that the compiled patterns of a whole policy may take.
const LARGEST: usize = 16 << 20;

/// Bytes that the states may take which were made so far, for each thread that asks at the
/// same time. When it is full, they are made anew.
const STATES: usize = 8 << 20;

/// Each pattern once, however many rules have it.
#[derive(Debug)]
pub(super) struct PatternSet {
    automaton: DFA,
    states: Pool<Cache, NewCache>,
    /// Answers where the automaton gives up, which it is told never to do.
    slow: PikeVM,
    /// For each pattern, the rules that have it, in ascending order.
    rules: Vec<Vec<usize>>,
}

type NewCache = Box<dyn Fn() -> Cache + Send + Sync + UnwindSafe + RefUnwindSafe>;

impl PatternSet {
    /// Takes each rule's patterns by their text; also returns every pattern once,
    /// in the order of the set. Every `expression` is anchored at both ends.
    pub(super) fn new<'a, P>(
        rules: impl Iterator<Item = impl Iterator<Item = (&'a str, &'a P)>>,
        expression: impl Fn(&P) -> String,
    ) -> Result<(Self, Vec<&'a P>), Vec<PolicyError>> {
        let mut places: HashMap<&str, usize> = HashMap::new();
        let mut patterns = Vec::new();
        let mut owners: Vec<Vec<usize>> = Vec::new();
        for (rule, its_patterns) in rules.enumerate() {
            for (text, pattern) in its_patterns {
                let place = *places.entry(text).or_insert(patterns.len());
                if place == patterns.len() {
                    patterns.push(pattern);
                    owners.push(Vec::new());
                }
                owners[place].push(rule);
            }
        }
        let expressions: Vec<String> = patterns.iter().map(|pattern| expression(pattern)).collect();
        let (automaton, slow) = compile(&expressions).map_err(|error| vec![PolicyError::TooLarge(error)])?;
        let of_cache = automaton.clone();
        let states = Pool::new(Box::new(move || of_cache.create_cache()) as NewCache);
        Ok((Self { automaton, states, slow, rules: owners }, patterns))
    }

    /// The patterns that match, by their place in the set, with their rules.
    pub(super) fn matches(&self, name: &str) -> impl Iterator<Item = (usize, &[usize])> {
        let patterns = self.patterns(name).unwrap_or_else(|| self.patterns_slowly(name));
        patterns.into_iter().map(|pattern| (pattern.as_usize(), &*self.rules[pattern]))
    }

    /// The patterns that match; `None` where the automaton gives up.
    fn patterns(&self, name: &str) -> Option<Vec<PatternID>> {
        let (automaton, states) = (&self.automaton, &mut *self.states.get());
        let mut state = automaton.start_state_forward(states, &input(name)).ok()?;
        for byte in name.bytes() {
            state = automaton.next_state(states, state, byte).ok()?;
            if state.is_dead() {
                return Some(Vec::new());
            }
            if state.is_quit() {
                return None;
            }
        }
        // A pattern matches the whole name, so only at its end.
        state = automaton.next_eoi_state(states, state).ok()?;
        let matching = if state.is_match() { automaton.match_len(states, state) } else { 0 };
        Some((0..matching).map(|index| automaton.match_pattern(states, state, index)).collect())
    }

    fn patterns_slowly(&self, name: &str) -> Vec<PatternID> {
        let mut matching = Matching::new(self.rules.len());
        self.slow.which_overlapping_matches(&mut self.slow.create_cache(), &input(name), &mut matching);
        matching.iter().collect()
    }
}

fn input(name: &str) -> Input<'_> {
    Input::new(name).anchored(Anchored::Yes)
}

fn compile(expressions: &[String]) -> Result<(DFA, PikeVM), String> {
    let settings = NFA::config().which_captures(WhichCaptures::None).nfa_size_limit(Some(LARGEST));
    let nfa = NFA::compiler().configure(settings).build_many(expressions).map_err(|error| error.to_string())?;
    let settings = DFA::config()
        .match_kind(MatchKind::All)
        // Names are ASCII, where `\b` means the same with and without Unicode.
        .unicode_word_boundary(true)
        .cache_capacity(STATES)
        // One state of very many patterns may be larger.
        .skip_cache_capacity_check(true)
        .minimum_cache_clear_count(None);
    let automaton = DFA::builder().configure(settings).build_from_nfa(nfa.clone()).map_err(|error| error.to_string())?;
    let settings = PikeVM::config().match_kind(MatchKind::All);
    let slow = PikeVM::builder().configure(settings).build_from_nfa(nfa).map_err(|error| error.to_string())?;
    Ok((automaton, slow))
}

/// The first rule that two ascending lists have in common. Skips what only one of them
/// has in growing steps, since one may be of thousands and the other of one.
pub(super) fn first_in_both(mut one: &[usize], mut other: &[usize]) -> Option<usize> {
    loop {
        let (first, second) = (*one.first()?, *other.first()?);
        match first.cmp(&second) {
            Ordering::Equal => return Some(first),
            Ordering::Less => one = from(one, second),
            Ordering::Greater => other = from(other, first),
        }
    }
}

/// What an ascending list has from `least` on.
fn from(list: &[usize], least: usize) -> &[usize] {
    let mut end = 1;
    while end < list.len() && list[end] < least {
        end *= 2;
    }
    let (begin, end) = (end / 2, list.len().min(end + 1));
    &list[begin + list[begin..end].partition_point(|rule| *rule < least)..]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn both_ways_give_the_same_patterns(
            mut expressions in proptest::collection::vec("\\^\\(\\?:[ab.]{0,3}(\\*|\\+|[ab]\\|b)?\\)\\$", 0..8),
            names in proptest::collection::vec("[ab]{0,4}", 1..4),
        ) {
            expressions.sort();
            expressions.dedup();
            expressions.retain(|expression| regex::Regex::new(expression).is_ok());
            let rules = expressions.iter().map(|expression| std::iter::once((expression.as_str(), expression)));
            let (set, _) = PatternSet::new(rules, Clone::clone).expect("a set");
            for name in names {
                let matches = |expression: &String| regex::Regex::new(expression).expect("valid").is_match(&name);
                let expected: Vec<usize> = (0..expressions.len()).filter(|place| matches(&expressions[*place])).collect();
                let found = |patterns: Vec<PatternID>| patterns.into_iter().map(|pattern| pattern.as_usize()).collect::<Vec<_>>();
                prop_assert_eq!(found(set.patterns_slowly(&name)), expected.clone());
                let mut quick = found(set.patterns(&name).expect("it never gives up"));
                quick.sort_unstable();
                prop_assert_eq!(quick, expected);
            }
        }

        #[test]
        fn the_first_in_both_is_that_of_a_loop(
            mut one in proptest::collection::vec(0_usize..60, 0..40),
            mut other in proptest::collection::vec(0_usize..60, 0..6),
        ) {
            one.sort_unstable();
            other.sort_unstable();
            let expected = one.iter().copied().find(|rule| other.contains(rule));
            prop_assert_eq!(first_in_both(&one, &other), expected);
            prop_assert_eq!(first_in_both(&other, &one), expected);
        }
    }
}
