//! The shape of the code: a module uses only modules above it in `lib.rs`, and
//! each outside crate has its place.

use std::fs;
use std::path::{Path, PathBuf};

/// The longest file, in lines.
const LONGEST: usize = 400;

/// Crates that only some modules may use.
const PLACES: &[(&str, &[&str])] = &[
    ("rusqlite", &["ledger"]),
    ("rusqlite_migration", &["ledger"]),
    ("tokio_postgres", &["ledger"]),
    ("tokio_postgres_rustls", &["ledger"]),
    ("deadpool", &["ledger"]),
    ("reqwest", &["upstream", "webhooks"]),
    ("clap", &["cli"]),
    ("axum", &["admin"]),
    ("tower_http", &["admin"]),
    ("maud", &["admin"]),
    ("annotate_snippets", &["config"]),
    ("toml", &["config"]),
    ("prometheus", &["metrics", "cli"]),
    ("tracing_subscriber", &["telemetry", "config"]),
];

/// Modules that are pure: no input, no output, no formats.
const PURE: &[(&str, &[&str])] =
    &[("policy", &["serde", "tokio", "http", "hyper", "tracing"]), ("oci", &["tokio", "hyper", "tracing"])];

fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The module of `lib.rs` that a file belongs to.
fn module(file: &Path) -> String {
    let inside = file.strip_prefix(root().join("src")).expect("a source file");
    let first = inside.components().next().expect("a file").as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

fn order() -> Vec<String> {
    let lib = fs::read_to_string(root().join("src/lib.rs")).expect("lib.rs");
    lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).map(str::to_owned).collect()
}

/// The code of a file, without comments and without what is only for tests.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).expect("a source file");
    let kept = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned();
    kept.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect()
}

fn is_test(file: &Path) -> bool {
    let path = file.to_string_lossy();
    path.ends_with("tests.rs") || path.contains("/tests/") || path.contains("/suite")
}

/// Whether `code` names `what` followed by `::`, as a whole word.
fn uses(code: &str, what: &str) -> bool {
    let needle = format!("{what}::");
    code.match_indices(&needle)
        .any(|(at, _)| !code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_' || before == ':'))
        || code.contains(&format!("use {what};"))
}

#[test]
fn modules_use_only_modules_above_them() {
    let order = order();
    let place = |name: &str| order.iter().position(|module| module == name);
    for file in sources(&root().join("src")).iter().filter(|file| !is_test(file)) {
        let Some(own) = place(&module(file)) else { continue };
        let code = code(file);
        for below in &order[own + 1..] {
            assert!(
                !code.contains(&format!("crate::{below}::")),
                "{} uses {below}, which stands below it in lib.rs",
                file.display()
            );
        }
    }
}

#[test]
fn crates_keep_their_places() {
    for file in sources(&root().join("src")).iter().filter(|file| !is_test(file)) {
        let (own, code) = (module(file), code(file));
        for (name, places) in PLACES {
            assert!(places.contains(&own.as_str()) || !uses(&code, name), "{} uses {name}", file.display());
        }
        for name in PURE.iter().filter(|(pure, _)| *pure == own).flat_map(|(_, banned)| *banned) {
            assert!(!uses(&code, name), "{} uses {name}", file.display());
        }
    }
}

#[test]
fn files_stay_small() {
    let files = [root().join("src"), root().join("tests")].iter().flat_map(|directory| sources(directory)).collect::<Vec<_>>();
    for file in files {
        let lines = fs::read_to_string(&file).expect("a source file").lines().count();
        assert!(lines <= LONGEST, "{} has {lines} lines", file.display());
    }
}
