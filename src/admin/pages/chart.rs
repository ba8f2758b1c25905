//! Pushes and refusals of each day, as bars and as a table.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};

use super::parts::{counted, table};
use crate::ledger::event::Outcome;
use crate::ledger::log::Count;

/// One day, in milliseconds.
pub(super) const DAY: u64 = 24 * 60 * 60 * 1_000;

// The drawing, in its own units.
const WIDTH: u64 = 720;
const HEIGHT: u64 = 200;
const LEFT: u64 = 48;
const TOP: u64 = 12;
const BOTTOM: u64 = 28;

/// What happened on one day.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Day {
    pub(super) pushes: u64,
    pub(super) refusals: u64,
}

/// The days from `since` on, with those in which nothing happened.
pub(super) fn days(since: Timestamp, days: u64, counts: &[Count]) -> Vec<(Timestamp, Day)> {
    let mut by_day: BTreeMap<Timestamp, Day> = BTreeMap::new();
    for Count { at, outcome, events } in counts {
        let day = by_day.entry(*at).or_default();
        match outcome {
            Outcome::Pushed | Outcome::Moved | Outcome::Repeated | Outcome::Warned => day.pushes += events,
            Outcome::Refused => day.refusals += events,
            _ => {}
        }
    }
    let begins = (0..days).filter_map(|day| since.checked_add(SignedDuration::from_millis((day * DAY).cast_signed())).ok());
    begins.map(|begin| (begin, by_day.remove(&begin).unwrap_or_default())).collect()
}

/// The smallest round number that is not below the highest bar.
fn ceiling(highest: u64) -> u64 {
    let mut step = 1_u64;
    loop {
        for factor in [1, 2, 5] {
            let round = step.saturating_mul(factor).saturating_mul(4);
            if round >= highest {
                return round;
            }
        }
        step = step.saturating_mul(10);
    }
}

pub(super) fn chart(days: &[(Timestamp, Day)]) -> Markup {
    let (pushes, refusals) =
        days.iter().fold((0, 0), |(pushes, refusals), (_, day)| (pushes + day.pushes, refusals + day.refusals));
    let (all_pushes, all_refusals) = (counted(pushes, "push", "pushes"), counted(refusals, "refusal", "refusals"));
    let top = ceiling(days.iter().map(|(_, day)| day.pushes.max(day.refusals)).max().unwrap_or(0));
    let plot = HEIGHT - TOP - BOTTOM;
    let height = |count: u64| u64::try_from(u128::from(count) * u128::from(plot) / u128::from(top)).unwrap_or(plot);
    let count = (days.len() as u64).max(1);
    // Hundredths, so that many days fit without fractions being lost.
    let slot = (WIDTH - LEFT) * 100 / count;
    let bar = slot * 2 / 5;
    let place = |hundredths: u64| format!("{}.{:02}", hundredths / 100, hundredths % 100);
    let date = |at: &Timestamp| at.to_string().chars().take(10).collect::<String>();
    let labelled = (count / 6).max(1);
    let rows: Vec<Markup> = days
        .iter()
        .rev()
        .filter(|(_, day)| *day != Day::default())
        .map(|(at, day)| html! { tr { td { (date(at)) } td.number { (day.pushes) } td.number { (day.refusals) } } })
        .collect();
    html! {
        figure.chart {
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-labelledby="chart-title chart-words" {
                title #chart-title { "Pushes and refusals of each day" }
                desc #chart-words { (all_pushes) " and " (all_refusals) " in " (days.len()) " days. The table below has each day." }
                defs {
                    pattern #hatch width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" {
                        rect.refusal-ground width="6" height="6" {}
                        line.refusal-line x1="0" y1="0" x2="0" y2="6" {}
                    }
                }
                @for quarter in 0..=4_u64 {
                    @let y = TOP + plot - plot * quarter / 4;
                    line.grid x1=(LEFT) y1=(y) x2=(WIDTH) y2=(y) {}
                    text.scale x=(LEFT - 8) y=(y + 4) text-anchor="end" { (top * quarter / 4) }
                }
                @for (number, (at, day)) in days.iter().enumerate() {
                    @let x = LEFT * 100 + slot * number as u64 + slot / 10;
                    @if day.pushes > 0 {
                        rect.pushes x=(place(x)) y=(TOP + plot - height(day.pushes)) width=(place(bar)) height=(height(day.pushes).max(1)) {}
                    }
                    @if day.refusals > 0 {
                        rect.refusals x=(place(x + bar)) y=(TOP + plot - height(day.refusals)) width=(place(bar)) height=(height(day.refusals).max(1)) fill="url(#hatch)" {}
                    }
                    @if (number as u64).is_multiple_of(labelled) {
                        text.scale x=(place(x)) y=(HEIGHT - 8) { (date(at).get(5..).unwrap_or_default()) }
                    }
                }
            }
            figcaption {
                span.key.of-pushes aria-hidden="true" {} (all_pushes)
                span.key.of-refusals aria-hidden="true" {} (all_refusals)
            }
        }
        details {
            summary { "The same as a table" }
            @if rows.is_empty() { p { "Nothing happened in these days." } }
            @else { (table("by-day", "Pushes and refusals of each day, the newest first", &["Day", "Pushes", "Refusals"], &rows)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: u64) -> Timestamp {
        Timestamp::from_millisecond((day * DAY).cast_signed()).expect("a time")
    }

    #[test]
    fn days_without_events_are_days() {
        let counts = [(2, Outcome::Pushed, 3), (2, Outcome::Moved, 4), (2, Outcome::Refused, 1), (4, Outcome::Drifted, 9)];
        let counts: Vec<Count> =
            counts.iter().map(|(day, outcome, events)| Count { at: at(*day), outcome: *outcome, events: *events }).collect();
        let days = days(at(1), 4, &counts);
        let expected = [Day::default(), Day { pushes: 7, refusals: 1 }, Day::default(), Day::default()];
        assert_eq!(days, (1..=4).map(at).zip(expected).collect::<Vec<_>>());
    }

    #[test]
    fn the_scale_is_round_and_high_enough() {
        for (highest, expected) in [(0, 4), (4, 4), (5, 8), (9, 20), (21, 40), (41, 80), (81, 200), (1_000_001, 2_000_000)] {
            assert_eq!(ceiling(highest), expected, "{highest}");
        }
        assert!(ceiling(u64::MAX) == u64::MAX);
    }

    #[test]
    fn every_bar_is_inside_the_drawing() {
        let many: Vec<(Timestamp, Day)> = (0..90).map(|day| (at(day), Day { pushes: day * day, refusals: day })).collect();
        let drawn = chart(&many).into_string();
        assert_eq!(drawn.matches("<rect class=\"pushes\"").count(), 89);
        let number = |part: &str, key: &str| {
            let (_, rest) = part.split_once(&format!(" {key}=\"")).expect(key);
            rest.split('"').next().expect("a value").parse::<f64>().expect("a number")
        };
        for part in drawn.split("<rect class=\"").skip(1).filter(|part| part.starts_with("pushes") || part.starts_with("refusals"))
        {
            let (x, y) = (number(part, "x"), number(part, "y"));
            assert!(x >= LEFT as f64 && x + number(part, "width") <= WIDTH as f64, "{part}");
            assert!(y >= TOP as f64 && y + number(part, "height") <= (HEIGHT - BOTTOM + 1) as f64, "{part}");
        }
        assert!(drawn.contains(">89<") && drawn.contains("7921"), "the table has the figures");
    }

    #[test]
    fn no_days_are_no_panic() {
        assert!(chart(&[]).into_string().contains("Nothing happened"));
    }
}
