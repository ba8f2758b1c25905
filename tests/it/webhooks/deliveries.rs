//! What is delivered, to whom.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use super::{PATIENCE, Receiver};
use crate::harness::certificates::write_certificates;
use crate::harness::ports::free_port;
use crate::harness::process::{Process, eventually};
use crate::harness::{Image, Pushonce, Registry};
use crate::operator::ledger_commands::operate;

#[test]
fn every_event_is_delivered_once_in_the_order_of_the_log_and_signed() {
    let (registry, receiver) = (Registry::start(), Receiver::start());
    let proxy = Pushonce::in_front_of(&registry.url()).setting(&receiver.webhook("chat", "")).start();
    let (first, second) = (Image::random(), Image::random());
    proxy.push("driftwood/web:1.4.0", &first).expect_created();
    proxy.push("driftwood/web:latest", &first).expect_created();
    proxy.push("driftwood/web:latest", &second).expect_created();
    proxy.push("driftwood/web:1.4.0", &second).expect_refused();
    // Nobody wants to hear of this one by default, but those behind it come.
    proxy.push("driftwood/web:1.4.0", &first).expect_created();
    eventually(PATIENCE, "the repeated push is in the log", || {
        operate(&proxy, &["log", "--outcome", "repeated", "--output", "json"]).stdout.contains("repeated").then_some(())
    });
    proxy.push("driftwood/web:1.4.1", &second).expect_created();
    receiver.expect_exactly(&[
        "pushed driftwood/web:1.4.0",
        "moved driftwood/web:latest",
        "moved driftwood/web:latest",
        "refused driftwood/web:1.4.0",
        "pushed driftwood/web:1.4.1",
    ]);
    receiver.check_signatures();

    // What is delivered is what the log says.
    let log = operate(&proxy, &["log", "--all", "--output", "json"]).expect_success().stdout.clone();
    let mut lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    lines.sort_by_key(|line| line["number"].as_u64());
    for line in &mut lines {
        line.as_object_mut().expect("an object").remove("number");
    }
    lines.retain(|line| line["outcome"] != "repeated");
    let events = receiver.events();
    assert_eq!(events.iter().map(|event| event["data"].clone()).collect::<Vec<_>>(), lines);
    let ids: BTreeSet<&str> = events.iter().map(|event| event["id"].as_str().expect("an id")).collect();
    assert_eq!(ids.len(), events.len());
    for (event, request) in events.iter().zip(receiver.requests()) {
        assert_eq!((&event["specversion"], &event["source"]), (&"1.0".into(), &"pushonce/default".into()));
        assert_eq!((&event["time"], &event["datacontenttype"]), (&event["data"]["at"], &"application/json".into()));
        assert_eq!((request.method(), request.target()), ("POST", "/hook"));
        assert_eq!(request.header("content-type"), Some("application/cloudevents+json"));
        assert_eq!(request.header("webhook-id"), event["id"].as_str());
        assert!(request.header("user-agent").is_some_and(|client| client.starts_with("pushonce/")), "{}", request.head);
    }
    let delivered = proxy.metric("pushonce_webhook_deliveries_total", &[("webhook", "chat"), ("outcome", "delivered")]);
    assert_eq!(delivered, 5.0);
    let waiting = || proxy.metric("pushonce_webhook_waiting", &[("webhook", "chat")]);
    eventually(PATIENCE, "nothing waits", || (waiting() == 0.0).then_some(()));
}

#[test]
fn a_webhook_gets_what_it_asked_for() {
    let registry = Registry::start();
    let (refusals, drift, all) = (Receiver::start(), Receiver::start(), Receiver::start());
    let proxy = Pushonce::in_front_of(&registry.url())
        .setting(&refusals.webhook("refusals", "outcomes = [\"refused\", \"repeated\"]"))
        .setting(&drift.webhook("driftwood", "repositories = [\"driftwood/**\"]"))
        .setting(&all.webhook("all", ""))
        .start();
    let (first, second) = (Image::random(), Image::random());
    for repository in ["driftwood/web", "other/web"] {
        proxy.push(&format!("{repository}:1.4.0"), &first).expect_created();
        proxy.push(&format!("{repository}:1.4.0"), &second).expect_refused();
    }
    let both = ["pushed driftwood/web:1.4.0", "refused driftwood/web:1.4.0", "pushed other/web:1.4.0", "refused other/web:1.4.0"];
    // A refusal is written right behind its answer, so its place may differ by one.
    let mut told = all.expect(4);
    told.sort();
    assert_eq!(told, [both[0], both[2], both[1], both[3]]);
    drift.expect_exactly(&both[..2]);
    refusals.expect_exactly(&[both[1], both[3]]);
}

#[test]
fn a_new_webhook_gets_only_what_is_new_and_one_that_was_away_what_it_missed() {
    let (registry, receiver) = (Registry::start(), Receiver::start());
    let mut proxy = Pushonce::start(&registry);
    proxy.push("web:1.4.0", &Image::random()).expect_created();
    let without = std::fs::read_to_string(proxy.config_file()).expect("the configuration");
    let with = format!("{without}\n{}", receiver.webhook("chat", ""));
    std::fs::write(proxy.config_file(), &with).expect("written");
    proxy.restart();
    proxy.push("web:1.4.1", &Image::random()).expect_created();
    receiver.expect_exactly(&["pushed web:1.4.1"]);
    std::fs::write(proxy.config_file(), &without).expect("written");
    proxy.terminate();
    proxy.restart();
    proxy.push("web:1.4.2", &Image::random()).expect_created();
    std::fs::write(proxy.config_file(), &with).expect("written");
    proxy.restart();
    proxy.push("web:1.4.3", &Image::random()).expect_created();
    receiver.expect_exactly(&["pushed web:1.4.1", "pushed web:1.4.2", "pushed web:1.4.3"]);
}

/// Python's own server with TLS. It writes one line for each delivery.
const TLS_SERVER: &str = r#"
import http.server, ssl, sys
class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers['Content-Length']))
        print('delivered', body.decode(), flush=True)
        self.send_response(200)
        self.end_headers()
server = http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), Hook)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain('server.pem', 'server.key')
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"#;

#[test]
fn a_receiver_with_tls_is_checked_by_its_authority() {
    let (registry, receiver) = (Registry::start(), Receiver::start());
    let directory = tempfile::Builder::new().prefix("pushonce-it-hook-tls-").tempdir().expect("a temporary directory");
    write_certificates(directory.path());
    let port = free_port();
    let mut command = Command::new("python3");
    command.args(["-c", TLS_SERVER, &port.to_string()]).current_dir(directory.path());
    let mut server = Process::spawn(command, "python3", &directory.path().join("output"));
    eventually(PATIENCE, "the receiver listens", || server.listens_on(port).then_some(()));
    let url = format!("https://127.0.0.1:{port}/hook");
    let ca_file = format!("ca_file = \"{}\"", directory.path().join("ca.pem").display());
    let proxy = Pushonce::in_front_of(&registry.url())
        .setting(&receiver.webhook_at(&url, "trusting", &ca_file))
        .setting(&receiver.webhook_at(&url, "strange", "outcomes = [\"pushed\"]"))
        .start();
    proxy.push("web:1.4.0", &Image::random()).expect_created();
    eventually(PATIENCE, "the delivery", || server.output().contains("\"subject\":\"web:1.4.0\"").then_some(()));
    let failed = || proxy.metric("pushonce_webhook_deliveries_total", &[("webhook", "strange"), ("outcome", "failed")]) > 0.0;
    eventually(PATIENCE, "the authority is not trusted", || failed().then_some(()));
    assert_eq!(server.output().matches("delivered").count(), 1, "{}", server.output());
    server.kill9();
}
