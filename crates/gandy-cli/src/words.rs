//! Times and sizes in words, and words that are filters.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gandy::Filter;

use crate::printable::printable;

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const YEAR: u64 = 365 * DAY;

/// Milliseconds since 1970 by this machine's clock.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// An instant as seen from now: `in 5 minutes`, `now`, `3 hours ago`.
pub(crate) fn relative(at_ms: i64, now_ms: i64) -> String {
    let distance = at_ms.abs_diff(now_ms);
    if distance < SECOND {
        "now".to_owned()
    } else if at_ms > now_ms {
        format!("in {}", span(distance))
    } else {
        format!("{} ago", span(distance))
    }
}

/// A span in the largest unit of which it has one, rounded to whole ones.
pub(crate) fn span(ms: u64) -> String {
    if ms < SECOND {
        return format!("{ms} ms");
    }
    // What rounds to 60 seconds is a minute, so the unit is chosen after rounding.
    for (unit, name, next) in [
        (SECOND, "second", MINUTE),
        (MINUTE, "minute", HOUR),
        (HOUR, "hour", DAY),
        (DAY, "day", YEAR),
    ] {
        let rounded = ms.saturating_add(unit / 2) / unit;
        if rounded < next / unit {
            return count(rounded, name);
        }
    }
    count(ms.saturating_add(YEAR / 2) / YEAR, "year")
}

/// A filter of a flag. The word may be anything, so what is said about it is made printable.
pub(crate) fn filter(text: &str) -> Result<Filter, String> {
    Filter::parse(text).map_err(|error| printable(&error.to_string()))
}

/// A span of a flag.
pub(crate) fn parse_span(text: &str) -> Result<Duration, String> {
    gandy::span::parse(text)
        .ok_or_else(|| "write a span such as 10s, 5m, 1h30m, 2d, or a number of seconds".to_owned())
}

/// A span of a flag that means nothing without one: a deadline, an interval.
pub(crate) fn parse_some_span(text: &str) -> Result<Duration, String> {
    match parse_span(text)? {
        Duration::ZERO => Err("write a span above 0, such as 500ms, 10s, 5m".to_owned()),
        span => Ok(span),
    }
}

/// `1 job`, `2 jobs`.
pub(crate) fn count(number: u64, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// A number that can be read: `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// Memory, from kilobytes.
pub(crate) fn memory(kb: u64) -> String {
    match kb {
        0..1024 => format!("{kb} kB"),
        1024..1_048_576 => format!("{} MB", kb / 1024),
        _ => format!("{:.1} GB", kb as f64 / 1_048_576.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_said_as_seen_from_now() {
        let now = 1_795_398_104_597;
        for (offset, words) in [
            (0, "now"),
            (-999, "now"),
            (1_000, "in 1 second"),
            (-59_400, "59 seconds ago"),
            (-59_500, "1 minute ago"),
            (7_199_000, "in 2 hours"),
            (60_000, "in 1 minute"),
            (-7_200_000, "2 hours ago"),
            (172_800_000, "in 2 days"),
            (-63_072_000_000, "2 years ago"),
        ] {
            assert_eq!(relative(now + offset, now), words);
        }
        // Scores are anybody's numbers.
        assert_eq!(relative(i64::MAX, now), "in 292471152 years");
        assert!(relative(i64::MIN, now).ends_with("years ago"));
    }

    #[test]
    fn a_span_is_read_by_one_rule_and_where_it_is_needed_it_is_not_0() {
        for (text, span) in [("500ms", 500), ("10", 10_000), ("1h30m", 5_400_000)] {
            let span = Ok(Duration::from_millis(span));
            assert_eq!(
                (parse_span(text), parse_some_span(text)),
                (span.clone(), span)
            );
        }
        assert_eq!(parse_span("0s"), Ok(Duration::ZERO));
        assert!(parse_some_span("0s").is_err_and(|error| error.contains("above 0")));
        assert_eq!(parse_some_span("soon"), parse_span("soon"));
        assert!(parse_span("soon").is_err());
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(
            (memory(512), memory(46_000), memory(3_145_728)),
            ("512 kB".into(), "44 MB".into(), "3.0 GB".into())
        );
        assert_eq!(
            (grouped(7), grouped(1_234_567), grouped(123_456)),
            ("7".into(), "1,234,567".into(), "123,456".into())
        );
        assert_eq!(
            (count(1, "job"), count(0, "job"), span(340)),
            ("1 job".into(), "0 jobs".into(), "340 ms".into())
        );
    }
}
