//! The questions: of what was not given, where there is a terminal.

use std::io::{self, IsTerminal};

use dialoguer::{Confirm, Input};

use super::{Answers, Arguments};
use crate::cli::Ended;

const UPSTREAM: &str = "http://127.0.0.1:5001";
const LEDGER: &str = "sqlite:pushonce.db";
const ONCE: [&str; 3] = ["semver:x.y.z", "semver:x.y.z-*", "git-*"];
const MOVING: [&str; 3] = ["latest", "semver:x.y", "semver:x"];

pub(super) fn answers(given: Arguments) -> Result<Answers, Ended> {
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        let words = "--upstream is needed, such as --upstream http://127.0.0.1:5001: there is no terminal to ask on";
        let upstream = given.upstream.clone().ok_or_else(|| Ended::Mistaken(words.to_owned()))?;
        return Ok(with_defaults(given, upstream));
    }
    asked(given).map_err(|cause| Ended::Failed(format!("the terminal gave no answer: {cause}")))
}

fn with_defaults(given: Arguments, upstream: String) -> Answers {
    let or = |patterns: Vec<String>, default: [&str; 3]| match patterns.is_empty() {
        true => default.map(str::to_owned).to_vec(),
        false => patterns,
    };
    Answers {
        upstream,
        ledger: given.ledger.unwrap_or_else(|| LEDGER.to_owned()),
        once: or(given.once, ONCE),
        moving: or(given.moving, MOVING),
        forward_only: given.forward_only,
        enforce: given.enforce,
    }
}

fn asked(given: Arguments) -> dialoguer::Result<Answers> {
    let Arguments { forward_only, enforce, .. } = given;
    let upstream = match &given.upstream {
        Some(url) => url.clone(),
        None => line("Where is the registry?", UPSTREAM)?,
    };
    let ledger = match &given.ledger {
        Some(url) => url.clone(),
        None => line("Where is written down what the tags mean? A file, or postgres://USER@HOST/DATABASE", LEDGER)?,
    };
    let once = match &*given.once {
        [] => patterns("Which tags are pushed once?", &ONCE)?,
        given => given.to_vec(),
    };
    let moving = match &*given.moving {
        [] => patterns("Which tags move?", &MOVING)?,
        given => given.to_vec(),
    };
    let forward_only = forward_only || yes("May they move to newer releases only, never back?", false)?;
    let enforce = enforce || !yes("Begin in audit mode, where nothing is refused?", true)?;
    Ok(Answers { upstream, ledger, once, moving, forward_only, enforce })
}

fn line(question: &str, default: &str) -> dialoguer::Result<String> {
    Input::new().with_prompt(question).default(default.to_owned()).interact_text()
}

/// Patterns with spaces between them, which none has in it.
fn patterns(question: &str, default: &[&str]) -> dialoguer::Result<Vec<String>> {
    Ok(line(question, &default.join(" "))?.split([' ', ',']).filter(|part| !part.is_empty()).map(str::to_owned).collect())
}

fn yes(question: &str, default: bool) -> dialoguer::Result<bool> {
    Confirm::new().with_prompt(question).default(default).interact()
}
