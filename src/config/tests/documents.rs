use super::*;
use crate::oci::{RepositoryName, Tag};
use crate::policy::Mutability;

/// The fenced blocks of a document: language and text.
fn blocks(document: &str) -> Vec<(&str, String)> {
    let mut blocks = Vec::new();
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let text: String = lines.by_ref().take_while(|line| *line != "```").map(|line| format!("{line}\n")).collect();
            blocks.push((language, text));
        }
    }
    blocks
}

/// Every policy that the document shows.
pub(in crate::config) fn examples_of_the_policy_document() -> Vec<String> {
    let examples = blocks(include_str!("../../../docs/POLICY.md")).into_iter();
    examples.filter(|(language, _)| *language == "toml").map(|(_, text)| text).collect()
}

#[test]
fn every_example_of_the_policy_document_is_true() {
    are_true(include_str!("../../../docs/POLICY.md"), 9);
}

#[test]
fn every_recipe_of_the_cookbook_is_true() {
    are_true(include_str!("../../../docs/COOKBOOK.md"), 10);
}

/// Each of the examples of a document, which are rules and what they say.
fn are_true(document: &str, count: usize) {
    let blocks = blocks(document);
    let examples: Vec<_> = blocks.chunks(2).collect();
    assert_eq!(examples.len(), count);
    for example in examples {
        let [("toml", rules), ("text", expected)] = example else { panic!("rules without a result: {example:?}") };
        let outcome = match parse_policy("policy.toml", rules) {
            Err(diagnostics) => diagnostics.render(false) + "\n",
            Ok((_, warnings)) if expected.starts_with("warning") => warnings.render(false) + "\n",
            Ok((policy, _)) => expected.lines().map(|line| decided(&policy, line)).collect(),
        };
        assert_eq!(outcome, *expected);
    }
}

/// A line of results, with the verdict as it is.
fn decided(policy: &Policy, line: &str) -> String {
    let (reference, said) = line.split_once(' ').expect("a reference and a verdict");
    let (repository, tag) = reference.split_once(':').expect("a reference");
    let verdict = policy.decide(&RepositoryName::parse(repository).expect("a repository"), &Tag::parse(tag).expect("a tag"));
    let space = " ".repeat(1 + said.len() - said.trim_start().len());
    format!("{reference}{space}{}, by {}\n", verdict.mutability, verdict.rule)
}

#[test]
fn the_table_of_keys_is_complete() {
    let rows = |document: &'static str| document.lines().filter(|line| line.starts_with("| `"));
    let cells = |row: &'static str| row.split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect::<Vec<_>>();
    let documented: Vec<(String, String)> =
        rows(include_str!("../../../docs/CONFIGURATION.md")).map(cells).map(|cells| (cells[1].clone(), cells[5].clone())).collect();
    let full_name = |section: &str, key: &str| if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") };
    let known: Vec<(String, String)> = KEYS
        .iter()
        .flat_map(|(section, keys)| keys.iter().map(|key| (full_name(section, key), variable_name(section, key))))
        .collect();
    assert_eq!(documented, known);

    let in_policy: Vec<String> = rows(include_str!("../../../docs/POLICY.md")).map(cells).map(|cells| cells[1].clone()).collect();
    for key in policy_file::pulls::KEYS {
        assert!(in_policy.contains(&format!("pull.{key}")), "{key}");
    }
    for key in policy_file::KEYS.iter().filter(|key| !["rule", "pull"].contains(key)) {
        assert!(in_policy.contains(&(*key).to_owned()), "{key}");
    }
    for key in policy_file::RULE_KEYS {
        assert!(in_policy.contains(&format!("rule.{key}")), "{key}");
    }
}

#[test]
fn the_default_files_show_every_key() {
    let show = |text: &str, key: &str| text.lines().any(|line| line.trim_start_matches("# ").starts_with(&format!("{key} = ")));
    for key in KEYS.iter().flat_map(|(_, keys)| *keys) {
        assert!(show(include_str!("../../../config/pushonce.toml"), key), "{key}");
    }
    for key in policy_file::KEYS
        .iter()
        .filter(|key| !["rule", "pull"].contains(key))
        .chain(policy_file::RULE_KEYS)
        .chain(policy_file::pulls::KEYS)
    {
        assert!(show(include_str!("../../../config/policy.toml"), key), "{key}");
    }
}

/// What a file with all its commented keys says.
pub(in crate::config) fn uncommented(text: &str) -> String {
    let is_key = |line: &str| {
        line.split_once(" = ").is_some_and(|(key, _)| key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
    };
    let line = |line: &'static str| line.strip_prefix("# ").filter(|rest| is_key(rest)).unwrap_or(line);
    let text: &'static str = Box::leak(text.to_owned().into_boxed_str());
    text.lines().map(|text| format!("{}\n", line(text))).collect()
}

#[test]
fn the_defaults_in_the_file_are_the_defaults() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("pushonce.toml");
    // The example of a pull rule is none of the defaults.
    let policy = include_str!("../../../config/policy.toml").split("# [[pull]]").next().expect("the rules");
    std::fs::write(directory.path().join("policy.toml"), uncommented(policy)).expect("written");
    let text = include_str!("../../../config/pushonce.toml");
    let read = |text: &str| {
        std::fs::write(&path, text).expect("written");
        load(&path, &[]).expect("no mistakes")
    };
    // A password is given in one way.
    let all = uncommented(text).replace("password_file = ", "# password_file = ");
    // A certificate is shown over TLS alone.
    let all = all.replace("client_certificate = ", "# client_certificate = ").replace("client_key = ", "# client_key = ");
    std::fs::write(directory.path().join("admin-token"), "0123456789abcdef0123456789abcdef\n").expect("written");
    std::fs::write(directory.path().join("exceptions-token"), "fedcba9876543210fedcba9876543210\n").expect("written");
    let (as_is, mut shown) = (read(text), read(&all));
    assert_eq!(shown.upstream.service.take().map(|service| service.username).as_deref(), Some("pushonce"));
    assert_eq!(shown.upstream.ca_file.take(), Some(directory.path().join("ca.pem")));
    let tls = shown.server.tls.take().expect("certificates");
    let files = ["tls.pem", "tls.key", "clients.pem", "revoked.pem"].map(|name| directory.path().join(name));
    assert_eq!(tls.files().map(Path::to_owned).collect::<Vec<_>>(), files);
    assert!(shown.admin.token.take().is_some() && shown.admin.exceptions_token.take().is_some());
    assert_eq!(shown.release_log.signing_key_file.take(), Some(directory.path().join("log-key")));
    assert_eq!(shown.release_log.checkpoint_file.take(), Some(directory.path().join("log.checkpoint")));
    assert_eq!(shown.ledger.witness.take(), Some(directory.path().join("pushonce.db.head")));
    assert_eq!(format!("{as_is:?}"), format!("{shown:?}"));
    assert_eq!(as_is.policy.general().default, Mutability::Mutable);
}
