//! `pushonce log skip-webhook`.

use std::path::Path;
use std::time::Duration;

use crate::cli::operator::{block_on, ledger_of, reason, who};
use crate::cli::question::failed;
use crate::cli::{Ended, Environment};
use crate::clock::{AttemptId, Clock, SystemClock};
use crate::config;
use crate::config::valid::Config;
use crate::ledger::Note;
use crate::ledger::event::{Action, Event, Outcome};
use crate::ledger::log::Leaf;
use crate::webhooks::{id_of, turn_of};

pub(super) const ABOUT: &str = "\
Let a webhook go on behind an event that its receiver never takes

A receiver that does not take an event gets it again and again, and nothing behind it before that.
This passes over the one event that the webhook has come to, and over nothing else. The log keeps
the event; who passed over it, when and why is written down.";

/// How long the turn of the webhook is held.
const HELD: Duration = Duration::from_secs(10);

pub(super) fn skip(name: &str, why: &str, file: &Path, environment: &Environment) -> Result<String, Ended> {
    let why = reason(why)?;
    let config = config::load(file, environment)?;
    let Some(webhook) = config.webhooks.iter().find(|webhook| webhook.name == name) else {
        let names: Vec<_> = config.webhooks.iter().map(|webhook| webhook.name.as_str()).collect();
        return Err(Ended::Mistaken(format!("no webhook is called `{name}`; there are: {}", names.join(", "))));
    };
    let registry = &config.upstream.name;
    let leaf = block_on(pass_over(&config, &turn_of(registry, name), &webhook.name, |skipped| {
        let note = Note {
            who: Some(who(environment)),
            detail: Some(format!("skip-webhook {name} {}: {why}", id_of(skipped))),
            ..Note::from(SystemClock.now())
        };
        Event::about_nothing(registry, Action::Act, Outcome::Acted, &note)
    }))?;
    let tag = leaf.event.key().map_or_else(|| "no tag".to_owned(), |key| key.to_string());
    Ok(format!("the webhook `{name}` goes on behind event {}, {} of {tag}\n", id_of(&leaf), leaf.event.outcome))
}

async fn pass_over(config: &Config, turn: &str, name: &str, act: impl FnOnce(&Leaf) -> Event) -> Result<Leaf, Ended> {
    let ledger = ledger_of(config).await?;
    let (holder, now) = (AttemptId::random(), SystemClock.now());
    let until = now.checked_add(HELD).unwrap_or(now);
    let busy = || Ended::Failed(format!("the webhook `{name}` is being delivered at this moment: try again"));
    let position = ledger.take_turn(turn, holder, now, until).await.map_err(failed)?.ok_or_else(busy)?;
    let leaf = ledger.leaves(position, 1).await.map_err(failed)?.pop();
    let next = leaf.as_ref().map_or(position, |leaf| leaf.position + 1);
    if let Some(leaf) = &leaf {
        ledger.record(&[act(leaf)]).await.map_err(failed)?;
    }
    if !ledger.end_turn(turn, holder, next).await.map_err(failed)? {
        return Err(busy());
    }
    leaf.ok_or_else(|| Ended::Failed(format!("the webhook `{name}` has delivered everything: there is nothing to pass over")))
}
