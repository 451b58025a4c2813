//! Spans of time as people write them: `30s`, `5m`, `1h30m`, `500ms`, `180d`, or a bare number of seconds. One form for
//! the command, configuration files and the environment; `#[job(timeout = "30s")]` reads a part of it when it compiles.

use std::time::Duration;

const UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// Reads a span, to the millisecond; `None` for anything that is not one, overflow included.
///
/// ```
/// use gandy_protocol::span;
/// assert_eq!(span::parse("1h30m"), Some(std::time::Duration::from_secs(5400)));
/// ```
pub fn parse(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let mut rest = text;
    let mut total_ms = 0_u64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit_len = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (_, unit_ms) = UNITS.iter().find(|(unit, _)| *unit == &rest[..unit_len])?;
        total_ms = total_ms.checked_add(number.checked_mul(*unit_ms)?)?;
        rest = &rest[unit_len..];
    }
    (!text.is_empty()).then(|| Duration::from_millis(total_ms))
}

/// Writes a span as [`parse`] reads it, largest unit first; what is below a millisecond is left out.
pub fn show(span: Duration) -> String {
    let mut rest = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, unit_ms) in UNITS.iter().rev() {
        if rest >= *unit_ms {
            text.push_str(&format!("{}{unit}", rest / unit_ms));
            rest %= unit_ms;
        }
    }
    if text.is_empty() {
        text.push_str("0s");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spans_as_people_write_them() {
        for (text, ms) in [
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("500ms", 500),
            ("180d", 15_552_000_000),
            ("25", 25_000),
            ("0", 0),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(ms)), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_span_is_refused() {
        for text in [
            "",
            "s",
            "5 m",
            "-5s",
            "1.5s",
            "5x",
            "5mm",
            "m5",
            "99999999999999999999d",
            "18446744073709551615d",
            "5m3",
            "ä",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn show_is_what_parse_reads(ms in 0_u64..1_000_000_000_000) {
            let span = Duration::from_millis(ms);
            prop_assert_eq!(parse(&show(span)), Some(span));
        }

        #[test]
        fn parse_never_panics(text in ".{0,12}") {
            let _ = parse(&text);
        }
    }
}
