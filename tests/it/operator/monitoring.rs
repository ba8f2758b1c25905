//! The alerts and the dashboard of `deploy/`, with a real Prometheus that reads a real
//! pushonce.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::harness::api::Api;
use crate::harness::http::Endpoint;
use crate::harness::ports::free_port;
use crate::harness::process::{Process, cannot_start, eventually};
use crate::harness::{Image, Pushonce, Registry};
use crate::webhooks::Receiver;

use super::admin::doing_everything;

const PATIENCE: Duration = Duration::from_secs(30);

fn deployed(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(file)
}

/// The expressions of the dashboard, with what Grafana puts in place of its variables.
fn of_the_dashboard() -> Vec<String> {
    let text = std::fs::read_to_string(deployed("grafana/pushonce.json")).expect("the dashboard");
    let dashboard: Value = serde_json::from_str(&text).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let expressions = targets.map(|target| target["expr"].as_str().expect("an expression"));
    expressions.map(|expression| expression.replace("$__rate_interval", "1m").replace("$instance", ".*")).collect()
}

/// Percent-encodes all that could mean something in a query.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

struct Prometheus {
    api: Api,
    _process: Process,
    _directory: tempfile::TempDir,
}

impl Prometheus {
    /// Reads the metrics of `proxy` each second.
    fn of(proxy: &Pushonce) -> Self {
        let directory = tempfile::Builder::new().prefix("pushonce-it-prometheus-").tempdir().expect("a temporary directory");
        let config = directory.path().join("prometheus.yaml");
        let (rules, target) = (deployed("prometheus/alerts.yaml"), proxy.admin().address().to_owned());
        let text = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [{}]\n\
             scrape_configs: [{{job_name: pushonce, static_configs: [{{targets: [\"{target}\"]}}]}}]\n",
            rules.display()
        );
        std::fs::write(&config, text).expect("the configuration");
        let address = format!("127.0.0.1:{}", free_port());
        let mut command = Command::new("prometheus");
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()));
        command.arg(format!("--web.listen-address={address}"));
        let process = Process::spawn(command, "prometheus", &directory.path().join("log"));
        let api = Api::new(Endpoint::plain(&address), "");
        let is_ready = || api.request("GET", "/-/ready").try_send().ok().filter(|answer| answer.status == 200);
        eventually(PATIENCE, "Prometheus is ready", is_ready);
        Self { api, _process: process, _directory: directory }
    }

    fn ask(&self, path: &str) -> Value {
        let answer = self.api.request("GET", path).send();
        let said: Value = serde_json::from_str(&answer.text()).expect("JSON");
        assert_eq!(said["status"], "success", "{path}: {said}");
        said["data"].clone()
    }

    /// How many series an expression has now.
    fn series(&self, expression: &str) -> usize {
        self.ask(&format!("/api/v1/query?query={}", encoded(expression)))["result"].as_array().expect("series").len()
    }
}

/// A proxy that has done something of everything that it counts, short of trouble.
fn busy(registry: &Registry, receiver: &Receiver) -> Pushonce {
    let proxy = doing_everything(registry, receiver);
    proxy.push("web:1.4.0", &Image::random()).expect_created();
    proxy.push("web:latest", &Image::random()).expect_created();
    proxy.pull("web:latest").expect_ok();
    proxy.pull("web:1.4.0").expect_ok();
    proxy.push("web:1.4.0", &Image::random()).expect_refused();
    proxy
}

#[test]
fn prometheus_takes_the_rules_and_every_panel_shows_something() {
    let (registry, receiver) = (Registry::start(), Receiver::start());
    let proxy = busy(&registry, &receiver);
    let prometheus = Prometheus::of(&proxy);
    // Two readings make a rate.
    eventually(PATIENCE, "two readings", || {
        (prometheus.series("count_over_time(pushonce_connections[1m]) >= 2") > 0).then_some(())
    });

    eventually(PATIENCE, "every rule was evaluated", || {
        let groups = prometheus.ask("/api/v1/rules");
        let rules = groups["groups"][0]["rules"].as_array().expect("rules");
        assert!(rules.len() >= 20 && rules.iter().all(|rule| rule["health"] != "err"), "{groups}");
        rules.iter().all(|rule| rule["health"] == "ok").then_some(())
    });

    // Nothing was in trouble, and no limit was reached.
    let of_trouble = ["outcome=\"failed\"", "pushonce_limits_reached_total", "pushonce_audit_differences"];
    for expression in of_the_dashboard() {
        if of_trouble.iter().any(|part| expression.contains(part)) {
            prometheus.series(&expression);
        } else {
            eventually(PATIENCE, &expression, || (prometheus.series(&expression) > 0).then_some(()));
        }
    }
}

#[test]
fn the_alert_on_drift_fires_when_a_release_is_moved_behind_the_back() {
    let (registry, receiver) = (Registry::start(), Receiver::start());
    let proxy = busy(&registry, &receiver);
    let prometheus = Prometheus::of(&proxy);
    eventually(PATIENCE, "a reading", || (prometheus.series("pushonce_drift_total == 0") > 0).then_some(()));
    registry.put_tag_behind_the_back("web:1.4.0", &Image::random());
    eventually(PATIENCE, "the alert", || {
        proxy.pull("web:1.4.0").expect_ok();
        (prometheus.series("ALERTS{alertname=\"PushonceDrift\", alertstate=\"firing\"}") > 0).then_some(())
    });
}

#[test]
fn each_alert_fires_for_its_trouble_and_for_no_other() {
    let mut command = Command::new("promtool");
    command.args(["test", "rules", "alerts_test.yaml", "alerts_days_test.yaml"]).current_dir(deployed("prometheus"));
    let run = command.output().unwrap_or_else(|error| cannot_start("promtool", "prometheus", &error));
    assert!(run.status.success(), "{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
}

#[test]
fn every_alert_is_tried() {
    let read = |file: &str| std::fs::read_to_string(deployed(file)).expect("a file");
    let names = |text: &str, before: &str, after: char| -> BTreeSet<String> {
        let parts = text.split(before).skip(1);
        parts.filter_map(|part| part.split(after).next()).map(str::to_owned).collect()
    };
    let alerts = names(&read("prometheus/alerts.yaml"), "- alert: ", '\n');
    let tests = read("prometheus/alerts_test.yaml") + &read("prometheus/alerts_days_test.yaml");
    assert_eq!(names(&tests, "{labels: '{alertname=\"", '"'), alerts);
}
