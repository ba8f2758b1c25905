//! `pushonce exception …` and `pushonce yank`: what operators decide about single tags.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use jiff::SignedDuration;

use super::operator::{self, block_on, ledger_of, who};
use super::question::{Output, failed, json, tag};
use super::table::{plain, table};
use super::{CONFIG, Ended, Environment};
use crate::clock::{Clock, SystemClock};
use crate::config;
use crate::ledger::decision::by_hand::{self, Hand, Undone};
use crate::ledger::decision::{Allows, YankedPulls};
use crate::questions::{self, Standing};

const GRANT: &str = "\
Let the rule of one tag be broken once

A release with a leaked secret in it must go. With an exception the next push of other bytes to
the tag, or the next delete of it, passes: once, and only until the time is over. After that the
tag is as immutable as before. Pulls through every replica get the new bytes within seconds, and
the release log keeps both digests, who granted it, who used it, and why.

An immutable tag that is deleted never takes other bytes afterwards.
It may be run while the proxy runs.";

const GRANT_EXAMPLE: &str = "\
Example:
  pushonce exception grant driftwood/web:1.4.0 --allow push --for 15m --reason \"a key leaked\"

Exit codes:
  0  the exception is open
  1  one is open already, the tag was deleted, or the ledger gave no answer
  2  mistakes in the command line or the configuration";

pub(super) const YANK: &str = "\
Mark a release as bad

Its pulls go on, with a warning, or get 404 with `--pulls refuse`. `pushonce resolve` says so,
no tag that moves may be pushed to its bytes any more, and a forward-only tag that has followed
it may go back to the release before it. It may be run while the proxy runs.";

pub(super) const YANK_EXAMPLES: &str = "\
Examples:
  pushonce yank driftwood/web:1.4.3 --reason \"loses data on upgrade\"
  pushonce yank driftwood/web:1.4.3 --undo --reason \"it was the disk\"

Exit codes:
  0  the release is yanked, or no longer
  1  the ledger knows no such release, or gave no answer
  2  mistakes in the command line or the configuration";

#[derive(Subcommand, Debug)]
pub(super) enum ExceptionCommand {
    /// Let the rule of one tag be broken once
    #[command(long_about = GRANT, after_help = GRANT_EXAMPLE)]
    Grant {
        /// The tag, as REPOSITORY:TAG without a registry host
        #[arg(value_name = "REPOSITORY:TAG")]
        reference: String,
        /// What is let happen
        #[arg(long, value_enum)]
        allow: Allow,
        /// How long it may be used, such as 15m; at most 24h
        #[arg(long = "for", value_name = "TIME", default_value = "15m")]
        time: String,
        /// Why, in one line; it is kept for good
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// The server configuration, which names the ledger and the registry
        #[arg(long, value_name = "FILE", default_value = CONFIG)]
        config: PathBuf,
    },
    /// Show the exceptions that may still be used, and the yanked releases
    #[command(after_help = "Example:\n  pushonce exception list --output json")]
    List {
        /// How the answer is written
        #[arg(long, value_enum, default_value_t = Output::Table)]
        output: Output,
        /// The server configuration, which names the ledger and the registry
        #[arg(long, value_name = "FILE", default_value = CONFIG)]
        config: PathBuf,
    },
    /// Take an exception back that nobody has used
    #[command(after_help = "Example:\n  pushonce exception withdraw 0a1b2c3d4e5f --reason \"not needed\"")]
    Withdraw {
        /// As `grant` and `list` show it
        #[arg(value_name = "ID")]
        id: String,
        /// Why, in one line; it is kept for good
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// The server configuration, which names the ledger and the registry
        #[arg(long, value_name = "FILE", default_value = CONFIG)]
        config: PathBuf,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Allow {
    /// Other bytes
    Push,
    /// A delete
    Delete,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Pulls {
    /// What it means, with a warning
    Serve,
    /// 404
    Refuse,
}

#[derive(clap::Args, Debug)]
pub(super) struct YankArguments {
    /// The release, as REPOSITORY:TAG without a registry host
    #[arg(value_name = "REPOSITORY:TAG")]
    reference: String,
    /// What its pulls get
    #[arg(long, value_enum, default_value_t = Pulls::Serve, conflicts_with = "undo")]
    pulls: Pulls,
    /// Take the yank back
    #[arg(long)]
    undo: bool,
    /// Why, in one line; it is shown to who pulls it, and kept for good
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// The server configuration, which names the ledger and the registry
    #[arg(long, value_name = "FILE", default_value = CONFIG)]
    config: PathBuf,
}

/// Runs one command and returns what to print.
pub(super) fn run(command: ExceptionCommand, environment: &Environment) -> Result<String, Ended> {
    match command {
        ExceptionCommand::Grant { reference, allow, time, reason, config } => {
            let key = tag(&reference)?;
            let mistaken = |cause| Ended::Mistaken(format!("--for {time}: {cause}; write a time such as 15m or 2h"));
            let time: SignedDuration = time.parse().map_err(mistaken)?;
            let (config, who) = (config::load(&config, environment)?, who(environment));
            let key = key.in_case(config.upstream.tag_case);
            let hand = Hand { who: &who, reason: operator::reason(&reason)?, now: SystemClock.now() };
            let allows = match allow {
                Allow::Push => Allows::Push,
                Allow::Delete => Allows::Delete,
            };
            block_on(async {
                let granted = by_hand::grant(&*ledger_of(&config).await?, &key, allows, time, hand).await.map_err(undone)?;
                let (id, until) = (granted.id, granted.until);
                Ok(format!("exception {id}: {key} may be {} once until {until}, says {who} ({})\n", done(allows), hand.reason))
            })
        }
        ExceptionCommand::List { output, config } => {
            let config = config::load(&config, environment)?;
            let found =
                block_on(async { questions::standing(&*ledger_of(&config).await?, SystemClock.now()).await.map_err(failed) })?;
            if output == Output::Json { json(&found) } else { Ok(shown(&found)) }
        }
        ExceptionCommand::Withdraw { id, reason, config } => {
            let (config, who) = (config::load(&config, environment)?, who(environment));
            let hand = Hand { who: &who, reason: operator::reason(&reason)?, now: SystemClock.now() };
            block_on(async {
                let exception = by_hand::withdraw(&*ledger_of(&config).await?, &id, hand).await.map_err(undone)?;
                Ok(format!("exception {id} of {} was withdrawn by {who} ({})\n", exception.key, hand.reason))
            })
        }
    }
}

/// Yanks a release, or takes that back, and returns what to print.
pub(super) fn yank(arguments: &YankArguments, environment: &Environment) -> Result<String, Ended> {
    let key = tag(&arguments.reference)?;
    let (config, who) = (config::load(&arguments.config, environment)?, who(environment));
    let key = key.in_case(config.upstream.tag_case);
    let hand = Hand { who: &who, reason: operator::reason(&arguments.reason)?, now: SystemClock.now() };
    let pulls = match arguments.pulls {
        Pulls::Serve => YankedPulls::Serve,
        Pulls::Refuse => YankedPulls::Refuse,
    };
    block_on(async {
        let ledger = ledger_of(&config).await?;
        if arguments.undo {
            by_hand::unyank(&*ledger, &key, hand).await.map_err(undone)?;
            return Ok(format!("{key} is no longer yanked, says {who} ({})\n", hand.reason));
        }
        let yank = by_hand::yank(&*ledger, &key, pulls, hand).await.map_err(undone)?;
        let pulls = match pulls {
            YankedPulls::Serve => "its pulls go on with a warning",
            YankedPulls::Refuse => "its pulls get 404",
        };
        Ok(format!("{key} ({}) was yanked by {who} ({}); {pulls}\n", yank.digest, hand.reason))
    })
}

fn undone(cause: Undone) -> Ended {
    match cause {
        Undone::Time(_) => Ended::Mistaken(cause.to_string()),
        _ => Ended::failed(&cause),
    }
}

fn done(allows: Allows) -> &'static str {
    match allows {
        Allows::Push => "pushed with other bytes",
        Allows::Delete => "deleted",
    }
}

fn shown(standing: &Standing) -> String {
    let exceptions: Vec<Vec<String>> = standing
        .exceptions
        .iter()
        .map(|one| {
            let tag = format!("{}:{}", one.repository, one.tag);
            vec![one.id.clone(), tag, one.allows.to_owned(), one.until.to_string(), plain(&one.who), plain(&one.reason)]
        })
        .collect();
    let yanks: Vec<Vec<String>> = standing
        .yanks
        .iter()
        .map(|one| {
            let tag = format!("{}:{}", one.repository, one.tag);
            vec![tag, one.digest.to_string(), one.pulls.to_owned(), one.at.to_string(), plain(&one.who), plain(&one.reason)]
        })
        .collect();
    let exceptions = match exceptions.is_empty() {
        true => "no exception is open\n".to_owned(),
        false => table(&["ID", "TAG", "ALLOWS", "UNTIL", "WHO", "REASON"], &exceptions),
    };
    let yanks = match yanks.is_empty() {
        true => "no release is yanked\n".to_owned(),
        false => table(&["YANKED", "DIGEST", "PULLS", "WHEN", "WHO", "REASON"], &yanks),
    };
    format!("{exceptions}\n{yanks}")
}
