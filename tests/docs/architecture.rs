//! docs/ARCHITECTURE.md, docs/INVARIANTS.md and CONTRIBUTING.md against the tree.

use regex::Regex;

use super::markdown::{quoted, read, root, table};

#[test]
fn the_modules_are_those_of_the_library() {
    let rows = table(&read("docs/ARCHITECTURE.md"), "## Modules");
    let documented: Vec<&str> = rows.iter().map(|row| row[0].trim_matches('`')).collect();
    let library = read("src/lib.rs");
    let modules: Vec<&str> = library.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    assert_eq!(documented, modules);
}

/// A path as the document writes it: from the root, or from `src/`.
fn text_of(path: &str) -> Option<String> {
    let found = [root().join(path), root().join("src").join(path)].into_iter().find(|file| file.is_file())?;
    std::fs::read_to_string(found).ok()
}

#[test]
fn every_file_that_is_named_exists() {
    let shape = Regex::new(r"`([a-z][a-z0-9_/-]*\.(?:rs|sql|toml|sh))`").expect("an expression");
    let mut checked = 0;
    for document in ["docs/ARCHITECTURE.md", "docs/INVARIANTS.md", "CONTRIBUTING.md", "docs/SECURITY.md"] {
        let text = read(document);
        for name in shape.captures_iter(&text).map(|found| found[1].to_owned()) {
            // `server_file.rs` stands beside the file that was named before it.
            let beside = format!("config/{name}");
            let is_there = ["foo.rs", "mod.rs"].contains(&name.as_str()) || text_of(&name).or_else(|| text_of(&beside)).is_some();
            assert!(is_there, "{document} names {name}, which does not exist");
            checked += 1;
        }
    }
    assert!(checked > 40, "only {checked} files were found");
}

#[test]
fn every_function_of_the_gate_that_is_named_exists() {
    let gate: String = super::markdown::sources("src").into_iter().map(|(_, text)| text).collect();
    let text = read("docs/ARCHITECTURE.md");
    let shape =
        Regex::new(r"^(?:(?:Gate|Upstream|Ledger|Policy|Refusal)::)?([a-z]+(?:_[a-z]+)+|Gate::[a-z]+)$").expect("an expression");
    for name in quoted(&text).into_iter().filter_map(|word| shape.captures(word)) {
        let name = name[1].trim_start_matches("Gate::").to_owned();
        let is_there = [format!("fn {name}("), format!("fn {name}<"), format!("{name}:"), format!("::{name},")];
        assert!(is_there.iter().any(|form| gate.contains(form)), "docs/ARCHITECTURE.md names `{name}`, which does not exist");
    }
}

#[test]
fn every_invariant_has_code_and_a_check() {
    let model = read("tests/model/invariants.rs");
    let simulation: String = super::markdown::sources("src/simulation").into_iter().map(|(_, text)| text).collect();
    let mut last = 0;
    for row in table(&read("docs/INVARIANTS.md"), "## The list") {
        let id = &row[0];
        let number: u32 = id.strip_prefix("INV-").and_then(|number| number.parse().ok()).expect("an ID");
        assert!(number > last, "{id} stands behind INV-{last}");
        last = number;
        assert!(quoted(&row[2]).iter().any(|word| text_of(word).is_some()), "{id} names no file");
        let checks: Vec<&str> = row[4].split(", ").collect();
        assert!(checks.iter().all(|check| ["compiler", "test", "model", "simulation"].contains(check)), "{id}: {checks:?}");
        assert_eq!(checks.contains(&"compiler"), row[3] == "the compiler", "{id}");
        assert_eq!(checks.contains(&"test"), !quoted(&row[3]).is_empty(), "{id}");
        assert_eq!(checks.contains(&"model"), model.contains(&format!("\"{id} ")), "{id}: the model");
        assert_eq!(checks.contains(&"simulation"), simulation.contains(&format!("\"{id}\"")), "{id}: the simulation");
        let mut file = String::new();
        for word in quoted(&row[3]) {
            match text_of(word) {
                Some(text) => file = text,
                None => assert!(file.contains(&format!("fn {word}")), "{id}: there is no test `{word}`"),
            }
        }
    }
    assert!(last >= 20, "the invariants are missing");
}

#[test]
fn the_commands_are_those_of_the_makefile() {
    let makefile = read("Makefile");
    let target = Regex::new(r"(?m)^([a-z-]+):.*## ").expect("an expression");
    let rows = table(&read("CONTRIBUTING.md"), "## Commands");
    let documented: Vec<&str> = rows.iter().filter_map(|row| row[0].trim_matches('`').strip_prefix("make ")).collect();
    for name in target.captures_iter(&makefile).map(|found| found[1].to_owned()).filter(|name| name != "help") {
        assert!(documented.contains(&name.as_str()), "CONTRIBUTING.md does not show `make {name}`");
    }
    for name in documented {
        assert!(makefile.contains(&format!("\n{name}:")), "there is no `make {name}`");
    }
}
