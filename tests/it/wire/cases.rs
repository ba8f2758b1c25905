//! Payloads as data: `tests/smuggling/*.txt`.
//!
//! ```text
//! == what is sent, in plain words
//! client: 202 400 closed | closed     what the client gets; alternatives after `|`
//! upstream: PATCH /v2/… 5             a request that the registry gets; none without it
//! ---
//! the payload
//! ...
//! ```
//!
//! A line of the payload ends with CR LF, unless a backslash ends it. In it, `\r`,
//! `\n`, `\t`, `\s` (a space), `\\` and `\xNN` are bytes, and `\*100(text)` is the
//! text a hundred times. Lines outside of cases are remarks.

use std::path::PathBuf;

/// One payload and what must come of it.
#[derive(Debug)]
pub struct Case {
    pub name: String,
    /// The alternatives of what the client gets, each as words.
    pub client: Vec<Vec<String>>,
    /// What the registry gets, in order, as [`Case::payload`]'s sender renders it.
    pub upstream: Vec<String>,
    /// The lines between `---` and `...`, as they stand in the file.
    pub lines: Vec<String>,
}

impl Case {
    /// The bytes to send.
    pub fn payload(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for line in &self.lines {
            match line.strip_suffix('\\').filter(|rest| !rest.ends_with('\\')) {
                Some(joined) => bytes.extend(unescape(joined)),
                None => bytes.extend([unescape(line).as_slice(), b"\r\n"].concat()),
            }
        }
        bytes
    }

    /// Checks what the client got against the alternatives.
    #[track_caller]
    pub fn expect_client(&self, got: &[String], how: &str) {
        assert!(
            self.client.iter().any(|wanted| wanted == got),
            "{} ({how}): the client got {got:?}, not {:?}",
            self.name,
            self.client
        );
    }
}

/// The cases of one file.
pub fn read(file: &str) -> Vec<Case> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/smuggling").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let cases = parse(&text);
    assert!(!cases.is_empty(), "{file} has no cases");
    cases
}

fn parse(text: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(name) = line.strip_prefix("== ") else { continue };
        let mut case = Case { name: name.to_owned(), client: Vec::new(), upstream: Vec::new(), lines: Vec::new() };
        for line in lines.by_ref().take_while(|line| *line != "---") {
            match line.split_once(": ") {
                Some(("client", wanted)) => case.client = wanted.split(" | ").map(words).collect(),
                Some(("upstream", request)) => case.upstream.push(request.to_owned()),
                _ => panic!("{name}: `{line}` says nothing"),
            }
        }
        case.lines = lines.by_ref().take_while(|line| *line != "...").map(str::to_owned).collect();
        assert!(!case.client.is_empty(), "{name}: what does the client get?");
        cases.push(case);
    }
    cases
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// The bytes that `text` stands for.
pub fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        bytes.extend(before.as_bytes());
        let (byte, used) = match after.as_bytes().first() {
            Some(b'r') => (b'\r', 1),
            Some(b'n') => (b'\n', 1),
            Some(b't') => (b'\t', 1),
            Some(b's') => (b' ', 1),
            Some(b'\\') => (b'\\', 1),
            Some(b'x') => (u8::from_str_radix(&after[1..3], 16).expect("two hexadecimal digits"), 3),
            Some(b'*') => {
                let (count, repeated) = after[1..].split_once('(').expect("`\\*COUNT(TEXT)`");
                let (repeated, end) = repeated.split_once(')').expect("`\\*COUNT(TEXT)`");
                bytes.extend(unescape(repeated).repeat(count.parse().expect("a count")));
                rest = end;
                continue;
            }
            _ => panic!("an unknown escape in {text:?}"),
        };
        bytes.push(byte);
        rest = &after[used..];
    }
    bytes.extend(rest.as_bytes());
    bytes
}

#[test]
fn a_case_is_read_byte_for_byte() {
    let text = "a remark\n== a name: with a colon\nclient: 202 closed | closed\nupstream: GET /\n---\nGET /\\x00 HTTP/1.1\n\n\\*3(a\\r)\\\n...\n";
    let cases = parse(text);
    let [case] = cases.as_slice() else { panic!("{cases:?}") };
    assert_eq!((case.name.as_str(), case.upstream.as_slice()), ("a name: with a colon", ["GET /".to_owned()].as_slice()));
    assert_eq!(case.client, [vec!["202", "closed"], vec!["closed"]]);
    assert_eq!(case.payload(), b"GET /\0 HTTP/1.1\r\n\r\na\ra\ra\r");
}

#[test]
fn names_of_cases_are_unique_and_there_are_many() {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/smuggling");
    let files = std::fs::read_dir(directory).expect("the cases").flatten();
    let mut names: Vec<String> = files
        .flat_map(|file| parse(&std::fs::read_to_string(file.path()).expect("a file of cases")))
        .map(|case| case.name)
        .collect();
    names.sort();
    assert!(names.len() >= 500, "only {} cases", names.len());
    for pair in names.windows(2) {
        assert_ne!(pair[0], pair[1]);
    }
}
