//! `pushonce check --online`: whether the registry does what the configuration says of it.

use std::path::Path;
use std::sync::Arc;

use super::check::Arguments;
use super::operator::block_on;
use super::question::repository;
use super::{Ended, Environment};
use crate::causes::with_causes;
use crate::config::diagnostic::{Diagnostic, Place};
use crate::config::{self, Diagnostics, valid, variable_name};
use crate::metrics::Metrics;
use crate::oci::{RepositoryName, TagCase};
use crate::policy::Policy;
use crate::upstream::{CaseSeen, SeenBy, Upstream};

/// Asks the registry of a configuration without mistakes, and adds to `summary` what it
/// does with the case of tags.
pub(super) fn ask(arguments: &Arguments, summary: String, environment: &Environment) -> Result<String, Ended> {
    if !arguments.online {
        return Ok(summary);
    }
    let file = arguments.server_file("--online")?;
    let named = arguments.repository.iter().map(|name| repository(name)).collect::<Result<Vec<_>, _>>()?;
    let config = config::load(file, environment)?;
    let says = config.upstream.tag_case;
    let registry = format!("{}://{}{}", config.upstream.scheme, config.upstream.authority, config.upstream.prefix);
    // What the registry itself does, and not what is made of it.
    let settings = valid::Upstream { tag_case: TagCase::Keep, ..config.upstream };
    let metrics = Arc::new(Metrics::new().map_err(|cause| Ended::failed(&cause))?);
    let upstream = Upstream::new(settings, &config.server, metrics).map_err(|cause| Ended::failed(&cause))?;
    let (seen, listed) = block_on(async {
        let seen = upstream.see_tag_case(&named).await.map_err(|cause| {
            let words = format!("{registry}: what it does with the case of tags could not be asked: {}", with_causes(&cause));
            Ended::Told { text: summary.clone(), words, code: 1 }
        })?;
        // Who names repositories has a registry that lists none.
        let listed = if named.is_empty() && has_globs(&config.policy) { Some(upstream.catalog().await) } else { None };
        Ok((seen, listed))
    })?;
    let summary = match listed {
        None => summary,
        Some(Ok(listed)) => {
            let warn = |(rule, glob)| idle_glob(&config.policy_file, rule, glob) + "\n\n";
            let warnings: String = idle_globs(&config.policy, &listed).into_iter().map(warn).collect();
            if !warnings.is_empty() && arguments.deny_warnings {
                return Err(Ended::Mistaken(warnings.trim_end().to_owned()));
            }
            warnings + &summary
        }
        Some(Err(cause)) => {
            let cause = with_causes(&cause);
            format!("{summary}{registry}: whether the `repositories` of the rules are there could not be told: {cause}\n")
        }
    };
    match seen {
        CaseSeen::Untold(why) => {
            Ok(format!("{summary}{registry}: whether the registry folds the case of tags could not be told: {why}\n"))
        }
        CaseSeen::Told(does, by) if does == says => {
            Ok(format!("{summary}{registry}: {}, as `upstream.tag_case` says: {}\n", fact(does), proof(does, &by)))
        }
        CaseSeen::Told(does, by) => Err(Ended::Misconfigured(contradiction(file, does, &by))),
    }
}

fn has_globs(policy: &Policy) -> bool {
    let of_rules = policy.rules().iter().any(|rule| !rule.repositories.is_empty());
    of_rules || policy.pulls().iter().any(|rule| !rule.repositories.is_empty())
}

/// The globs of rules that match no repository of the registry.
fn idle_globs<'a>(policy: &'a Policy, listed: &[RepositoryName]) -> Vec<(&'a str, &'a str)> {
    let rules = policy.rules().iter().map(|rule| (&*rule.name, &rule.repositories));
    let globs = rules.chain(policy.pulls().iter().map(|rule| (&*rule.name, &rule.repositories)));
    let globs = globs.flat_map(|(rule, globs)| globs.iter().map(move |glob| (rule, glob)));
    let idle = globs.filter(|(_, glob)| !listed.iter().any(|name| glob.matches(name)));
    idle.map(|(rule, glob)| (rule, glob.as_str())).collect()
}

fn idle_glob(file: &Path, rule: &str, glob: &str) -> String {
    let message = format!("rule `{rule}` is about `{glob}`, and the registry lists no such repository");
    let hint = "mend the glob, or leave it if the repository is still to come; a registry may hide repositories from \
                `upstream.username`";
    let warning = Diagnostic::warning(Place::File(file.to_owned()), message).hint(hint);
    Diagnostics::from(vec![warning]).render(false)
}

fn fact(does: TagCase) -> &'static str {
    match does {
        TagCase::Fold => "the registry folds the case of tags",
        TagCase::Keep => "the registry keeps the case of tags",
    }
}

fn proof(does: TagCase, SeenBy { tag, other }: &SeenBy) -> String {
    match does {
        TagCase::Fold => format!("it answers `{other}` with what `{tag}` means"),
        TagCase::Keep => format!("it has `{tag}`, and no `{other}`"),
    }
}

fn contradiction(file: &Path, does: TagCase, by: &SeenBy) -> Diagnostics {
    let variable = variable_name("upstream", "tag_case");
    let (says, remedy, until) = match does {
        TagCase::Fold => {
            (TagCase::Keep, "write `tag_case = \"fold\"`", format!("a push of `{}` gets around a rule for `{}`", by.other, by.tag))
        }
        TagCase::Keep => (
            TagCase::Fold,
            "remove `tag_case`, or write `tag_case = \"keep\"`,",
            "tags with upper-case letters cannot be reached through pushonce".to_owned(),
        ),
    };
    let message = format!("{}, but `upstream.tag_case` is `{}`: {}", fact(does), says.as_str(), proof(does, by));
    let hint = format!("{remedy} under `[upstream]`, or set {variable}; until then {until}");
    Diagnostics::from(vec![Diagnostic::new(Place::File(file.to_owned()), message).hint(hint)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::TagKey;
    use crate::oci::Tag;

    #[test]
    fn a_contradiction_is_a_mistake_with_its_remedy() {
        let key = |tag| TagKey { repository: RepositoryName::parse("web").expect("a name"), tag: Tag::parse(tag).expect(tag) };
        let by = SeenBy { tag: key("latest"), other: key("LATEST") };
        let told = |does| contradiction(Path::new("pushonce.toml"), does, &by).render(false);
        let folds = "\
error: the registry folds the case of tags, but `upstream.tag_case` is `keep`: it answers `web:LATEST` with what `web:latest` means
--> pushonce.toml
 = help: write `tag_case = \"fold\"` under `[upstream]`, or set PUSHONCE_UPSTREAM__TAG_CASE; until then a push of `web:LATEST` gets around a rule for `web:latest`";
        assert_eq!(told(TagCase::Fold), folds);
        let keeps = told(TagCase::Keep);
        assert!(keeps.contains("is `fold`: it has `web:latest`, and no `web:LATEST`"), "{keeps}");
        assert!(keeps.contains("remove `tag_case`, or write `tag_case = \"keep\"`, under `[upstream]`"), "{keeps}");
    }
}
