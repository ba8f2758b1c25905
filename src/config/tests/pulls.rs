use super::*;
use crate::policy::PullAction;

#[test]
fn a_pull_rule_is_read_whole() {
    let text = r#"
        [[pull]]
        name = "production"
        repositories = ["driftwood/**"]
        hosts = ["*.prod.example.com"]
        users = ["deploy-*", "argocd"]
        action = "refuse"
        help_url = "https://wiki.example.com/pin"
        [[pull]]
        name = "everywhere"
        action = "warn"
    "#;
    let (policy, _) = parse_policy("policy.toml", text).expect("a policy");
    let [production, everywhere] = policy.pulls() else { panic!("two rules") };
    assert_eq!((&*production.name, production.action), ("production", PullAction::Refuse));
    assert_eq!(production.users.iter().map(|user| user.as_str()).collect::<Vec<_>>(), ["deploy-*", "argocd"]);
    assert_eq!(production.help_url.as_deref(), Some("https://wiki.example.com/pin"));
    assert!(everywhere.repositories.is_empty() && everywhere.hosts.is_empty() && everywhere.users.is_empty());
    assert_eq!(everywhere.action, PullAction::Warn);
}

#[test]
fn every_mistake_of_a_pull_rule_is_shown() {
    let text = r#"[[pull]]
user = ["ann"]
hosts = ["https://registry.example.com", ""]
users = []
repositories = ["Web"]
action = "deny"
help_url = "wiki"
"#;
    let expected = r#"error: `pull.name` is missing
 --> policy.toml:1:1
  |
1 | [[pull]]
  | ^^^^^^^^ has no `name`
  |
  = help: write `name = "production"`

error: `pull.user` is no key of the configuration
 --> policy.toml:2:1
  |
2 | user = ["***"]
  | ^^^^ unknown key
  |
  = help: did you mean `users`?

error: `pull.hosts` has a pattern that matches no host
 --> policy.toml:3:10
  |
3 | hosts = ["https://registry.example.com", ""]
  |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ more than a name
  |
  = help: write the name alone, such as `registry.prod.example.com`, without scheme and port

error: `pull.hosts` has a pattern that matches no host
 --> policy.toml:3:42
  |
3 | hosts = ["https://registry.example.com", ""]
  |                                          ^^ empty, or with spaces
  |
  = help: write a glob such as `*.prod.example.com`

error: `pull.users` is empty
 --> policy.toml:4:9
  |
4 | users = []
  |         ^^ no pattern
  |
  = help: remove the key to mean anybody

error: `pull.repositories` has a pattern that cannot be used
 --> policy.toml:5:18
  |
5 | repositories = ["Web"]
  |                  ^ no repository name contains `W`
  |
  = help: repository names are lower-case

error: `pull.action` is none of `allow`, `warn`, `refuse`
 --> policy.toml:6:10
  |
6 | action = "deny"
  |          ^^^^^^ unknown word
  |
  = help: choose one of them

error: `pull.help_url` is no link
 --> policy.toml:7:12
  |
7 | help_url = "wiki"
  |            ^^^^^^ neither `https://` nor `http://` in front
  |
  = help: write a link of at most 200 characters, such as `https://wiki.example.com/tags`"#;
    assert_eq!(policy_mistakes(text), expected);
}

#[test]
fn mistakes_of_all_lists_of_rules_are_shown_at_once() {
    let text = r#"[[rule]]
name = "releases"
tags = ["semver:x.y.z"]
mutability = "immutable"
[[rule]]
name = "releases"
tags = ["git-*"]
mutability = "immutable"
[[pull]]
name = "production"
hosts = ["*.Example.com"]
action = "refuse"
[[pull]]
name = "production"
hosts = ["registry.example.com", "*.prod.example.com"]
users = ["deploy-*"]
action = "allow"
[[pull]]
name = "releases"
action = "warn"
"#;
    let expected = r#"error: two rules are called `releases`
 --> policy.toml:6:8
  |
2 | name = "releases"
  |        ---------- the first
...
6 | name = "releases"
  |        ^^^^^^^^^^ the second
  |
  = help: give every rule its own name

error: two rules are called `production`
  --> policy.toml:14:8
   |
10 | name = "production"
   |        ------------ the first
...
14 | name = "production"
   |        ^^^^^^^^^^^^ the second
   |
   = help: give every rule its own name, pull rules as well

error: pull rule `production` can never match: `production` before it takes all its pulls
  --> policy.toml:14:8
   |
10 | name = "production"
   |        ------------ `production` takes them
...
14 | name = "production"
   |        ^^^^^^^^^^^^ never asked
   |
   = help: move the narrower rule up, or remove it: the first rule that matches decides

error: two rules are called `releases`
  --> policy.toml:19:8
   |
 2 | name = "releases"
   |        ---------- the first
...
19 | name = "releases"
   |        ^^^^^^^^^^ the second
   |
   = help: give every rule its own name, pull rules as well"#;
    assert_eq!(policy_mistakes(text), expected);
}

#[test]
fn half_a_pull_rule_takes_no_pull_from_another() {
    let shown = policy_mistakes(
        "[[pull]]\nname = \"a\"\nhosts = [\"a b\"]\naction = \"allow\"\n[[pull]]\nname = \"b\"\naction = \"warn\"\n",
    );
    assert!(shown.contains("`pull.hosts` has a pattern that matches no host") && !shown.contains("never match"), "{shown}");
    assert!(policy_mistakes("[pull]\nname = \"a\"\n").contains("write `[[pull]]`, with two brackets"));
}
