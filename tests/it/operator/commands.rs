//! The commands that serve nothing.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::harness::Pushonce;
use crate::harness::run::{Run, run};

struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.path().join(name), text).expect("a file");
    }

    /// Runs `pushonce` in the directory.
    fn pushonce(&self, arguments: &[&str]) -> Run {
        self.pushonce_with(arguments, &[])
    }

    fn pushonce_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pushonce"));
        command.args(arguments).envs(environment.iter().copied()).current_dir(self.0.path());
        run(command, "this package", self.0.path())
    }
}

fn shipped(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name).to_str().expect("a path").to_owned()
}

#[test]
fn the_shipped_files_have_no_mistakes() {
    let desk = Desk::new();
    for arguments in [["check", &shipped("policy.toml")].as_slice(), &["check", "--config", &shipped("pushonce.toml")]] {
        let checked = desk.pushonce(arguments).expect_success();
        assert!(checked.stdout.ends_with("policy.toml: 4 rules, no mistakes\n"), "{checked}");
        assert_eq!(checked.stderr, "", "{checked}");
    }
}

#[test]
fn every_mistake_is_shown_at_its_place() {
    let desk = Desk::new();
    desk.write(
        "pushonce.toml",
        "listen = \"nowhere\"\n[upstream]\nurl = \"ftp://registry\"\n[server]\nheader_timeout = \"soon\"\nmanifest_limt = \"4MiB\"\n",
    );
    desk.write(
        "policy.toml",
        "default = \"imutable\"\n\n[[rule]]\nname = \"releases\"\ntags = [\"x.y.z\", \"regex:(\"]\nmutability = \"immutable\"\n",
    );
    let checked = desk.pushonce(&["check", "--config", "pushonce.toml"]).expect_failure();
    assert_eq!(checked.status.code(), Some(2), "{checked}");
    assert_eq!(checked.stdout, "", "{checked}");
    for (place, line, caret) in [
        ("pushonce.toml:1:", "1 | listen = \"nowhere\"", "^^^^^^^"),
        ("pushonce.toml:3:", "3 | url = \"ftp://registry\"", "^^^"),
        ("pushonce.toml:5:", "5 | header_timeout = \"soon\"", "^^^^"),
        ("pushonce.toml:6:1", "6 | manifest_limt = \"4MiB\"", "^^^^^^^^^^^^^"),
        ("policy.toml:1:", "1 | default = \"imutable\"", "^^^^^^^^"),
        ("policy.toml:5:", "5 | tags = [\"x.y.z\", \"regex:(\"]", "^"),
    ] {
        let mistake = checked.stderr.split("\n\n").find(|mistake| mistake.contains(place));
        let mistake = mistake.unwrap_or_else(|| panic!("nothing about {place}\n{checked}"));
        assert!(mistake.contains(line) && mistake.contains(caret), "{mistake}");
    }
    assert!(checked.stderr.contains("did you mean `manifest_limit`?"), "{checked}");
    assert!(checked.stderr.contains("did you mean `immutable`?"), "{checked}");
    assert!(checked.stderr.trim_end().ends_with(" mistakes"), "{checked}");
}

#[test]
fn a_file_that_is_not_there_is_a_mistake() {
    let desk = Desk::new();
    let checked = desk.pushonce(&["check", "none.toml"]).expect_said("none.toml");
    assert_eq!(checked.status.code(), Some(2), "{checked}");
    desk.write("pushonce.toml", "upstream.url = \"http://127.0.0.1:1\"\n");
    let checked = desk.pushonce(&["check", "--config", "pushonce.toml"]).expect_said("policy.toml");
    assert_eq!(checked.status.code(), Some(2), "{checked}");
}

#[test]
fn a_command_line_that_is_wrong_is_a_mistake() {
    let desk = Desk::new();
    for arguments in [&[][..], &["pull"], &["check", "--no-such-flag"], &["explain"], &["check", "a", "--config", "b"]] {
        assert_eq!(desk.pushonce(arguments).status.code(), Some(2), "{arguments:?}");
    }
    let version = desk.pushonce(&["--version"]).expect_success();
    assert_eq!(version.stdout, format!("pushonce {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn the_help_of_every_command_has_an_example() {
    let desk = Desk::new();
    let help = desk.pushonce(&["--help"]).expect_success();
    assert!(help.stdout.contains("Exit codes:\n  0  done"), "{help}");
    let ledger = desk.pushonce(&["ledger", "--help"]).expect_success();
    for command in ["exception grant", "exception list", "exception withdraw", "report", "yank"] {
        let own = desk.pushonce(&[&command.split(' ').collect::<Vec<_>>()[..], &["--help"]].concat()).expect_success();
        assert!(own.stdout.contains(&format!("\n  pushonce {command} ")), "{own}");
    }
    for command in ["serve", "check", "explain", "release-claim", "ledger acts", "ledger backup", "ledger verify", "ledger move"] {
        let words: Vec<&str> = command.split(' ').collect();
        let list = if words.len() == 1 { &help } else { &ledger };
        assert!(list.stdout.contains(&format!("  {} ", words[words.len() - 1])), "{command} is not listed\n{list}");
        let own = desk.pushonce(&[&words[..], &["--help"]].concat()).expect_success();
        assert!(own.stdout.contains(&format!("Example:\n  pushonce {command} ")), "{own}");
    }
}

#[test]
fn explain_says_which_rule_decides() {
    let desk = Desk::new();
    let config = shipped("policy.toml");
    let explained =
        desk.pushonce(&["explain", "driftwood/web:1.4.0", "driftwood/web:nightly", "--config", &config]).expect_success();
    assert!(explained.stdout.starts_with("driftwood/web:1.4.0 is immutable\n  decided by rule `releases` of "), "{explained}");
    assert!(explained.stdout.contains("\n\ndriftwood/web:nightly is mutable\n  decided by `default` of "), "{explained}");
    let same = desk.pushonce(&["explain", "web:1.4.0", "--config", &shipped("pushonce.toml")]).expect_success();
    assert!(same.stdout.starts_with("web:1.4.0 is immutable\n"), "{same}");
}

#[test]
fn explain_reads_a_list_and_answers_in_lines() {
    let desk = Desk::new();
    desk.write("tags.txt", "web:1.4.0\n# of the night\nweb:nightly\n");
    let explain = |flags: &str| {
        let command =
            format!("{} explain - {flags} --config {} < tags.txt", env!("CARGO_BIN_EXE_pushonce"), shipped("policy.toml"));
        let mut shell = Command::new("sh");
        shell.args(["-c", &command]).current_dir(desk.0.path());
        run(shell, "dash", desk.0.path())
    };
    let short = explain("--short").expect_success();
    assert_eq!(short.stdout, "web:1.4.0\timmutable\treleases\nweb:nightly\tmutable\tdefault\n");
    let long = explain("").expect_success();
    assert!(long.stdout.contains("\n\nweb:nightly is mutable\n"), "{long}");
    desk.write("tags.txt", "web:1.4.0\nweb\n");
    let refused = explain("--short").expect_said("standard input, line 2: `web` has no tag");
    assert_eq!(refused.status.code(), Some(2), "{refused}");
    assert!(refused.stdout.is_empty(), "{refused}");
}

#[test]
fn explain_asks_for_a_repository_and_a_tag() {
    let desk = Desk::new();
    for reference in ["web", "localhost:5000/web:1.4.0", "web@sha256:abc", "Web:1.4.0"] {
        let explained = desk.pushonce(&["explain", reference, "--config", &shipped("policy.toml")]);
        assert_eq!(explained.status.code(), Some(2), "{explained}");
        assert!(explained.stderr.contains(reference) && explained.stdout.is_empty(), "{explained}");
        assert!(explained.stderr.ends_with('\n'), "the line is not ended\n{explained}");
    }
}

#[test]
fn serve_refuses_what_check_refuses() {
    let failed = Pushonce::in_front_of("http://127.0.0.1:1").policy("default = \"imutable\"\n").start_and_fail();
    assert_eq!(failed.status.code(), Some(2), "{failed}");
    failed.expect_said("did you mean `immutable`?").expect_said("policy.toml:1:11");
}

#[test]
fn variables_override_the_file_and_are_checked_too() {
    let desk = Desk::new();
    desk.write("policy.toml", "default = \"immutable\"\n");
    desk.write("pushonce.toml", "[upstream]\nurl = \"ftp://registry\"\n");
    let check = ["check", "--config", "pushonce.toml"];
    assert_eq!(desk.pushonce(&check).status.code(), Some(2));
    desk.pushonce_with(&check, &[("PUSHONCE_UPSTREAM__URL", "http://registry")]).expect_success();
    for (name, value) in [("PUSHONCE_UPSTREM__URL", "http://registry"), ("PUSHONCE_SERVER__DRAIN_TIMEOUT", "soon")] {
        let variables = [("PUSHONCE_UPSTREAM__URL", "http://registry"), (name, value)];
        let checked = desk.pushonce_with(&check, &variables).expect_said(name);
        assert_eq!(checked.status.code(), Some(2), "{checked}");
    }
    desk.pushonce_with(&check, &[("PUSHONCE_UPSTREAM__URL", "http://registry"), ("PUSHONCE_PORT", "tcp://10.0.0.1:5000")])
        .expect_success();
}

#[test]
fn shells_complete_the_commands_and_each_has_a_manual_page() {
    let desk = Desk::new();
    let script = desk.pushonce(&["completions", "bash"]).expect_success().stdout;
    desk.write("pushonce.bash", &script);
    let mut bash = Command::new("bash");
    // What bash would propose behind `pushonce re`.
    let asks = "source ./pushonce.bash && COMP_WORDS=(pushonce re) COMP_CWORD=1 && _pushonce pushonce re pushonce && echo \"${COMPREPLY[@]}\"";
    bash.args(["--norc", "-c", asks]).current_dir(desk.0.path());
    let proposed = run(bash, "bash", desk.0.path()).expect_success().stdout;
    for command in ["resolve", "releases", "release-claim", "report"] {
        assert!(proposed.split_whitespace().any(|word| word == command), "{command}: {proposed}");
    }
    for shell in ["zsh", "fish", "elvish", "powershell"] {
        assert!(desk.pushonce(&["completions", shell]).expect_success().stdout.contains("release-claim"), "{shell}");
    }
    desk.pushonce(&["man"]).expect_success().expect_said("pushonce.1");
    for page in ["pushonce.1", "pushonce-serve.1", "pushonce-check.1", "pushonce-ledger-backup.1"] {
        let text = std::fs::read_to_string(desk.0.path().join(page)).expect(page);
        assert!(text.contains(".SH SYNOPSIS"), "{page}: {text}");
    }
    let failed = desk.pushonce(&["man", "--directory", "none"]);
    assert_eq!(failed.status.code(), Some(1), "{failed}");
    failed.expect_said("none: the pages cannot be written");
}
