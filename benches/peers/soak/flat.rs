//! What was used at a moment, and whether it stays the same.

use std::fmt;
use std::time::Duration;

use crate::usage::Tree;

/// What pushonce used at a moment, and how long pulls took since the one before.
pub struct Sample {
    at: Duration,
    memory: f64,
    descriptors: usize,
    median: Duration,
    slowest: Duration,
}

impl Sample {
    pub const HEAD: &str = "seconds |    MiB | descriptors | pull p50 ms | pull p99 ms";

    pub fn of(at: Duration, tree: &Tree, mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let percentile = |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or_default();
        let (median, slowest) = (percentile(50), percentile(99));
        Self { at, memory: tree.memory(), descriptors: tree.descriptors(), median, slowest }
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = |time: Duration| time.as_secs_f64() * 1e3;
        let (at, median, slowest) = (self.at.as_secs(), millis(self.median), millis(self.slowest));
        write!(f, "{at:7} | {:6.1} | {:11} | {median:11.2} | {slowest:11.2}", self.memory, self.descriptors)
    }
}

/// How much more the end may take than the time after the beginning: memory in MiB, since
/// each release that is pushed is remembered; descriptors, since clients come and go; and
/// the times of a machine that others use as well.
const MORE_MEMORY: f64 = 8.0;
const MORE_DESCRIPTORS: f64 = 16.0;
const TIMES_AS_SLOW: f64 = 2.0;

/// Compares the last third with the second one: in the first, caches fill. Names what is
/// not flat.
pub fn judge(samples: &[Sample]) -> Result<(), Vec<String>> {
    let third = samples.len() / 3;
    let (middle, last) = (&samples[third..2 * third], &samples[2 * third..]);
    let compare = |what: &str, of: fn(&Sample) -> f64, most: &dyn Fn(f64) -> f64| {
        let (before, after) = (median(middle, of), median(last, of));
        (after > most(before)).then(|| format!("{what}: {before:.2} before, {after:.2} at the end"))
    };
    let grown: Vec<String> = [
        compare("memory in MiB", |sample| sample.memory, &|before| before + MORE_MEMORY),
        compare("descriptors", |sample| sample.descriptors as f64, &|before| before + MORE_DESCRIPTORS),
        compare("the median of pulls in seconds", |sample| sample.median.as_secs_f64(), &|before| before * TIMES_AS_SLOW),
    ]
    .into_iter()
    .flatten()
    .collect();
    if grown.is_empty() { Ok(()) } else { Err(grown) }
}

fn median(samples: &[Sample], of: fn(&Sample) -> f64) -> f64 {
    let mut values: Vec<f64> = samples.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
