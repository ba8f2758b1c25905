//! docs/CLIENTS.md has a table of what each client prints on a refusal. Every row
//! is compared with what the client just printed; with `UPDATE_DOCS=1` in the
//! environment the row is written instead.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::harness::run::Run;

/// Every command with a row.
const COMMANDS: [&str; 9] = [
    "buildah push",
    "docker push",
    "docker push --all-tags",
    "podman manifest push --all",
    "podman push",
    "skopeo copy",
    "skopeo copy --all",
    "skopeo copy --all --preserve-digests",
    "skopeo delete",
];

/// What stands before the rows.
const HEADING: &str = "| command | what it prints | tries again |\n|---|---|---|\n";

static FILE: Mutex<()> = Mutex::new(());

pub struct Row {
    command: String,
    printed: String,
    retries: bool,
}

impl Row {
    /// The line of `run` that names the refusal, or the last one where none does,
    /// with addresses, digests and dates that are the same every time.
    pub fn read(command: &str, run: &Run, address: &str, retries: bool) -> Self {
        let both = format!("{}\n{}", run.stdout, run.stderr);
        let line = both.lines().find(|line| line.contains("immutable")).or(both.lines().rfind(|line| !line.is_empty()));
        let line = line.unwrap_or_else(|| panic!("nothing was printed\n{run}"));
        let line = line.replace(address, "registry.example");
        let line = line.split_once("\" level=").map_or(line.clone(), |(_, rest)| format!("level={rest}"));
        Self { command: command.to_owned(), printed: same_date(&same_digests(&line)), retries }
    }

    fn render(&self) -> String {
        let Self { command, printed, retries } = self;
        format!("| `{command}` | `{printed}` | {} |", if *retries { "yes" } else { "no" })
    }
}

/// Every digest, shortened or not, is written as the same one.
fn same_digests(line: &str) -> String {
    const SHOWN: &str = "88fce93b3a40";
    let mut parts = line.split("sha256:");
    let mut same = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.find(|letter: char| !letter.is_ascii_hexdigit()).unwrap_or(part.len());
        let ellipsis = if digits > SHOWN.len() { "…" } else { "" };
        same.push_str(&format!("sha256:{SHOWN}{ellipsis}{}", &part[digits..]));
    }
    same
}

fn same_date(line: &str) -> String {
    let (before, after) = line.split_once(" since ").unwrap_or((line, ""));
    let Some((date, after)) = after.split_at_checked("2026-11-23".len()) else { return line.to_owned() };
    #[expect(clippy::disallowed_methods, reason = "the proxy under test uses the clock of this machine")]
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let yesterday = today.yesterday().expect("a day before");
    assert!([today, yesterday].iter().any(|day| day.to_string() == date), "not since today: {line}");
    format!("{before} since 2026-11-23{after}")
}

/// Compares the row of a command with the document.
#[track_caller]
pub fn expect(row: &Row) {
    assert!(COMMANDS.contains(&row.command.as_str()), "`{}` has no row in the document", row.command);
    let guard = FILE.lock().unwrap_or_else(PoisonError::into_inner);
    let (path, text) = read();
    let start = format!("| `{}` |", row.command);
    let found = text.lines().find(|line| line.starts_with(&start)).unwrap_or_default();
    let fresh = row.render();
    #[expect(clippy::disallowed_methods, reason = "a switch for people, not a setting of the program")]
    if std::env::var("UPDATE_DOCS").is_ok_and(|value| value == "1") {
        let rows = |line: &str| line.starts_with("| `");
        let mut kept: Vec<String> =
            text.lines().filter(|line| rows(line) && !line.starts_with(&start)).map(str::to_owned).collect();
        kept.push(fresh);
        kept.sort_by_key(|row| command_of(row).to_owned());
        let (before, after) = text.split_once(HEADING).expect("a table");
        let after: Vec<&str> = after.lines().skip_while(|line| rows(line)).collect();
        std::fs::write(&path, format!("{before}{HEADING}{}\n{}\n", kept.join("\n"), after.join("\n"))).expect("the document");
        return;
    }
    // Let go first: one row that differs must not hide the others.
    drop(guard);
    assert!(
        found == fresh,
        "docs/CLIENTS.md does not say what `{}` prints.\n  it says: {found}\n  printed: {fresh}\n\
         If the new text is right, run the tests of the clients with UPDATE_DOCS=1.",
        row.command
    );
}

fn command_of(row: &str) -> &str {
    row.split('`').nth(1).unwrap_or_default()
}

fn read() -> (PathBuf, String) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/CLIENTS.md");
    let text = std::fs::read_to_string(&path).expect("docs/CLIENTS.md");
    (path, text)
}

#[test]
fn the_document_has_a_row_for_every_command_and_no_other() {
    let guard = FILE.lock().unwrap_or_else(PoisonError::into_inner);
    let (_, text) = read();
    drop(guard);
    assert!(text.contains(HEADING), "docs/CLIENTS.md has no table that begins\n{HEADING}");
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let commands: Vec<&str> = rows.map(command_of).collect();
    assert_eq!(commands, COMMANDS);
}
