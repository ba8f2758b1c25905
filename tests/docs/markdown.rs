//! As much of Markdown as the documents use.

use std::fs;
use std::path::{Path, PathBuf};

/// A fenced block of code.
#[derive(Debug)]
pub struct Block {
    pub language: String,
    pub text: String,
    /// The line of its opening fence, from 1.
    pub line: usize,
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file of the repository, by its path from the root.
pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every document, by its path from the root.
pub fn documents() -> Vec<String> {
    let in_directory = |directory: &str| {
        let entries = fs::read_dir(root().join(directory)).expect("a directory");
        let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
        names.filter(|name| name.ends_with(".md")).map(|name| format!("{directory}{name}")).collect::<Vec<_>>()
    };
    let mut found = ["", "docs/", "docs/decisions/"].map(in_directory).concat();
    found.sort();
    assert!(found.len() >= 8, "some documents are missing: {found:?}");
    found
}

/// Every source file below `directory`, with its text.
pub fn sources(directory: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join(directory)).expect("a directory") {
        let path = entry.expect("an entry").path();
        let inside = path.strip_prefix(root()).expect("below the root").to_owned();
        if path.is_dir() {
            found.extend(sources(&inside.to_string_lossy()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push((inside, fs::read_to_string(&path).expect("a source file")));
        }
    }
    found
}

/// The fenced blocks of a document, without the indentation of a list.
pub fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<(Block, usize)> = None;
    for (index, line) in text.lines().enumerate() {
        let indent = line.len() - line.trim_start().len();
        match (open.as_mut(), line.trim_start().strip_prefix("```")) {
            (None, Some(language)) => {
                let block = Block { language: language.trim().to_owned(), text: String::new(), line: index + 1 };
                open = Some((block, indent));
            }
            (Some(_), Some(_)) => blocks.extend(open.take().map(|(block, _)| block)),
            (Some((block, indent)), None) => {
                block.text += line.get(*indent..).unwrap_or_default();
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block of code has no end");
    blocks
}

/// The lines outside blocks of code, with their numbers from 1.
pub fn prose(text: &str) -> Vec<(usize, &str)> {
    let mut in_code = false;
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if !in_code {
            lines.push((index + 1, line));
        }
    }
    lines
}

/// The cells of the first table under a heading, without its head.
pub fn table(text: &str, heading: &str) -> Vec<Vec<String>> {
    let lines = prose(text).into_iter().map(|(_, line)| line);
    let below = lines.skip_while(|line| *line != heading).skip(1);
    let rows = below.skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    let rows: Vec<Vec<String>> = rows.skip(2).map(cells).collect();
    assert!(!rows.is_empty(), "there is no table under `{heading}`");
    rows
}

/// What stands between backticks.
pub fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// The fragment that leads to a heading, as GitHub makes it.
pub fn anchor(heading: &str) -> String {
    let plain = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = plain.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
    kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
}
