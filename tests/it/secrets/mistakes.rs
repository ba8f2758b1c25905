//! A mistake is shown with its line, and a password on that line is not.

use std::process::Command;

use super::expect_no_canary;
use crate::harness::run::{Run, run};

const BASE: &str = "ledger.url = \"sqlite:ledger.db\"\npolicy.file = \"policy.toml\"\n";

/// What `command` says of a configuration with a mistake in it.
fn complaint(command: &str, config: &str, variables: &[(&str, &str)]) -> Run {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("pushonce.toml");
    std::fs::write(&file, config).expect("the configuration file");
    std::fs::write(directory.path().join("policy.toml"), "default = \"immutable\"\n").expect("the policy file");
    let mut program = Command::new(env!("CARGO_BIN_EXE_pushonce"));
    program.arg(command).arg("--config").arg(&file).current_dir(directory.path());
    program.envs(variables.iter().copied());
    run(program, "this package", directory.path()).expect_failure()
}

/// Both commands that read a configuration tell of the mistake and not the secret.
#[track_caller]
fn expect_discreet(config: &str, variables: &[(&str, &str)]) {
    for command in ["check", "serve"] {
        let said = complaint(command, config, variables);
        assert!(said.stderr.contains("error: "), "{config}\n{said}");
        expect_no_canary(&format!("what `{command}` says of\n{config}\n"), &format!("{}{}", said.stdout, said.stderr));
    }
}

#[test]
fn a_mistake_on_the_line_of_a_password_does_not_show_it() {
    for line in [
        "upstream.password = canary",
        "upstream.password = \"canary",
        "upstream.password = \"canary\"  \"canary\"",
        "upstream.password = 'canary",
        "upstream.password = \"\"\"canary\ncanary",
        "upstream.password = \"\"\"\ncanary\n\"\"\" canary",
        "upstream.password = [\"canary\"]",
        "upstream.password = [\n  \"canary\",\n]",
        "upstream.password = { value = \"canary\" }",
        "upstream.password \"canary\"",
        "upstream.password: canary",
        "upstream.pasword = \"canary\"",
        "upstream.passwrod = \"canary\"",
        "upstream.psswd = \"canary\"",
        "upstream.PASSWORD = \"canary\"",
        "upstream.\"password \" = \"canary\"",
        "upstream.token = \"canary\"",
        "upstream.api-key = \"canary\"",
        "upstream.auth = { basic = \"canary\" }",
        "password = \"canary\"",
        "server.password = \"canary\"",
        "upstream.username = \"gate:canary\"\nupstream.password = \"x\"",
        "upstream.username = \"gate\"\nupstream.password = \"canary\"\nupstream.password = \"canary\"",
        "upstream.password = \"canary\"",
        "upstream.password = \"canary\"\nupstream.password_file = \"policy.toml\"",
        "upstream.username = \"gate\"\nupstream.password = \"canary\"\nupstream.password_file = \"policy.toml\"",
        "upstream.username = \"gate\"\nupstream.password_file = \"canary\"",
        "upstream.username = \"gate\"\nupstream.password_file = \"/run/canary/no/file\"",
        "upstream.username = \"gate\"\nupstream.password_file = \"policy.toml/canary\"",
        "upstream.username = \"gate\"\nupstream.password_file = \"canary\\u0000\"",
        "upstream.username = \"gate\"\nupstream.password_file = \"\"\"canary\ncanary\n\"\"\"",
        "upstream.password_file = \"canary\"",
        "upstream.password_file = [\"canary\"]",
        "upstream.password = \"x\"\nupstream.password_file = \"canary\"",
        "server.tls_certificate = \"policy.toml\"\nserver.tls_key = \"\"\"-----BEGIN PRIVATE KEY-----\ncanary\n\"\"\"",
        "server.tls_key = \"canary\"",
    ] {
        expect_discreet(&format!("{BASE}upstream.url = \"http://127.0.0.1:1\"\n{line}\n"), &[]);
        expect_discreet(&format!("{line}\n{BASE}upstream.url = \"http://127.0.0.1:1\"\n"), &[]);
    }
}

#[test]
fn a_mistake_beside_a_password_does_not_show_it() {
    for config in [
        "[upstream]\nurl = \"http://127.0.0.1:1\"\nusername = \"gate\"\npassword = \"canary\"\nconnect_timeout = \"5\"\n",
        "[upstream]\nurl = \"http://127.0.0.1:1\"\nusername = 5\npassword = \"canary\"\nname = 5\n",
        "[upstream]\nurl = 5\npassword = \"canary\"\nusername = 5\n",
        "[upstream]\npassword = \"canary\"\n",
        "upstream = { url = \"http://127.0.0.1:1\", password = \"canary\", usrname = \"gate\" }\n",
        "upstream = { password = \"canary\", username = \"gate\" }\n",
        "upstream = { url = 5, username = \"gate\", password = \"canary\" }\n",
        "[[upstream]]\nusername = \"gate\"\npassword = \"canary\"\n",
        "[upstream.password]\nvalue = \"canary\"\n",
        "[upstreem]\nusername = \"gate\"\npassword = \"canary\"\n",
        "[upstream]\nurl = \"http://127.0.0.1:1\"\nusername = \"gate\"\npassword = \"\"\"\ncanary\"\"\"\nname = 5\n",
    ] {
        expect_discreet(&format!("{BASE}{config}"), &[]);
        expect_discreet(
            &format!("{config}\n[ledger]\nurl = \"sqlite:ledger.db\"\n[policy]\nfile = \"policy.toml\"\nfil = 1\n"),
            &[],
        );
    }
}

#[test]
fn credentials_in_urls_are_refused_and_not_shown() {
    for line in [
        "upstream.url = \"http://ada:canary@127.0.0.1:1\"",
        "upstream.url = \"http://canary@127.0.0.1:1\"",
        "upstream.url = \"http://ada:can/canary@127.0.0.1:1\"",
        "upstream.url = \"http://ada:ca@canary@127.0.0.1:1\"",
        "upstream.url = \"ada:canary@127.0.0.1:1\"",
        "upstream.url = http://ada:canary@127.0.0.1:1",
        "ledger.url = \"postgres://ada:canary@127.0.0.1/pushonce\"",
        "ledger.url = \"mysql://ada:canary@127.0.0.1/pushonce\"",
        "upstream.address = \"http://ada:canary@127.0.0.1:1\"",
    ] {
        expect_discreet(&format!("policy.file = \"policy.toml\"\n{line}\n"), &[]);
    }
}

#[test]
fn a_variable_with_a_password_is_named_and_not_shown() {
    let config = format!("{BASE}upstream.url = \"http://127.0.0.1:1\"\n");
    for variables in [
        [("PUSHONCE_UPSTREAM__PASSWROD", "canary")],
        [("PUSHONCE_UPSTREAM_PASSWORD", "canary")],
        [("PUSHONCE_PASSWORD", "canary")],
        [("PUSHONCE_TOKEN", "canary")],
        [("PUSHONCE_UPSTREAM__PASSWORD", "canary")],
        [("PUSHONCE_UPSTREAM__PASSWORD_FILE", "canary")],
        [("PUSHONCE_UPSTREAM__USERNAME", "gate:canary")],
        [("PUSHONCE_UPSTREAM__URL", "http://ada:canary@127.0.0.1:1")],
        [("PUSHONCE_UPSTREAM__URL", "ada:canary@127.0.0.1:1")],
        [("PUSHONCE_LEDGER__URL", "postgres://ada:canary@127.0.0.1")],
        [("PUSHONCE_LEDGER__URL", "postgres://ada:canary@127.0.0.1/pushonce?sslmode=on")],
        [("PUSHONCE_LEDGER__URL", "postgres://ada@127.0.0.1/pushonce?password=canary&sslmode=on")],
        [("PUSHONCE_LEDGER__URL", "postgres://ada@127.0.0.1/pushonce?sslpassword=canary")],
        [("PUSHONCE_LEDGER__PASSWORD_FILE", "canary")],
    ] {
        expect_discreet(&config, &variables);
    }
}

#[test]
fn a_file_with_a_password_that_cannot_be_used_is_named_by_its_key() {
    let base = format!("{BASE}upstream.url = \"http://127.0.0.1:1\"\nupstream.username = \"gate\"\n");
    let directory = tempfile::tempdir().expect("a directory");
    let empty = directory.path().join("empty");
    std::fs::write(&empty, "\n").expect("a file");
    for (file, complaint_of_it, hint) in [
        ("canary", "cannot be read: No such file or directory", "a password stands under `upstream.password`"),
        (".", "cannot be read: Is a directory", "name the file, not the directory it is in"),
        (&*empty.display().to_string(), "is empty", "write the password into the file"),
    ] {
        let said = complaint("check", &format!("{base}upstream.password_file = \"{file}\"\n"), &[]);
        let line = format!("error: the file that `upstream.password_file` names {complaint_of_it}");
        for text in [&*line, "pushonce.toml:5:", hint, "upstream.password_file = \"*", "^"] {
            assert!(said.stderr.contains(text), "no {text}\n{said}");
        }
    }
}

#[test]
fn a_mistake_is_still_shown_with_its_place() {
    let config =
        format!("{BASE}upstream.url = \"http://127.0.0.1:1\"\nupstream.username = \"gate\"\nupstream.pasword = \"canary\"\n");
    let said = complaint("check", &config, &[]);
    for text in ["pushonce.toml:5:", "upstream.pasword = \"******\"", "did you mean `password`?", "^"] {
        assert!(said.stderr.contains(text), "no {text}\n{said}");
    }
}
