use super::*;
use crate::config::diagnostic::Severity;

/// The messages and hints of all warnings, one line each.
fn warnings(text: &str) -> Vec<String> {
    let (_, warnings) = parse_policy("policy.toml", text).unwrap_or_else(|mistakes| panic!("{}", mistakes.render(false)));
    assert_eq!(warnings.count(Severity::Mistake), 0);
    warnings.iter().map(|warning| format!("{}: {}", warning.message, warning.hint.as_deref().unwrap_or_default())).collect()
}

/// A rule that makes these tags immutable.
fn held(tags: &str) -> String {
    format!("[[rule]]\nname = \"held\"\ntags = [{tags}]\nmutability = \"immutable\"\n")
}

#[test]
fn releases_that_nobody_thought_of_are_named() {
    const PRE_RELEASES: &str = "pre-releases such as `1.4.0-rc.1` move";
    const PREFIXED: &str = "and `v1.4.0` moves";
    for (tags, expected) in [
        (r#""semver:x.y.z""#, vec![PRE_RELEASES]),
        (r#""semver:x.y.z", "semver:x.y.z-*""#, vec![]),
        (r#""1.*""#, vec![PREFIXED]),
        (r#""1.*", "v1.*""#, vec![]),
        (r#""*""#, vec![]),
        // One release is not all of them, and builds are none.
        (r#""1.4.0""#, vec![]),
        (r#""git-*""#, vec![]),
        (r#"'regex:[0-9]+\.[0-9]+\.[0-9]+-?.*'"#, vec![PREFIXED]),
    ] {
        let found = warnings(&held(tags));
        assert_eq!(found.len(), expected.len(), "{tags}: {found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.contains(expected), "{tags}: {found}");
        }
    }
}

#[test]
fn whoever_decides_is_not_asked_again() {
    let moving = "[[rule]]\nname = \"moving\"\ntags = [\"semver:x.y.z-*\"]\nmutability = \"mutable\"\n";
    assert_eq!(warnings(&(held(r#""semver:x.y.z""#) + moving)), Vec::<String>::new());
    assert_eq!(warnings(&format!("default = \"immutable\"\n{}", held(r#""semver:x.y.z""#))), Vec::<String>::new());
    assert_eq!(warnings(&held(r#""semver:x.y.z""#).replace("\"immutable\"", "\"mutable\"")), Vec::<String>::new());
    // Elsewhere somebody decides; here nobody does.
    let elsewhere = moving.replace("tags", "repositories = [\"other/**\"]\ntags");
    assert_eq!(warnings(&(held(r#""semver:x.y.z""#) + &elsewhere)).len(), 1);
}

#[test]
fn a_regular_expression_that_a_glob_says_is_named() {
    for (pattern, expected) in [
        ("git-.*", Some("\"git-*\"")),
        ("^git-.+$", Some("\"git-?*\"")),
        ("(latest)", Some("\"latest\"")),
        ("latest|edge-.", Some("\"latest\", \"edge-?\"")),
        (r"\d+\.\d+", Some("\"semver:x.y\"`, which takes a `v`")),
        (r"v?[0-9]+\.[0-9]+\.[0-9]+", Some("\"semver:x.y.z\"`, which leaves out numbers")),
        (r"v?\d+", Some("\"semver:x\"")),
        ("git-[0-9a-f]{7}", None),
        (r"1\.\d+\.\d+", None),
        ("(?i)latest", None),
        ("git-[a-z]+", None),
        (r"\bgit.*", None),
    ] {
        let found = warnings(&format!("default = \"immutable\"\n{}", held(&format!("'regex:{pattern}'"))));
        match (expected, &*found) {
            (None, []) => {}
            (Some(expected), [found]) => assert!(found.contains(&format!("write `{expected}")), "{pattern}: {found}"),
            other => panic!("{pattern}: {other:?}"),
        }
    }
}

#[test]
fn the_pattern_is_shown_in_its_list() {
    let text = held("\"git-*\", 'regex:ci-.*'");
    let (_, warnings) = parse_policy("policy.toml", &text).expect("a policy");
    let expected = "\
warning: rule `held` has a regular expression that needs none
 --> policy.toml:3:19
  |
3 | tags = [\"git-*\", 'regex:ci-.*']
  |                   ^^^^^^^^^^^ easier to read as a glob or a template
  |
  = help: write `\"ci-*\"`";
    assert_eq!(warnings.render(false), expected);
}
