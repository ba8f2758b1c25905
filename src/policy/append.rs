//! Append-only tags: a new manifest keeps every entry of the old one.

use std::collections::HashMap;
use std::fmt;

use super::movable::Motion;

/// Entries that a new manifest would lose.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lost {
    /// How many entries are lost.
    pub lost: usize,
    /// How many the tag has.
    pub of: usize,
}

/// Whether an append-only tag may move from a manifest with the `old` entries to one with
/// the `new` ones. Each counts as often as it stands there.
pub fn append(old: &[String], new: &[String]) -> Result<Motion, Lost> {
    let mut kept: HashMap<&str, usize> = HashMap::new();
    for entry in new {
        *kept.entry(entry).or_default() += 1;
    }
    let is_lost = |entry: &&String| match kept.get_mut(entry.as_str()) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    };
    match old.iter().filter(is_lost).count() {
        0 => Ok(Motion::appended()),
        lost => Err(Lost { lost, of: old.len() }),
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lost, of } = self;
        write!(f, "the new manifest leaves out {lost} of its {of} entries; pull it, add to what is there, and push again")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entries(text: &str) -> Vec<String> {
        text.chars().map(String::from).collect()
    }

    #[test]
    fn every_entry_counts_as_often_as_it_stands_there() {
        for (old, new, lost) in
            [("", "", 0), ("", "ab", 0), ("ab", "cba", 0), ("ab", "a", 1), ("aa", "a", 1), ("aab", "", 3), ("a", "b", 1)]
        {
            let judged = append(&entries(old), &entries(new));
            assert_eq!(judged.err().map_or(0, |lost| lost.lost), lost, "{old} to {new}");
        }
        let refused = append(&entries("abc"), &entries("b")).expect_err("two are lost").to_string();
        assert!(refused.starts_with("the new manifest leaves out 2 of its 3 entries;"), "{refused}");
    }

    proptest! {
        #[test]
        fn an_append_only_tag_never_loses_an_entry(pushes in proptest::collection::vec("[a-d]{0,6}", 0..20)) {
            let mut standing = Vec::new();
            for pushed in pushes {
                let new = entries(&pushed);
                if append(&standing, &new).is_ok() {
                    for entry in &standing {
                        let count = |of: &[String]| of.iter().filter(|other| *other == entry).count();
                        prop_assert!(count(&new) >= count(&standing));
                    }
                    standing = new;
                }
            }
        }
    }
}
