//! Reads a span of time as people write it: `10s`, `5m`, `1h30m`, `500ms`, `2d`, or a bare number of seconds; the same
//! forms that `gandy.toml` has.

use std::time::Duration;

const UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let ms = match text.parse::<u64>() {
        Ok(seconds) => seconds.checked_mul(1_000),
        Err(_) => total_ms(text),
    };
    ms.map(Duration::from_millis)
        .ok_or_else(|| "write a span such as 10s, 5m, 1h30m, 2d, or a number of seconds".to_owned())
}

fn total_ms(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (number, tail) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let (unit, tail) = tail.split_at(
            tail.find(|c: char| c.is_ascii_digit())
                .unwrap_or(tail.len()),
        );
        let (_, unit_ms) = UNITS.iter().find(|(name, _)| *name == unit)?;
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(*unit_ms)?)?;
        rest = tail;
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_as_people_write_them() {
        for (text, ms) in [
            ("10s", 10_000),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("500ms", 500),
            ("2d", 172_800_000),
            ("25", 25_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(ms)), "{text}");
        }
    }

    #[test]
    fn what_is_no_span_is_refused() {
        for text in [
            "",
            "s",
            "5 m",
            "-5s",
            "1.5s",
            "5x",
            "m5",
            "5m3",
            "ä",
            "99999999999999999999d",
            "18446744073709551615",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
