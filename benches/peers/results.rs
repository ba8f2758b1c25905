//! What was measured, round by round.

use std::collections::BTreeMap;

use super::load::{Figures, Metric};
use super::peer::Subject;

/// Figures of every row, subject and metric, one of each round.
#[derive(Default)]
pub struct Results {
    rows: Vec<(&'static str, Measured)>,
}

type Measured = BTreeMap<(Subject, Metric), Vec<f64>>;

/// A median with the lowest and the highest.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    pub low: f64,
    pub median: f64,
    pub high: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let median = match values.len() {
            0 => return None,
            odd if odd % 2 == 1 => values[odd / 2],
            even => f64::midpoint(values[even / 2 - 1], values[even / 2]),
        };
        Some(Self { low: values[0], median, high: values[values.len() - 1] })
    }
}

impl Results {
    pub fn add(&mut self, row: &'static str, subject: Subject, figures: &Figures) {
        let place = self.rows.iter().position(|(name, _)| *name == row).unwrap_or_else(|| {
            self.rows.push((row, Measured::new()));
            self.rows.len() - 1
        });
        for (metric, value) in figures {
            self.rows[place].1.entry((subject, *metric)).or_default().push(*value);
        }
    }

    pub fn rows(&self) -> impl Iterator<Item = &'static str> {
        self.rows.iter().map(|(name, _)| *name)
    }

    pub fn subjects(&self, row: &str) -> Vec<Subject> {
        let mut subjects: Vec<Subject> = self.figures(row).map(|((subject, _), _)| *subject).collect();
        subjects.dedup();
        subjects
    }

    pub fn metrics(&self, row: &str) -> Vec<Metric> {
        let mut metrics: Vec<Metric> = self.figures(row).map(|((_, metric), _)| *metric).collect();
        metrics.sort_unstable();
        metrics.dedup();
        metrics
    }

    fn figures(&self, row: &str) -> impl Iterator<Item = (&(Subject, Metric), &Vec<f64>)> {
        self.rows.iter().filter(move |(name, _)| *name == row).flat_map(|(_, figures)| figures)
    }

    fn values(&self, row: &str, subject: Subject, metric: Metric) -> Option<&Vec<f64>> {
        self.rows.iter().find(|(name, _)| *name == row)?.1.get(&(subject, metric))
    }

    pub fn spread(&self, row: &str, subject: Subject, metric: Metric) -> Option<Spread> {
        Spread::of(self.values(row, subject, metric)?.clone())
    }

    /// What `subject` needs for each unit that `base` needs: the median of the ratios of
    /// all rounds, whose turns stood side by side.
    pub fn ratio(&self, (row, subject): (&str, Subject), (base_row, base): (&str, Subject), metric: Metric) -> Option<Spread> {
        let pairs = self.values(row, subject, metric)?.iter().zip(self.values(base_row, base, metric)?);
        Spread::of(pairs.map(|(value, base)| value / base).collect())
    }

    /// How much more `subject` needs than `base`.
    pub fn difference(&self, (row, subject): (&str, Subject), (base_row, base): (&str, Subject), metric: Metric) -> Option<Spread> {
        let pairs = self.values(row, subject, metric)?.iter().zip(self.values(base_row, base, metric)?);
        Spread::of(pairs.map(|(value, base)| value - base).collect())
    }
}
