//! The Prometheus text format, as far as a test reads it.

use std::collections::BTreeMap;

/// The sum of the series called `name` that carry all these labels; 0 if there is none.
pub fn sum(text: &str, name: &str, labels: &[(&str, &str)]) -> f64 {
    let series = text.lines().filter_map(parse_series);
    let wanted = series.filter(|(other, own, _)| {
        *other == name && labels.iter().all(|(label, value)| own.get(label).is_some_and(|own| own == value))
    });
    wanted.map(|(_, _, value)| value).sum()
}

/// `name{label="value",…} 1.5`, as the Prometheus text format writes a series.
fn parse_series(line: &str) -> Option<(&str, BTreeMap<&str, &str>, f64)> {
    let (series, value) = line.rsplit_once(' ').filter(|_| !line.starts_with('#'))?;
    let (name, labels) = series.split_once('{').unwrap_or((series, ""));
    let labels = labels.trim_end_matches('}').split("\",").filter_map(|pair| {
        let (label, value) = pair.split_once("=\"")?;
        Some((label, value.trim_end_matches('"')))
    });
    Some((name, labels.collect(), value.parse().ok()?))
}

#[test]
fn a_series_is_read_with_its_labels() {
    let (name, labels, value) = parse_series(r#"requests_total{kind="push",verdict="refused, for good"} 3"#).expect("a series");
    assert_eq!((name, value), ("requests_total", 3.0));
    assert_eq!(labels, BTreeMap::from([("kind", "push"), ("verdict", "refused, for good")]));
    assert_eq!(parse_series("open_claims 0"), Some(("open_claims", BTreeMap::new(), 0.0)));
    assert_eq!(parse_series("# HELP open_claims how many 1"), None);
}

#[test]
fn series_are_summed_over_the_labels_left_out() {
    let text = "# TYPE pushes counter\npushes{kind=\"tag\",verdict=\"granted\"} 2\npushes{kind=\"tag\",verdict=\"refused\"} 3\n";
    assert_eq!(sum(text, "pushes", &[("kind", "tag")]), 5.0);
    assert_eq!(sum(text, "pushes", &[("verdict", "refused")]), 3.0);
    assert_eq!(sum(text, "pulls", &[]), 0.0);
}
