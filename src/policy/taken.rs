//! Rules that can never match, because earlier ones take all that they name.
//!
//! A pattern takes another only if the other begins with the letters that it begins with
//! itself, so that each rule is compared with the few that may take its tags.

use std::collections::HashMap;

use super::Rule;

/// Rules by the letters that their patterns begin with, as far as they were read.
#[derive(Default)]
struct ByPrefix(HashMap<String, Vec<usize>>);

impl ByPrefix {
    fn add(&mut self, prefix: String, rule: usize) {
        let rules = self.0.entry(prefix).or_default();
        // A rule has many patterns with one beginning.
        if rules.last() != Some(&rule) {
            rules.push(rule);
        }
    }

    /// The rules with a pattern that begins as `prefix` does, or is cut off before.
    fn beginning_of(&self, prefix: &str) -> Vec<&[usize]> {
        // Patterns are ASCII up to their first wildcard.
        (0..=prefix.len()).filter_map(|end| self.0.get(prefix.get(..end)?)).map(Vec::as_slice).collect()
    }
}

/// Reads rules in their order.
#[derive(Default)]
pub(super) struct Taken {
    repositories: ByPrefix,
    tags: ByPrefix,
}

impl Taken {
    /// The rules of `earlier` that take every tag of `rule` between them; these were added
    /// before. What is found is certain; some rules that never match are not found, such
    /// as one whose repositories are split between two earlier ones.
    pub(super) fn by(&self, rule: &Rule, earlier: &[Rule]) -> Option<Vec<usize>> {
        let prefix = rule.repositories.first().map(|glob| glob.prefix()).unwrap_or_default();
        let of_repositories = self.repositories.beginning_of(&prefix);
        let mut takers = Vec::new();
        for pattern in &rule.tags {
            let of_tags = self.tags.beginning_of(&pattern.prefix());
            let takes = |other: &usize| {
                let other = &earlier[*other];
                other.covers_repositories(rule) && other.tags.iter().any(|wider| wider.covers(pattern))
            };
            let count = |lists: &[&[usize]]| lists.iter().map(|rules| rules.len()).sum::<usize>();
            let fewest = if count(&of_tags) < count(&of_repositories) { &of_tags } else { &of_repositories };
            takers.push(fewest.iter().filter_map(|rules| rules.iter().copied().find(takes)).min()?);
        }
        takers.sort_unstable();
        takers.dedup();
        (!takers.is_empty()).then_some(takers)
    }

    pub(super) fn add(&mut self, number: usize, rule: &Rule) {
        if rule.repositories.is_empty() {
            self.repositories.add(String::new(), number);
        }
        rule.repositories.iter().for_each(|glob| self.repositories.add(glob.prefix(), number));
        rule.tags.iter().for_each(|pattern| self.tags.add(pattern.prefix(), number));
    }
}
