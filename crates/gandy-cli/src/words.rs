//! Times and sizes in words, and words that are filters.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gandy::Filter;
pub(crate) use gandy::views::words::{count, relative, span};

use crate::printable::printable;

/// Milliseconds since 1970 by this machine's clock.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
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
