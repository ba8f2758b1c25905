//! docs/OPERATIONS.md and docs/LOGS.md against the code: metrics, log fields, health.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pushonce::metrics::{AuditFigures, Metrics};
use regex::Regex;

use super::markdown::{quoted, read, sources, table};

fn operations() -> String {
    read("docs/OPERATIONS.md")
}

fn logs() -> String {
    read("docs/LOGS.md")
}

/// The first cell of each row, without its backticks.
fn names(document: &str, heading: &str) -> BTreeSet<String> {
    table(document, heading).iter().map(|row| row[0].trim_matches('`').to_owned()).collect()
}

fn set<'a>(texts: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    texts.into_iter().map(str::to_owned).collect()
}

/// The string literals of `text`.
fn literals(text: &str) -> Vec<&str> {
    text.split('"').skip(1).step_by(2).collect()
}

/// The literals on every line of `src/gate` that has `call`, from there on.
fn given_to(call: &str) -> BTreeSet<String> {
    let files = sources("src/gate").into_iter().map(|(_, text)| text).chain([read("src/gate.rs")]);
    let lines: Vec<String> = files.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
    let found = lines.iter().filter_map(|line| line.split_once(call));
    found.flat_map(|(_, rest)| literals(rest)).map(str::to_owned).collect()
}

/// The part of a file between two markers.
fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let (_, rest) = text.split_once(from).unwrap_or_else(|| panic!("`{from}` is gone"));
    rest.split_once(to).unwrap_or_else(|| panic!("`{to}` is gone")).0
}

/// The name of a metric, without what a histogram adds.
pub fn base(name: &str) -> &str {
    ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name)
}

/// Each metric with its type and labels, as a scrape shows them.
pub fn rendered() -> BTreeMap<String, (String, BTreeSet<String>)> {
    let metrics = Metrics::new().expect("metrics");
    metrics.request("push", "pushed");
    metrics.refusal("releases", "enforce");
    metrics.pull_rule("production", "refuse");
    metrics.limit("max_resets").count();
    metrics.known_tag(true);
    metrics.webhook_delivery("chat", "delivered");
    metrics.configured(0);
    metrics.webhook_waiting("chat", 0);
    metrics.audited(Some(&AuditFigures { differences: vec![("drifted", 1)], ..AuditFigures::default() }));
    metrics.upstream("GET", true, Duration::ZERO);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(metrics.ledger("claim", async { Ok::<(), ()>(()) })).expect("an answer");
    let text = metrics.render().expect("text");

    let label = Regex::new(r#"(\w+)=""#).expect("an expression");
    let mut found = BTreeMap::new();
    for line in text.lines() {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            found.insert(name.to_owned(), (kind.to_owned(), BTreeSet::new()));
        } else if let Some((name, labels)) = line.split_once('{') {
            let (_, known) = found.get_mut(base(name)).expect("a metric with a type");
            known.extend(label.captures_iter(labels).map(|label| label[1].to_owned()).filter(|label| label != "le"));
        }
    }
    found
}

#[test]
fn every_metric_is_documented_and_no_other() {
    let documented = table(&operations(), "## Metrics").into_iter().map(|row| {
        let labels = set(quoted(&row[2]));
        (row[0].trim_matches('`').to_owned(), (row[1].clone(), labels))
    });
    let documented: BTreeMap<_, _> = documented.collect();
    assert_eq!(documented, rendered());
}

#[test]
fn every_ledger_operation_is_documented() {
    let operations = table(&operations(), "## Metrics");
    let row = operations.iter().find(|row| row[0] == "`pushonce_ledger_seconds`").expect("the row");
    let documented: BTreeSet<String> = set(quoted(&row[3])).into_iter().filter(|word| !word.ends_with("ed")).collect();
    let timed: BTreeSet<String> = sources("src")
        .iter()
        .flat_map(|(_, text)| {
            text.split("metrics.ledger(\"").skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(documented, timed);
}

#[test]
fn every_field_of_a_decision_is_documented() {
    let decision = read("src/gate/decision.rs");
    let event = between(&decision, "tracing::event!(", "\"{} {}\"");
    let fields = event.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("target:") && *line != "$level,");
    let fields = fields.filter_map(|line| line.split([' ', ',']).next());
    assert_eq!(names(&logs(), "## Decisions"), set(fields));
}

#[test]
fn every_kind_is_documented() {
    let intent = read("src/gate/intent.rs");
    let passing = literals(between(&intent, "pub fn as_str", "\n}"));
    let kinds: BTreeSet<String> = given_to("Decision::new(").into_iter().chain(set(passing)).collect();
    assert_eq!(names(&logs(), "### Kind"), kinds);
}

#[test]
fn every_verdict_is_documented_with_its_level() {
    let (refusal, decision) = (read("src/refusal.rs"), read("src/gate/decision.rs"));
    let refusals = set(literals(between(&refusal, "pub fn verdict", "\n    }\n")));
    let first = set(literals(between(&decision, "            verdict: ", ",")));
    let verdicts: BTreeSet<String> = given_to("decision.verdict(").into_iter().chain(refusals).chain(first).collect();
    assert_eq!(names(&logs(), "### Verdict"), verdicts);

    let choice = between(&decision, "match self.verdict {", "}\n    }");
    for row in table(&logs(), "### Verdict") {
        let verdict = row[0].trim_matches('`');
        let arm = choice.lines().find(|line| line.contains(&format!("\"{verdict}\""))).unwrap_or("Level::INFO");
        assert!(arm.contains(&format!("Level::{}", row[1])), "the level of `{verdict}` is not {}", row[1]);
    }
}

/// The message of a `tracing` line: the last literal between its parentheses.
fn message(call: &str) -> Option<&str> {
    let (mut depth, mut in_text, mut end) = (1, false, call.len());
    for (at, letter) in call.char_indices() {
        match letter {
            '"' => in_text = !in_text,
            '(' if !in_text => depth += 1,
            ')' if !in_text => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            end = at;
            break;
        }
    }
    literals(&call[..end]).pop()
}

#[test]
fn every_other_line_is_documented_with_its_level() {
    let mut lines = BTreeSet::new();
    for (_, text) in sources("src") {
        for level in ["info", "warn", "error"] {
            let call = format!("tracing::{level}!(");
            let calls = text.split(&call).skip(1);
            lines.extend(calls.filter_map(message).map(|message| (message.to_owned(), level.to_uppercase())));
        }
    }
    let documented: BTreeSet<_> =
        table(&logs(), "## Other lines").into_iter().map(|row| (row[0].clone(), row[1].clone())).collect();
    assert_eq!(documented, lines);
}

#[test]
fn every_path_of_the_second_listener_is_documented() {
    let admin = read("src/admin.rs");
    let routes = admin.split(".route(\"").skip(1).filter_map(|rest| rest.split('"').next());
    assert_eq!(names(&operations(), "## Health"), set(routes));
}
