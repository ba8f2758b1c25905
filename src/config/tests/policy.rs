use super::*;
use crate::oci::{RepositoryName, Tag};
use crate::policy::{Channel, Mutability, Unreleased};

#[test]
fn a_rule_is_read_whole() {
    let text = r#"
        default = "immutable"
        [[rule]]
        name = "releases"
        repositories = ["a/**"]
        tags = ["semver:x.y.z"]
        mutability = "immutable"
        enforcement = "audit"
        delete = "allow"
        help_url = "https://example.com/tags"
    "#;
    let (policy, _) = parse_policy("policy.toml", text).expect("a policy");
    let [rule] = policy.rules() else { panic!("one rule") };
    assert_eq!((&*rule.name, rule.help_url.as_deref()), ("releases", Some("https://example.com/tags")));
    assert_eq!(
        (rule.mutability, rule.enforcement, rule.delete),
        (crate::policy::Mutability::Immutable, crate::policy::Enforcement::Audit, crate::policy::Delete::Allow)
    );
    assert!(parse_policy("policy.toml", "").expect("an empty policy").0.rules().is_empty());
}

#[test]
fn all_mistakes_are_shown_at_once() {
    let text = r#"default = "sometimes"
[[rule]]
name = ""
tags = ["x.y.z", "regex:a(b", 'semver:1.x']
mutability = "forward-only"
help_url = "ftp://x"
repository = []
[[rule]]
name = "a"
tags = ["git-*"]
mutability = "immutable"
[[rule]]
name = "a"
tags = ["git-1*"]
mutability = "mutable"
repositories = []
"#;
    let expected = r#"error: `default` is none of `immutable`, `forward-only`, `append-only`, `mutable`
 --> policy.toml:1:11
  |
1 | default = "sometimes"
  |           ^^^^^^^^^^^ unknown word
  |
  = help: choose one of them

error: `rule.name` is empty
 --> policy.toml:3:8
  |
3 | name = ""
  |        ^^ no name
  |
  = help: write a name of letters, digits, `.`, `_`, `-`

error: `rule.tags` has a pattern that cannot be used
 --> policy.toml:4:9
  |
4 | tags = ["x.y.z", "regex:a(b", 'semver:1.x']
  |         ^^^^^^^ `x.y.z` is a version template, but stands here as plain text
  |
  = help: write `semver:x.y.z`

error: `rule.tags` has a regular expression that is not valid
 --> policy.toml:4:26
  |
4 | tags = ["x.y.z", "regex:a(b", 'semver:1.x']
  |                          ^ unclosed group

error: `rule.tags` has a pattern that cannot be used
 --> policy.toml:4:31
  |
4 | tags = ["x.y.z", "regex:a(b", 'semver:1.x']
  |                               ^^^^^^^^^^^^ `1.x` mixes numbers into a version template
  |
  = help: write `regex:v?1\.(0|[1-9][0-9]*)`

error: `rule.help_url` is no link
 --> policy.toml:6:12
  |
6 | help_url = "ftp://x"
  |            ^^^^^^^^^ neither `https://` nor `http://` in front
  |
  = help: write a link of at most 200 characters, such as `https://wiki.example.com/tags`

error: `rule.repository` is no key of the configuration
 --> policy.toml:7:1
  |
7 | repository = []
  | ^^^^^^^^^^ unknown key
  |
  = help: did you mean `repositories`?

error: two rules are called `a`
  --> policy.toml:13:8
   |
 9 | name = "a"
   |        --- the first
...
13 | name = "a"
   |        ^^^ the second
   |
   = help: give every rule its own name

error: rule `a` can never match: `a` before it takes all its tags
  --> policy.toml:14:8
   |
10 | tags = ["git-*"]
   |        --------- `a` takes them
...
14 | tags = ["git-1*"]
   |        ^^^^^^^^^^ taken before this rule is asked
   |
   = help: move the narrower rule up, or remove it: the first rule that matches decides

error: `rule.repositories` is empty
  --> policy.toml:16:16
   |
16 | repositories = []
   |                ^^ no pattern
   |
   = help: remove the key to mean every repository"#;
    assert_eq!(policy_mistakes(text), expected);
}

#[test]
fn several_syntax_errors_are_shown_and_nothing_made_of_them() {
    let text = "default = \n[[rule]]\nname = \"a\ntags = [\"*\"]\nmutability = \"imutable\"\n";
    let expected = r#"error: this is not TOML
 --> policy.toml:1:11
  |
1 | default = 
  |           ^ string values must be quoted, expected literal string

error: this is not TOML
 --> policy.toml:3:10
  |
3 | name = "a
  |          ^ invalid basic string, expected `"`

error: `rule.mutability` is none of `immutable`, `forward-only`, `append-only`, `mutable`
 --> policy.toml:5:14
  |
5 | mutability = "imutable"
  |              ^^^^^^^^^^ unknown word
  |
  = help: did you mean `immutable`?"#;
    assert_eq!(policy_mistakes(text), expected);
}

#[test]
fn what_is_missing_or_of_another_kind_is_named() {
    let text = "[[rule]]\nenforcement = 1\ntags = [1]\ndelete = \"deny\"\nmutability = \"mutable\"\n";
    let expected = r#"error: `rule.name` is missing
 --> policy.toml:1:1
  |
1 | [[rule]]
  | ^^^^^^^^ has no `name`
  |
  = help: write `name = "releases"`

error: `rule.enforcement` is a number, not a string in quotes
 --> policy.toml:2:15
  |
2 | enforcement = 1
  |               ^ should be a string in quotes

error: `rule.tags` is a list with a number, not a list of strings
 --> policy.toml:3:9
  |
3 | tags = [1]
  |         ^ should be a list of strings
  |
  = help: write strings in brackets, such as `["a", "b"]`

error: `rule.delete` does not hold a tag that is mutable
 --> policy.toml:4:10
  |
4 | delete = "deny"
  |          ^^^^^^ has no effect here
  |
  = help: remove the key, or make the rule immutable"#;
    assert_eq!(policy_mistakes(text), expected);
    assert!(policy_mistakes("[rule]\nname = \"a\"\n").contains("write `[[rule]]`, with two brackets"));
    assert!(
        policy_mistakes("[[rule]]\nname = \"default\"\ntags = []\nmutability = \"immutable\"\n")
            .contains("kept for tags that no rule")
    );
}

#[test]
fn a_key_that_is_written_twice_is_shown() {
    let expected = r#"error: this is not TOML
 --> policy.toml:2:1
  |
2 | default = "immutable"
  | ^^^^^^^ duplicate key"#;
    assert_eq!(policy_mistakes("default = \"mutable\"\ndefault = \"immutable\"\n"), expected);
}

#[test]
fn a_caret_stays_at_the_string_where_escapes_hide_the_place() {
    let shown = policy_mistakes("[[rule]]\nname = \"a\"\nmutability = \"mutable\"\ntags = [\"regex:\\\\d(\", '''regex:a(''']\n");
    assert!(shown.contains("4 | tags = [\"regex:\\\\d(\", '''regex:a(''']\n  |         ^^^^^^^^^^^^ unclosed group"), "{shown}");
    assert!(shown.contains("  |                       ^^^^^^^^^^^^^^ unclosed group"), "{shown}");
}

#[test]
fn colour_is_for_terminals() {
    let diagnostics = parse_policy("policy.toml", "default = 1").map(|_| ()).expect_err("a mistake");
    assert!(diagnostics.render(true).contains("\u{1b}["));
    assert!(!diagnostics.render(false).contains('\u{1b}'));
    assert_eq!(diagnostics.len(), 1);
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "(default|\\[\\[rule\\]\\]|\\[rule\\]|name|tags|=|\\[|\\]|\"|'|regex:|\\*|semver:|é|\n| |\\\\u00e9|,|a|1|\\{|\\}){0,30}") {
        if let Err(diagnostics) = parse_policy("policy.toml", &text) {
            proptest::prop_assert!(!diagnostics.render(true).is_empty());
        }
    }
}

#[test]
fn what_follows_releases_has_its_own_keys() {
    let text = r#"enforcement = "audit"
referrers = "append-only"

[[rule]]
name = "shortcuts"
tags = ["latest"]
mutability = "forward-only"
channel = "stable"
unreleased = "warn"

[[rule]]
name = "edge"
tags = ["edge"]
mutability = "mutable"
channel = "stable"
unreleased = "never"
"#;
    let shown = parse_policy("policy.toml", text).expect_err("two mistakes").render(false);
    let expected = r#"error: `rule.channel` says what a forward-only tag follows, and this rule is not
  --> policy.toml:15:11
   |
15 | channel = "stable"
   |           ^^^^^^^^ has no effect here
   |
   = help: remove the key, or write `mutability = "forward-only"`

error: `rule.unreleased` is none of `allow`, `warn`, `refuse`
  --> policy.toml:16:14
   |
16 | unreleased = "never"
   |              ^^^^^^^ unknown word
   |
   = help: choose one of them

error: `rule.unreleased` says what a forward-only tag follows, and this rule is not
  --> policy.toml:16:14
   |
16 | unreleased = "never"
   |              ^^^^^^^ has no effect here
   |
   = help: remove the key, or write `mutability = "forward-only"`"#;
    assert_eq!(shown, expected);

    let (policy, _) =
        parse_policy("policy.toml", text.split("[[rule]]\nname = \"edge\"").next().expect("a part")).expect("no mistakes");
    let decide = |tag: &str| policy.decide(&RepositoryName::parse("web").expect("a name"), &Tag::parse(tag).expect("a tag"));
    let latest = decide("latest");
    assert!(latest.is_audited() && !latest.is_guarded(), "the whole policy is only tried");
    assert_eq!((latest.channel, latest.unreleased), (Channel::Stable, Unreleased::Warn));
    assert_eq!(decide(&format!("sha256-{}", "a".repeat(64))).mutability, Mutability::AppendOnly);
}

#[test]
fn a_pattern_that_no_folded_tag_matches_is_a_mistake() {
    let directory = tempfile::tempdir().expect("a directory");
    let rule = |tags: &str| {
        let text = format!("[[rule]]\nname = \"candidates\"\ntags = {tags}\nmutability = \"immutable\"\n");
        std::fs::write(directory.path().join("policy.toml"), text).expect("written");
    };
    let server = directory.path().join("pushonce.toml");
    let with = |tag_case: &str| {
        std::fs::write(&server, format!("[upstream]\nurl = \"http://a\"\ntag_case = \"{tag_case}\"\n")).expect("written");
        let rendered = load(&server, &[]).map(|_| ()).map_err(|mistakes| mistakes.render(false));
        rendered.map_err(|text| text.replace(&format!("{}/", directory.path().display()), ""))
    };
    rule(r#"["RC-*", "beta-*"]"#);
    let expected = r#"error: `rule.tags` has a pattern that no tag of this registry matches
 --> policy.toml:3:10
  |
3 | tags = ["RC-*", "beta-*"]
  |          ^ `upstream.tag_case` is `fold`: tags are in lower case
  |
  = help: write `rc-*`"#;
    assert_eq!(with("fold"), Err(expected.to_owned()));
    assert_eq!(with("keep"), Ok(()));
    for mistaken in ["[\"git-?Z*\"]", "['regex:RC-[0-9]+']", "['regex:[A-Z]+']", "['regex:a(B|C)']"] {
        rule(mistaken);
        assert!(with("fold").expect_err(mistaken).contains("no tag of this registry matches"), "{mistaken}");
        assert_eq!(with("keep"), Ok(()), "{mistaken}");
    }
    let fine = [
        "[\"semver:x.y.z-*\", \"*\", \"rc-?\"]",
        "['regex:(?i)RC-[0-9]+']",
        "['regex:[A-Za-z]+']",
        "['regex:RC|rc']",
        "['regex:A*1']",
    ];
    for fine in fine {
        rule(fine);
        assert_eq!(with("fold"), Ok(()), "{fine}");
    }
    let unknown = with("folds").expect_err("no such word");
    assert!(
        unknown.contains("`upstream.tag_case` is none of `keep`, `fold`") && unknown.contains("did you mean `fold`?"),
        "{unknown}"
    );
}
