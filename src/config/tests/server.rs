use std::time::Duration;

use tempfile::TempDir;

use secrecy::ExposeSecret;

use super::*;
use crate::ledger::Engine;

/// A server file beside a policy without rules.
fn files(text: &str) -> (TempDir, std::path::PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("pushonce.toml");
    std::fs::write(&path, text).expect("written");
    std::fs::write(directory.path().join("policy.toml"), "").expect("written");
    (directory, path)
}

fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn mistakes(text: &str, environment: &[(&str, &str)]) -> String {
    let (directory, path) = files(text);
    let rendered = load(&path, &variables(environment)).map(|_| ()).expect_err("mistakes").render(false);
    rendered.replace(&format!("{}/", directory.path().display()), "")
}

#[test]
fn variables_override_the_file() {
    let (directory, path) = files("[upstream]\nurl = \"http://registry:5000/a/\"\n");
    let environment = variables(&[
        ("PUSHONCE_LISTEN", "[::]:80"),
        ("PUSHONCE_SERVER__PASSTHROUGH", r#"["/token", "/auth/"]"#),
        ("PUSHONCE_SERVER__TRUST_FORWARDED", "true"),
        ("PUSHONCE_UPSTREAM__IDLE_CONNECTIONS", "7"),
        ("PUSHONCE_LEDGER__URL", "sqlite:data/tags.db"),
        ("PUSHONCE_SERVICE_HOST", "10.0.0.1"),
        ("PATH", "/bin"),
    ]);
    let config = load(&path, &environment).expect("a configuration");
    assert_eq!(config.listen.to_string(), "[::]:80");
    assert_eq!(config.server.passthrough, ["/token", "/auth/"]);
    assert!(config.server.trust_forwarded);
    assert_eq!(config.upstream.idle_connections, 7);
    assert_eq!((config.upstream.authority.as_str(), &*config.upstream.prefix), ("registry:5000", "/a"));
    assert!(matches!(&config.ledger.engine, Engine::Sqlite(file) if *file == directory.path().join("data/tags.db")));
    assert_eq!(config.policy_file, directory.path().join("policy.toml"));
    assert_eq!(config.pulls.drift_check_interval, Duration::from_secs(60));
}

#[test]
fn a_database_has_its_settings() {
    let (directory, path) = files("[upstream]\nurl = \"http://a\"\n[ledger]\npassword_file = \"word\"\npool_size = 3\n");
    std::fs::write(directory.path().join("word"), "hunter2\n").expect("written");
    let url = "postgres://ada@db:5433/tags?sslrootcert=ca.pem";
    let config = load(&path, &variables(&[("PUSHONCE_LEDGER__URL", url)])).expect("a configuration");
    let Engine::Postgres(settings) = config.ledger.engine else { panic!("{:?}", config.ledger.engine) };
    assert_eq!((settings.pool_size, settings.timeout), (3, Duration::from_secs(5)));
    assert_eq!(settings.address.to_string(), "postgres://ada@db:5433/tags");
    assert_eq!(settings.password.as_ref().map(ExposeSecret::expose_secret), Some("hunter2"));
    assert!(!format!("{settings:?}").contains("hunter2"));
}

#[test]
fn no_password_of_a_database_is_shown() {
    let written = "[upstream]\nurl = \"http://a\"\n[ledger]\nurl = \"postgres://ada:hunter2@db/tags\"\npassword_file = \"word\"\n";
    let rendered = mistakes(written, &[]);
    assert!(rendered.contains("`ledger.password_file` stands beside `ledger.url`, which has a password"), "{rendered}");
    for url in ["postgres://ada:hunter2@db", "postgres://ada@db?password=hunter2", "postgres://ada:hunter2@db/a?sslmode=x"] {
        let variable = mistakes("[upstream]\nurl = \"http://a\"\n", &[("PUSHONCE_LEDGER__URL", url)]);
        let file = mistakes(&format!("[upstream]\nurl = \"http://a\"\n[ledger]\nurl = \"{url}\"\n"), &[]);
        for rendered in [variable, file] {
            assert!(rendered.contains("`ledger.url` is no address of a database"), "{rendered}");
            assert!(!rendered.contains("hunter2"), "{rendered}");
        }
    }
}

#[test]
fn mistakes_of_variables_name_the_variable() {
    let environment =
        [("PUSHONCE_UPSTREAM__URLL", "x"), ("PUSHONCE_LOG__FORMAT", "xml"), ("PUSHONCE_UPSTREAM__URL", "registry:5000")];
    let expected = "\
error: the environment variable PUSHONCE_UPSTREAM__URLL names no key
--> environment variable PUSHONCE_UPSTREAM__URLL
 = note: its value is `x`
 = help: did you mean `PUSHONCE_UPSTREAM__URL`?

error: `upstream.url` is no address of a registry
--> environment variable PUSHONCE_UPSTREAM__URL
 = note: its value is `registry:5000`
 = note: neither `http://` nor `https://` in front
 = help: write `https://registry:5000`, or `http://registry:5000` if it has no TLS

error: `log.format` is none of `text`, `json`
--> environment variable PUSHONCE_LOG__FORMAT
 = note: its value is `xml`
 = note: unknown word
 = help: choose one of them";
    assert_eq!(mistakes("", &environment), expected);
}

#[test]
fn variables_of_another_kind_are_refused() {
    let environment =
        [("PUSHONCE_SERVER__TRUST_FORWARDED", "yes"), ("PUSHONCE_SERVER__PASSTHROUGH", "/token"), ("PUSHONCE_LISTEN", "")];
    let rendered = mistakes("[server]\ntrust_forwarded = 1\n[upstream]\nurl = \"http://a\"\n", &environment);
    for message in
        ["`listen` is no address", "`server.trust_forwarded` is not true or false", "`server.passthrough` is not a list of strings"]
    {
        assert!(rendered.contains(&format!("error: {message}")), "{rendered}");
    }
    assert_eq!(rendered.matches("error: ").count(), 3, "{rendered}");
}

#[test]
fn mistakes_of_both_files_are_shown_together() {
    let (directory, path) = files("[server]\nheader_timeout = \"30\"\nurl = 1\n[policy]\nfile = \"rules.toml\"\n");
    std::fs::write(directory.path().join("rules.toml"), "default = 1\n").expect("written");
    let rendered = load(&path, &[]).map(|_| ()).expect_err("mistakes").render(false);
    let expected = r#"error: `upstream.url` is missing
--> pushonce.toml
 = help: write `url = "http://127.0.0.1:5001"` under `[upstream]`, or set PUSHONCE_UPSTREAM__URL

error: `server.header_timeout` is no duration
 --> pushonce.toml:2:18
  |
2 | header_timeout = "30"
  |                  ^^^^ no unit
  |
  = help: write numbers with the unit `ms`, `s`, `m` or `h`, such as `30s` or `1m30s`

error: `server.url` is no key of the configuration
 --> pushonce.toml:3:1
  |
3 | url = 1
  | ^^^ unknown key
  |
  = help: `url` belongs under `[upstream]`

error: `default` is a number, not a string in quotes
 --> rules.toml:1:11
  |
1 | default = 1
  |           ^ should be a string in quotes"#;
    assert_eq!(rendered.replace(&format!("{}/", directory.path().display()), ""), expected);
}

#[test]
fn every_key_is_read() {
    let sections = KEYS.iter().map(|(section, keys)| {
        let header = if section.is_empty() { String::new() } else { format!("[{section}]\n") };
        header + &keys.iter().map(|key| format!("{key} = 1979-05-27\n")).collect::<String>()
    });
    let rendered = mistakes(&sections.collect::<String>(), &[]);
    for (section, key) in KEYS.iter().flat_map(|(section, keys)| keys.iter().map(move |key| (section, key))) {
        let name = if section.is_empty() { (*key).to_owned() } else { format!("{section}.{key}") };
        assert_eq!(rendered.matches(&format!("error: `{name}` is ")).count(), 1, "{name}");
    }
}

#[test]
fn each_value_has_its_grammar() {
    for (key, value, label) in [
        ("upstream.url", "ftp://a", "neither `http` nor `https`"),
        ("upstream.url", "http://user:word@a", "credentials in a URL"),
        ("upstream.url", "http://a:99999", "the port is no number"),
        ("upstream.url", "http://a/v2/", "ends in `/v2`"),
        ("upstream.url", "http://a/b?c", "a query or a fragment"),
        ("upstream.url", "http://a/b#c", "a query or a fragment"),
        ("upstream.url", "http://a/../b", "an unusual path"),
        ("upstream.url", "http://a/%62", "an unusual path"),
        ("upstream.name", "a b", "not a plain name"),
        ("upstream.ca_file", "", "empty"),
        ("upstream.connect_timeout", "0s", "too short"),
        ("upstream.connect_timeout", "25h", "more than 24 hours"),
        ("upstream.connect_timeout", "99999999999999999999s", "no number"),
        ("upstream.connect_timeout", "1d", "unknown unit"),
        ("upstream.connect_timeout", "", "empty"),
        ("server.manifest_limit", "4MB", "sizes count in 1024"),
        ("server.manifest_limit", "2GiB", "more than 1 GiB"),
        ("server.manifest_limit", "99999999999GiB", "more than 1 GiB"),
        ("ledger.url", "postgres://a", "names no database"),
        ("ledger.url", "postgres:///b", "names no host"),
        ("ledger.url", "postgres://a/b?sslmode=verify", "has another `sslmode`"),
        ("ledger.url", "postgres://a/b?sslcert=c", "the options are sslmode"),
        ("ledger.url", "postgres://a:b/c", "is not understood"),
        ("ledger.url", "pushonce.db", "begins with neither `sqlite:` nor `postgres://`"),
        ("ledger.url", "sqlite:///a", "begins with `//`"),
        ("ledger.url", "sqlite::memory:", "forgets every tag"),
        ("admin.listen", "localhost:9090", "write `127.0.0.1:9090`"),
        ("admin.listen", "::1:9090", "write IPv6 addresses as `[::1]:9090`"),
        ("admin.listen", "0.0.0.0:5000", "give each listener its own port"),
        ("log.filter", "a=b=c", "not understood"),
        ("pulls.when_ledger_is_down", "refused", "did you mean `refuse`?"),
    ] {
        let (section, name) = key.split_once('.').expect("a section");
        let rendered = mistakes(&format!("{section}.{name} = \"{value}\"\n"), &[]);
        assert!(rendered.contains(&format!("`{key}` ")) && rendered.contains(label), "{key} = {value}: {rendered}");
    }
    for path in ["/", "/v2", "/v2/a", "token", "/a//b", "/a/../b", "/%76", "/a?b", "//"] {
        let rendered = mistakes(&format!("server.passthrough = [\"/token\", \"{path}\"]\n"), &[]);
        assert!(rendered.contains("names a path that cannot pass"), "{path}: {rendered}");
    }
}

#[test]
fn files_that_cannot_be_read_say_what_to_do() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("policy.toml");
    let refusal = |bytes: Option<&[u8]>| {
        if let Some(bytes) = bytes {
            std::fs::write(&path, bytes).expect("written");
        }
        load_policy(&path)
            .map(|_| ())
            .expect_err("a mistake")
            .render(false)
            .replace(&format!("{}/", directory.path().display()), "")
    };
    let missing = "error: policy.toml cannot be read: No such file or directory (os error 2)\n--> policy.toml\n \
                   = help: create the file, or name the one that is meant; the rules are named by `policy.file`";
    assert_eq!(refusal(None), missing);
    assert!(refusal(Some(b"# a\n# \xff\n")).starts_with("error: policy.toml is not UTF-8: line 2 has other bytes"));
    assert!(refusal(Some(&vec![b'#'; (1 << 20) + 1])).starts_with("error: policy.toml is larger than 1 MiB"));
    std::fs::write(&path, "\u{feff}default = \"mutable\"\n").expect("written");
    assert!(load_policy(&path).is_ok());
    let missing = mistakes("[upstream]\nurl = \"http://a\"\n[policy]\nfile = \"none.toml\"\n", &[]);
    assert!(missing.contains("4 | file = \"none.toml\"\n  |        ^^^^^^^^^^^"), "{missing}");
}
