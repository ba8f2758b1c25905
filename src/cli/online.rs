//! `pushonce check --online`: what the registry says to a configuration.

use std::path::Path;
use std::sync::Arc;

use super::operator::block_on;
use super::{Ended, Environment};
use crate::config::{self, FileKind};
use crate::metrics::Metrics;
use crate::oci::TagCase;
use crate::upstream::Upstream;
use crate::upstream::tag_case::Found;

/// Asks the registry of a configuration without mistakes; `summary` says that it has none.
pub(super) fn check(file: &Path, summary: &str, environment: &Environment) -> Result<String, Ended> {
    if config::kind_of(file)? == FileKind::Policy {
        let words = format!("{} is a policy, which names no registry: give the server configuration for --online", file.display());
        return Err(Ended::Mistaken(words));
    }
    let config = config::load(file, environment)?;
    let (told, registry) = (config.upstream.tag_case, format!("{}://{}", config.upstream.scheme, config.upstream.authority));
    let found = block_on(async {
        let metrics = Arc::new(Metrics::new().map_err(|cause| Ended::failed(&cause))?);
        let upstream = Upstream::new(config.upstream, &config.server, metrics).map_err(|cause| Ended::failed(&cause))?;
        upstream.find_tag_case().await.map_err(|cause| Ended::failed(&cause))
    })?;
    match found {
        Found::Nothing { repositories } => Ok(format!(
            "{summary}{registry}: whether it keeps the case of tags could not be told: there is no tag with a letter in it \
             that may be seen in the {repositories} repositories that were looked through; push one, such as `probe`, and check again\n"
        )),
        Found::Case(TagCase::Keep, _) if told == TagCase::Keep => Ok(format!("{summary}{registry}: keeps the case of tags\n")),
        Found::Case(TagCase::Fold, key) if told == TagCase::Fold => {
            Ok(format!("{summary}{registry}: folds the case of tags, as {key} shows, and `upstream.tag_case` says so\n"))
        }
        Found::Case(TagCase::Fold, key) => Err(Ended::Mistaken(format!(
            "error: {registry} folds the case of tags, as {key} shows: a push of `V1.4.0` gets around a rule for `v1.4.0`\n  \
             = help: write `tag_case = \"fold\"` under `[upstream]`, and run `pushonce adopt`"
        ))),
        Found::Case(TagCase::Keep, key) => Err(Ended::Mistaken(format!(
            "error: {registry} keeps the case of tags, as {key} shows, and `upstream.tag_case` is \"fold\": \
             a push of `V1.4.0` would set `v1.4.0`\n  = help: remove `tag_case` under `[upstream]`"
        ))),
    }
}
