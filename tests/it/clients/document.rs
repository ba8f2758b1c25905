//! docs/CLIENTS.md has a table of what each client prints on a refusal, and one of
//! how each goes about a push. Every row is compared with what the client just
//! did; with `UPDATE_DOCS=1` in the environment the row is written instead.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::harness::run::Run;

/// A table of the document: what stands before its rows, and their first cells.
pub struct Table {
    heading: &'static str,
    keys: &'static [&'static str],
}

/// What each command prints when it is refused.
pub static REFUSALS: Table = Table {
    heading: "| command | what it prints | tries again |\n|---|---|---|\n",
    keys: &[
        "`buildah manifest push --all`",
        "`buildah push`",
        "`ctr images push`",
        "`ctr images push` (index)",
        "`docker push --all-tags`",
        "`docker push`",
        "`dxf del-alias`",
        "`dxf push-blob`",
        "`helm push`",
        "`oci-client push`",
        "`oras delete`",
        "`oras push`",
        "`podman manifest push --all`",
        "`podman push`",
        "`skopeo copy --all --preserve-digests`",
        "`skopeo copy --all`",
        "`skopeo copy`",
        "`skopeo delete`",
    ],
};

/// What each command prints where a tag has to be pulled by its digest.
pub static PULLS: Table = Table {
    heading: "| command | what it prints | requests |\n|---|---|---|\n",
    keys: &[
        "`buildah pull`",
        "`ctr content fetch`",
        "`docker pull`",
        "`dxf get-manifest`",
        "`helm pull`",
        "`oci-client pull`",
        "`podman pull`",
        "`skopeo copy`",
    ],
};

/// How each client goes about a push.
pub static HABITS: Table = Table {
    heading: "| client | version | looks first | the same again | requests when refused | uploads with | mounts | `Accept` of a pull |\n\
              |---|---|---|---|---|---|---|---|\n",
    keys: &["buildah", "ctr of containerd", "docker", "dxf", "helm (SDK)", "oci-client", "oras (Python SDK)", "podman", "skopeo"],
};

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
        let line = line_of(run, "immutable", address);
        Self { command: command.to_owned(), printed: same_dates(&same_digests(&line)), retries }
    }

    /// Compares the row with the document. What stands in brackets after a
    /// command is no part of it.
    #[track_caller]
    pub fn expect(&self) {
        let Self { command, printed, retries } = self;
        let key = command.split_once(" (").map_or(format!("`{command}`"), |(command, note)| format!("`{command}` ({note}"));
        expect(&REFUSALS, &key, &format!("`{printed}` | {}", if *retries { "yes" } else { "no" }));
    }
}

/// Compares what a refused pull printed, and how often it asked, with the document.
#[track_caller]
pub fn expect_pull(command: &str, run: &Run, address: &str, requests: f64) {
    let printed = same_digests(&line_of(run, "cannot be pulled", address));
    expect(&PULLS, &format!("`{command}`"), &format!("`{printed}` | {requests}"));
}

/// The line that has this word, or the last one where none does, with an address that is
/// the same every time.
fn line_of(run: &Run, word: &str, address: &str) -> String {
    let both = format!("{}\n{}", run.stdout, run.stderr);
    let line = both.lines().find(|line| line.contains(word)).or(both.lines().rfind(|line| !line.is_empty()));
    let line = line.unwrap_or_else(|| panic!("nothing was printed\n{run}")).replace(address, "registry.example");
    line.split_once("\" level=").map_or(line.clone(), |(_, rest)| format!("level={rest}"))
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

/// Every date is today's, and is written as the same one: some clients print a refusal
/// twice in a line.
fn same_dates(line: &str) -> String {
    const SHOWN: &str = "2026-11-23";
    #[expect(clippy::disallowed_methods, reason = "the proxy under test uses the clock of this machine")]
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let days = [today, today.yesterday().expect("a day before")].map(|day| day.to_string());
    let mut parts = line.split(" since ");
    let mut same = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (date, after) = part.split_at_checked(SHOWN.len()).unwrap_or((part, ""));
        assert!(days.iter().any(|day| day == date), "not since today: {line}");
        same.push_str(&format!(" since {SHOWN}{after}"));
    }
    same
}

#[test]
fn a_line_is_the_same_on_every_day() {
    #[expect(clippy::disallowed_methods, reason = "the clock of this machine, as above")]
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let line = format!("one since {today}; two since {today}, three");
    assert_eq!(same_dates(&line), "one since 2026-11-23; two since 2026-11-23, three");
    assert_eq!(same_dates("nothing"), "nothing");
}

/// Compares one row with the document: its first cell and the rest.
#[track_caller]
pub fn expect(table: &Table, key: &str, rest: &str) {
    assert!(table.keys.contains(&key), "{key} has no row in the document");
    let guard = FILE.lock().unwrap_or_else(PoisonError::into_inner);
    let (path, text) = read();
    let [before, rows, after] = table.part(&text);
    let fresh = format!("| {key} | {rest} |");
    let found = rows.lines().find(|row| key_of(row) == key).unwrap_or_default();
    #[expect(clippy::disallowed_methods, reason = "a switch for people, not a setting of the program")]
    if std::env::var("UPDATE_DOCS").is_ok_and(|value| value == "1") {
        let mut rows: Vec<&str> = rows.lines().filter(|row| key_of(row) != key).collect();
        rows.push(&fresh);
        rows.sort_by_key(|row| key_of(row));
        std::fs::write(&path, format!("{before}{}\n{after}", rows.join("\n"))).expect("the document");
        return;
    }
    // Let go first: one row that differs must not hide the others.
    drop(guard);
    assert!(
        found == fresh,
        "docs/CLIENTS.md does not say how {key} behaves.\n  it says: {found}\n  now:     {fresh}\n\
         If the new text is right, run the tests of the clients with UPDATE_DOCS=1.",
    );
}

impl Table {
    /// The text up to the rows, the rows, and the text after them.
    fn part<'a>(&self, text: &'a str) -> [&'a str; 3] {
        let start = text.find(self.heading).unwrap_or_else(|| panic!("docs/CLIENTS.md has no table that begins\n{}", self.heading));
        let start = start + self.heading.len();
        let end = start + text[start..].find("\n\n").map_or(text.len() - start, |length| length + 1);
        let rows = if text[start..].starts_with('|') { start..end } else { start..start };
        [&text[..rows.start], &text[rows.clone()], &text[rows.end..]]
    }
}

fn key_of(row: &str) -> &str {
    row.split(" | ").next().unwrap_or_default().trim_start_matches("| ")
}

fn read() -> (PathBuf, String) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/CLIENTS.md");
    let text = std::fs::read_to_string(&path).expect("docs/CLIENTS.md");
    (path, text)
}

#[test]
fn the_document_has_a_row_for_every_command_and_client_and_no_other() {
    let guard = FILE.lock().unwrap_or_else(PoisonError::into_inner);
    let (_, text) = read();
    drop(guard);
    for table in [&REFUSALS, &PULLS, &HABITS] {
        let [_, rows, _] = table.part(&text);
        let keys: Vec<&str> = rows.lines().map(key_of).collect();
        assert_eq!(keys, table.keys);
    }
}
