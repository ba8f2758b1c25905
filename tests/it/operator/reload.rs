//! The policy and the certificates, read again while requests are served.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::process::eventually;
use crate::harness::pushonce::POLICY;
use crate::harness::{Fault, Faults, Gate, Image, Pushonce, Registry};

const PATIENCE: Duration = Duration::from_secs(20);

const NEVER: &str = "reload.interval = \"0s\"";

/// Everything moves.
const FREE: &str = "default = \"mutable\"\n";

fn hang_up(proxy: &Pushonce) {
    let pid = Pid::from_raw(i32::try_from(proxy.pid()).expect("a process id")).expect("a process id");
    kill_process(pid, Signal::HUP).expect("the signal is sent");
}

fn readings(proxy: &Pushonce, outcome: &str) -> f64 {
    proxy.metric("pushonce_config_reloads_total", &[("outcome", outcome)])
}

/// Waits until the files were read once more, with this outcome.
#[track_caller]
pub(crate) fn until_read(proxy: &Pushonce, outcome: &str, change: impl FnOnce()) {
    let before = readings(proxy, outcome);
    change();
    let what = format!("a reading is {outcome}");
    eventually(PATIENCE, &what, || (readings(proxy, outcome) > before).then_some(()));
}

/// Another policy in place of the file, as editors and packages do it.
fn replace(directory: &Path, policy: &str) {
    std::fs::write(directory.join("policy.new"), policy).expect("written");
    std::fs::rename(directory.join("policy.new"), directory.join("policy.toml")).expect("renamed");
}

#[test]
fn a_changed_policy_holds_without_a_restart() {
    let registry = Registry::start();
    let proxy = Pushonce::in_front_of(&registry.url()).policy(FREE).start();
    proxy.push("web:1.4.0", &Image::random()).expect_created();
    proxy.push("web:1.4.0", &Image::random()).expect_created();
    until_read(&proxy, "used", || proxy.set_policy(POLICY));
    proxy.push("web:1.4.0", &Image::random()).expect_refused();
    until_read(&proxy, "used", || proxy.set_policy(FREE));
    proxy.push("web:1.4.0", &Image::random()).expect_created();
    assert_eq!(proxy.metric("pushonce_config_last_reload_successful", &[]), 1.0);
    let page = proxy.admin().request("GET", "/policy").send().expect_ok().text();
    assert!(page.contains("In force since") && !page.contains("releases"), "{page}");
}

/// What was certain under a policy is not under the next one, which lets the tag move.
#[test]
fn what_was_remembered_of_a_tag_is_forgotten_with_the_policy() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let other = Pushonce::in_front_of(&registry.url()).policy(FREE).start();
    let (first, second) = (Image::random(), Image::random());
    proxy.push("web:1.4.0", &first).expect_created();
    proxy.push("web:1.4.0", &second).expect_refused();
    until_read(&proxy, "used", || proxy.set_policy(FREE));
    proxy.push("web:1.4.0", &second).expect_created();
    other.push("web:1.4.0", &first).expect_created();
    until_read(&proxy, "used", || proxy.set_policy(POLICY));
    // Nobody has held it since: what the registry shows is entered.
    assert_eq!(proxy.tag_digest("web:1.4.0"), Some(first.digest()));
    proxy.push("web:1.4.0", &second).expect_refused();
}

#[test]
fn a_hangup_reads_at_once() {
    let registry = Registry::start();
    let proxy = Pushonce::in_front_of(&registry.url()).policy(FREE).setting(NEVER).start();
    proxy.push("web:1.4.0", &Image::random()).expect_created();
    proxy.set_policy(POLICY);
    until_read(&proxy, "used", || hang_up(&proxy));
    proxy.push("web:1.4.0", &Image::random()).expect_refused();
    assert_eq!(readings(&proxy, "used"), 1.0);
}

/// A directory of versions behind links, as Kubernetes mounts a ConfigMap.
#[test]
fn a_config_map_that_is_swapped_is_read() {
    let registry = Registry::start();
    let volume = tempfile::Builder::new().prefix("pushonce-it-volume-").tempdir().expect("a temporary directory");
    let at = |name: &str| volume.path().join(name);
    for (version, policy) in [("..1", FREE), ("..2", POLICY)] {
        std::fs::create_dir(at(version)).expect("a directory");
        std::fs::write(at(version).join("policy.toml"), policy).expect("written");
    }
    symlink("..1", at("..data")).expect("linked");
    symlink("..data/policy.toml", at("policy.toml")).expect("linked");
    let file = at("policy.toml").display().to_string();
    let proxy = Pushonce::in_front_of(&registry.url()).environment("PUSHONCE_POLICY__FILE", &file).start();
    proxy.push("web:1.4.0", &Image::random()).expect_created();
    until_read(&proxy, "used", || {
        symlink("..2", at("..next")).expect("linked");
        std::fs::rename(at("..next"), at("..data")).expect("swapped");
    });
    proxy.push("web:1.4.0", &Image::random()).expect_refused();
    assert!(proxy.log().contains("policy.toml"), "{}", proxy.log());
}

#[test]
fn a_bad_file_keeps_the_policy_and_everybody_is_told() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    proxy.push("web:1.4.0", &Image::random()).expect_created();
    until_read(&proxy, "rejected", || proxy.set_policy("default = \"mutable\"\n[[rule]]\nname = \"a\"\ntags = \"x\"\n"));
    proxy.push("web:1.4.0", &Image::random()).expect_refused();
    // What is in force is good: the replica goes on serving.
    let ready = proxy.admin().request("GET", "/readyz").send().expect_ok().text();
    assert!(ready.contains("\nstale   configuration: what was read at "), "{ready}");
    assert!(ready.contains("policy.toml:2:1: ") && ready.contains("policy.toml:4:8: "), "every mistake at its place: {ready}");
    assert_eq!(ready.lines().count(), 4, "{ready}");
    assert_eq!(proxy.metric("pushonce_config_last_reload_successful", &[]), 0.0);
    let page = proxy.admin().request("GET", "/policy").send().expect_ok().text();
    assert!(page.contains("policy.toml:4:8: ") && page.contains("role=\"alert\""), "{page}");
    let said = proxy
        .log_lines()
        .into_iter()
        .find(|line| line["message"] == "what was read again is not used; everything goes on as before");
    let said = said.unwrap_or_else(|| panic!("a line about it: {}", proxy.log()));
    assert!(said["cause"].as_str().is_some_and(|cause| cause.contains("policy.toml:4:8: ")), "{said}");

    until_read(&proxy, "used", || proxy.set_policy(FREE));
    proxy.push("web:1.4.0", &Image::random()).expect_created();
    let ready = proxy.admin().request("GET", "/readyz").send().expect_ok().text();
    assert!(!ready.contains("stale"), "{ready}");
}

#[test]
fn a_policy_that_is_gone_keeps_the_one_in_force() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let file = proxy.directory().join("policy.toml");
    until_read(&proxy, "rejected", || std::fs::remove_file(&file).expect("removed"));
    proxy.push("web:1.4.0", &Image::random()).expect_created();
    proxy.push("web:1.4.0", &Image::random()).expect_refused();
    until_read(&proxy, "used", || proxy.set_policy(FREE));
}

#[test]
fn what_needs_a_restart_is_named() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let (file, text) = (proxy.config_file(), std::fs::read_to_string(proxy.config_file()).expect("the configuration"));
    let more = "server.max_uploads = 7\npulls.drift_check_interval = \"3m\"\n";
    until_read(&proxy, "used", || std::fs::write(&file, format!("{text}{more}")).expect("written"));
    let says = "what changed in these sections holds from the next start";
    let line = proxy.log_lines().into_iter().find(|line| line["message"] == says).expect("a line about it");
    assert_eq!(line["sections"], "server, pulls");
    // The policy is made for the registry's tags, so that one does not go without the other.
    until_read(&proxy, "rejected", || std::fs::write(&file, format!("{text}upstream.tag_case = \"fold\"\n")).expect("written"));
    assert!(proxy.log().contains("`upstream.tag_case` has changed"), "{}", proxy.log());
}

#[test]
fn a_push_ends_under_the_policy_it_began_with() {
    let registry = Registry::start();
    let faults = Faults::in_front_of(registry.address());
    let proxy = Pushonce::in_front_of(&faults.url()).policy(FREE).start();
    let gate = Gate::default();
    let image = Image::random();
    faults.once(|request| request.is("PUT", "/manifests/1.4.0"), Fault::Hold(gate.clone()));
    thread::scope(|scope| {
        let push = scope.spawn(|| proxy.push("web:1.4.0", &image).status);
        gate.wait_until_reached();
        until_read(&proxy, "used", || replace(proxy.directory(), POLICY));
        gate.open();
        assert_eq!(push.join().expect("a push"), 201);
    });
    let log = proxy.admin().request("GET", "/api/v1/log?repository=web").send().expect_ok().text();
    assert!(log.contains("\"rule\":\"default\"") && !log.contains("\"rule\":\"releases\""), "{log}");
    // What begins now is judged by the new one: the tag is adopted and stays.
    proxy.push("web:1.4.0", &Image::random()).expect_refused();
    assert_eq!(proxy.tag_digest("web:1.4.0"), Some(image.digest()));
}

/// The same rules under other names.
fn named(name: &str) -> String {
    let rule = |what: &str, tags: &str, mutability: &str| {
        format!(
            "[[rule]]\nname = \"{name}-{what}\"\ntags = [\"{tags}\"]\nmutability = \"{mutability}\"\n\
             help_url = \"https://help.example.com/{name}\"\n\n"
        )
    };
    rule("kept", "semver:x.y.z", "immutable") + &rule("moving", "*", "mutable")
}

/// 200 readings while 10,000 requests run. Every request is answered, as one of the two
/// policies says and not by a bit of each: a refusal names rule and page of the same one,
/// and whatever the log was told of one request has rules of the same one.
#[test]
fn ten_thousand_requests_while_the_policy_changes_two_hundred_times() {
    const REQUESTS: usize = 10_000;
    const READINGS: usize = 200;
    let registry = Registry::start();
    let proxy = Pushonce::in_front_of(&registry.url()).policy(&named("one")).setting(NEVER).start();
    let (kept, others) = (Image::random(), [Image::random(), Image::random()]);
    proxy.push("web:1.4.0", &kept).expect_created();
    for (number, image) in others.iter().enumerate() {
        proxy.push(&format!("web:seed-{number}"), image).expect_created();
    }
    let (next, is_done) = (AtomicUsize::new(0), AtomicBool::new(false));
    let refused = |text: &str| {
        let says = |name: &str| text.contains(&format!("{name}-kept"));
        let shows = |name: &str| text.contains(&format!("https://help.example.com/{name}"));
        [["one", "two"], ["two", "one"]].iter().any(|[this, other]| says(this) && shows(this) && !says(other) && !shows(other))
    };
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= REQUESTS {
                        break;
                    }
                    let image = &others[number % 2];
                    match number % 8 {
                        0 | 1 => {
                            let target = format!("/v2/web/manifests/{}?tag=a-{}&tag=b-{}", image.digest(), number % 7, number % 5);
                            let push = proxy.request("PUT", &target).header("Content-Type", &image.manifest.media_type);
                            push.body(&image.manifest.bytes).send().expect_created();
                        }
                        2 | 3 => {
                            let answer = proxy.put_manifest("web:1.4.0", &image.manifest);
                            let text = answer.expect_refused();
                            assert!(refused(&text), "a mixture of two policies: {text}");
                        }
                        _ => assert_eq!(proxy.pull("web:1.4.0").expect_ok().body, kept.manifest.bytes),
                    }
                }
            });
        }
        let reader = scope.spawn(|| {
            let mut read = 0;
            while read < READINGS || !is_done.load(Ordering::Relaxed) {
                replace(proxy.directory(), &named(if read % 2 == 0 { "two" } else { "one" }));
                until_read(&proxy, "used", || hang_up(&proxy));
                read += 1;
            }
            read
        });
        eventually(Duration::from_secs(300), "all requests are answered", || {
            (next.load(Ordering::Relaxed) >= REQUESTS).then_some(())
        });
        is_done.store(true, Ordering::Relaxed);
        let read = reader.join().expect("the readings");
        assert!(read >= READINGS, "{read} readings");
    });
    let both = rules_of_requests(&proxy);
    for (request, rules) in &both {
        let of = |name: &str| rules.iter().all(|rule| rule.starts_with(name));
        assert!(of("one-") || of("two-"), "request {request} was judged by a mixture: {rules:?}");
    }
    let seen = |name: &str| both.values().flatten().any(|rule| rule.starts_with(name));
    assert!(both.len() > REQUESTS / 4 && seen("one-") && seen("two-"), "{} requests in the log", both.len());
}

/// For each request, the rules that its log line and its events name.
fn rules_of_requests(proxy: &Pushonce) -> BTreeMap<String, Vec<String>> {
    let mut rules: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut note = |value: &serde_json::Value| {
        if let (Some(request), Some(rule)) = (value["request"].as_str(), value["rule"].as_str()) {
            rules.entry(request.to_owned()).or_default().push(rule.to_owned());
        }
    };
    proxy.log_lines().iter().for_each(&mut note);
    let mut after = String::new();
    loop {
        let page = proxy.admin().request("GET", &format!("/api/v1/log?limit=1000{after}")).send();
        let page: serde_json::Value = serde_json::from_slice(&page.expect_ok().body).expect("JSON");
        page["entries"].as_array().expect("entries").iter().for_each(&mut note);
        let Some(next) = page["next"].as_u64() else { return rules };
        after = format!("&after={next}");
    }
}
