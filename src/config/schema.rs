//! JSON Schemas of both files, for editors: types that say what the readers take. They are
//! written to `config/` by `make schemas`; the tests here compare them with the readers.

mod policy;
mod server;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::Value;

use super::tests::documents::{examples_of_the_policy_document, uncommented};

/// A draft that the editors know which know TOML.
fn schema<T: JsonSchema>() -> Schema {
    SchemaSettings::draft07().into_generator().into_root_schema_for::<T>()
}

/// The file's name, and what is to stand in it.
fn files() -> [(&'static str, String); 2] {
    let text = |schema: &Schema| serde_json::to_string_pretty(schema).expect("JSON") + "\n";
    [("pushonce.schema.json", text(&schema::<server::ServerFile>())), ("policy.schema.json", text(&schema::<policy::PolicyFile>()))]
}

fn path(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name)
}

#[test]
#[ignore = "writes the files"]
fn write_the_schemas() {
    for (name, text) in files() {
        std::fs::write(path(name), text).expect("written");
    }
}

#[test]
fn the_schemas_are_fresh() {
    for (name, text) in files() {
        let found = std::fs::read_to_string(path(name)).unwrap_or_default();
        assert!(found == text, "config/{name} is not what the types say: run `make schemas`");
    }
}

/// The keys that a part of a schema knows, in alphabetical order.
fn keys(schema: &Schema, definition: Option<&str>) -> Vec<String> {
    let part = definition.map_or(schema.as_value(), |name| &schema.as_value()["definitions"][name]);
    assert_eq!(part["additionalProperties"], Value::Bool(false), "{definition:?} takes any key");
    let mut keys: Vec<String> = part["properties"].as_object().expect("properties").keys().cloned().collect();
    keys.sort();
    keys
}

fn sorted<'a>(keys: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut keys: Vec<String> = keys.into_iter().map(str::to_owned).collect();
    keys.sort();
    keys
}

#[test]
fn the_schemas_know_the_keys_that_the_readers_know() {
    let server = schema::<server::ServerFile>();
    let sections = super::KEYS.iter().filter(|(section, _)| !section.is_empty());
    let top = super::KEYS.iter().flat_map(|(section, keys)| if section.is_empty() { keys.to_vec() } else { vec![*section] });
    assert_eq!(keys(&server, None), sorted(top.chain(["webhook"])));
    for (section, known) in sections {
        let definition: String = section.split('_').map(|word| word[..1].to_uppercase() + &word[1..]).collect();
        assert_eq!(keys(&server, Some(&definition)), sorted(known.iter().copied()), "{section}");
    }
    assert_eq!(keys(&server, Some("Webhook")), sorted(super::WEBHOOK_KEYS.iter().copied()));
    let policy = schema::<policy::PolicyFile>();
    assert_eq!(keys(&policy, None), sorted(super::policy_file::KEYS.iter().copied()));
    assert_eq!(keys(&policy, Some("Rule")), sorted(super::policy_file::RULE_KEYS.iter().copied()));
    assert_eq!(keys(&policy, Some("Pull")), sorted(super::policy_file::pulls::KEYS.iter().copied()));
}

#[test]
fn the_schemas_know_the_words_that_the_readers_know() {
    use crate::policy::{Channel, Delete, Enforcement, MultiArch, Mutability, PullAction, Unreleased};
    let policy = schema::<policy::PolicyFile>();
    let words = |definition: &str| -> Vec<String> {
        let part = &policy.as_value()["definitions"][definition];
        let plain = part["enum"].as_array().into_iter().flatten();
        let described = part["oneOf"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|one| one.get("const").map(std::slice::from_ref).or_else(|| one["enum"].as_array().map(Vec::as_slice)));
        sorted(plain.chain(described.flatten()).filter_map(Value::as_str))
    };
    assert_eq!(words("Mutability"), sorted(Mutability::ALL.iter().map(|word| word.as_str())));
    assert_eq!(words("Enforcement"), sorted(Enforcement::ALL.iter().map(|word| word.as_str())));
    assert_eq!(words("Delete"), sorted(Delete::ALL.iter().map(|word| word.as_str())));
    assert_eq!(words("MultiArch"), sorted(MultiArch::ALL.iter().map(|word| word.as_str())));
    assert_eq!(words("Channel"), sorted(Channel::ALL.iter().map(|word| word.as_str())));
    assert_eq!(words("Unreleased"), sorted(Unreleased::ALL.iter().map(|word| word.as_str())));
    assert_eq!(words("PullAction"), sorted(PullAction::ALL.iter().map(|word| word.as_str())));
}

#[test]
fn what_the_readers_take_the_schemas_take() {
    let policies = examples_of_the_policy_document();
    let good = policies.iter().filter(|text| super::parse_policy("policy.toml", text).is_ok());
    let config = include_str!("../../config/pushonce.toml");
    let policy = include_str!("../../config/policy.toml");
    let servers = [config.to_owned(), uncommented(config)];
    let policies = good.cloned().chain([policy.to_owned(), uncommented(&policy.replace("# [[", "[["))]);
    let checks = servers.map(|text| (0, text)).into_iter().chain(policies.map(|text| (1, text)));
    for (file, text) in checks {
        if let Err(mistake) = validate(file, &text) {
            panic!("{}: {mistake}\n{text}", files()[file].0);
        }
    }
}

#[test]
fn what_no_reader_takes_no_schema_takes() {
    for (file, text) in [
        (0, "lisen = \"127.0.0.1:1\"\nupstream.url = \"http://a\""),
        (0, "listen = \"127.0.0.1:1\""),
        (0, "upstream.url = \"http://a\"\nserver.header_timeout = 30"),
        (0, "upstream.url = \"http://a\"\nserver.header_timeout = \"30\""),
        (0, "upstream.url = \"http://a\"\nlog.format = \"xml\""),
        (1, "default = \"imutable\""),
        (1, "[[rule]]\nname = \"a\"\nmutability = \"immutable\""),
        (1, "[[rule]]\nname = \"a\"\ntags = \"latest\"\nmutability = \"immutable\""),
        (1, "[[rule]]\nname = \"a b\"\ntags = [\"latest\"]\nmutability = \"immutable\""),
        (1, "[[rule]]\nname = \"a\"\ntags = []\nmutability = \"immutable\""),
        (1, "[[pull]]\nname = \"a\"\naction = \"deny\""),
    ] {
        assert!(validate(file, text).is_err(), "{text}");
    }
}

fn validate(file: usize, text: &str) -> Result<(), String> {
    let schema: Value = serde_json::from_str(&files()[file].1).expect("JSON");
    let value: toml::Value = toml::from_str(text).expect("TOML");
    let value = serde_json::to_value(value).expect("JSON");
    let validator = jsonschema::draft7::new(&schema).expect("a schema");
    validator.validate(&value).map_err(|mistake| mistake.to_string())
}
