//! Disguised writes, as data in `tests/corpus`: none changes a protected tag.
//!
//! Each file runs against a registry and a proxy of its own. The state is checked
//! after every few cases; if it was harmed, each of them runs again on its own, so
//! that the failure names the one that did it.

mod case;
mod stage;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use self::case::Case;
use self::stage::Stage;

/// How many cases run between two checks of everything.
const BATCH: usize = 24;

/// The corpus is worth its name from here on.
const LEAST: usize = 350;

fn directory() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus"))
}

fn read(file: &str) -> Vec<Case> {
    let text = fs::read_to_string(directory().join(file)).expect("a file of the corpus");
    text.lines().enumerate().filter_map(|(index, line)| Case::read(file, index + 1, line)).collect()
}

/// Sends every case through the proxy. Every protected tag keeps its bytes, its
/// manifests and its blobs, upstream and through the proxy.
fn nothing_gets_past(file: &str) {
    let stage = Stage::with_proxy();
    let mut statuses = BTreeMap::new();
    for batch in read(file).chunks(BATCH) {
        for case in batch {
            let status = stage.send_to_proxy(case).unwrap_or_else(|hang| panic!("{hang}\n{case}"));
            *statuses.entry(status).or_insert(0) += 1;
            assert!(status < 500, "the proxy answered {status}\n{case}");
        }
        let harm = stage.harm();
        assert!(harm.is_empty(), "{}\nafter one of these:\n{}", harm.join("\n"), culprits(batch));
    }
    println!("{file}: answers by status (0: hung up without one) {statuses:?}");
}

/// The cases that do harm on their own, or all where none does.
fn culprits(batch: &[Case]) -> String {
    let is_culprit = |case: &&Case| {
        let stage = Stage::with_proxy();
        stage.send_to_proxy(case).is_err() || !stage.harm().is_empty()
    };
    let alone: Vec<_> = batch.iter().filter(is_culprit).map(Case::to_string).collect();
    if alone.is_empty() { batch.iter().map(Case::to_string).collect() } else { alone }.join("\n")
}

/// Sends every case straight to a registry and counts those that change a protected
/// tag there: `at_least` so many, or the file proves nothing.
fn without_the_proxy_it_bites(file: &str, at_least: usize) {
    let stage = Stage::without_proxy();
    let (cases, mut biting) = (read(file), Vec::new());
    for case in &cases {
        stage.send_to_registry(case).unwrap_or_else(|hang| panic!("{hang}\n{case}"));
        let is_harmed = !stage.moved().is_empty() || (case.line.starts_with("DELETE") && !stage.harm().is_empty());
        if is_harmed {
            biting.push(case.to_string());
            stage.repair();
        }
    }
    println!("{file}: {} of {} cases change a protected tag without the proxy:\n{}", biting.len(), cases.len(), biting.join("\n"));
    assert!(biting.len() >= at_least, "only {} of {file} bite, not {at_least}", biting.len());
}

/// One module for each file: what the proxy does with it, and the registry alone.
macro_rules! corpus {
    ($($file:ident bites at least $least:literal times;)*) => {
        $(mod $file {
            #[test]
            fn changes_no_protected_tag() {
                super::nothing_gets_past(concat!(stringify!($file), ".txt"));
            }

            #[test]
            fn bites_without_the_proxy() {
                super::without_the_proxy_it_bites(concat!(stringify!($file), ".txt"), $least);
            }
        })*

        const FILES: &[&str] = &[$(concat!(stringify!($file), ".txt")),*];
    };
}

corpus! {
    paths bites at least 30 times;
    targets bites at least 5 times;
    methods bites at least 5 times;
    queries bites at least 3 times;
    deletes bites at least 10 times;
    manifests bites at least 5 times;
    vendors bites at least 0 times;
    names bites at least 5 times;
}

#[test]
fn every_file_of_the_corpus_is_run_and_no_case_stands_there_twice() {
    let entries = fs::read_dir(directory()).expect("the corpus");
    let mut names: Vec<_> = entries.map(|entry| entry.expect("a file").file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| name != "README.md");
    names.sort();
    let mut files = FILES.to_vec();
    files.sort_unstable();
    assert_eq!(names, files);

    let mut lines: Vec<_> = FILES.iter().flat_map(|file| read(file)).map(|case| case.line).collect();
    let total = lines.len();
    assert!(total >= LEAST, "only {total} cases");
    lines.sort();
    lines.dedup();
    assert_eq!(lines.len(), total, "a case stands there twice");
}
