//! Patterns of many rules as one automaton.

use std::collections::HashMap;

use regex::{RegexSet, RegexSetBuilder};

use super::PolicyError;

/// Bytes that the compiled patterns of a whole policy may take.
const LARGEST: usize = 16 << 20;

/// Each pattern once, however many rules have it.
#[derive(Debug)]
pub(super) struct PatternSet {
    automaton: RegexSet,
    /// For each pattern, the rules that have it, in ascending order.
    rules: Vec<Vec<usize>>,
}

impl PatternSet {
    /// Takes each rule's patterns by their text; also returns every pattern once,
    /// in the order of the set.
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
        let expressions = patterns.iter().map(|pattern| expression(pattern));
        let built = RegexSetBuilder::new(expressions).size_limit(LARGEST).build();
        let automaton = built.map_err(|error| vec![PolicyError::TooLarge(error.to_string())])?;
        Ok((Self { automaton, rules: owners }, patterns))
    }

    /// The patterns that match, by their place in the set, with their rules.
    pub(super) fn matches(&self, name: &str) -> impl Iterator<Item = (usize, &[usize])> {
        self.automaton.matches(name).into_iter().map(|pattern| (pattern, &*self.rules[pattern]))
    }
}
