//! What pushonce has to reach, and whether it does.

use std::fmt::Write as _;

use super::cell;
use crate::load::Metric::{self, CpuPerGib, CpuPerRequest, Median, Memory, Rate, Throughput, Time};
use crate::peer::Subject::{Direct, Nginx, Pushonce};
use crate::results::{Results, Spread};

/// A figure of pushonce with its limit.
struct Aim {
    what: &'static str,
    unit: &'static str,
    limit: Limit,
    measured: fn(&Results) -> Option<Spread>,
}

enum Limit {
    AtMost(f64),
    AtLeast(f64),
}
use Limit::{AtLeast, AtMost};

/// Against another proxy, or none, in the same row.
fn against(results: &Results, row: &str, base: crate::peer::Subject, metric: Metric) -> Option<Spread> {
    results.ratio((row, Pushonce), (row, base), metric)
}

macro_rules! aims {
    ($($what:literal, $unit:literal, $limit:expr, $measured:expr;)*) => {
        const AIMS: &[Aim] = &[$(Aim { what: $what, unit: $unit, limit: $limit, measured: $measured }),*];
    };
}

aims! {
    "blob GET, 1 stream: CPU per GiB", "× nginx", AtMost(0.95), |results| against(results, "blob GET, 1 stream", Nginx, CpuPerGib);
    "blob GET, 8 streams: CPU per GiB", "× nginx", AtMost(0.95), |results| against(results, "blob GET, 8 streams", Nginx, CpuPerGib);
    "blob upload, 1 stream: CPU per GiB", "× nginx", AtMost(0.85), |results| against(results, "blob upload, 1 stream", Nginx, CpuPerGib);
    "blob upload, 8 streams: CPU per GiB", "× nginx", AtMost(0.85), |results| against(results, "blob upload, 8 streams", Nginx, CpuPerGib);
    "blob GET over TLS, 1 stream: CPU per GiB", "× nginx", AtMost(0.65), |results| against(results, "blob GET, 1 stream, TLS", Nginx, CpuPerGib);
    "blob GET over TLS, 8 streams: CPU per GiB", "× nginx", AtMost(0.65), |results| against(results, "blob GET, 8 streams, TLS", Nginx, CpuPerGib);
    "blob upload over TLS, 1 stream: CPU per GiB", "× nginx", AtMost(0.80), |results| against(results, "blob upload, 1 stream, TLS", Nginx, CpuPerGib);
    "blob upload over TLS, 8 streams: CPU per GiB", "× nginx", AtMost(0.80), |results| against(results, "blob upload, 8 streams, TLS", Nginx, CpuPerGib);
    "blob GET from docker-registry: GiB/s", "× direct", AtLeast(0.95), |results| against(results, "blob GET from docker-registry", Direct, Throughput);
    "blob upload to docker-registry: GiB/s", "× direct", AtLeast(0.95), |results| against(results, "blob upload to docker-registry", Direct, Throughput);
    "manifest GET: CPU per request", "× nginx", AtMost(1.0), |results| against(results, "manifest GET by digest", Nginx, CpuPerRequest);
    "manifest GET: requests/s", "× nginx", AtLeast(1.0), |results| against(results, "manifest GET by digest", Nginx, Rate);
    "a pinned pull beside an unpinned one: CPU", "µs more", AtMost(2.0), |results| results.difference(("manifest GET by immutable tag", Pushonce), ("manifest GET by moving tag", Pushonce), CpuPerRequest);
    "refused re-push: times as fast as a manifest GET from docker-registry", "×", AtLeast(5.0), |results| results.ratio(("manifest GET from docker-registry", Direct), ("refused re-push", Pushonce), Median);
    "PUT of a moving tag: p50", "ms more than direct", AtMost(0.3), |results| results.difference(("PUT of a moving tag", Pushonce), ("PUT of a moving tag", Direct), Median);
    "first PUT of an immutable tag: p50", "× direct", AtMost(2.5), |results| against(results, "first PUT of an immutable tag", Direct, Median);
    "further tags of the same build: p50", "× direct", AtMost(2.0), |results| against(results, "further tags of the same build", Direct, Median);
    "memory at rest", "MiB", AtMost(10.0), |results| results.spread("memory at rest", Pushonce, Memory);
    "memory with 200 slow streams", "MiB", AtMost(64.0), |results| results.spread("memory, 200 slow streams", Pushonce, Memory);
    "memory with 2,000 slow streams", "MiB", AtMost(400.0), |results| results.spread("memory, 2,000 slow streams", Pushonce, Memory);
    "start to first answer, with a full ledger", "s", AtMost(0.05), |results| results.spread("start to first answer, full ledger", Pushonce, Time);
}

/// The aims with what was measured of each; those that were not measured are left out.
pub fn table(results: &Results) -> String {
    let mut text = "| pushonce | aim | measured | |\n|---|---|---|---|\n".to_owned();
    for Aim { what, unit, limit, measured } in AIMS {
        let Some(spread) = measured(results) else { continue };
        let (word, limit, is_reached) = match limit {
            AtMost(limit) => ("≤", limit, spread.median <= *limit),
            AtLeast(limit) => ("≥", limit, spread.median >= *limit),
        };
        let reached = if is_reached { "reached" } else { "**not reached**" };
        let _ = writeln!(text, "| {what} | {word} {limit} {unit} | {} | {reached} |", cell(spread));
    }
    text
}
