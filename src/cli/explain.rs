//! `pushonce explain`: which rule decides over a tag, and why no other does.

use std::fmt::Write as _;
use std::path::Path;

use crate::oci::{RepositoryName, Tag, TagCase};
use crate::policy::{NamePattern, Policy, PullAction, PullRule};

/// Explains every tag. `file` is where the policy was read from. Tags are in the
/// registry's `case`.
pub fn explain(policy: &Policy, file: &Path, case: TagCase, tags: &[(RepositoryName, Tag)]) -> String {
    let texts: Vec<String> = tags.iter().map(|(repository, tag)| explain_one(policy, file, case, repository, tag)).collect();
    texts.join("\n")
}

/// One line for each tag: its name, what it is, and the rule that decides, with tabs
/// between them.
pub fn list(policy: &Policy, case: TagCase, tags: &[(RepositoryName, Tag)]) -> String {
    let line = |(repository, tag): &(RepositoryName, Tag)| {
        let tag = case.of(tag.clone());
        let verdict = policy.decide(repository, &tag);
        format!("{repository}:{tag}\t{}\t{}\n", verdict.standing(), verdict.rule)
    };
    tags.iter().map(line).collect()
}

fn explain_one(policy: &Policy, file: &Path, case: TagCase, repository: &RepositoryName, asked: &Tag) -> String {
    let tag = &case.of(asked.clone());
    let explanation = policy.explain(repository, tag);
    let verdict = &explanation.verdict;
    let mut text = format!("{repository}:{tag} is {}\n", verdict.standing());
    // Writing to a string does not fail.
    if tag != asked {
        let _ = writeln!(text, "  `{asked}` is `{tag}` there: the registry folds the case of tags");
    }
    let _ = match explanation.deciding {
        Some(rule) => writeln!(text, "  decided by rule `{}` of {}", rule.name, file.display()),
        None if *verdict.rule == *crate::policy::REFERRERS_RULE => {
            writeln!(
                text,
                "  decided by pushonce itself: a tag for referrers or signatures, which no rule of {} names",
                file.display()
            )
        }
        None => writeln!(text, "  decided by `default` of {}: no rule matches", file.display()),
    };
    let _ = writeln!(text, "  {}", verdict.consequence());
    for (rule, reason) in &explanation.others {
        let _ = writeln!(text, "  rule `{}` {reason}", rule.name);
    }
    if !verdict.is_immutable() {
        for pull in policy.pulls_of(repository, tag) {
            let _ = writeln!(text, "  {}", pull_line(pull));
        }
    }
    text
}

/// What a pull rule has to say of a tag that moves.
fn pull_line(pull: &PullRule) -> String {
    let who = |what: &str, patterns: &[NamePattern]| match patterns {
        [] => String::new(),
        patterns => {
            let names: Vec<String> = patterns.iter().map(|pattern| format!("`{}`", pattern.as_str())).collect();
            format!(" {what} {}", names.join(", "))
        }
    };
    let (users, hosts) = (who("of", &pull.users), who("through", &pull.hosts));
    let outcome = match pull.action {
        PullAction::Allow => "pass",
        PullAction::Warn => "pass with the digest to pin as a warning",
        PullAction::Refuse => "are refused (403) with the digest to pin",
    };
    format!("pull rule `{}`: pulls{users}{hosts} {outcome}", pull.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load_policy;

    fn explained(references: &[&str]) -> Result<String, String> {
        let file = Path::new("config/policy.toml");
        let (policy, _) = load_policy(file).expect("the default policy");
        Ok(explain(&policy, file, TagCase::Keep, &named(references)?))
    }

    fn named(references: &[&str]) -> Result<Vec<(RepositoryName, Tag)>, String> {
        let references: Vec<String> = references.iter().map(|text| (*text).to_owned()).collect();
        crate::cli::references::read(&references, std::io::empty())
    }

    #[test]
    fn a_list_has_a_line_for_each_tag() {
        let (policy, _) = load_policy(Path::new("config/policy.toml")).expect("the default policy");
        let tags = named(&["web:V1.4.0", "web:git-9f3c2a1", "web:latest", "web:stable", "web:nightly"]).expect("tags");
        let expected = "\
web:v1.4.0\timmutable\treleases
web:git-9f3c2a1\timmutable\tbuilds
web:latest\tmutable\tshortcuts
web:stable\tforward-only\tstable
web:nightly\tmutable\tdefault
";
        assert_eq!(list(&policy, TagCase::Fold, &tags), expected);
    }

    #[test]
    fn the_deciding_rule_comes_first() {
        let expected = "\
driftwood/web:1.4.0 is immutable
  decided by rule `releases` of config/policy.toml
  a first push passes, the same bytes again pass, other bytes are refused (409), a delete is refused (405)
  rule `builds` does not match the tag: `git-*`
  rule `shortcuts` does not match the tag: `latest`, `semver:x.y`, `semver:x`
  rule `stable` does not match the tag: `stable`

driftwood/web:nightly is mutable
  decided by `default` of config/policy.toml: no rule matches
  a first push, the same bytes again, other bytes and a delete all pass, and every move is recorded
  rule `releases` does not match the tag: `semver:x.y.z`, `semver:x.y.z-*`
  rule `builds` does not match the tag: `git-*`
  rule `shortcuts` does not match the tag: `latest`, `semver:x.y`, `semver:x`
  rule `stable` does not match the tag: `stable`
";
        assert_eq!(explained(&["driftwood/web:1.4.0", "driftwood/web:nightly"]).as_deref(), Ok(expected));
    }

    #[test]
    fn signatures_and_audits_say_what_they_are() {
        let rules = "[[rule]]\nname = \"all\"\nrepositories = [\"a/*\"]\ntags = [\"*\"]\nmutability = \"immutable\"\nenforcement = \"audit\"\n";
        let (policy, _) = crate::config::parse_policy("policy.toml", rules).expect("a policy");
        let signature = format!("sha256-{}.sig", "a".repeat(64));
        let explained =
            |reference: &str| explain(&policy, Path::new("policy.toml"), TagCase::Keep, &named(&[reference]).expect("a tag"));
        assert!(
            explained("a/b:1")
                .starts_with("a/b:1 is immutable, audited only\n  decided by rule `all` of policy.toml\n  every push")
        );
        let text = explained(&format!("a/b:{signature}"));
        assert!(text.contains(" is mutable\n  decided by pushonce itself: a tag for referrers or signatures"), "{text}");
        assert!(text.contains("rule `all` names no referrers or signature tags: `*` does not begin"), "{text}");
        assert!(explained("c:1").ends_with("  rule `all` does not cover the repository: `a/*`\n"));
    }

    #[test]
    fn pull_rules_are_shown_for_the_tags_that_they_concern() {
        let rules = r#"
            [[rule]]
            name = "releases"
            tags = ["semver:x.y.z"]
            mutability = "immutable"
            [[pull]]
            name = "deployers"
            users = ["deploy-*", "argocd"]
            action = "warn"
            [[pull]]
            name = "tools"
            repositories = ["tools/**"]
            action = "allow"
            [[pull]]
            name = "production"
            hosts = ["*.prod.example.com"]
            action = "refuse"
        "#;
        let (policy, _) = crate::config::parse_policy("policy.toml", rules).expect("a policy");
        let lines = |reference: &str| -> Vec<String> {
            let text = explain(&policy, Path::new("policy.toml"), TagCase::Keep, &named(&[reference]).expect("a tag"));
            text.lines().filter(|line| line.starts_with("  pull rule")).map(str::to_owned).collect()
        };
        let deployers =
            "  pull rule `deployers`: pulls of `deploy-*`, `argocd` pass with the digest to pin as a warning".to_owned();
        let production = "  pull rule `production`: pulls through `*.prod.example.com` are refused (403) with the digest to pin";
        assert_eq!(lines("web:latest"), [deployers.clone(), production.to_owned()]);
        assert_eq!(lines("tools/sh:latest"), [deployers, "  pull rule `tools`: pulls pass".to_owned()]);
        assert!(lines("web:1.4.0").is_empty());
        assert!(lines(&format!("web:sha256-{}.sig", "a".repeat(64))).is_empty());
    }

    #[test]
    fn a_tag_that_the_registry_folds_is_told_by_its_name_there() {
        let file = Path::new("config/policy.toml");
        let (policy, _) = load_policy(file).expect("the default policy");
        let explained = |tag_case| explain(&policy, file, tag_case, &named(&["web:V1.4.0"]).expect("a tag"));
        let folded = "web:v1.4.0 is immutable\n  `V1.4.0` is `v1.4.0` there: the registry folds the case of tags\n  decided by";
        assert!(explained(TagCase::Fold).starts_with(folded), "{}", explained(TagCase::Fold));
        assert!(explained(TagCase::Keep).starts_with("web:V1.4.0 is mutable\n  decided by"), "{}", explained(TagCase::Keep));
    }

    #[test]
    fn a_bad_reference_is_told_what_one_looks_like() {
        let refusal = |reference: &str| explained(&[reference]).expect_err(reference);
        let shape = "a reference looks like REPOSITORY:TAG, such as driftwood/web:1.4.0";
        assert_eq!(refusal("driftwood/web"), format!("`driftwood/web` has no tag: {shape}"));
        assert_eq!(refusal("localhost:5000/web"), format!("`localhost:5000/web` has no tag: {shape}"));
        assert_eq!(
            refusal("localhost:5000/web:1"),
            "`localhost:5000/web:1` begins with a registry host: leave out `localhost:5000/` and write `web:1`"
        );
        assert!(refusal("web@sha256:abc").starts_with("`web@sha256:abc` names a digest"));
        assert!(refusal("Web:1").contains("`Web` is not a path component"));
        assert!(refusal("web:-1").contains("`-1` is not a tag"));
    }
}
