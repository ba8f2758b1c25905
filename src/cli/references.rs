//! The tags that a command line names, and those of a list on standard input.

use std::io::BufRead;

use crate::oci::{RepositoryName, Tag};
use crate::questions::reference::parse;

/// What stands for the list.
const LIST: &str = "-";

/// Every tag that is named, in order; `-` is replaced by those of `list`, one on each line.
/// Or every mistake, one on each line.
pub fn read(references: &[String], mut list: impl BufRead) -> Result<Vec<(RepositoryName, Tag)>, String> {
    let mut named = Vec::new();
    let mut mistakes = Vec::new();
    let mut take = |reference: &str, place: &str| match parse(reference) {
        Ok(tag) => named.push(tag),
        Err(mistake) => mistakes.push(format!("{place}{mistake}")),
    };
    for reference in references {
        if reference != LIST {
            take(reference, "");
            continue;
        }
        for (number, line) in list.by_ref().lines().enumerate() {
            let line = line.map_err(|cause| format!("standard input cannot be read: {cause}"))?;
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                take(line, &format!("standard input, line {}: ", number + 1));
            }
        }
    }
    if mistakes.is_empty() { Ok(named) } else { Err(mistakes.join("\n")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(references: &[&str], list: &str) -> Result<Vec<String>, String> {
        let references: Vec<String> = references.iter().map(|text| (*text).to_owned()).collect();
        let named = read(&references, list.as_bytes())?;
        Ok(named.iter().map(|(repository, tag)| format!("{repository}:{tag}")).collect())
    }

    #[test]
    fn the_list_stands_where_the_dash_is() {
        let list = "# of Monday\nweb:2\n\n  web:3  \r\n";
        assert_eq!(names(&["web:1", "-", "web:4"], list).expect("tags"), ["web:1", "web:2", "web:3", "web:4"]);
        assert_eq!(names(&["web:1"], list).expect("tags"), ["web:1"]);
        assert!(names(&["-"], "").expect("tags").is_empty());
    }

    #[test]
    fn every_mistake_is_said_with_its_line() {
        let mistakes = names(&["web", "-"], "web:1\nweb:-\nWeb:1\n").expect_err("mistakes");
        let lines: Vec<&str> = mistakes.lines().collect();
        assert_eq!(lines.len(), 3, "{mistakes}");
        assert!(lines[0].starts_with("`web` has no tag: "), "{mistakes}");
        assert!(lines[1].starts_with("standard input, line 2: `web:-`: `-` is not a tag"), "{mistakes}");
        assert!(lines[2].starts_with("standard input, line 3: `Web:1`: `Web` is not"), "{mistakes}");
        assert!(names(&["-"], "web:\u{0}").is_err());
        let unreadable = read(&["-".to_owned()], &b"web:1\n\xff\n"[..]).expect_err("no text");
        assert!(unreadable.starts_with("standard input cannot be read: "), "{unreadable}");
    }
}
