//! deploy/prometheus and deploy/grafana against the metrics that there are.

use std::collections::BTreeSet;

use regex::Regex;

use super::markdown::read;
use super::operations::{base, rendered};

const FILES: [&str; 4] = [
    "deploy/grafana/pushonce.json",
    "deploy/prometheus/alerts.yaml",
    "deploy/prometheus/alerts_test.yaml",
    "deploy/prometheus/alerts_days_test.yaml",
];

/// The names of metrics in a file, each with the labels that are asked of it.
fn asked(file: &str) -> Vec<(String, BTreeSet<String>)> {
    let metric = Regex::new(r#"\b(pushonce_[a-z_]+)(?:\{([^}]*)\})?"#).expect("an expression");
    let label = Regex::new(r#"([a-z]+)=?[=~!]"#).expect("an expression");
    let text = read(file).replace("\\\"", "\"");
    let labels = |text: &str| label.captures_iter(text).map(|found| found[1].to_owned()).collect();
    let found =
        metric.captures_iter(&text).map(|found| (found[1].to_owned(), labels(found.get(2).map_or("", |part| part.as_str()))));
    found.collect()
}

#[test]
fn alerts_and_the_dashboard_ask_for_metrics_and_labels_that_there_are() {
    let metrics = rendered();
    for file in FILES {
        for (name, labels) in asked(file) {
            let (_, known) = metrics.get(base(&name)).unwrap_or_else(|| panic!("{file}: there is no metric {name}"));
            for label in labels {
                let of_prometheus = ["instance", "le"].contains(&label.as_str());
                assert!(of_prometheus || known.contains(&label), "{file}: {name} has no label {label}");
            }
        }
    }
}

#[test]
fn the_dashboard_shows_every_metric() {
    let shown: BTreeSet<String> = asked(FILES[0]).iter().map(|(name, _)| base(name).to_owned()).collect();
    assert_eq!(shown, rendered().into_keys().collect());
}

#[test]
fn every_alert_that_the_table_of_metrics_speaks_of_is_there() {
    let asked: BTreeSet<String> = asked(FILES[1]).iter().map(|(name, _)| base(name).to_owned()).collect();
    for row in super::markdown::table(&read("docs/OPERATIONS.md"), "## Metrics") {
        let (name, alert) = (row[0].trim_matches('`'), &row[4]);
        // The first two are a matter of taste, and `server.max_uploads` is no metric.
        let left_out = ["pushonce_pull_rules_total", "pushonce_limits_reached_total", "pushonce_uploads"];
        let is_left_out = left_out.contains(&name);
        assert!(alert.is_empty() || is_left_out || asked.contains(name), "no alert looks at {name}: {alert}");
    }
}
