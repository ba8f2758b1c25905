//! What a policy says that its author may not have meant. None of it is a mistake.
//!
//! Samples are asked for: what decides over `1.4.0` decides in all likelihood over every
//! release, and where nothing decides over `v1.4.0` beside it, somebody may have forgotten.

use super::{DEFAULT_RULE, Mutability, Policy, Rule};
use crate::oci::{RepositoryName, Tag};

/// Releases that a pattern takes both of, if it takes versions and not one version.
const RELEASES: [[&str; 2]; 4] = [["1.4.0", "1.5.1"], ["0.1.0", "0.2.7"], ["2.0.0", "2.1.3"], ["10.20.30", "10.21.1"]];

/// Something to think about, by the place of its rule in the list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lint {
    pub rule: usize,
    pub kind: LintKind,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LintKind {
    /// The rule holds `release`, and nothing decides over its pre-release.
    PreRelease { release: &'static str, pre_release: String },
    /// The rule holds `release`, and nothing decides over the same with a `v`.
    Prefixed { release: &'static str, prefixed: String },
    /// A regular expression that these patterns say as well.
    Simpler { pattern: String, simpler: Vec<String> },
}

impl Policy {
    /// In the order of the rules.
    pub fn lints(&self) -> Vec<Lint> {
        let of_rule = |(number, rule): (usize, &Rule)| {
            let kinds = self.left_to_move(rule).into_iter().chain(simpler(rule));
            kinds.map(move |kind| Lint { rule: number, kind }).collect::<Vec<_>>()
        };
        self.rules.iter().enumerate().flat_map(of_rule).collect()
    }

    /// Kinds of releases beside those that the rule holds, which nobody thought of.
    fn left_to_move(&self, rule: &Rule) -> Vec<LintKind> {
        if rule.mutability != Mutability::Immutable || self.general.default != Mutability::Mutable {
            return Vec::new();
        }
        let Some(repository) = sample_repository(rule) else { return Vec::new() };
        let decides = |tag: &str| Tag::parse(tag).ok().map(|tag| self.decide(&repository, &tag).rule);
        let holds = |tag: &&str| decides(tag).is_some_and(|name| name == rule.name);
        let Some([release, _]) = RELEASES.into_iter().find(|pair| pair.iter().all(&holds)) else { return Vec::new() };
        let is_forgotten = |tag: &str| decides(tag).is_some_and(|name| &*name == DEFAULT_RULE);
        let (pre_release, prefixed) = (format!("{release}-rc.1"), format!("v{release}"));
        let mut kinds = Vec::new();
        if is_forgotten(&pre_release) {
            kinds.push(LintKind::PreRelease { release, pre_release });
        }
        if is_forgotten(&prefixed) {
            kinds.push(LintKind::Prefixed { release, prefixed });
        }
        kinds
    }
}

fn simpler(rule: &Rule) -> impl Iterator<Item = LintKind> {
    let says =
        |pattern: &super::TagPattern| Some(LintKind::Simpler { pattern: pattern.as_str().to_owned(), simpler: pattern.simpler()? });
    rule.tags.iter().filter_map(says)
}

/// A repository that the rule is about.
fn sample_repository(rule: &Rule) -> Option<RepositoryName> {
    let name = match rule.repositories.first() {
        None => "some/repository".to_owned(),
        Some(glob) => glob.as_str().replace("**/", "").replace("**", "any").replace(['*', '?'], "a"),
    };
    RepositoryName::parse(&name).ok()
}
