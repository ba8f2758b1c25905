//! What is read of webhooks, and what people read where one is wrong.

use secrecy::ExposeSecret;

use super::*;
use crate::ledger::event::Outcome;
use crate::oci::RepositoryName;

const UPSTREAM: &str = "upstream.url = \"http://a\"\n";

fn read(text: &str, secret: &str) -> Result<Config, Diagnostics> {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("pushonce.toml");
    std::fs::write(&path, format!("{UPSTREAM}{text}")).expect("written");
    std::fs::write(directory.path().join("policy.toml"), "").expect("written");
    std::fs::write(directory.path().join("secret"), secret).expect("written");
    load(&path, &[])
}

fn mistakes(text: &str, secret: &str) -> String {
    read(text, secret).map(|_| ()).expect_err("mistakes").render(false)
}

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n";

#[test]
fn a_webhook_has_its_defaults() {
    let text = "[[webhook]]\nname = \"chat\"\nurl = \"https://hooks.example.com/a?b=c\"\nsecret_file = \"secret\"\n";
    let config = read(text, SECRET).expect("a configuration");
    let [webhook] = config.webhooks.as_slice() else { panic!("{:?}", config.webhooks) };
    assert_eq!((webhook.name.as_str(), webhook.url.as_str()), ("chat", "https://hooks.example.com/a?b=c"));
    assert_eq!(webhook.secret.expose_secret().len(), 24);
    let untold = Outcome::ALL.iter().copied().filter(|outcome| !webhook.outcomes.contains(outcome));
    assert_eq!(untold.collect::<Vec<_>>(), [Outcome::Repeated, Outcome::Unknown, Outcome::Acted]);
    assert!(webhook.repositories.is_empty() && webhook.ca_file.is_none());
    assert_eq!(webhook.timeout, std::time::Duration::from_secs(10));
    assert!(!format!("{webhook:?}").contains("77"), "the secret is shown: {webhook:?}");
}

#[test]
fn a_webhook_is_read_whole() {
    let text = "[[webhook]]\nname = \"a\"\nurl = \"http://127.0.0.1:8080\"\nsecret_file = \"secret\"\noutcomes = [\"refused\"]\n\
        repositories = [\"driftwood/**\", \"web\"]\nca_file = \"ca.pem\"\ntimeout = \"500ms\"\n\
        [[webhook]]\nname = \"b\"\nurl = \"http://127.0.0.1:8080\"\nsecret_file = \"secret\"\n";
    let config = read(text, SECRET).expect("a configuration");
    assert_eq!(config.webhooks.len(), 2);
    let webhook = &config.webhooks[0];
    assert_eq!(webhook.outcomes, [Outcome::Refused]);
    let is_matched = |name| webhook.repositories.iter().any(|glob| glob.matches(&RepositoryName::parse(name).expect("a name")));
    assert!(is_matched("driftwood/web") && is_matched("driftwood/a/b") && is_matched("web"));
    assert!(!is_matched("driftwood") && !is_matched("web/a") && !is_matched("other/web"));
    assert!(webhook.ca_file.as_ref().is_some_and(|file| file.ends_with("ca.pem") && file.is_absolute()));
}

#[test]
fn every_mistake_is_told_at_its_place() {
    let text = "[[webhook]]\nname = \"two words\"\nurl = \"ftp://a\"\nsecret_file = \"secret\"\noutcomes = [\"pushd\"]\n\
        repositories = [\"Web\"]\ntimeout = \"0s\"\nbatch = 3\n[[webhook]]\nsecret_file = \"none\"\nurl = \"http://ann:pw@host/\"\noutcomes = []\n";
    let said = mistakes(text, "hunter2\n");
    for words in [
        "`webhook.name` is no name",
        "`webhook.url` is no address of a webhook",
        "the file that `webhook.secret_file` names has no secret of a webhook in it",
        "make one with `echo \"whsec_$(openssl rand -base64 32)\"`",
        "`webhook.outcomes` is none of `pushed`, `moved`",
        "did you mean `pushed`?",
        "`webhook.repositories` has a pattern that cannot be used",
        "`webhook.timeout` is too short a time",
        "`webhook.batch` is no key of the configuration",
        "`webhook.name` is missing",
        "write `name = \"chat\"`",
        "the file that `webhook.secret_file` names cannot be read",
        "the secret stands in it, on one line",
        "`webhook.url` has a user in it",
        "`webhook.outcomes` is empty",
    ] {
        assert!(said.contains(words), "{words} is missing:\n{said}");
    }
    assert!(!said.contains("hunter2") && !said.contains("ann:pw") && !said.contains("PUSHONCE_WEBHOOK"), "{said}");
}

#[test]
fn a_list_is_not_a_section_and_names_are_given_once() {
    let said = mistakes("[webhook]\nname = \"a\"\n", SECRET);
    assert!(said.contains("`webhook` is a table, not a list of webhooks") && said.contains("write `[[webhook]]`"), "{said}");
    let one = "[[webhook]]\nname = \"a\"\nurl = \"http://a\"\nsecret_file = \"secret\"\n";
    let said = mistakes(&format!("{one}{one}"), SECRET);
    assert!(said.contains("two webhooks are called `a`") && said.contains("pushonce.toml:7:"), "{said}");
}

#[test]
fn every_key_of_a_webhook_is_documented_and_shown() {
    for key in WEBHOOK_KEYS {
        assert!(include_str!("../../../docs/WEBHOOKS.md").contains(&format!("\n| `{key}` |")), "{key}");
        let shown = include_str!("../../../config/pushonce.toml");
        assert!(shown.lines().any(|line| line.trim_start_matches(['#', ' ']).starts_with(&format!("{key} = "))), "{key}");
    }
}
