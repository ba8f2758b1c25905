use proptest::prelude::*;
use regex::Regex;

use super::*;
use crate::oci::RepositoryName;

fn pattern(text: &str) -> TagPattern {
    TagPattern::parse(text).expect(text)
}

fn matches(text: &str, tag: &str) -> bool {
    Regex::new(&pattern(text).expression()).expect("a regular expression").is_match(tag)
}

fn repository_matches(glob: &str, name: &str) -> bool {
    let pattern = RepositoryPattern::parse(glob).expect(glob);
    Regex::new(&pattern.expression()).expect("a regular expression").is_match(name)
}

#[test]
fn templates_match_versions_of_their_length() {
    for (template, accepted, refused) in [
        ("semver:x.y.z", ["1.4.0", "v0.0.1", "10.20.30"], ["1.4", "01.4.0", "1.4.0-rc.1"]),
        ("semver:x.y.z-*", ["1.4.0-rc.1", "v1.4.0--", "1.4.0-0a.x-y"], ["1.4.0", "1.4.0-01", "1.4.0-rc..1"]),
        ("semver:x.y", ["1.4", "v1.0", "0.0"], ["1.4.0", "1.04", "1."]),
        ("semver:x", ["1", "v12", "0"], ["1.4", "01", "vv1"]),
    ] {
        assert!(accepted.iter().all(|tag| matches(template, tag)), "{template}");
        assert!(!refused.iter().any(|tag| matches(template, tag)), "{template}");
    }
    assert!(!matches("semver:x.y.z", "V1.4.0"));
    assert!(!matches("semver:x.y.z-*", "1.4.0-rc_1"));
}

#[test]
fn globs_cover_the_whole_tag() {
    assert!(matches("git-*", "git-9f3c2a1") && matches("git-*", "git-"));
    assert!(!matches("git-*", "a-git-1") && !matches("latest", "latest2") && !matches("1.4", "1x4"));
    assert!(matches("v?", "v1") && !matches("v?", "v") && !matches("v?", "v12"));
}

#[test]
fn two_stars_cross_path_components() {
    assert!(repository_matches("driftwood/*", "driftwood/web") && !repository_matches("driftwood/*", "driftwood/web/api"));
    assert!(repository_matches("driftwood/**", "driftwood/web") && repository_matches("driftwood/**", "driftwood/web/api"));
    assert!(!repository_matches("driftwood/**", "driftwood") && !repository_matches("driftwood/**", "driftwoods/web"));
    assert!(
        repository_matches("**/web", "web") && repository_matches("**/web", "a/b/web") && !repository_matches("**/web", "a/bweb")
    );
    assert!(repository_matches("a/**/web", "a/web") && repository_matches("a/**/web", "a/b/c/web"));
    assert!(repository_matches("**", "a") && repository_matches("**/*", "a/b") && !repository_matches("*", "a/b"));
}

#[test]
fn regular_expressions_stay_anchored() {
    assert!(matches("regex:1|2", "1") && !matches("regex:1|2", "12") && !matches("regex:1|2", "a2"));
    assert!(!matches("regex:(?m)^a$", "b\na") && !matches("regex:a", "a\n") && !matches("regex:(?m)a", "a\n"));
    assert!(matches("regex:(?i)rc", "RC") && !matches("regex:rc", "RC"));
}

#[test]
fn what_no_name_can_match_is_a_mistake() {
    use PatternError::*;
    let refusal = |text: &str| TagPattern::parse(text).expect_err(text);
    assert_eq!(refusal(""), Empty);
    assert_eq!(refusal("a/b"), Character { name: "tag", character: '/', at: 1 });
    assert_eq!(refusal("1.4.0+build"), Character { name: "tag", character: '+', at: 5 });
    assert_eq!(refusal("semvr:x.y.z"), UnknownKind("semvr".to_owned()));
    assert_eq!(refusal("-rc"), FirstCharacter('-'));
    assert_eq!(refusal(&"a".repeat(129)), TooLong { name: "tag", longest: 128 });
    assert_eq!(refusal("x.y.z"), BareTemplate("x.y.z".to_owned()));
    assert_eq!(refusal("semver:1.x"), NumberInTemplate("1.x".to_owned()));
    assert_eq!(refusal("semver:1.x").hint().as_deref(), Some(r"write `regex:v?1\.(0|[1-9][0-9]*)`"));
    assert_eq!(refusal("semver:vx.y.z"), UnknownTemplate("vx.y.z".to_owned()));
    assert_eq!(refusal("semver:x.y.z+*"), UnknownTemplate("x.y.z+*".to_owned()));
    assert_eq!(refusal("regex:a("), Regex { message: "unclosed group".to_owned(), span: 7..8 });
    assert_eq!(refusal("regex:a)|(?:b"), Regex { message: "unopened group".to_owned(), span: 7..8 });
    assert_eq!(refusal("regex:(?x)a # )|(?:b"), NotAnchorable);
    assert_eq!(refusal("regex:(a{100}){100}"), MatchesNoTag);
    assert_eq!(refusal("regex:([a-z]{0,200}){200}"), RegexTooLarge);
    for never in ["regex:web:.*", "regex:[/]+", "regex:[a&&b]", "regex:^$"] {
        assert_eq!(refusal(never), MatchesNoTag, "{never}");
    }
    for never in ["", "Web", "/a", "a/", "a//b", "**/", "a:b", "a..b", "-a"] {
        assert!(RepositoryPattern::parse(never).is_err(), "{never:?} was accepted");
    }
}

#[test]
fn a_wide_pattern_covers_narrow_ones() {
    for (wide, narrow) in [
        ("*", "latest"),
        ("*", "semver:x"),
        ("*", "regex:a|b"),
        ("**", "git-*"),
        ("regex:.*", "git-*"),
        ("git-*", "git-a*"),
        ("*.*", "semver:x.y.z"),
        ("*-*", "semver:x.y.z-*"),
        ("semver:x.y.z", "1.4.0"),
        ("regex:a|b", "b"),
        ("a?*", "abc"),
        ("sha256-*", "sha256-*"),
        ("sha*", "sha-1*"),
    ] {
        assert!(pattern(wide).covers(&pattern(narrow)), "{wide} does not cover {narrow}");
    }
    for (wide, narrow) in [
        ("git-*", "*"),
        ("semver:x.y.z", "semver:x.y"),
        ("semver:x.y", "1.4.0"),
        ("v*", "semver:x"),
        ("*", "sha256-*"),
        ("a?", "a*"),
        ("a*?", "a*"),
    ] {
        assert!(!pattern(wide).covers(&pattern(narrow)), "{wide} covers {narrow}");
    }
}

/// Reads a version by hand: the template it has, if any.
fn template_of(tag: &str) -> Option<&'static str> {
    let version = tag.strip_prefix('v').unwrap_or(tag);
    let (numbers, pre_release) = version.split_once('-').map_or((version, None), |(numbers, rest)| (numbers, Some(rest)));
    let is_number =
        |text: &str| text == "0" || (!text.starts_with('0') && !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()));
    let is_identifier = |text: &str| {
        let legal = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        legal && (is_number(text) || !text.bytes().all(|b| b.is_ascii_digit()))
    };
    if !numbers.split('.').all(is_number) {
        return None;
    }
    match (numbers.split('.').count(), pre_release) {
        (1, None) => Some("semver:x"),
        (2, None) => Some("semver:x.y"),
        (3, None) => Some("semver:x.y.z"),
        (3, Some(rest)) if rest.split('.').all(is_identifier) => Some("semver:x.y.z-*"),
        _ => None,
    }
}

proptest! {
    #[test]
    fn tags_of_referrers_have_one_shape(text in "sha(256|512|384)-[0-9a-f]{63,65}[0-9a-fA-F]?(\\.(sig|att|sbom|exe))?|sha256-[a-f.]{0,70}") {
        let shape = Regex::new(r"^sha(?:256|512)-[0-9a-f]{64}(?:\.(?:sig|att|sbom))?$").expect("a regular expression");
        let tag = Tag::parse(&text).expect("a tag");
        prop_assert_eq!(is_referrers_tag(&tag), shape.is_match(&text));
    }

    #[test]
    fn templates_agree_with_a_parser(tag in "v?(0|1|10|01|)(\\.(0|4|04|)){0,3}(-[01a.-]{0,6})?") {
        for template in ["semver:x", "semver:x.y", "semver:x.y.z", "semver:x.y.z-*"] {
            prop_assert_eq!(matches(template, &tag), template_of(&tag) == Some(template), "{} {}", template, tag);
        }
    }

    #[test]
    fn what_is_covered_is_matched(wide in "[ab*?]{1,5}", narrow in "[ab*?]{1,5}", tag in "[ab]{1,6}") {
        if pattern(&wide).covers(&pattern(&narrow)) && matches(&narrow, &tag) {
            prop_assert!(matches(&wide, &tag));
        }
    }

    #[test]
    fn what_is_covered_is_matched_in_repositories(
        wide in "(a|\\*|\\*\\*|\\?)(/?(a|\\*|\\*\\*|\\?)){0,4}",
        narrow in "(a|\\*|\\*\\*|\\?)(/?(a|\\*|\\*\\*|\\?)){0,4}",
        name in "a{1,2}(/a{1,2}){0,3}",
    ) {
        let parse = |text: &str| RepositoryPattern::parse(text).expect("a glob");
        let whole = RepositoryName::parse(&name).expect("a name");
        prop_assert_eq!(parse(&wide).matches(&whole), repository_matches(&wide, &name));
        if parse(&wide).covers(&parse(&narrow)) && repository_matches(&narrow, &name) {
            prop_assert!(repository_matches(&wide, &name));
        }
    }
}
