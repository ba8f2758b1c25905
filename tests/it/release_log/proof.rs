//! Whatever is changed in the log afterwards is found.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::harness::{Image, Pushonce, Registry};
use crate::operator::ledger_commands::{ledger_of, operate, tamper};

use super::{refused, said};

const FREE: &str =
    "DROP TRIGGER events_never_change; DROP TRIGGER events_are_kept; DROP TRIGGER tree_never_changes; DROP TRIGGER tree_is_kept;";

/// A proxy with more events than a node of the tree has leaves, and a copy of its ledger.
pub(super) fn busy() -> (Registry, Pushonce) {
    let registry = Registry::start();
    let mut proxy = Pushonce::start(&registry);
    let image = Image::random();
    proxy.push("web:1.4.0", &image).expect_created();
    for number in 0..270 {
        let target = format!("/v2/web/manifests/build-{number}");
        let draft = proxy.request("PUT", &target).header("Content-Type", &image.manifest.media_type);
        draft.header("User-Agent", "docker/29.1").body(&image.manifest.bytes).send().expect_created();
    }
    proxy.terminate();
    (registry, proxy)
}

#[test]
fn every_changed_byte_is_found() {
    let (_registry, proxy) = busy();
    let whole = said(&proxy, &["log", "verify"]);
    assert!(whole.starts_with("271 events are whole; root "), "{whole}");
    let checkpoint = proxy.directory().join("kept.checkpoint");
    fs::write(&checkpoint, said(&proxy, &["log", "checkpoint"])).expect("written");
    let kept = checkpoint.display().to_string();
    let agrees = said(&proxy, &["log", "verify", "--checkpoint", &kept]);
    assert!(agrees.contains("271 events are whole, and agree with 1 checkpoint; root "), "{agrees}");

    let ledger = ledger_of(&proxy);
    let untouched = fs::read(&ledger).expect("the ledger");
    let other = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
    for (sql, words) in [
        ("UPDATE events SET at = at + 1 WHERE number = 7".to_owned(), "event 7, of web:build-5 at"),
        ("UPDATE events SET repository = 'wab' WHERE number = 7".to_owned(), "event 7, of wab:build-5"),
        ("UPDATE events SET tag = 'other' WHERE number = 7".to_owned(), "event 7, of web:other"),
        ("UPDATE events SET registry = 'x' WHERE number = 7".to_owned(), "event 7"),
        ("UPDATE events SET action = 'adopt' WHERE number = 7".to_owned(), "event 7"),
        ("UPDATE events SET outcome = 'seen' WHERE number = 7".to_owned(), "event 7"),
        (format!("UPDATE events SET digest = '{other}' WHERE number = 7"), "event 7"),
        (format!("UPDATE events SET previous = '{other}' WHERE number = 7"), "event 7"),
        ("UPDATE events SET media_type = 'x' WHERE number = 7".to_owned(), "event 7"),
        ("UPDATE events SET size = size + 1 WHERE number = 7".to_owned(), "event 7"),
        ("UPDATE events SET who = 'eve' WHERE number = 7".to_owned(), "event 7"),
        ("UPDATE events SET client = NULL WHERE number = 7".to_owned(), "event 7"),
        ("UPDATE events SET rule = 'other' WHERE number = 7".to_owned(), "event 7"),
        ("UPDATE events SET request = 'x' WHERE number = 7".to_owned(), "event 7"),
        ("UPDATE events SET detail = 'x' WHERE number = 7".to_owned(), "event 7"),
        ("UPDATE events SET digest = 'nonsense' WHERE number = 7".to_owned(), "event 7 of registry `default`"),
        ("UPDATE tree SET hash = zeroblob(32) WHERE level = 0 AND number = 6".to_owned(), "event 7"),
        ("UPDATE tree SET hash = zeroblob(32) WHERE level = 1".to_owned(), "the node 0 of level 1"),
        ("DELETE FROM events WHERE number = 7".to_owned(), "position 6 has no event"),
        ("DELETE FROM events WHERE number = 271".to_owned(), "position 270 has no event"),
    ] {
        tamper(&ledger, &format!("{FREE} {sql}"));
        refused(&proxy, &["log", "verify"], 1, words);
        fs::write(&ledger, &untouched).expect("put back");
    }
    // Who knows of the tree can cut its end off, and only what was kept elsewhere tells.
    tamper(&ledger, &format!("{FREE} DELETE FROM events WHERE number = 271; DELETE FROM tree WHERE level = 0 AND number = 270"));
    said(&proxy, &["log", "verify"]);
    refused(
        &proxy,
        &["log", "verify", "--checkpoint", &kept],
        1,
        "had 271 events at the checkpoint of pushonce/default, and has 270",
    );
}

#[test]
fn a_checkpoint_is_signed_and_can_be_computed_by_others() {
    let (_registry, proxy) = busy();
    let key = proxy.directory().join("log-key").display().to_string();
    let verifier = said(&proxy, &["log", "new-key", &key]);
    assert!(verifier.starts_with("pushonce/default+"), "{verifier}");
    assert_eq!(fs::metadata(&key).expect("the key").permissions().mode() & 0o777, 0o600);
    refused(&proxy, &["log", "new-key", &key], 1, "the key cannot be written");
    let settings = fs::read_to_string(proxy.config_file()).expect("the configuration");
    fs::write(proxy.config_file(), format!("release_log.signing_key_file = \"log-key\"\n{settings}")).expect("written");
    let note = said(&proxy, &["log", "checkpoint"]);
    assert!(note.contains("\n\n\u{2014} pushonce/default "), "{note}");
    let kept = proxy.directory().join("kept.checkpoint");
    fs::write(&kept, &note).expect("written");
    let kept = kept.display().to_string();
    said(&proxy, &["log", "verify", "--checkpoint", &kept, "--key", verifier.trim_end()]);
    let forged = proxy.directory().join("forged.checkpoint");
    fs::write(&forged, note.replace("\n271\n", "\n270\n")).expect("written");
    refused(
        &proxy,
        &["log", "verify", "--checkpoint", &forged.display().to_string()],
        2,
        "its signature of the key pushonce/default is not right",
    );

    // The leaves are the lines of the export without their number, the oldest first.
    let export = proxy.directory().join("log.json");
    fs::write(&export, said(&proxy, &["log", "--all", "--output", "json"])).expect("written");
    let script = r#"
import base64, hashlib, re, sys
lines = [re.sub(r'^{"number":(\d+),', '{', line.rstrip("\n")) for line in open(sys.argv[1])]
numbers = [int(re.match(r'^{"number":(\d+),', line).group(1)) for line in open(sys.argv[1])]
leaves = [hashlib.sha256(b"\0" + line.encode()).digest() for _, line in sorted(zip(numbers, lines))]
def root(nodes):
    if len(nodes) == 1: return nodes[0]
    half = 1
    while half * 2 < len(nodes): half *= 2
    return hashlib.sha256(b"\1" + root(nodes[:half]) + root(nodes[half:])).digest()
print(len(leaves)); print(base64.b64encode(root(leaves)).decode())
"#;
    let computed = Command::new("python3").args(["-c", script]).arg(&export).output().expect("python3");
    let computed = String::from_utf8(computed.stdout).expect("text");
    assert!(note.starts_with(&format!("pushonce/default\n{computed}")), "{note}\n{computed}");
}

#[test]
fn a_crash_leaves_the_log_whole() {
    let registry = Registry::start();
    let mut proxy = Pushonce::start(&registry);
    for number in 0..5 {
        proxy.push(&format!("web:1.0.{number}"), &Image::random()).expect_created();
        proxy.push("web:latest", &Image::random()).expect_created();
        proxy.kill9();
        proxy.restart();
    }
    let whole = operate(&proxy, &["log", "verify"]).expect_success().stdout.clone();
    assert!(whole.starts_with("10 events are whole"), "{whole}");
}
