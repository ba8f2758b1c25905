//! Times as people write them.

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, civil};

/// What is said of a text that is no time.
const FORMS: &str = "write 2026-11-24, 2026-11-24T15:00, 2026-11-24T15:00:00+01:00, or how long ago, as in 2h or 30d";

/// A moment: a date, a date and a time, both in UTC unless an offset stands behind them, or
/// how long before `now` it was.
pub fn moment(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let text = text.trim();
    if text == "now" {
        return Ok(now);
    }
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment);
    }
    let in_utc = |time: civil::DateTime| time.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp());
    let said = text.parse::<civil::DateTime>().and_then(in_utc).or_else(|_| {
        text.parse::<Span>().and_then(|span| now.to_zoned(TimeZone::UTC).checked_sub(span.abs())).map(|zoned| zoned.timestamp())
    });
    said.map_err(|_| format!("`{text}` is no time: {FORMS}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_date_a_time_or_an_age() {
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().expect("a time");
        for (text, expected) in [
            ("2026-11-20", "2026-11-20T00:00:00Z"),
            ("2026-11-20T15:30", "2026-11-20T15:30:00Z"),
            ("2026-11-20 15:30:10", "2026-11-20T15:30:10Z"),
            ("2026-11-20T15:30:00+01:00", "2026-11-20T14:30:00Z"),
            ("2026-11-20T15:30:00Z", "2026-11-20T15:30:00Z"),
            ("2h", "2026-11-24T10:00:00Z"),
            ("30d", "2026-10-25T12:00:00Z"),
            ("1h 30m", "2026-11-24T10:30:00Z"),
            ("90m", "2026-11-24T10:30:00Z"),
            ("1d 12h", "2026-11-23T00:00:00Z"),
            ("2026-11-20T15:30:30", "2026-11-20T15:30:30Z"),
            (" now ", "2026-11-24T12:00:00Z"),
        ] {
            assert_eq!(moment(text, now), Ok(expected.parse().expect("a time")), "{text}");
        }
        for text in ["", "yesterday-ish", "2026-13-01", "15:00", "30", "-", "99999999y"] {
            let refused = moment(text, now).expect_err(text);
            assert!(refused.contains("is no time: write 2026-11-24"), "{refused}");
        }
    }
}
