//! Rows for people: columns as wide as their widest cell, the last one as long as it is.

use crate::oci::Digest;

/// A head and its rows, each as long as the head.
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let head: Vec<String> = head.iter().map(|word| (*word).to_owned()).collect();
    let all = || std::iter::once(&head).chain(rows);
    let widths: Vec<usize> = (0..head.len())
        .map(|column| all().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    all().map(line).collect()
}

/// What a cell says where there is nothing to say.
pub(super) fn or_dash(cell: Option<impl ToString>) -> String {
    cell.map_or_else(|| "-".to_owned(), |cell| cell.to_string())
}

/// A digest as far as it is told apart from others.
pub(super) fn short(digest: Option<&Digest>) -> String {
    or_dash(digest.map(|digest| format!("{}…", digest.short())))
}

/// Words from outside, which may hold anything, in one line of a terminal.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other() {
        let rows = [("ann", "the build is gone"), ("jürgen", "rejected"), ("bo", "")];
        let rows: Vec<Vec<String>> = rows.iter().map(|(who, why)| vec![(*who).to_owned(), (*why).to_owned()]).collect();
        assert_eq!(table(&["WHO", "WHY"], &rows), "WHO     WHY\nann     the build is gone\njürgen  rejected\nbo\n");
    }

    #[test]
    fn a_terminal_is_not_driven_from_outside() {
        assert_eq!(plain("docker\u{1b}[2J\n"), "docker\u{fffd}[2J\u{fffd}");
    }
}
