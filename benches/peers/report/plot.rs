//! Plots in SVG: one bar for each subject of each row, its spread as a line.

use maud::{Markup, PreEscaped, html};

use super::number;
use crate::load::Metric;
use crate::peer::Subject;
use crate::results::Results;

/// One picture.
pub struct Plot {
    pub file: &'static str,
    pub title: &'static str,
    pub description: &'static str,
    metric: Metric,
    rows: &'static [&'static str],
}

pub const ALL: &[Plot] = &[
    Plot {
        file: "performance-blobs.svg",
        title: "Blobs",
        description: "CPU seconds of each proxy for a GiB, for downloads and uploads, plain and over TLS",
        metric: Metric::CpuPerGib,
        rows: &[
            "blob GET, 1 stream",
            "blob GET, 8 streams",
            "blob upload, 1 stream",
            "blob upload, 8 streams",
            "blob upload, chunked",
            "blob GET, 1 stream, TLS",
            "blob GET, 8 streams, TLS",
            "blob upload, 1 stream, TLS",
            "blob upload, 8 streams, TLS",
        ],
    },
    Plot {
        file: "performance-manifests.svg",
        title: "Manifests",
        description: "CPU microseconds of each proxy for a request of a manifest",
        metric: Metric::CpuPerRequest,
        rows: &[
            "manifest GET by digest",
            "manifest GET by moving tag",
            "manifest GET by immutable tag",
            "manifest HEAD by digest",
            "manifest HEAD by moving tag",
            "manifest HEAD by immutable tag",
        ],
    },
    Plot {
        file: "performance-pushes.svg",
        title: "Pushes of manifests",
        description: "Milliseconds from a push to its answer, the median, without a proxy and with each",
        metric: Metric::Median,
        rows: &[
            "PUT of a moving tag",
            "first PUT of an immutable tag",
            "further tags of the same build",
            "identical re-push",
            "refused re-push",
            "manifest GET from docker-registry",
        ],
    },
    Plot {
        file: "performance-memory.svg",
        title: "Memory",
        description: "MiB of each proxy at rest and with clients that read slowly",
        metric: Metric::Memory,
        rows: &["memory at rest", "memory, 200 slow streams", "memory, 2,000 slow streams"],
    },
];

const WIDTH: f64 = 760.0;
/// Where bars begin, and how long the longest may be.
const LEFT: f64 = 150.0;
const LONGEST: f64 = 500.0;
const BAR: f64 = 15.0;
const GAP: f64 = 4.0;
const HEAD: f64 = 26.0;

/// Readable on light pages and on dark ones.
const STYLE: &str = "text{font:12px system-ui,sans-serif;fill:#1f2328}.row{font-weight:600}.value{fill:#57606a}\
    .bar{fill:#8c959f}.own{fill:#0969da}.spread{stroke:#1f2328;stroke-width:1.5}\
    @media(prefers-color-scheme:dark){text{fill:#e6edf3}.value{fill:#9198a1}.bar{fill:#656c76}.own{fill:#4493f8}.spread{stroke:#e6edf3}}";

impl Plot {
    pub fn draw(&self, results: &Results) -> String {
        let measured: Vec<&str> = self.rows.iter().copied().filter(|row| !self.bars(results, row).is_empty()).collect();
        let mut top = 8.0;
        let mut parts: Vec<Markup> = Vec::new();
        for row in measured {
            let bars = self.bars(results, row);
            let most = bars.iter().map(|(_, spread)| spread.high).fold(f64::MIN_POSITIVE, f64::max);
            parts.push(html! { text class="row" x="8" y=(top + 14.0) { (row) ", " (self.metric.name()) } });
            top += HEAD;
            for (subject, spread) in bars {
                let at = |value: f64| LEFT + value / most * LONGEST;
                let class = if subject == Subject::Pushonce { "own" } else { "bar" };
                let (middle, baseline) = (top + BAR / 2.0, top + BAR - 3.0);
                parts.push(html! {
                    text x=(LEFT - 8.0) y=(baseline) text-anchor="end" { (subject) }
                    rect class=(class) x=(LEFT) y=(top) width=(format!("{:.1}", at(spread.median) - LEFT)) height=(BAR) rx="2" {}
                    line class="spread" x1=(format!("{:.1}", at(spread.low))) x2=(format!("{:.1}", at(spread.high))) y1=(middle) y2=(middle) {}
                    text class="value" x=(LEFT + LONGEST + 8.0) y=(baseline) { (number(spread.median)) }
                });
                top += BAR + GAP;
            }
            top += GAP * 2.0;
        }
        let drawn = html! {
            svg xmlns="http://www.w3.org/2000/svg" viewBox={ "0 0 " (WIDTH) " " (top) } width=(WIDTH) height=(top) role="img" aria-label=(self.description) {
                style { (PreEscaped(STYLE)) }
                @for part in parts { (part) }
            }
        };
        drawn.into_string()
    }

    fn bars(&self, results: &Results, row: &str) -> Vec<(Subject, crate::results::Spread)> {
        let subjects = results.subjects(row).into_iter();
        subjects.filter_map(|subject| Some((subject, results.spread(row, subject, self.metric)?))).collect()
    }
}
