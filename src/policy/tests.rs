use std::collections::BTreeSet;

use proptest::prelude::*;
use regex::Regex;

use super::*;
use Mutability::{Immutable, Mutable};

fn rule(name: &str, repositories: &[&str], tags: &[&str], mutability: Mutability) -> Rule {
    Rule::new(name, repositories, tags, mutability).expect(name)
}

fn example() -> Policy {
    let rules = vec![
        rule("releases", &["driftwood/**"], &["semver:x.y.z", "semver:x.y.z-*"], Immutable),
        rule("builds", &[], &["git-*"], Immutable),
        rule("shortcuts", &[], &["latest", "semver:x.y", "semver:x"], Mutable),
    ];
    Policy::new(rules, Mutable).expect("a policy")
}

fn name(text: &str) -> RepositoryName {
    RepositoryName::parse(text).expect(text)
}

fn tag(text: &str) -> Tag {
    Tag::parse(text).expect(text)
}

#[test]
fn the_first_rule_that_matches_decides() {
    let policy = example();
    let decided = |repository: &str, text: &str| policy.decide(&name(repository), &tag(text));
    assert_eq!(&*decided("driftwood/web", "1.4.0").rule, "releases");
    assert!(decided("driftwood/web", "v1.4.0-rc.1").is_immutable());
    assert_eq!(&*decided("other/web", "1.4.0").rule, "default");
    assert!(decided("other/web", "git-9f3c2a1").is_immutable());
    assert!(!decided("driftwood/web", "latest").is_immutable());
    assert!(policy.may_hold_immutable(&name("other/web")));
}

#[test]
fn audit_holds_nothing() {
    let audited = Rule { enforcement: Enforcement::Audit, ..rule("releases", &["a/*"], &["*"], Immutable) };
    let policy = Policy::new(vec![audited], Mutable).expect("a policy");
    let verdict = policy.decide(&name("a/b"), &tag("1"));
    assert!(verdict.is_audited() && !verdict.is_immutable());
    assert!(!policy.may_hold_immutable(&name("a/b")));
}

#[test]
fn wide_patterns_leave_referrers_and_signatures_alone() {
    let digest = format!("sha256-{}", "a".repeat(64));
    let policy = Policy::new(vec![rule("all", &[], &["*"], Immutable)], Immutable).expect("a policy");
    for text in [digest.clone(), format!("{digest}.sig"), format!("{digest}.att"), format!("{digest}.sbom")] {
        let verdict = policy.decide(&name("a"), &tag(&text));
        assert_eq!((&*verdict.rule, verdict.mutability), ("referrers", Mutable), "{text}");
    }
    assert!(policy.decide(&name("a"), &tag(&format!("{digest}.exe"))).is_immutable());
    assert!(policy.decide(&name("a"), &tag("sha256-abc")).is_immutable());

    let named = Policy::new(vec![rule("signatures", &[], &["sha256-*"], Immutable)], Mutable).expect("a policy");
    assert!(named.decide(&name("a"), &tag(&digest)).is_immutable());
}

#[test]
fn every_mistake_of_the_rules_is_found() {
    let rules = vec![
        rule("all", &["a/**"], &["*"], Mutable),
        rule("late", &["a/*"], &["semver:x.y.z", "git-*"], Immutable),
        rule("late", &["b"], &["git-*"], Immutable),
        rule("default", &["b"], &["latest"], Immutable),
        rule("both", &["b"], &["latest", "git-1"], Immutable),
        rule("wider", &[], &["latest"], Immutable),
    ];
    let mistakes = Policy::new(rules, Mutable).expect_err("mistakes");
    let expected = [
        PolicyError::NeverMatches { rule: 1, by: vec![0] },
        PolicyError::DuplicateName { rule: 2, earlier: 1 },
        PolicyError::ReservedName { rule: 3 },
        PolicyError::NeverMatches { rule: 4, by: vec![2, 3] },
    ];
    assert_eq!(mistakes, expected);
}

#[test]
fn ten_thousand_rules_make_a_policy() {
    let rule_of = |number: usize| {
        let tags = match number % 10 {
            0 => "semver:x.y.z".to_owned(),
            3 => format!(r"regex:r{number}\b.+"),
            _ => format!("build-{number}-*"),
        };
        rule(&format!("service {number}"), &[&format!("team-{}/service-{number}/**", number / 100)], &[&tags], Immutable)
    };
    let policy = Policy::new((0..10_000).map(rule_of).collect(), Mutable).expect("a policy");
    let decided = |repository: &str, text: &str| policy.decide(&name(repository), &tag(text)).rule.to_string();
    assert_eq!(decided("team-0/service-0/web", "1.4.0"), "service 0");
    assert_eq!(decided("team-99/service-9990/web/api", "1.4.0"), "service 9990");
    assert_eq!(decided("team-50/service-5002/web", "build-5002-a"), "service 5002");
    assert_eq!(decided("team-50/service-5003/web", "r5003.1"), "service 5003");
    assert_eq!(decided("team-50/service-5003/web", "r50031"), "default");
    assert_eq!(decided("team-49/service-5002/web", "build-5002-a"), "default");
}

#[test]
fn an_explanation_speaks_of_every_rule() {
    let policy = example();
    let explanation = policy.explain(&name("other/web"), &tag("git-1"));
    assert_eq!(explanation.deciding.map(|rule| &*rule.name), Some("builds"));
    let others: Vec<String> = explanation.others.iter().map(|(rule, reason)| format!("{} {reason}", rule.name)).collect();
    assert_eq!(
        others,
        [
            "releases does not cover the repository: `driftwood/**`",
            "shortcuts does not match the tag: `latest`, `semver:x.y`, `semver:x`"
        ]
    );
}

/// One rule after the other, one pattern after the other.
fn decide_naively(policy: &Policy, repository: &str, text: &str) -> String {
    let matches = |expression: String, name: &str| Regex::new(&expression).expect("a regular expression").is_match(name);
    let is_referrers_tag = pattern::is_referrers_tag(&tag(text));
    for rule in &policy.rules {
        let covers = rule.repositories.is_empty() || rule.repositories.iter().any(|glob| matches(glob.expression(), repository));
        let names = |pattern: &TagPattern| !is_referrers_tag || pattern.names_referrers();
        if covers && rule.tags.iter().any(|pattern| names(pattern) && matches(pattern.expression(), text)) {
            return rule.name.to_string();
        }
    }
    if is_referrers_tag { REFERRERS_RULE.to_owned() } else { DEFAULT_RULE.to_owned() }
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let patterns =
        ["*", "git-*", "semver:x.y.z", "semver:x.y.z-*", "semver:x", "latest", "regex:1|2", "sha256-*", "1.?.*", "regex:v?1.*"];
    let globs = ["**", "a", "a/*", "a/**", "**/b", "*"];
    let tags = proptest::sample::subsequence(patterns.to_vec(), 1..=3);
    let repositories = proptest::sample::subsequence(globs.to_vec(), 0..=2);
    (tags, repositories).prop_map(|(tags, repositories)| rule("", &repositories, &tags, Immutable))
}

/// One earlier rule after the other.
fn taken_naively(rule: &Rule, earlier: &[Rule]) -> Option<Vec<usize>> {
    let takes = |other: &Rule, pattern| other.covers_repositories(rule) && other.tags.iter().any(|wider| wider.covers(pattern));
    let taker = |pattern| earlier.iter().position(|other| takes(other, pattern));
    let takers: Option<BTreeSet<usize>> = rule.tags.iter().map(taker).collect();
    takers.map(|takers| takers.into_iter().collect())
}

proptest! {
    #[test]
    fn rules_that_never_match_are_those_of_a_loop(rules in proptest::collection::vec(any_rule(), 1..9)) {
        let mut found = vec![None; rules.len()];
        for mistake in rule::mistakes(&rules) {
            if let PolicyError::NeverMatches { rule, by } = mistake {
                found[rule] = Some(by);
            }
        }
        let expected: Vec<_> = (0..rules.len()).map(|index| taken_naively(&rules[index], &rules[..index])).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn one_automaton_agrees_with_a_loop(
        mut rules in proptest::collection::vec(any_rule(), 0..6),
        repository in "(a|b)(/(a|b)){0,2}",
        text in "git-1|latest|v?[0-3](\\.[0-3](\\.[0-3](-rc)?)?)?|sha256-a{64}(\\.sig)?|sha256-a",
    ) {
        for (index, rule) in rules.iter_mut().enumerate() {
            rule.name = Arc::from(format!("rule {index}"));
        }
        let never_decides: Vec<Arc<str>> = rule::mistakes(&rules).into_iter().map(|mistake| match mistake {
            PolicyError::NeverMatches { rule, .. } => rules[rule].name.clone(),
            other => panic!("{other}"),
        }).collect();
        rules.retain(|rule| !never_decides.contains(&rule.name));
        let policy = Policy::new(rules, Mutable).expect("a policy");
        let verdict = policy.decide(&name(&repository), &tag(&text));
        prop_assert_eq!(&*verdict.rule, &*decide_naively(&policy, &repository, &text));
        prop_assert!(!verdict.is_immutable() || policy.may_hold_immutable(&name(&repository)));
    }

    #[test]
    fn a_rule_that_never_matches_never_decides(
        rules in proptest::collection::vec(any_rule(), 2..6),
        repository in "(a|b)(/(a|b)){0,2}",
        text in "git-1|latest|v?[0-3](\\.[0-3](\\.[0-3](-rc)?)?)?|sha256-a{64}(\\.sig)?|sha256-a",
    ) {
        let matches = |expression: String, name: &str| Regex::new(&expression).expect("a regular expression").is_match(name);
        let is_referrers_tag = pattern::is_referrers_tag(&tag(&text));
        let decides = |rule: &Rule| {
            let names = |pattern: &&TagPattern| !is_referrers_tag || pattern.names_referrers();
            (rule.repositories.is_empty() || rule.repositories.iter().any(|glob| matches(glob.expression(), &repository)))
                && rule.tags.iter().filter(names).any(|pattern| matches(pattern.expression(), &text))
        };
        let first = rules.iter().position(decides);
        for mistake in rule::mistakes(&rules) {
            if let PolicyError::NeverMatches { rule, .. } = mistake {
                prop_assert_ne!(Some(rule), first);
            }
        }
    }

    /// Rules that have no tag in common may stand in any order.
    #[test]
    fn the_order_of_rules_that_do_not_overlap_decides_nothing(
        order in Just((0..DISJOINT.len()).collect::<Vec<_>>()).prop_shuffle(),
        mutabilities in proptest::collection::vec(proptest::sample::select(Mutability::ALL), DISJOINT.len()),
        split in 0..DISJOINT.len(),
        text in "git-[0-9]|latest|edge|v?[0-3](\\.[0-3](\\.[0-3](-rc\\.1)?)?)?|stable-[ab]|sha256-a{64}|other",
    ) {
        let rule_of = |index: usize| Rule { name: Arc::from(format!("rule {index}")), ..rule("", &[], &[DISJOINT[index]], mutabilities[index]) };
        let in_order = Policy::new((0..DISJOINT.len()).map(rule_of).collect(), Mutable).expect("a policy");
        let shuffled = Policy::new(order.into_iter().map(rule_of).collect(), Mutable).expect("a policy");
        // Nor does it matter what stands before those that were left out.
        let (name, tag) = (name("a/b"), tag(&text));
        prop_assert_eq!(in_order.decide(&name, &tag), shuffled.decide(&name, &tag));
        let some = Policy::new((split..DISJOINT.len()).map(rule_of).collect(), Mutable).expect("a policy");
        let verdict = some.decide(&name, &tag);
        prop_assert!(verdict == in_order.decide(&name, &tag) || [DEFAULT_RULE, REFERRERS_RULE].contains(&&*verdict.rule));
    }
}

/// Patterns that have no tag in common.
const DISJOINT: [&str; 8] = ["git-*", "semver:x.y.z", "semver:x.y.z-*", "semver:x.y", "semver:x", "latest", "stable-*", "sha256-*"];
