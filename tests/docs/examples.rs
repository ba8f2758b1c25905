//! Configurations that are shown, and commands with what they say.

use std::fs;
use std::path::Path;
use std::process::Command;

use jiff::Timestamp;
use pushonce::ledger::TagKey;
use pushonce::oci::{Digest, RepositoryName, Tag};
use pushonce::policy::{Mutability, Policy, Rule};
use pushonce::refusal::{Immutable, Meaning};
use tempfile::TempDir;

use super::markdown::{Block, blocks, documents, read, root};
use super::story;

/// A directory with the files that a document shows (their first line is their
/// name as a comment), the repository's `config/`, and a secret of webhooks.
fn directory_of(blocks: &[Block]) -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    std::os::unix::fs::symlink(root().join("config"), directory.path().join("config")).expect("a link");
    fs::write(directory.path().join("webhook-secret"), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").expect("a file");
    for block in blocks {
        if let Some(name) = name_of(block) {
            fs::write(directory.path().join(name), &block.text).expect("a file");
        }
    }
    directory
}

fn name_of(block: &Block) -> Option<&str> {
    let name = block.text.lines().next()?.strip_prefix("# ")?;
    (block.language == "toml" && name.ends_with(".toml") && !name.contains(' ')).then_some(name)
}

/// Runs the program and returns what it said and its exit code.
fn pushonce(arguments: &[&str], directory: &Path) -> (String, Option<i32>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pushonce"));
    command.args(arguments).current_dir(directory).env_clear();
    let output = command.output().expect("the program runs");
    let said = [output.stdout, output.stderr].concat();
    (String::from_utf8(said).expect("text"), output.status.code())
}

#[test]
fn every_configuration_that_is_shown_has_no_mistakes() {
    let mut checked = 0;
    for document in documents() {
        let blocks = blocks(&read(&document));
        let directory = directory_of(&blocks);
        for (index, block) in blocks.iter().enumerate().filter(|(_, block)| block.language == "toml") {
            let is_mistaken = blocks.get(index + 1).is_some_and(|next| next.text.starts_with("error: "));
            let name = name_of(block).unwrap_or("shown.toml");
            fs::write(directory.path().join(name), &block.text).expect("a file");
            let (said, code) = pushonce(&["check", name], directory.path());
            assert_eq!(code, Some(if is_mistaken { 2 } else { 0 }), "{document}:{}\n{said}", block.line);
            checked += 1;
        }
    }
    assert!(checked >= 8, "only {checked} configurations were found");
}

/// `$ pushonce …` lines of a block, each with the lines that follow it.
fn runs(block: &Block) -> Vec<(Vec<&str>, String)> {
    let runs = block.text.split("$ ").skip(1).filter_map(|run| run.split_once('\n'));
    let ours = runs.filter_map(|(command, said)| Some((command.strip_prefix("pushonce ")?, said)));
    ours.map(|(arguments, said)| (arguments.split_whitespace().collect(), said.to_owned())).collect()
}

#[test]
fn every_command_that_is_shown_says_what_is_shown() {
    let mut checked = 0;
    for document in documents() {
        let blocks = blocks(&read(&document));
        let directory = directory_of(&blocks);
        for block in blocks.iter().filter(|block| block.language == "console") {
            for (mut arguments, shown) in runs(block).into_iter().filter(|(arguments, _)| !story::is_tested_elsewhere(arguments)) {
                if story::asks(&arguments) {
                    story::tell(directory.path());
                    arguments.extend(["--config", story::CONFIG]);
                }
                let (said, _) = pushonce(&arguments, directory.path());
                assert_eq!(said, shown, "{document}:{} {arguments:?}", block.line);
                checked += 1;
            }
        }
    }
    assert!(checked >= 3, "only {checked} commands were found");
}

/// A refused push of driftwood/web:1.4.0, which means a digest since then.
pub fn immutable(digest: Digest, since: Timestamp) -> Immutable {
    let rule = Rule::new("releases", &[], &["semver:x.y.z"], Mutability::Immutable).expect("a rule");
    let policy = Policy::new(vec![rule], Mutability::Mutable).expect("a policy");
    let key =
        TagKey { repository: RepositoryName::parse("driftwood/web").expect("a name"), tag: Tag::parse("1.4.0").expect("a tag") };
    let verdict = policy.decide(&key.repository, &key.tag);
    Immutable { key, verdict, meaning: Meaning::Bytes { digest, since }, is_assembled: false }
}

#[test]
fn the_refusal_that_is_shown_is_what_a_developer_reads() {
    let digest = Digest::parse(&format!("sha256:861f84b50497{}", "0".repeat(52))).expect("a digest");
    let message = immutable(digest, "2026-11-23T06:00:00Z".parse().expect("a time")).message();
    assert!(read("README.md").contains(&format!("\ndenied: {message}\n")), "README.md does not show `{message}`");
}

#[test]
fn the_exit_codes_are_those_of_the_program() {
    let directory = tempfile::tempdir().expect("a directory");
    fs::write(directory.path().join("policy.toml"), "").expect("a file");
    let config = "upstream.url = \"http://127.0.0.1:1\"\nledger.url = \"sqlite:.\"\n";
    fs::write(directory.path().join("pushonce.toml"), config).expect("a file");
    let examples = [
        (0, vec!["check", "pushonce.toml"]),
        (0, vec!["--help"]),
        (1, vec!["serve", "--config", "pushonce.toml"]),
        (2, vec!["serve", "--config", "none.toml"]),
        (2, vec!["explain", "web", "--config", "policy.toml"]),
        (2, vec!["sevre"]),
    ];
    for (code, arguments) in examples {
        let (said, found) = pushonce(&arguments, directory.path());
        assert_eq!(found, Some(code), "{arguments:?}\n{said}");
    }
    let (help, _) = pushonce(&["--help"], directory.path());
    let rows = super::markdown::table(&read("docs/OPERATIONS.md"), "## Exit codes");
    let (_, shown) = help.split_once("Exit codes:\n").expect("the exit codes in --help");
    let shown: Vec<&str> = shown.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(rows.iter().map(|row| row[0].as_str()).collect::<Vec<_>>(), shown);
}
