//! Times, sizes and numbers as people read them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gandy::views::words::is_unseen;

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

/// An instant as seen from now: `in 5 min`, `now`, `3 h ago`.
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

/// A span in its largest unit, short enough for a column: `340 ms`, `12 s`, `5 min`, `3 h`, `2 d`.
pub(crate) fn span(ms: u64) -> String {
    if ms < SECOND {
        return format!("{ms} ms");
    }
    // What rounds to 60 seconds is a minute, so the unit is chosen after rounding.
    for (unit, name, next) in [
        (SECOND, "s", MINUTE),
        (MINUTE, "min", HOUR),
        (HOUR, "h", DAY),
        (DAY, "d", YEAR),
    ] {
        let rounded = ms.saturating_add(unit / 2) / unit;
        if rounded < next / unit {
            return format!("{rounded} {name}");
        }
    }
    format!("{} y", ms.saturating_add(YEAR / 2) / YEAR)
}

pub(crate) fn span_of(span_: Duration) -> String {
    span(u64::try_from(span_.as_millis()).unwrap_or(u64::MAX))
}

/// A run time: `4.2 ms`, `340 ms`, `12.5 s`.
pub(crate) fn took(ms: f64) -> String {
    match ms {
        ms if ms < 10.0 => format!("{ms:.1} ms"),
        ms if ms < 1_000.0 => format!("{ms:.0} ms"),
        ms if ms < 60_000.0 => format!("{:.1} s", ms / 1_000.0),
        ms => span(ms as u64),
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

/// A number for a tile or a rail, where a long one has no room: `9,999`, `12.3k`, `1.2M`.
pub(crate) fn short(number: u64) -> String {
    let scaled = |unit: u64, name: &str| {
        let value = number as f64 / unit as f64;
        match value {
            value if value < 100.0 => format!("{value:.1}{name}"),
            value => format!("{value:.0}{name}"),
        }
    };
    match number {
        0..10_000 => grouped(number),
        10_000..1_000_000 => scaled(1_000, "k"),
        1_000_000..1_000_000_000 => scaled(1_000_000, "M"),
        _ => scaled(1_000_000_000, "G"),
    }
}

/// A rate: `0`, `0.3`, `12`, `1,234`.
pub(crate) fn rate(per_second: f64) -> String {
    match per_second.abs() {
        rate if rate < 0.05 => "0".to_owned(),
        rate if rate < 10.0 => format!("{per_second:.1}").replace('-', "−"),
        rate => {
            let sign = if per_second < 0.0 { "−" } else { "" };
            format!("{sign}{}", grouped(rate.round() as u64))
        }
    }
}

/// Memory: `512 kB`, `45 MB`, `3.0 GB`.
pub(crate) fn bytes(bytes: u64) -> String {
    const KB: u64 = 1 << 10;
    const MB: u64 = 1 << 20;
    const GB: u64 = 1 << 30;
    match bytes {
        0..KB => format!("{bytes} B"),
        KB..MB => format!("{} kB", bytes / KB),
        MB..GB => format!("{} MB", bytes / MB),
        _ => format!("{:.1} GB", bytes as f64 / GB as f64),
    }
}

/// `1 job`, `2 jobs`, `1,200 jobs`.
pub(crate) fn count(number: u64, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {thing}{plural}", grouped(number))
}

/// An instant as ISO 8601 in UTC, to the millisecond: `2026-11-23T22:03:25.123Z`. Scores are anybody's numbers: what no
/// calendar holds is said as the number that it is.
pub(crate) fn iso(at_ms: i64) -> String {
    const LAST: i64 = 253_402_300_799_999;
    if !(0..=LAST).contains(&at_ms) {
        return format!("{at_ms} ms since 1970");
    }
    let (days, ms) = (at_ms / DAY as i64, at_ms % DAY as i64);
    let (year, month, day) = civil(days);
    let (hour, minute) = (ms / HOUR as i64, ms / MINUTE as i64 % 60);
    let (second, milli) = (ms / SECOND as i64 % 60, ms % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// Days since 1970 as year, month and day (Howard Hinnant's `civil_from_days`).
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// The first `most` characters, with a sign that there are more. What nobody sees stands there as an escape, so that no name
/// looks like another; joiners and variants are left where they belong, within other scripts and emoji.
pub(crate) fn clipped(text: &str, most: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(4 * most));
    let mut last = ' ';
    for (at, char) in text.chars().enumerate() {
        if at == most {
            shown.push('…');
            break;
        }
        let joins = matches!(char, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}');
        let seen = matches!(char, '\n' | '\t') || (joins && !last.is_ascii());
        match is_unseen(char) && !seen {
            true => shown.extend(char.escape_default()),
            false => shown.push(char),
        }
        last = char;
    }
    shown
}

/// An instant as a page shows it: seen from now, with the exact time beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct When {
    pub(crate) at_ms: i64,
    pub(crate) iso: String,
    pub(crate) relative: String,
    /// To the second, as a table has room for: `11-23 22:03:25 UTC`; a script tells it in the reader's own zone.
    pub(crate) clock: String,
}

impl When {
    pub(crate) fn new(at_ms: i64, now_ms: i64) -> Self {
        let iso = iso(at_ms);
        Self {
            at_ms,
            clock: match iso.get(5..19) {
                Some(clock) if iso.ends_with('Z') => format!("{} UTC", clock.replace('T', " ")),
                _ => String::new(),
            },
            relative: relative(at_ms, now_ms),
            iso,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_said_as_seen_from_now_and_exactly() {
        let now = 1_795_398_104_597;
        assert_eq!(relative(now - 59_500, now), "1 min ago");
        assert_eq!(relative(now + 7_199_000, now), "in 2 h");
        assert_eq!(relative(i64::MAX, now), "in 292471152 y");
        assert!(relative(i64::MIN, now).ends_with("y ago"));
        assert_eq!(iso(now), "2026-11-23T01:41:44.597Z");
        assert_eq!(When::new(now, now).clock, "11-23 01:41:44 UTC");
        assert_eq!(When::new(-1, now).clock, "");
        assert_eq!(iso(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(iso(-1), "-1 ms since 1970");
        assert_eq!(iso(i64::MAX), format!("{} ms since 1970", i64::MAX));
    }

    #[test]
    fn numbers_and_sizes_fit_where_they_stand() {
        assert_eq!(
            [short(9_999), short(12_345), short(1_234_567)],
            ["9,999", "12.3k", "1.2M"]
        );
        assert_eq!(
            [rate(0.0), rate(-0.31), rate(1234.4), rate(-50.0)],
            ["0", "−0.3", "1,234", "−50"]
        );
        assert_eq!(
            [bytes(7), bytes(46 << 20), bytes(3 << 30)],
            ["7 B", "46 MB", "3.0 GB"]
        );
        assert_eq!(
            [took(4.21), took(12.0), took(90_000.0)],
            ["4.2 ms", "12 ms", "2 min"]
        );
        assert_eq!(
            (clipped("äöü", 2), clipped("ab", 2)),
            ("äö…".to_owned(), "ab".to_owned())
        );
    }

    #[test]
    fn no_name_looks_like_another() {
        for (name, shown) in [
            ("\u{202e}evil", "\\u{202e}evil"),
            ("Zero\u{200b}Width", "Zero\\u{200b}Width"),
            ("Zero\u{200d}Width", "Zero\\u{200d}Width"),
            ("\u{1f468}\u{200d}\u{1f469}", "\u{1f468}\u{200d}\u{1f469}"),
            ("two\nlines", "two\nlines"),
        ] {
            assert_eq!(clipped(name, 100), shown);
        }
    }
}
