//! Policies of many rules, such as a platform team has that writes one for each service.

use pushonce::oci::{RepositoryName, Tag};
use pushonce::policy::{Mutability, Policy, Rule};

/// The rules of a large company.
pub const MANY: usize = 10_000;

/// The repository that only the rule of this number covers.
pub fn repository(rule: usize) -> String {
    format!("team-{}/service-{rule}/web", rule / 100)
}

/// A tag that the rule of this number matches; rules take turns with their kinds of patterns.
pub fn tag(rule: usize) -> String {
    match rule % 4 {
        0 => "1.4.0".to_owned(),
        1 => format!("build-{rule}-9f3c2a1"),
        2 => format!("r{rule}.17"),
        _ => "v1.4.0-rc.1".to_owned(),
    }
}

/// A repository and a tag for each of many rules.
pub fn asked() -> Vec<(RepositoryName, Tag)> {
    let of = |rule| (RepositoryName::parse(&repository(rule)).expect("a name"), Tag::parse(&tag(rule)).expect("a tag"));
    (0..MANY).map(of).collect()
}

/// As many rules as asked for, and none that takes what a later one names.
pub fn of(rules: usize) -> Policy {
    let rules = (0..rules).map(|number| {
        let repositories = format!("team-{}/service-{number}/**", number / 100);
        let tags = match number % 4 {
            0 => vec!["semver:x.y.z".to_owned(), "semver:x.y.z-*".to_owned()],
            1 => vec![format!("build-{number}-*"), "git-*".to_owned()],
            2 => vec![format!(r"regex:r{number}\.[0-9]+")],
            _ => vec!["v?.*.*".to_owned(), format!("stable-{number}")],
        };
        let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
        Rule::new(&format!("service {number}"), &[&repositories], &tags, Mutability::Immutable).expect("a rule")
    });
    Policy::new(rules.collect(), Mutability::Mutable).expect("a policy")
}
