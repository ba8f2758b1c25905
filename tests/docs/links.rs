//! Links between the documents, and to files of the repository.

use std::path::Path;

use super::markdown::{anchor, documents, prose, read, root};

/// The targets of `[…](…)` in a line.
fn targets(line: &str) -> Vec<&str> {
    line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target).collect()
}

fn has_anchor(document: &str, fragment: &str) -> bool {
    prose(&read(document)).iter().any(|(_, line)| line.starts_with('#') && anchor(line) == fragment)
}

#[test]
fn every_link_leads_somewhere() {
    let mut checked = 0;
    for document in documents() {
        let directory = Path::new(&document).parent().unwrap_or(Path::new(""));
        for (line, text) in prose(&read(&document)) {
            for target in targets(text).into_iter().filter(|target| !target.starts_with("https://")) {
                let (path, fragment) = target.split_once('#').unwrap_or((target, ""));
                let file = if path.is_empty() { document.clone() } else { directory.join(path).to_string_lossy().into_owned() };
                assert!(root().join(&file).exists(), "{document}:{line} links to {target}, which does not exist");
                assert!(
                    fragment.is_empty() || has_anchor(&file, fragment),
                    "{document}:{line} links to {target}, but no heading is called so"
                );
                checked += 1;
            }
        }
    }
    assert!(checked > 30, "only {checked} links were found");
}

#[test]
fn documents_stay_small() {
    for document in documents() {
        let lines = read(&document).lines().count();
        assert!(lines <= 400, "{document} has {lines} lines");
    }
}
