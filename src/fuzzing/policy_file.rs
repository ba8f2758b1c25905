//! A policy file: whatever stands in it, the mistakes can be shown, and what is
//! accepted decides.

use crate::config::parse_policy;
use crate::oci::{RepositoryName, Tag};

const REPOSITORIES: [&str; 3] = ["web", "driftwood/web", "a.b/c_d/e__f/g---h"];
const TAGS: [&str; 6] = ["1.4.0", "v1.4.0-rc.1", "latest", "git-9f3c2a1", "sha256-ba7816bf8f01.sig", "_"];

pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let policy = match parse_policy("policy.toml", text) {
        Ok((policy, warnings)) => {
            assert!(warnings.is_empty() || warnings.render(false).starts_with("warning: "));
            policy
        }
        Err(diagnostics) => {
            assert!(!diagnostics.is_empty(), "refused without a reason");
            assert!(!diagnostics.render(false).is_empty() && !diagnostics.render(true).is_empty());
            return;
        }
    };
    for repository in REPOSITORIES.map(|name| RepositoryName::parse(name).expect(name)) {
        for tag in TAGS.map(|tag| Tag::parse(tag).expect(tag)) {
            let verdict = policy.decide(&repository, &tag);
            let explanation = policy.explain(&repository, &tag);
            assert_eq!(explanation.verdict, verdict, "{repository}:{tag} is explained as something else");
            let named = explanation.deciding.map(|rule| &*rule.name);
            assert!(named.is_none_or(|name| name == &*verdict.rule), "{repository}:{tag} is decided by another rule");
            assert_eq!(explanation.others.len() + usize::from(named.is_some()), policy.rules().len());
            explanation.others.iter().for_each(|(_, reason)| assert!(!reason.to_string().is_empty()));
            assert!(!verdict.keeps() || policy.may_keep(&repository), "{repository} keeps {tag}");
            assert!(!verdict.is_immutable() || policy.may_hold_immutable(&repository), "{repository} holds {tag}");
        }
    }
}
